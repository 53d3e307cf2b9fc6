"""Applies events of purchases to the state of a run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rivya_flows.planning import structured_output
from rivya_flows.planning.expansion.item_requests import PricedBy
from rivya_flows.planning.queue import judging
from rivya_flows.planning.queue.events import (
    ChatAnswered,
    JobEnded,
    OfPurchase,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUncertain,
)
from rivya_flows.planning.queue.item_state import ItemState, Phase, Purchase
from rivya_flows.planning.queue.state import State


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
        )
        earlier = tuple(purchase for purchase in item.purchases if purchase.n != event.n)
        item = replace(item, phase=Phase.BUYING, purchases=(*earlier, bought))
        return state.with_item(event.step, item)
    purchases = tuple(
        _closed(purchase, event) if purchase.n == event.n else purchase
        for purchase in item.purchases
    )
    item = replace(item, purchases=purchases)
    if isinstance(event, PurchaseAccepted):
        item = replace(item, phase=Phase.RUNNING)
    elif isinstance(event, PurchaseRefused):
        alone = judging.refused(state, event, item)
        item = alone or replace(item, phase=Phase.FAILED, code=event.code, reason=event.message)
    elif isinstance(event, PurchaseUncertain):
        item = uncertain(item, event.reason)
    elif isinstance(event, JobEnded) and event.status == "failed":
        item = _job_failed(state, event, item)
    elif isinstance(event, ChatAnswered) and judging.is_judged(item):
        item = judging.answered(state, event, item)
    elif isinstance(event, ChatAnswered):
        item = _chat_answered(state, event, item)
    return state.with_item(event.step, item)


def _closed(purchase: Purchase, event: OfPurchase) -> Purchase:
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


def uncertain(item: ItemState, reason: str) -> ItemState:
    """The item after a purchase whose outcome is unknown."""
    return replace(item, phase=Phase.FAILED, code="uncertain", reason=reason)


def _job_failed(state: State, event: JobEnded, item: ItemState) -> ItemState:
    """A failed job is bought again while the spec or a resume allows it; else the item fails."""
    allowed = state.spec(event.step).regenerate + item.granted
    if failed_jobs(item) <= allowed:
        return replace(item, phase=Phase.READY)
    reason = event.error or "the job failed"
    return replace(item, phase=Phase.FAILED, code="job_failed", reason=reason)


def failed_jobs(item: ItemState) -> int:
    """Number of its jobs that failed."""
    return sum(purchase.status == "failed" for purchase in item.purchases)


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
