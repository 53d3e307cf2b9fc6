"""Applies events of purchases to the state of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rivya_flows.planning.expansion.item_arguments import claim
from rivya_flows.planning.queue import judging
from rivya_flows.planning.queue.events import (
    ChatAnswered,
    JobEnded,
    OfPurchase,
    PoolRefused,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUnanswered,
    PurchaseUncertain,
)
from rivya_flows.planning.queue.fallbacks import (
    fallen_back,
    is_refusal_of_request,
    jobs_left,
    reason_of,
)
from rivya_flows.planning.queue.item_state import ItemState, Phase, Purchase
from rivya_flows.planning.queue.state import PoolLimit, State
from rivya_flows.steps import answers as structured_output
from rivya_flows.steps.request import PricedBy


def apply_purchase(state: State, event: OfPurchase) -> State:
    """The state after one event of a purchase."""
    item = state.item(event.step, event.key)
    if isinstance(event, PurchaseIntended):
        bought = Purchase(
            event.n,
            event.route,
            event.idempotency_key,
            event.body,
            event.reserve,
            event.at,
            item.request.priced_by if item.request else PricedBy(),
            alternative=item.alternative,
        )
        earlier = tuple(purchase for purchase in item.purchases if purchase.n != event.n)
        item = replace(item, phase=Phase.BUYING, purchases=(*earlier, bought))
        state = state.with_item(event.step, item)
        # No pool refused it; and no further list became known meanwhile, which it left out.
        if event.rest is not None and state.rest is not None and state.rest.least is not None:
            state = replace(state, rest=None)
        if state.pool is not None and state.spent > state.pool.most:
            return replace(state, pool=None)  # the pool has more again than it had
        return state
    if isinstance(event, PoolRefused):
        return _pool_refused(state, event, item)
    purchases = tuple(
        _closed(purchase, event) if purchase.n == event.n else purchase
        for purchase in item.purchases
    )
    before = item.alternative
    item = replace(item, purchases=purchases)
    if isinstance(event, PurchaseAccepted):
        item = replace(item, phase=Phase.RUNNING)
    elif isinstance(event, PurchaseRefused) and event.status is not None:
        item = judging.refused(state, event, item) or _refused(event, item)
    elif isinstance(event, PurchaseUncertain):
        item = uncertain(item, event.reason)
    elif isinstance(event, JobEnded) and event.status == "failed":
        item = _job_failed(state, event, item)
    elif isinstance(event, ChatAnswered) and judging.is_judged(item):
        item = judging.answered(state, event, item)
    elif isinstance(event, ChatAnswered):
        item = _chat_answered(state, event, item)
    state = state.with_item(event.step, item)
    return state if item.alternative == before else claim(state, event.step, item)


def _pool_refused(state: State, event: PoolRefused, item: ItemState) -> State:
    """The item is ready again, and what is left in the pool limits what is bought from now on."""
    purchases = tuple(one for one in item.purchases if one.n != event.n)
    item = replace(item, phase=Phase.READY, gated=True, purchases=purchases)
    state = state.with_item(event.step, item)
    sure = not state.totals.tally.open
    limit = PoolLimit(event.pool, event.until, state.spent + event.left, sure)
    known = state.pool
    if known is None or sure or limit.name == known.name or limit.most < known.most:
        return replace(state, pool=limit)
    return state


def _closed(purchase: Purchase, event: OfPurchase) -> Purchase:
    if isinstance(event, PurchaseAccepted):
        return replace(
            purchase,
            status="accepted",
            task_id=event.task_id,
            reserved=event.reserved_credits,
            error=None,
        )
    if isinstance(event, PurchaseUnanswered):
        return replace(purchase, sent="unknown", error=event.reason)
    if isinstance(event, PurchaseRefused):
        return replace(purchase, status="refused", error=event.message)
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
            error=None,
            content=event.content,
            session_id=event.session_id,
            usage=event.usage,
        )
    return purchase


def uncertain(item: ItemState, reason: str) -> ItemState:
    """The item after a purchase whose outcome is unknown."""
    return replace(item, phase=Phase.FAILED, code="uncertain", reason=reason)


def _job_failed(state: State, event: JobEnded, item: ItemState) -> ItemState:
    """A failed job is bought again while the spec or a resume allows it, then the next alternative;
    without one the item fails.
    """
    if jobs_left(state.spec(event.step), item):
        return replace(item, phase=Phase.READY)
    reason = reason_of(item, event.error or "the job failed")
    code = "content_refused" if event.error_code == "content_refused" else "job_failed"
    failed = replace(item, phase=Phase.FAILED, code=code, reason=reason)
    return fallen_back(item) or failed


def _refused(event: PurchaseRefused, item: ItemState) -> ItemState:
    """A refused request is followed by the next alternative; any other refusal fails the item."""
    failed = replace(item, phase=Phase.FAILED, code=event.code, reason=event.message)
    closed = next(one for one in item.purchases if one.n == event.n)
    if not is_refusal_of_request(closed, event.code):
        return failed
    return fallen_back(item) or replace(failed, reason=reason_of(item, event.message))


def _chat_answered(state: State, event: ChatAnswered, item: ItemState) -> ItemState:
    """An answer that matches the schema completes the item; others are asked for again, then fail."""
    outputs: dict[str, Any] = {
        "text": event.content,
        "json": None,
        "session_id": event.session_id,
        "usage": event.usage,
    }
    schema = getattr(state.spec(event.step).with_, "expect", None)
    if schema:
        try:
            outputs["json"] = structured_output.read(event.content, schema)
        except structured_output.AnswerError as error:
            turns = sum(purchase.status == "answered" for purchase in item.purchases)
            if turns < structured_output.TURNS:
                return replace(item, phase=Phase.READY)
            reason = f"no answer matched the schema in {structured_output.TURNS} turns: {error}"
            return replace(item, phase=Phase.FAILED, code="unexpected_answer", reason=reason)
    return replace(item, phase=Phase.COMPLETED, outputs=outputs)
