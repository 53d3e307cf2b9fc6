"""Sends paid POSTs: journals the intent, then sends the same bytes under the same key."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Literal

from rivya_flows.client.transport.response_parsing import RefusedAfterSilenceError
from rivya_flows.client.wire.api_objects import Generation
from rivya_flows.client.wire.chat import ChatCompletion
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
    PurchaseUncertain,
)
from rivya_flows.tasks.chat import complete_chat
from rivya_flows.tasks.credits import balance
from rivya_flows.tasks.generations import submit_generation

_STILL_OPEN = {408, 409, 429}
"""Statuses after which the purchase may still be made; other 4xx statuses refuse it."""

_REFUSING = {"insufficient_credits", "chat_session_conflict"}
"""Codes that refuse a purchase whatever their status. Source: contract, section 2.2."""


async def buy(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Wait for a slot of the model, buy, and report the outcome.

    A job whose acceptance counts keeps the slot until it is collected; any other outcome releases it.
    """
    request = run.current().item(action.step, action.key).request
    paid_model = None if request is None or action.route == "function" else request.model
    await run.slots.before_buying(action, paid_model)
    accepted = False
    try:
        async with contextlib.aclosing(_buy(run, action)) as events:
            async for event in events:
                yield event
                accepted = isinstance(event, PurchaseAccepted)
    finally:
        if not accepted:
            run.slots.over(action)


async def _buy(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Buy, and report the outcome.

    A missing response raises: the intent stays open, and a resume sends the same bytes under the
    same key.
    """
    if not action.intended:
        yield PurchaseIntended(
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
        )
    of = {"step": action.step, "key": action.key, "n": action.n}
    if action.route == "function":
        async for event in call_paid(run, action):
            yield event
        return
    try:
        answer = await _send(run, action)
    except APIStatusError as error:
        meaning = _meaning(error, action)
        if meaning == "refused" and action.intended and error.code == "insufficient_credits":
            meaning = "refused" if await _covers(action.reserve) else "open"
        match meaning:
            case "open":
                raise
            case "uncertain":
                yield PurchaseUncertain(**of, reason=_doubt(error))
            case "refused":
                yield PurchaseRefused(
                    **of,
                    code=error.code,
                    message=error.detail,
                    status=error.status,
                    request_id=error.request_id,
                )
        return
    yield _accepted(action, answer) if isinstance(answer, Generation) else _answered(action, answer)


def _meaning(error: APIStatusError, action: Buy) -> Literal["open", "refused", "uncertain"]:
    """What an error means for the purchase: still open, refused, or unknown."""
    if error.code == "idempotency_conflict":
        return "uncertain"
    if isinstance(error, RefusedAfterSilenceError):
        return "open"
    if error.code not in _REFUSING and error.status in _STILL_OPEN:
        return "open"
    if not 400 <= error.status < 500:
        return "open"
    if not action.intended or error.code == "insufficient_credits":
        return "refused"
    # An earlier execution sent this and got no response. The service may check the account, the
    # gateway and the request before it looks up the key.
    if error.status in (401, 403) or error.code.startswith("http_"):
        return "open"
    return "refused" if action.resubmitted else "uncertain"


async def _covers(credits: int) -> bool:
    """Whether the balance covers a purchase.

    If it does not, a lack of credits proves nothing about a request that an earlier execution sent:
    the service may check the balance before the key, and the purchase under that key may be what
    used up the balance.
    """
    try:
        return await balance() >= credits
    except APIError:
        return False


def _doubt(error: APIStatusError) -> str:
    if error.code == "idempotency_conflict":
        return f"the service holds another request under this key: {error.detail}"
    return (
        f"refused now ({error.code}: {error.detail}), after an earlier request without a response"
    )


async def _send(run: Run, action: Buy) -> Generation | ChatCompletion:
    arguments = {
        "body": action.body,
        "idempotency_key": action.idempotency_key,
        **run.current().spec(action.step).retry.model_dump(),
    }
    task, stage = (
        (submit_generation, "submit") if action.route == "generation" else (complete_chat, "chat")
    )
    # By wall time, which also passes while a machine sleeps.
    deadline = run.clock() + timedelta(seconds=run.conflict_seconds)
    while True:
        try:
            sent: Generation | ChatCompletion = await run.calls(
                task, stage, action.step, action.key, arguments
            )
            return sent
        except APIStatusError as error:
            # The first request under this key may still run: only waiting is safe.
            if error.code != "idempotency_conflict" or run.clock() >= deadline:
                raise
        await asyncio.sleep(run.conflict_pause_seconds)


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
