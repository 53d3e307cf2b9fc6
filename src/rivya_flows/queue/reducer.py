"""Applies events to the state of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from rivya_client.catalogue.snapshot import from_wire
from rivya_flows.language.quality import texts_of
from rivya_flows.language.workflow import WARN_AT, Workflow
from rivya_flows.plans.budgets import run_budget
from rivya_flows.plans.expand import expand
from rivya_flows.plans.names import label
from rivya_flows.questions.open_questions import question_of
from rivya_flows.questions.question import BUDGET
from rivya_flows.queue import events, judging, reviewing
from rivya_flows.queue.budget import apply_budget_answer
from rivya_flows.queue.evaluation import claim
from rivya_flows.queue.events import AnswerGiven, Event, RunFrozen
from rivya_flows.queue.forks import made_again_by
from rivya_flows.queue.items import ItemState, Phase, Purchase, SentBack, next_round
from rivya_flows.queue.outcomes import (
    accept_media,
    after_media_refused,
    apply_resume,
    fall_back,
    is_refusal_of_request,
    jobs_left,
)
from rivya_flows.queue.state import PoolLimit, State
from rivya_flows.spec.load import load
from rivya_flows.steps import structured_output
from rivya_flows.steps.request import PricedBy, UploadName


def initial_state(frozen: RunFrozen) -> State:
    """The state of a run that has only started; `SpecError` if its spec does not load any more."""
    catalogue = from_wire(frozen.catalogue, date=frozen.catalogue_date, source="cached")
    workflow = load(
        frozen.spec_text, file=frozen.spec_file, catalogue=catalogue, includes=frozen.includes
    )
    workflow = workflow.model_copy(update={"budget": run_budget(workflow, frozen.inputs)})
    plan = expand(workflow, frozen.inputs, catalogue, frozen.files, frozen.run)
    fork = frozen.fork
    state = State(
        plan=plan,
        run_id=frozen.run_id,
        service=frozen.service,
        wallet=frozen.wallet,
        nonce=frozen.nonce,
        started_at=frozen.started_at,
        now=frozen.started_at,
        cap=frozen.budget,
        enough=_enough(frozen, workflow),
        cache=frozen.cache,
        fork=fork,
        again=made_again_by(fork, plan),
    )
    state.touched.clear()
    return state


def _enough(frozen: RunFrozen, workflow: Workflow) -> int | None:
    """The price that somebody agreed to, or all that the plan may cost; None if that is not known."""
    agreed = frozen.quote is not None or frozen.plan.get("budget", 0) is None
    if agreed and frozen.budget is not None:
        return frozen.budget
    if workflow.budget is not None and workflow.budget.warn_at != WARN_AT:
        return None
    credits = frozen.plan.get("credits")
    most = credits.get("max") if isinstance(credits, dict) else None
    return most if isinstance(most, int) else None


def apply_event(state: State, event: Event) -> None:
    match event:
        case events.RunResumed():
            if event.budget is not None:
                state.cap = None if state.rehearses else event.budget
                _begin_held(state)
            apply_resume(state, event)
        case events.PurchaseIntended():
            _add_purchase(state, event)
        case events.PoolRefused():
            _pool_refused(state, event)
        case events.PurchaseEvent():
            _purchase(state, event)
        case events.BalanceRead():
            state.reading.discard(event.step)
            if event.credits is not None:
                state.funds = state.spent + event.credits
            if event.step is None:
                state.balances[event.phase] = event.credits
            else:
                state.steps[event.step].balances[event.phase] = event.credits
                state.touched.add(event.step)
        case events.FileUploaded():
            name = (event.source, event.media, event.model)
            state.uploads[name] = event.file
            _look_again(state, name, lost=False)
        case events.QuestionAsked():
            asked, at = (event.step, event.key, event.round), event.deadline
            state.deadlines[asked] = at
            state.asking = tuple(
                replace(one, deadline=at) if one.name == asked else one for one in state.asking
            )
        case events.QuestionsLeft():
            state.asking, state.left = (), True
        case AnswerGiven():
            _answer(state, event)
        case events.RunEnded():
            state.ended, state.asking, state.now = event.status, (), event.at
        case events.CacheAnswered():
            _looked_up(state, event)
        case events.ItemCompleted():
            outputs = event.outputs
            if outputs.get("assets") == [asset := outputs.get("asset")]:
                outputs = {**outputs, "assets": [asset]}  # read from a journal these are two
            item = state.item(event.step, event.key)._replace(phase=Phase.COMPLETED, files=())
            state.change(event.step, item._replace(outputs=outputs, reason=None, code=None))
        case events.ItemFailed():
            _fail_item(state, event)


def _looked_up(state: State, event: events.CacheAnswered) -> None:
    item = state.item(event.step, event.key)._replace(phase=Phase.READY, asked_cache=True)
    if event.outputs is not None:
        item = item._replace(
            phase=Phase.COMPLETED,
            alternative=item.alternative or event.alternative,
            outputs=event.outputs,
            cached=True,
            taken_from=event.run_id,
            saved=event.saved,
        )
    state.change(event.step, item)


def _fail_item(state: State, event: events.ItemFailed) -> None:
    _close_question(state, event)
    item = state.item(event.step, event.key)
    if item.phase is Phase.UPLOADING:
        # Another item that needs an upload which failed with this one repeats it.
        for name in item.evaluated.upload_names():
            _look_again(state, name, lost=True)
        item = state.item(event.step, event.key)
    # What was not journaled was not sent, and holds nothing.
    sent = tuple(one for one in item.purchases if one.status != "planned")
    item = item._replace(files=event.files or item.files, purchases=sent)
    state.change(event.step, item.fail(event.code, event.message))


def _look_again(state: State, name: UploadName, *, lost: bool) -> None:
    """Items that waited for an upload are ready again: it came, or they have to repeat it."""
    for step_id, key in state.awaiting.pop(name, ()):
        item = state.item(step_id, key)
        names = item.request.upload_names() if item.request else ()
        complete = all(one in state.uploads for one in names)
        if item.phase is Phase.UPLOADING and (lost or complete):
            state.change(step_id, item._replace(phase=Phase.READY))


def _close_question(state: State, event: events.ItemEvent) -> None:
    state.asking = tuple(
        one for one in state.asking if (one.step, one.key) != (event.step, event.key)
    )


def _answer(state: State, event: AnswerGiven) -> None:
    if event.step == BUDGET:
        _close_question(state, event)
        state.answers[label(event.step, event.key)] = event
        apply_budget_answer(state, event)
        return
    item = state.item(event.step, event.key)._replace(answered_by=event.by)
    if reviewing.is_reviewed(item):
        over = question_of(state, event.step, item).over
        item = reviewing.take_answer(state, event, item, over)
    elif event.none:
        proposed = bool(judging.proposal(item)) if item.scores else None
        ended = SentBack(item.round, event.by.channel, proposed)
        item = next_round(item, event.note)._replace(sent_back=(*item.sent_back, ended))
    else:
        item = item._replace(picked=event.chosen)
    state.change(event.step, item)
    if item.waits_for_person and item.phase is Phase.READY:
        asked = question_of(state, event.step, item)
        state.asking = tuple(asked if one.name == asked.name else one for one in state.asking)
        return
    _close_question(state, event)
    if item.picked is not None:
        state.answers[label(event.step, event.key)] = event


def _begin_held(state: State) -> None:
    """Begins the rounds that a budget now covers."""
    for step_id, item in [*state.each()]:
        if item.held and item.requests and not question_of(state, step_id, item).over:
            state.change(step_id, reviewing.begin_changes(item))


def _purchase(state: State, event: events.PurchaseEvent) -> None:
    item = state.item(event.step, event.key)
    bought = next((one for one in item.purchases if one.n == event.n), None)
    if bought is None:
        return
    before = item.alternative

    def updated_with(**changes: Any) -> ItemState:
        return item.with_purchase(bought._replace(**changes))

    match event:
        case events.PurchaseAccepted(task_id=task_id, reserved_credits=reserved):
            item = updated_with(status="accepted", task_id=task_id, reserved=reserved, error=None)
            item = item._replace(phase=Phase.RUNNING)
        case events.PurchaseUnanswered():
            item = updated_with(sent="unknown", error=event.reason)
        case events.PurchaseRefused():
            item = updated_with(status="refused", error=event.message)
            if event.status is not None:
                item = judging.handle_refusal(state, event, item) or (
                    fall_back(item, event.code, event.message)
                    if is_refusal_of_request(bought, event.code)
                    else item.fail(event.code, event.message)
                )
        case events.PurchaseUncertain():
            item = updated_with(status="uncertain", error=event.reason)
            item = item.fail("uncertain", event.reason)
        case events.JobEnded():
            item = updated_with(status=event.status, final=event.final_credits, error=event.error)
            if event.status == "failed":
                item = _job_failed(state, event, item)
        case events.MediaRefused():
            why = "; ".join(texts_of(event.faults))
            item = updated_with(status="lost", error=why, outputs=event.outputs)
            item = after_media_refused(state.spec(event.step), item, why)
        case events.MediaAccepted() if bought.status == "lost" and item.phase is Phase.FAILED:
            item = accept_media(item, bought)
        case events.ChatAnswered():
            item = updated_with(
                status="answered",
                task_id=event.completion_id,
                reserved=event.reserved_credits,
                final=event.final_credits,
                error=None,
                content=event.content,
                session_id=event.session_id,
                usage=event.usage,
            )
            read = judging.read_answer if judging.is_judged(item) else _chat_answered
            item = read(state, event, item)
    state.change(event.step, item)
    if item.alternative != before:
        claim(state, event.step, item)


def _add_purchase(state: State, event: events.PurchaseIntended) -> None:
    item = state.item(event.step, event.key)
    bought = Purchase(
        event.n,
        event.route,
        event.idempotency_key,
        event.body,
        event.reserve,
        event.at,
        item.request.priced_by if item.request else PricedBy(),
        alternative=item.alternative,
        why=event.why,
    )
    state.change(event.step, item.with_purchase(bought)._replace(phase=Phase.BUYING))
    # No pool refused it; and no further list, which it left out, became known since.
    if event.rest is not None and state.rest is not None and state.rest.least is not None:
        state.rest = None
    if state.pool is not None and state.spent > state.pool.most:
        state.pool = None  # it has more again than it had


def _pool_refused(state: State, event: events.PoolRefused) -> None:
    """The item is ready again, and what is left in the pool limits what is bought from now on."""
    item = state.item(event.step, event.key)
    purchases = tuple(one for one in item.purchases if one.n != event.n)
    state.change(event.step, item._replace(phase=Phase.READY, gated=True, purchases=purchases))
    sure = not state.tally.open
    limit = PoolLimit(event.pool, event.until, state.spent + event.left, sure)
    known = state.pool
    if known is None or sure or limit.name == known.name or limit.most < known.most:
        state.pool = limit


def _job_failed(state: State, event: events.JobEnded, item: ItemState) -> ItemState:
    """A failed job is bought again while the spec or a resume allows it, then the next alternative."""
    if jobs_left(state.spec(event.step), item):
        return item._replace(phase=Phase.READY)
    code = "content_refused" if event.error_code == "content_refused" else "job_failed"
    return fall_back(item, code, event.error or "the job failed")


def _chat_answered(state: State, event: events.ChatAnswered, item: ItemState) -> ItemState:
    """An answer that matches the schema completes the item; others are asked for again, then fail."""
    outputs: dict[str, JsonValue] = {
        "text": event.content,
        "json": None,
        "session_id": event.session_id,
        "usage": event.usage,
    }
    planned = state.planned_step(event.step)
    if schema := planned.kind.expects(planned.step.with_):
        try:
            outputs["json"] = structured_output.read(event.content, schema)
        except structured_output.AnswerError as error:
            turns = sum(purchase.status == "answered" for purchase in item.purchases)
            if turns < structured_output.MAX_TURNS:
                return item._replace(phase=Phase.READY)
            reason = f"no answer matched the schema in {structured_output.MAX_TURNS} turns: {error}"
            return item.fail("unexpected_answer", reason)
    return item._replace(phase=Phase.COMPLETED, outputs=outputs)
