"""Sends paid POSTs: journals the intent, then sends the same bytes under the same key."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime, timedelta
from typing import Any

from rivya_flows.client.errors import (
    NotSentError,
    RefusedAfterSilenceError,
    may_have_been_carried_out,
)
from rivya_flows.client.types import ChatCompletion, Generation
from rivya_flows.errors import APIError, APIStatusError
from rivya_flows.flows.execution.actions.functions import call_paid
from rivya_flows.flows.execution.active_run import Run
from rivya_flows.planning.queue.actions import Buy
from rivya_flows.planning.queue.events import (
    ChatAnswered,
    Event,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUnanswered,
    PurchaseUncertain,
)
from rivya_flows.planning.queue.item_state import Purchase
from rivya_flows.planning.queue.refusals import CONFLICT, meaning_of_refusal
from rivya_flows.tasks.generations import complete_chat, submit_generation


async def buy(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Wait for a slot of the model, buy, and report the outcome.

    A job whose acceptance counts keeps the slot until it is collected; any other outcome releases it.
    """
    request = run.current().item(action.step, action.key).request
    paid_model = None if request is None or action.route == "function" else request.model
    if action.rest is not None:  # first, since purchases of other models wait for that alone
        yield _intent(run, action)
    await run.slots.before_buying(action, paid_model)
    accepted = False
    try:
        if not action.intended and action.rest is None:
            yield _intent(run, action)
        async with contextlib.aclosing(_send_intended(run, action)) as events:
            async for event in events:
                yield event
                accepted = isinstance(event, PurchaseAccepted)
    finally:
        if not accepted:
            run.slots.over(action)


def _intent(run: Run, action: Buy) -> PurchaseIntended:
    return PurchaseIntended(
        step=action.step,
        key=action.key,
        n=action.n,
        route=action.route,
        idempotency_key=action.idempotency_key,
        body=action.body,
        reserve=action.reserve,
        at=run.clock(),
        alternative=action.alternative,
        model=_model(action),
        rest=action.rest,
    )


async def _send_intended(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Buy what the journal intends, and report the outcome.

    A missing response raises: the intent stays open, and a resume sends the same bytes under the
    same key. A request that never left raises too, after the intent was closed at 0.
    """
    of = {"step": action.step, "key": action.key, "n": action.n}
    if action.route == "function":
        async for event in call_paid(run, action):
            yield event
        return
    deadline: datetime | None = None
    while True:
        try:
            answer = await _send(run, action)
            break
        except APIError as error:
            if _may_have_bought(error) and _purchase(run, action).sent != "unknown":
                yield PurchaseUnanswered(**of, reason=str(error))
            if error.code == CONFLICT:
                # The first request under this key may still run: only waiting is safe.
                deadline = deadline or run.clock() + timedelta(seconds=run.conflict_seconds)
                await asyncio.sleep(run.conflict_pause_seconds)
            # By wall time, which also passes while a machine sleeps: the key may be forgotten by then.
            late = deadline is not None and run.clock() >= deadline
            if closing := _closing(error, _purchase(run, action), of, late=late):
                yield closing
                if not isinstance(error, NotSentError):
                    return
            if error.code != CONFLICT:
                raise
    yield _accepted(action, answer) if isinstance(answer, Generation) else _answered(action, answer)


def _purchase(run: Run, action: Buy) -> Purchase:
    """The purchase as the journal has it."""
    purchases = run.current().item(action.step, action.key).purchases
    return next(one for one in purchases if one.n == action.n)


def _may_have_bought(error: APIError) -> bool:
    """Whether a request of the failed call, or another one under its key, may have been accepted."""
    silent = isinstance(error, RefusedAfterSilenceError) or may_have_been_carried_out(error)
    return silent or error.code == CONFLICT


def _closing(
    error: APIError, bought: Purchase, of: Mapping[str, Any], *, late: bool
) -> PurchaseRefused | PurchaseUncertain | None:
    """The event that closes a purchase after a failed call; None if it stays open.

    Args:
        error: Of the call.
        bought: The purchase, with what is known of its earlier requests.
        of: Names it.
        late: A conflict is not waited for any more.
    """
    if isinstance(error, NotSentError) and bought.sent == "never":
        return PurchaseRefused(**of, code=error.code, message=error.message, status=None)
    if not isinstance(error, APIStatusError):
        return None
    if error.code == CONFLICT:
        reason = f"the service holds another request under this key: {error.detail}"
        return PurchaseUncertain(**of, reason=reason) if late else None
    match meaning_of_refusal(bought, error.status, error.code):
        case "open":
            return None
        case "uncertain":
            said = f"{error.code}: {error.detail}"
            reason = f"refused now ({said}), after an earlier request without a response"
            return PurchaseUncertain(**of, reason=reason)
        case "refused":
            return PurchaseRefused(
                **of,
                code=error.code,
                message=error.detail,
                status=error.status,
                request_id=error.request_id,
            )


async def _send(run: Run, action: Buy) -> Generation | ChatCompletion:
    arguments = {
        "body": action.body,
        "idempotency_key": action.idempotency_key,
        **run.current().spec(action.step).retry.model_dump(),
    }
    task, stage = (
        (submit_generation, "buy") if action.route == "generation" else (complete_chat, "chat")
    )
    sent: Generation | ChatCompletion = await run.calls(
        task, stage, action.step, action.key, arguments
    )
    return sent


def _model(action: Buy) -> str | None:
    """That the body names; None for a function."""
    return None if action.route == "function" else str(json.loads(action.body)["model"])


def _accepted(action: Buy, job: Generation) -> PurchaseAccepted:
    return PurchaseAccepted(
        step=action.step,
        key=action.key,
        n=action.n,
        task_id=job.id,
        # The service may charge at the end only; a job that holds nothing would leave the cap open.
        reserved_credits=job.reserved_credits or action.reserve,
    )


def _answered(action: Buy, answer: ChatCompletion) -> ChatAnswered:
    reserved = (answer.credits and answer.credits.reserved) or action.reserve
    final = answer.credits.final if answer.credits else None
    return ChatAnswered(
        step=action.step,
        key=action.key,
        n=action.n,
        completion_id=answer.id,
        session_id=answer.session_id or json.loads(action.body).get("session_id") or "",
        content=answer.message.content,
        usage=answer.usage.model_dump() if answer.usage else {},
        reserved_credits=reserved,
        # A cost that the service did not report counts as what was set aside.
        final_credits=reserved if final is None else final,
    )
