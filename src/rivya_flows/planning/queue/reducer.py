"""Applies events to the state of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rivya_flows.catalogue.snapshot import from_wire
from rivya_flows.language.workflow import WARN_AT, Workflow
from rivya_flows.planning.expansion.expand import expand
from rivya_flows.planning.names import label
from rivya_flows.planning.plan import PlannedStep
from rivya_flows.planning.queue.events import (
    AnswerGiven,
    BalanceRead,
    CacheAnswered,
    Event,
    FileUploaded,
    ItemCompleted,
    ItemFailed,
    OfItem,
    OfPurchase,
    QuestionAsked,
    QuestionsLeft,
    RunEnded,
    RunFrozen,
    RunResumed,
)
from rivya_flows.planning.queue.forks import made_again
from rivya_flows.planning.queue.item_state import ItemState, Phase, next_round
from rivya_flows.planning.queue.items import Items
from rivya_flows.planning.queue.purchase_reducer import apply_purchase
from rivya_flows.planning.queue.resume import apply_resume
from rivya_flows.planning.queue.state import RunTotals, State, StepState
from rivya_flows.planning.queue.table import Table
from rivya_flows.spec.load import load
from rivya_flows.steps.request import UploadName


def initial_state(frozen: RunFrozen) -> State:
    """The state of a run that has only started.

    Raises:
        SpecError: The frozen spec does not load any more.
    """
    catalogue = from_wire(frozen.catalogue, date=frozen.catalogue_date, source="cached")
    workflow = load(
        frozen.spec_text, file=frozen.spec_file, catalogue=catalogue, includes=frozen.includes
    )
    plan = expand(workflow, frozen.inputs, catalogue, frozen.files)
    fork = frozen.fork
    steps: dict[str, StepState] = {}
    for step_id, planned in plan.steps.items():
        steps[step_id] = StepState(_planned_items(planned, steps))
    return State(
        plan=plan,
        run_id=frozen.run_id,
        service=frozen.service,
        wallet=frozen.wallet,
        nonce=frozen.nonce,
        started_at=frozen.started_at,
        now=frozen.started_at,
        steps=Table(steps),
        totals=RunTotals.of(plan, steps.items()),
        cap=frozen.budget,
        enough=_enough(frozen, workflow),
        cache=frozen.cache,
        fork=fork,
        again=made_again(plan, fork.step) if fork and fork.step else frozenset(),
    )


def _enough(frozen: RunFrozen, workflow: Workflow) -> int | None:
    """The price that somebody agreed to, or all that the plan may cost; None if that is not known.

    A plan for an agreed price was made without a cap. Of a share of its own a spec is always told.
    """
    agreed = frozen.quote is not None or frozen.plan.get("budget", 0) is None
    if agreed and frozen.budget is not None:
        return frozen.budget
    if workflow.budget is not None and workflow.budget.warn_at != WARN_AT:
        return None
    most: int | None = frozen.plan.get("credits", {}).get("max")
    return most


def _planned_items(planned: PlannedStep, before: Mapping[str, StepState]) -> Items | None:
    if planned.items is None:
        return None
    items = tuple(
        ItemState(item.key, item.variables, repeats=item.repeats) for item in planned.items
    )
    source = before[planned.itemwise].items if planned.itemwise else None
    # Items that follow others share their keys, so that places can be compared.
    return Items.of(items) if source is None else source.with_all(items)


def apply_event(state: State, event: Event) -> State:
    """The state after one event."""
    if isinstance(event, RunResumed):
        return apply_resume(state, event)
    if isinstance(event, OfPurchase):
        return apply_purchase(state, event)
    if isinstance(event, BalanceRead):
        return _balance(state, event)
    if isinstance(event, FileUploaded):
        return _uploaded(state, event)
    if isinstance(event, QuestionAsked):
        return _asked(state, event)
    if isinstance(event, QuestionsLeft):
        return replace(state, asking=(), left=True)
    if isinstance(event, AnswerGiven):
        return _answer(state, event)
    if isinstance(event, RunEnded):
        return replace(state, ended=event.status, asking=(), now=event.at)
    if isinstance(event, CacheAnswered | ItemCompleted | ItemFailed):
        item = state.item(event.step, event.key)
        if isinstance(event, ItemFailed):
            state = _close_question(state, event)
            if item.phase is Phase.UPLOADING:
                state = _forget_uploads(state, item)
        return state.with_item(event.step, _item(item, event))
    return state


def _uploaded(state: State, event: FileUploaded) -> State:
    """The service has a medium now; items that have all of theirs are ready again."""
    name = (event.source, event.media, event.model)
    state = replace(
        state,
        uploads=state.uploads.insert(name, event.file),
        uploading=state.uploading - _is_uploading(state, name),
    )
    return _look_again(state, name, lost=False)


def _forget_uploads(state: State, item: ItemState) -> State:
    """Drop the uploads that failed with this item; another item that needs them retries."""
    for name in item.request.upload_names() if item.request else ():
        if _is_uploading(state, name):
            uploads = state.uploads.remove(name)
            state = replace(state, uploads=uploads, uploading=state.uploading - 1)
            state = _look_again(state, name, lost=True)
    return state


def _is_uploading(state: State, name: UploadName) -> bool:
    return name in state.uploads and state.uploads[name] is None


def _look_again(state: State, name: UploadName, *, lost: bool) -> State:
    """Items that waited for an upload are ready again: it came, or they have to repeat it."""
    if name not in state.awaiting:
        return state
    waited = state.awaiting[name]
    state = replace(state, awaiting=state.awaiting.remove(name))
    for step_id, key in waited:
        item = state.item(step_id, key)
        names = item.request.upload_names() if item.request else ()
        complete = all(state.uploads.get(one) is not None for one in names)
        if item.phase is Phase.UPLOADING and (lost or complete):
            state = state.with_item(step_id, replace(item, phase=Phase.READY))
    return state


def _item(item: ItemState, event: CacheAnswered | ItemCompleted | ItemFailed) -> ItemState:
    if isinstance(event, ItemCompleted):
        return replace(
            item, phase=Phase.COMPLETED, outputs=event.outputs, reason=None, code=None, files=()
        )
    if isinstance(event, ItemFailed):
        return replace(
            item,
            phase=Phase.FAILED,
            code=event.code,
            reason=event.message,
            files=event.files or item.files,
            # What was not journaled was not sent, and holds nothing.
            purchases=tuple(one for one in item.purchases if one.status != "planned"),
        )
    if event.outputs is None:
        return replace(item, phase=Phase.READY, asked_cache=True)
    served = item.alternative or event.alternative
    return replace(
        item,
        phase=Phase.COMPLETED,
        request=item.requests[served] if item.alternatives else item.request,
        alternative=served,
        outputs=event.outputs,
        asked_cache=True,
        cached=True,
        taken_from=event.run_id,
        saved=event.saved,
    )


def _balance(state: State, event: BalanceRead) -> State:
    holder = state if event.step is None else state.steps[event.step]
    balances = {**holder.balances, event.phase: event.credits}
    if event.credits is not None:
        state = replace(state, funds=state.spent + event.credits)
    if event.step is None:
        return replace(state, balances=balances, reading=None)
    current = state.steps[event.step]
    return state.with_step(event.step, replace(current, balances=balances, reading=None))


def _asked(state: State, event: QuestionAsked) -> State:
    name = (event.step, event.key, event.round)
    asking = tuple(
        replace(one, deadline=event.deadline) if one.name == name else one for one in state.asking
    )
    return replace(state, deadlines={**state.deadlines, name: event.deadline}, asking=asking)


def _close_question(state: State, event: OfItem) -> State:
    asking = tuple(one for one in state.asking if (one.step, one.key) != (event.step, event.key))
    return replace(state, asking=asking)


def _answer(state: State, event: AnswerGiven) -> State:
    state = _close_question(state, event)
    if event.step != BUDGET:
        item = replace(state.item(event.step, event.key), answered_by=event.by)
        if event.none:
            return state.with_item(event.step, next_round(item, event.note))
        item = replace(item, picked=event.chosen)
        state = state.with_item(event.step, item)
    state = replace(state, answers={**state.answers, label(event.step, event.key): event})
    if event.step != BUDGET:
        return state
    yes = event.answer == "yes"
    if event.key.startswith(OF_POOL):
        declined = state.pool and replace(state.pool, sure=True, declined=True)
        return replace(state, pool=None if yes else declined)
    cap = cap_asked(event.key)
    return replace(state, cap=cap) if yes else replace(state, refused_cap=cap)


BUDGET = "$budget"
"""Step name of the budget question; no step can have it."""


OF_POOL = "pool "
"""Begins the key of the budget question whether to try a pool again."""


def budget_key(state: State, asked: int | str) -> str:
    """The key of the question whether to raise the budget to so many credits, or to try a pool again.

    An answered question is not asked again under its key, though the sum may be the same: after a
    "no", a resume with a larger budget may need the same sum again.
    """
    stem = f"{OF_POOL}{asked}" if isinstance(asked, str) else str(asked)
    key, number = stem, 1
    while label(BUDGET, key) in state.answers:
        number += 1
        key = f"{stem}#{number}"
    return key


def cap_asked(key: str) -> int:
    """The budget that a question of this key asks for, which asks for one."""
    return int(key.partition("#")[0])
