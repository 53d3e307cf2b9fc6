"""State and one entry of the journal -> the state in which that fact is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from rivya_flows.catalogue.snapshot import from_wire
from rivya_flows.plan import answers
from rivya_flows.plan.events import (
    AnswerGiven,
    BalanceRead,
    CacheAnswered,
    ChatAnswered,
    Event,
    FileUploaded,
    ItemCompleted,
    ItemFailed,
    JobEnded,
    OfPurchase,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
    RunEnded,
    RunFrozen,
    RunResumed,
)
from rivya_flows.plan.expand import expand
from rivya_flows.plan.names import label
from rivya_flows.plan.orders import PricedBy
from rivya_flows.plan.state import ItemState, Phase, Purchase, State, StepState
from rivya_flows.spec.load import load


def begin(frozen: RunFrozen) -> State:
    """The state of a run of which nothing but the frozen start is known.

    Raises:
        SpecError: The frozen spec does not load; it did when the run was started.
    """
    catalogue = from_wire(frozen.catalogue, date=frozen.catalogue_date, source="cached")
    workflow = load(
        frozen.spec_text, file=frozen.spec_file, catalogue=catalogue, includes=frozen.includes
    )
    plan = expand(workflow, frozen.inputs, catalogue, frozen.files)
    steps = {
        step_id: StepState(
            None
            if planned.items is None
            else tuple(ItemState(item.key, item.variables) for item in planned.items)
        )
        for step_id, planned in plan.steps.items()
    }
    return State(
        plan=plan,
        run_id=frozen.run_id,
        service=frozen.service,
        nonce=frozen.nonce,
        started_at=frozen.started_at,
        now=frozen.started_at,
        steps=steps,
        uploads={},
        cap=frozen.budget,
        cache=frozen.cache,
        claims={},
    )


def learn(state: State, event: Event) -> State:
    """The state after one fact."""
    if isinstance(event, RunResumed):
        return _resume(state, event)
    if isinstance(event, OfPurchase):
        return _purchase(state, event)
    if isinstance(event, BalanceRead):
        return _balance(state, event)
    if isinstance(event, FileUploaded):
        name = (event.source, event.media, event.model)
        return replace(state, uploads={**state.uploads, name: event.file})
    if isinstance(event, AnswerGiven):
        return _answer(state, event)
    if isinstance(event, RunEnded):
        return replace(state, ended=event.status, asking=(), now=event.at)
    if isinstance(event, CacheAnswered | ItemCompleted | ItemFailed):
        item = state.item(event.step, event.key)
        if isinstance(event, ItemFailed) and item.phase is Phase.UPLOADING:
            state = _forget_uploads(state, item)
        return state.with_item(event.step, _item(item, event))
    return state


def _forget_uploads(state: State, item: ItemState) -> State:
    """Uploads that failed with this item; another item that needs them asks again."""
    lost = set(item.order.upload_names()) if item.order else set()
    kept = {n: f for n, f in state.uploads.items() if f is not None or n not in lost}
    return replace(state, uploads=kept)


def _item(item: ItemState, event: CacheAnswered | ItemCompleted | ItemFailed) -> ItemState:
    if isinstance(event, ItemCompleted):
        return replace(item, phase=Phase.COMPLETED, outputs=event.outputs, reason=None, code=None)
    if isinstance(event, ItemFailed):
        return replace(item, phase=Phase.FAILED, code=event.code, reason=event.message)
    if event.outputs is None:
        return replace(item, phase=Phase.READY, asked_cache=True)
    return replace(
        item,
        phase=Phase.COMPLETED,
        outputs=event.outputs,
        asked_cache=True,
        cached=True,
        saved=event.saved,
    )


def _balance(state: State, event: BalanceRead) -> State:
    holder = state if event.step is None else state.steps[event.step]
    balances = {**holder.balances, event.phase: event.credits}
    if event.step is None:
        return replace(state, balances=balances, reading=None)
    current = state.steps[event.step]
    return state.with_step(event.step, replace(current, balances=balances, reading=None))


def _answer(state: State, event: AnswerGiven) -> State:
    state = replace(
        state,
        answers={**state.answers, label(event.step, event.key): event.answer},
        asking=tuple(q for q in state.asking if (q.step, q.key) != (event.step, event.key)),
    )
    if event.step != BUDGET:
        item = state.item(event.step, event.key)
        return state.with_item(event.step, replace(item, answer=event.answer))
    cap = int(event.key)
    return replace(state, cap=cap) if event.answer == "yes" else replace(state, refused_cap=cap)


BUDGET = "$budget"
"""Name under which the budget question is asked; no step can have it."""


def _purchase(state: State, event: OfPurchase) -> State:
    item = state.item(event.step, event.key)
    if isinstance(event, PurchaseIntended):
        bought = Purchase(
            event.n,
            event.route,
            event.idempotency_key,
            event.body,
            event.reserve,
            event.at,
            item.order.priced_by if item.order else PricedBy(),
        )
        earlier = tuple(purchase for purchase in item.purchases if purchase.n != event.n)
        item = replace(item, phase=Phase.BUYING, purchases=(*earlier, bought))
        return state.with_item(event.step, item)
    purchases = tuple(
        _settle(purchase, event) if purchase.n == event.n else purchase
        for purchase in item.purchases
    )
    item = replace(item, purchases=purchases)
    if isinstance(event, PurchaseAccepted):
        item = replace(item, phase=Phase.RUNNING)
    elif isinstance(event, PurchaseRefused):
        item = replace(item, phase=Phase.FAILED, code=event.code, reason=event.message)
    elif isinstance(event, PurchaseUncertain):
        item = _uncertain(item, event.reason)
    elif isinstance(event, JobEnded) and event.status == "failed":
        item = _job_failed(state, event, item)
    elif isinstance(event, ChatAnswered):
        item = _chat_answered(state, event, item)
    return state.with_item(event.step, item)


def _settle(purchase: Purchase, event: OfPurchase) -> Purchase:
    if isinstance(event, PurchaseAccepted):
        return replace(
            purchase, status="accepted", task_id=event.task_id, reserved=event.reserved_credits
        )
    if isinstance(event, PurchaseRefused):
        return replace(purchase, status="refused", error=event.code)
    if isinstance(event, PurchaseUncertain):
        return replace(purchase, status="uncertain", error=event.reason)
    if isinstance(event, JobEnded):
        return replace(purchase, status=event.status, final=event.final_credits, error=event.error)
    if isinstance(event, ChatAnswered):
        return replace(
            purchase,
            status="answered",
            task_id=event.completion_id,
            reserved=event.reserved_credits,
            final=event.final_credits,
            content=event.content,
            session_id=event.session_id,
            usage=event.usage,
        )
    return purchase


def _uncertain(item: ItemState, reason: str) -> ItemState:
    return replace(item, phase=Phase.FAILED, code="uncertain", reason=reason)


def _job_failed(state: State, event: JobEnded, item: ItemState) -> ItemState:
    """A failed job is bought anew while the spec or a resume allows it, else the item failed."""
    allowed = state.spec(event.step).regenerate + item.granted
    if _failed_jobs(item) <= allowed:
        return replace(item, phase=Phase.READY)
    reason = event.error or "the job failed"
    return replace(item, phase=Phase.FAILED, code="job_failed", reason=reason)


def _failed_jobs(item: ItemState) -> int:
    return sum(purchase.status == "failed" for purchase in item.purchases)


def _chat_answered(state: State, event: ChatAnswered, item: ItemState) -> ItemState:
    """An answer that fits completes the step; another is asked for twice more, then it fails."""
    outputs: dict[str, Any] = {
        "text": event.content,
        "json": None,
        "session_id": event.session_id,
        "usage": event.usage,
    }
    shape = getattr(state.spec(event.step).with_, "expect", None)
    if shape:
        try:
            outputs["json"] = answers.read(event.content, shape)
        except answers.AnswerError as error:
            turns = sum(purchase.status == "answered" for purchase in item.purchases)
            if turns < answers.TURNS:
                return replace(item, phase=Phase.READY)
            reason = f"no answer of the asked shape in {answers.TURNS} turns: {error}"
            return replace(item, phase=Phase.FAILED, code="unexpected_answer", reason=reason)
    return replace(item, phase=Phase.COMPLETED, outputs=outputs)


def _resume(state: State, event: RunResumed) -> State:
    """Everything that has not ended for good is taken up again."""
    steps = {}
    for step_id, step in state.steps.items():
        items = step.items
        if items is not None:
            items = tuple(_revive(state, step_id, item, event) for item in items)
            revived = any(item.phase is Phase.WAITING for item in items)
            # A run-time fan-out that was skipped whole has a placeholder; expand it again.
            if state.planned(step_id).items is None and revived and not _bought(items):
                items = None
        balances = dict(step.balances)
        if items is None or not StepState(items).settled:
            balances.pop("after", None)
        steps[step_id] = replace(step, items=items, reading=None, balances=balances)
    return replace(
        state,
        steps=steps,
        now=event.at,
        cap=state.cap if event.budget is None else event.budget,
        uploads={name: file for name, file in state.uploads.items() if file is not None},
        asking=(),
        ended=None,
        balances={k: v for k, v in state.balances.items() if k != "after"},
        reading=None,
        refused_cap=state.refused_cap if event.budget is None else None,
    )


def _bought(items: tuple[ItemState, ...]) -> bool:
    return any(item.purchases for item in items)


def _revive(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    if state.spec(step_id).uses == "include":
        # It follows from the steps inside, which may go on now.
        return replace(item, phase=Phase.WAITING, outputs=None, reason=None, code=None)
    if item.phase is Phase.COMPLETED:
        if state.ended == "failed" and _ends_anew(state, step_id, item):
            return replace(item, phase=Phase.WAITING, order=None, outputs=None)
        return item
    item = _reopen(state, step_id, item, event)
    last = item.last
    if last is not None and last.status == "uncertain":
        return _uncertain(item, last.error or "it is unknown whether the service took it")
    if last is not None and last.status == "failed":
        allowed = state.spec(step_id).regenerate + item.granted
        if _failed_jobs(item) > allowed:
            return item
    if item.code == "unexpected_answer" and not _named(event.regenerate, step_id, item.key):
        return item
    if last is not None and last.status in ("intended", "accepted", "succeeded"):
        phase = Phase.BUYING if last.status == "intended" else Phase.RUNNING
        return replace(item, phase=phase, reason=None, code=None)
    return replace(item, phase=Phase.WAITING, order=None, reason=None, code=None, asked_cache=False)


def _ends_anew(state: State, step_id: str, item: ItemState) -> bool:
    """A free step of `finally` runs at each end of a run; what it bought is not bought again."""
    free = item.order is None or not item.order.model
    return state.planned(step_id).part == "finally" and free


def _reopen(state: State, step_id: str, item: ItemState, event: RunResumed) -> ItemState:
    """Applies what this resume allows, and what time has made uncertain."""
    last = item.last
    if last is None:
        return item
    if last.status == "planned":
        return replace(item, purchases=item.purchases[:-1])
    if last.status == "uncertain" and label(step_id, item.key) in event.resubmit:
        last = replace(last, status="intended", intended_at=event.at, error=None)
    elif last.status == "intended" and event.at - last.intended_at > timedelta(
        hours=event.resend_hours
    ):
        reason = f"unanswered for over {event.resend_hours:g} h; its key may be forgotten"
        last = replace(last, status="uncertain", error=reason)
    elif last.status == "failed" and _named(event.regenerate, step_id, item.key):
        # One job beyond those that failed, however often it was said before that job was bought.
        beyond = _failed_jobs(item) - state.spec(step_id).regenerate
        item = replace(item, granted=max(item.granted, beyond))
    return replace(item, purchases=(*item.purchases[:-1], last))


def _named(targets: tuple[str, ...], step_id: str, key: str) -> bool:
    return bool({"*", step_id, label(step_id, key)} & set(targets))
