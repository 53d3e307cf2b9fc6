"""Makes the receipt of a run from its journal, with a card for each medium that says where it came from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

from rivya_flows.assets import Asset, Outputs, as_asset, assets_in, output_assets
from rivya_flows.estimate.estimate import Estimate, remaining
from rivya_flows.language.canonical import canonical
from rivya_flows.language.quality import NOT_MEASURED, REFUSED_MEDIA, measures_in, texts_of
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.wording import cut
from rivya_flows.plans.names import label, subject_of
from rivya_flows.questions import open_questions
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.queue.evaluation import candidates_before
from rivya_flows.queue.events import OtherRun, RunFrozen, RunResumed, Stamped
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.queue import replay, wanted_media
from rivya_flows.queue.reviewing import is_reviewed, person_of
from rivya_flows.queue.scope import item_status, outputs_of
from rivya_flows.queue.state import State
from rivya_flows.receipt import model
from rivya_flows.receipt.continuing import BOUGHT_AGAIN
from rivya_flows.receipt.ledger import History, explain_wallet, reconcile
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.review import APPROVE, read_notes

Recorded = Mapping[str, Asset]
"""The media that the journal of a run recorded, by SHA-256.

Specs, answers of models and functions may write any map; what is not recorded is not a medium of
the run, whatever it looks like.
"""

_STOPPED = ("cancelled", "suspended", "failed")


def receipt(entries: Sequence[Stamped]) -> model.Receipt:
    """The receipt of a journal so far; ValueError if it is empty."""
    return receipt_of(History(entries), replay(entry.event for entry in entries))


def receipt_of(history: History, state: State) -> model.Receipt:
    """The receipt of a run so far; `state` is that after the last entry."""
    rows = history.purchases(state)
    credits = sum_credits(state, history.spent_by_others, history.other_runs)
    first = history.first
    assert first is not None
    workflow = state.plan.workflow
    cards = provenance(state)
    media, outputs = model.media_on(cards), outputs_of(state)
    asked = {(one.step, one.key): one for one in open_questions.answerable(state)}
    return model.Receipt(
        run_id=state.run_id,
        name=workflow.name,
        title=workflow.title,
        subject=subject_of(workflow, state.plan.inputs),
        status=state.ended or "running",
        service=state.service,
        sandbox=is_sandbox(state.service),
        wallet=state.wallet,
        started_at=history.began,
        ended_at=history.last if state.ended else None,
        executions=history.ended,
        execution_times=history.executions,
        waits=tuple(
            wait for (step, _), waits in history.waits.items() if step == BUDGET for wait in waits
        ),
        labels=first.labels,
        fork=state.fork and model.ForkedRun(run_id=state.fork.run_id, step=state.fork.step),
        credits=credits,
        pools=history.pools,
        inputs=dict(state.plan.inputs),
        outputs=dict(outputs.values),
        output_files=dict(outputs.files),
        failed_outputs=_failed_outputs(outputs.failed, first),
        steps=tuple(_step(state, step_id, media, asked, history) for step_id in state.plan.order),
        ledger=rows,
        agreement=None if history.jobs is None else reconcile(rows, history.jobs, credits),
        assets=cards,
        spec=model.SpecText(
            file=first.spec_file,
            sha256=hashlib.sha256(first.spec_text.encode()).hexdigest(),
            text=first.spec_text,
        ),
        plan_hash=first.plan_hash,
        catalogue_date=first.catalogue_date,
    )


def sum_credits(
    state: State, by_others: int = 0, other_runs: Sequence[OtherRun] = ()
) -> model.Credits:
    """What this run spent and saved, and the balance before and after; `by_others`: of other runs of the store."""
    rest = _estimate_rest(state)
    before, after = state.balances.get("before"), state.balances.get("after")
    unexplained, of_others = explain_wallet(before, after, state.spent, by_others)
    return model.Credits(
        before=before,
        after=after,
        spent=state.spent,
        lost=sum(one.held for _, item in state.each() for one in item.lost),
        saved=state.saved,
        budget=state.cap,
        needed=rest and rest.min,
        enough=rest and rest.enough,
        left=rest and (rest.most if state.ended == "suspended" else rest.max),
        unexplained=unexplained,
        others=of_others,
        other_runs=tuple(other_runs) if of_others else (),
    )


def _estimate_rest(state: State) -> Estimate | None:
    """What the command that continues the run buys, without the cache; None of one that needs none."""
    if state.ended in (None, "completed"):
        return None
    items = [(label(step_id, item.key), item.code) for step_id, item in state.each()]
    failed = items if state.ended == "failed" else []
    resumed = RunResumed(
        at=state.now,
        regenerate=tuple(name for name, code in failed if code in BOUGHT_AGAIN),
        resubmit=tuple(name for name, code in items if code == "uncertain"),
    )
    return remaining(state, resumed)


def _failed_outputs(failed: Mapping[str, str], first: RunFrozen) -> dict[str, str]:
    """Why outputs could not be evaluated, with their lines in the spec."""
    root = source.read(first.spec_text.removeprefix("\ufeff"))[0] if failed else None
    written = root.get("outputs") if isinstance(root, tree.Mapping) else None
    lines = written.pairs if isinstance(written, tree.Mapping) else {}
    return {
        name: f"{reason} ({first.spec_file}:{lines[name][0].line + 1})" if name in lines else reason
        for name, reason in failed.items()
    }


def _ended_with(state: State, status: str) -> Any:
    """Status of a step or an item; that of the run if the run ended first."""
    return state.ended if status == "running" and state.ended in _STOPPED else status


def _step(
    state: State,
    step_id: str,
    media: Recorded,
    asked: Mapping[tuple[str, str], Question],
    history: History,
) -> model.Step:
    planned, current = state.planned_step(step_id), state.steps[step_id]
    items = tuple(
        _item(state, step_id, item, media, asked.get((step_id, item.key)), history)
        for item in current.items.values()
    )
    return model.Step(
        id=step_id,
        uses=planned.step.uses,
        title=planned.step.title,
        part_of=state.plan.owners.get(step_id),
        axes=state.plan.axes_of(step_id),
        needs=tuple(state.plan.follows(step_id)),
        status=_ended_with(state, current.status),
        credits=sum(item.credits for item in items),
        saved=sum(item.saved for item in items),
        balance_before=current.balances.get("before"),
        balance_after=current.balances.get("after"),
        items=items,
    )


def _item(
    state: State,
    step_id: str,
    item: ItemState,
    media: Recorded,
    question: Question | None,
    history: History,
) -> model.Item:
    outputs, kind = item.outputs or {}, state.planned_step(step_id).kind
    arguments = item.request.arguments if item.request else {}
    task_ids = tuple(p.task_id for p in item.purchases if p.task_id)
    if not task_ids and outputs.get("task_id"):
        task_ids = (str(outputs["task_id"]),)
    of_kind: dict[str, Any] = {name: outputs.get(name) for name in kind.row}
    if "alternative" in of_kind:
        of_kind["alternative"] = item.alternative
    if "faults" in of_kind:
        of_kind["faults"] = outputs.get("reasons") or _faults(state, step_id, item)
    if "choice" in of_kind:
        of_kind["choice"] = choice_of(state, step_id, item, question)
    if item.pool:
        of_kind["pool"] = item.pool
    if why := next((one.why for one in item.purchases if one.why), None):
        of_kind["why"] = why
    began_at, ended_at = history.span(state, step_id, item)
    return model.Item(
        key=item.key,
        status=_ended_with(state, item_status(item)),
        reason=item.reason,
        code=item.code,
        credits=item.credits,
        saved=item.saved,
        taken_from=item.taken_from,
        model=item.request.model if item.request else None,
        prompt=_text(arguments.get("prompt") or arguments.get("message")),
        params=_map(arguments.get("params")),
        task_ids=task_ids,
        assets=_own_media(kind, outputs, media) if item.phase is Phase.COMPLETED else (),
        files=(*(model.File(**vars(one)) for one in item.files), *_refused_files(item)),
        parents=_parents(item),
        text=_text(outputs.get("text")),
        json=outputs.get("json"),
        began_at=began_at,
        ended_at=ended_at,
        waits=history.waits.get((step_id, item.key), ()),
        **of_kind,
    )


def _faults(state: State, step_id: str, item: ItemState) -> tuple[str, ...]:
    """The faults of the media that an item gave, and which of them are not known."""
    if item.request is None or item.outputs is None:
        return ()
    wanted = wanted_media(state, step_id, item.request)
    found = measures_in(item.outputs)
    return tuple(
        text
        for one in found
        for text in ((NOT_MEASURED,) if one is None else texts_of(wanted.faults_of(one)))
    )


def _refused_files(item: ItemState) -> Iterator[model.File]:
    """The media that an item paid for, and that were refused for their faults."""
    refused = [one.outputs for one in item.lost if one.outputs is not None]
    if item.outputs is not None:
        refused.append({**item.outputs, "assets": item.outputs.get(REFUSED_MEDIA, [])})
    for outputs in refused:
        for index, asset in enumerate(assets_in(outputs["assets"])):
            yield model.File(
                task_id=str(outputs.get("task_id")),
                index=index,
                sha256=asset.sha256,
                size_bytes=asset.size_bytes or 0,
                url=asset.url,
                mime_type=asset.mime_type,
            )


def choice_of(
    state: State, step_id: str, item: ItemState, question: Question | None
) -> model.Choice | None:
    """The choice of an item of a pick so far; None before its candidates are known."""
    if item.request is None:
        return _ended_review(state, step_id, item) if item.reviews else None
    pick, picked = item.request.pick, _picked_keys(item)
    written, is_review = pick.question, is_reviewed(item)
    if question or item.request.decides == "person":
        written = open_questions.question_text(pick, step_id, item.key, is_review=is_review)
    deadline = state.deadlines.get((step_id, item.key, item.round))
    return model.Choice(
        mode="review" if is_review else pick.mode,
        review=_approval(item) if is_review else None,
        question=None if written is None else cut(str(written), open_questions.MAX_TEXT),
        count=pick.count,
        round=item.round,
        rounds_left=question.rounds_left if question else 0,
        note_room=question.note_room if question else 0,
        notes=item.notes,
        picked=picked,
        by=item.answered_by,
        waiting=question is not None,
        deadline=deadline and deadline.astimezone(UTC),
        on_timeout=pick.on_timeout,
        then=question.at_deadline if question and item.phase is Phase.READY else None,
        judge=model.Judge(
            model=pick.judge.model,
            least=pick.judge.least or 0,  # and not 0.0
            criteria=tuple(map(str, pick.judge.criteria)),
            frames=pick.judge.frames,
        )
        if pick.judge
        else None,
        judge_error=item.judge_error,
        candidates=open_questions.candidates_of(item, picked),
        earlier=tuple(earlier_candidates(state, step_id, item)),
    )


def _approval(item: ItemState) -> model.Approval:
    pick = item.evaluated.pick
    return model.Approval(reviewers=pick.reviewers, need=pick.needed, answers=_answers(item))


def _answers(item: ItemState) -> tuple[model.ReviewAnswer, ...]:
    """The last answer of each reviewer in each round."""
    last = {(one.round, person_of(one.by.name)): one for one in item.reviews}
    answers = [
        model.ReviewAnswer(
            round=one.round,
            answer="approve" if one.answer == APPROVE else "changes",
            notes=tuple(model.ReviewNote(**vars(note)) for note in read_notes(one.note)),
            by=one.by,
        )
        for one in last.values()
    ]
    return tuple(answers)


def _ended_review(state: State, step_id: str, item: ItemState) -> model.Choice:
    """A review whose next round could not be made: what was answered before it."""
    named = dict.fromkeys(one.by.name for one in item.reviews if one.by.name)
    with_ = state.planned_step(step_id).review
    need = (with_ and with_.need) or len(named) or 1
    return model.Choice(
        mode="review",
        review=model.Approval(reviewers=tuple(named), need=need, answers=_answers(item)),
        question=None,
        count=1,
        round=item.round,
        rounds_left=0,
        note_room=0,
        notes=item.notes,
        picked=(),
        by=item.answered_by,
        waiting=False,
        deadline=None,
        on_timeout="fail",
        then=None,
        judge=None,
        judge_error=None,
        candidates=(),
        earlier=tuple(earlier_candidates(state, step_id, item)),
    )


def earlier_candidates(
    state: State, step_id: str, item: ItemState
) -> Iterator[model.EarlierCandidate]:
    """The candidates of the rounds before, in their order."""
    for number in range(item.round):
        for one in candidates_before(state, step_id, number):
            asset, text = as_asset(one.get("asset")), open_questions.candidate_text(one)
            sha256, key = asset.sha256 if asset else None, str(one["key"])
            yield model.EarlierCandidate(round=number, key=key, sha256=sha256, text=text)


def _picked_keys(item: ItemState) -> tuple[str, ...]:
    """Keys of what was picked; empty as long as nothing was."""
    if item.picked is not None or item.phase is not Phase.COMPLETED:
        return item.picked or ()
    outputs = item.outputs or {}
    chosen = outputs.get("items")
    listed = chosen if isinstance(chosen, list) else [outputs]
    keys = [one.get("key") for one in listed if isinstance(one, Mapping)]
    return tuple(str(one) for one in keys if one is not None)


# --- Where media came from ---


def provenance(state: State) -> tuple[model.Card, ...]:
    """A card for each medium, and each item that made it: first what the run was given, then in plan order."""
    found, fetched = list[model.Card](), list[model.Card]()
    named = [(f"inputs.{name}", value) for name, value in state.plan.inputs.items()]
    for given_as, value in [*named, *state.plan.files.items()]:
        for one in value if isinstance(value, list) else [value]:
            if (asset := as_asset(one)) and not asset.is_font:
                found.append(_card(asset, given_as=given_as))
    for step_id in state.plan.order:
        kind = state.planned_step(step_id).kind
        for item in state.steps[step_id].items.values():
            outputs = item.outputs or {}
            if item.phase is not Phase.COMPLETED:
                continue
            if kind.fetches:
                given = output_assets(outputs)
                fetched += [_card(asset, given_as=f"steps.{step_id}") for asset in given]
            elif not kind.passes_on:
                # A function names its outputs as it likes.
                own = "asset" in kind.outputs
                if made := output_assets(outputs) if own else [*assets_in(outputs)]:
                    maker = _maker(state, step_id, kind.uses, item)
                    new = {one.sha256: one for one in made if one.sha256 not in maker.parents}
                    found += [_card(asset, made_by=maker) for asset in new.values()]
    known = {card.sha256 for card in found}
    return (*found, *(card for card in fetched if card.sha256 not in known))


def media_of(state: State) -> dict[str, Asset]:
    """The media of a run so far, by SHA-256."""
    return model.media_on(provenance(state))


def recorded_asset(value: object, media: Recorded) -> Asset | None:
    """The medium of the run that a value describes; None if it describes none."""
    asset = as_asset(value)
    return media.get(asset.sha256) if asset else None


def _own_media(kind: Kind, outputs: Outputs, media: Recorded) -> tuple[Asset | model.Upload, ...]:
    """The media of an item of a kind of step that are media of its run."""
    # Of an asset that is passed on, only the hash comes from the step that made it.
    found: list[Asset | model.Upload] = [
        media[asset.sha256] if kind.passes_on else asset
        for asset in output_assets(outputs)
        if asset.sha256 in media
    ]
    remote = outputs.get("asset")
    if kind.fetches and isinstance(remote, dict) and remote.get("file_id"):
        found.append(model.Upload.model_validate(remote))
    return tuple(found)


def _parents(item: ItemState) -> tuple[str, ...]:
    """SHA-256 of the media that an item was made from, each once."""
    if item.request is None:
        return ()
    # A file that the spec names by its path is among the uploads only.
    uploads = [upload.asset for upload in item.request.uploads]
    found = assets_in([item.request.arguments, uploads])
    return tuple(dict.fromkeys(asset.sha256 for asset in found))


def _card(
    asset: Asset, *, given_as: str | None = None, made_by: model.Maker | None = None
) -> model.Card:
    return model.Card(**vars(asset), given_as=given_as, made_by=made_by)


def _maker(state: State, step_id: str, uses: str, item: ItemState) -> model.Maker:
    arguments = item.request.arguments if item.request else {}
    task_id = (item.outputs or {}).get("task_id")
    paid = [p.held for p in item.purchases if p.task_id is not None and p.task_id == task_id]
    return model.Maker(
        run_id=state.run_id,
        step=step_id,
        key=item.key,
        uses=uses,
        model=item.request.model if item.request else None,
        prompt=_text(arguments.get("prompt")),
        params=_map(arguments.get("params")),
        task_id=_text(task_id),
        credits=sum(paid),
        cached=item.cached,
        parents=_parents(item),
        service=state.service,
        sandbox=is_sandbox(state.service),
    )


def _text(value: object) -> str | None:
    """A value that a function may have named as it likes, as text; None for None."""
    return value if value is None or isinstance(value, str) else canonical(value)


def _map(value: object) -> dict[str, Any] | None:
    """The same as a map; None for anything else."""
    return dict(value) if isinstance(value, Mapping) else None
