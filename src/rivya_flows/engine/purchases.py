"""Purchases: journals the intent, sends the same bytes under the same key, and reports the outcome."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from rivya_client.errors import NotSentError, RefusedAfterSilenceError, may_have_been_carried_out
from rivya_client.types import ChatCompletion, Generation
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import ServiceConnection
from rivya_flows.engine.work import call_function
from rivya_flows.errors import APIError, APIStatusError, UsageError
from rivya_flows.queue import events
from rivya_flows.queue.actions import Buy, ReadBalance
from rivya_flows.queue.bought_again import why_bought_again
from rivya_flows.queue.events import Event
from rivya_flows.queue.items import Purchase
from rivya_flows.queue.outcomes import CONFLICT, meaning_of_refusal


async def submit(run: Run, action: Buy) -> Generation | ChatCompletion:
    """Send a purchase: one job, or one answer of a chat model. The service charges once per key."""
    purchase, route = action.purchase, run.state.planned_step(action.step).kind.route
    assert route is not None  # `_stage` raises if the kind has no route
    assert route.send is not None  # a function buys by itself
    body, retry = purchase.body.encode(), run.retry(action.step)
    # Nothing is sent, first or again, once the service may have forgotten the key.
    client = run.client.with_options(send_before=_purchase(run, action).intended_at + run.resend)
    answer = await route.send(client, body, purchase.idempotency_key, retry)
    if isinstance(answer, Generation):
        run.accepted[answer.id] = time.monotonic()
    return answer


async def buy(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Take a slot of the model and buy; an accepted job holds the slot until it is collected."""
    is_function = action.purchase.is_function
    request = run.state.item(action.step, action.key).request
    paid_model = None if request is None or is_function else request.model
    # Journaled before it takes a slot: other purchases wait for this intent.
    if action.rest is not None:
        yield await _intent(run, action)
    await run.slots.take(action, paid_model)
    accepted = False
    try:
        if not action.intended and action.rest is None:
            yield await _intent(run, action)
        send = _call_function if is_function else _send_intended
        async with contextlib.aclosing(send(run, action)) as following:
            async for event in following:
                yield event
                accepted = isinstance(event, events.PurchaseAccepted)
    finally:
        if not accepted:
            run.slots.over(action)


async def _intent(run: Run, action: Buy) -> events.PurchaseIntended:
    return events.PurchaseIntended(
        **action.event_fields,
        route=action.purchase.route,
        idempotency_key=action.purchase.idempotency_key,
        body=action.purchase.body,
        reserve=action.purchase.reserve,
        at=run.clock(),
        alternative=action.purchase.alternative,
        model=None if action.purchase.is_function else _model_in(action.purchase.body),
        rest=action.rest,
        why=await _why(run, action),
    )


async def _why(run: Run, action: Buy) -> events.Why | None:
    """Why an item is bought again; None of a row of a batch, and of what this run tries once more."""
    state, n = run.state, action.purchase.n
    if n > 1 or (run.in_batch and state.fork is None):
        return None
    earlier = await asyncio.to_thread(run.look_up.earlier, state)
    if earlier is None:
        return None
    with contextlib.suppress(Exception):  # whatever an old journal has: a reason stops no purchase
        return why_bought_again(state, action.step, state.item(action.step, action.key), earlier)
    return None


def _model_in(body: str) -> str | None:
    """The model that a body names; None: a kind of another distribution may write a body without one."""
    with contextlib.suppress(ValueError):
        sent = json.loads(body)
        if isinstance(sent, dict) and isinstance(sent.get("model"), str):
            return str(sent["model"])
    return None


async def _call_function(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Call a function under the key of a purchase; an exception leaves it open for a resume."""
    outputs = await run.call(call_function, run.state.planned_step(action.step).kind.uses, action)
    yield events.JobEnded(
        **action.event_fields, status="succeeded", final_credits=action.purchase.reserve
    )
    yield events.ItemCompleted(step=action.step, key=action.key, outputs=outputs)


async def _send_intended(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Buy what the journal intends, and report the outcome.

    A missing response raises: the intent stays open, and a resume sends the same bytes under the
    same key. A request that never left raises too, after `PurchaseRefused` gave its credits back.
    """
    stage = _stage(run, action)
    deadline: datetime | None = None
    while True:
        try:
            answer = await run.call(submit, stage, action)
            break
        except APIError as error:
            # A request of the failed call, or another one under its key, may have been accepted.
            silent = isinstance(error, RefusedAfterSilenceError) or may_have_been_carried_out(error)
            maybe_bought = silent or error.code == CONFLICT
            if maybe_bought and _purchase(run, action).sent != "unknown":
                yield events.PurchaseUnanswered(**action.event_fields, reason=str(error))
            if error.code == CONFLICT:
                # The first request under this key may still run: only waiting is safe.
                deadline = deadline or run.clock() + timedelta(seconds=run.conflict_seconds)
                await asyncio.sleep(run.conflict_pause_seconds)
            # Wall time also passes while a machine sleeps: then the service may forget the key.
            late = deadline is not None and run.clock() >= deadline
            if closing := _closing_event(
                error, _purchase(run, action), action.event_fields, late=late
            ):
                yield closing
                if not isinstance(error, NotSentError):
                    return
            if error.code != CONFLICT:
                raise
    yield (
        _acceptance(action, answer)
        if isinstance(answer, Generation)
        else _answer_event(action, answer)
    )


def _stage(run: Run, action: Buy) -> str:
    """Name of the call in a graph; raises if the route of the kind changed, which would charge again."""
    kind = run.state.planned_step(action.step).kind
    if (route := kind.route) is None or route.name != action.purchase.route:
        raise UsageError(
            f"{kind.uses!r} does not buy by {action.purchase.route!r} any more, as when this was intended",
            "install the version of its kind that the run began with",
        )
    return route.stage


def _purchase(run: Run, action: Buy) -> Purchase:
    purchases = run.state.item(action.step, action.key).purchases
    return next(one for one in purchases if one.n == action.n)


def _closing_event(
    error: APIError, bought: Purchase, of: dict[str, Any], *, late: bool
) -> events.PurchaseRefused | events.PurchaseUncertain | None:
    """The event that closes a purchase after a failed call; None if it stays open."""
    if isinstance(error, NotSentError) and bought.sent == "never":
        return events.PurchaseRefused(**of, code=error.code, message=error.message, status=None)
    if not isinstance(error, APIStatusError):
        return None
    if error.code == CONFLICT:
        reason = f"the service holds another request under this key: {error.detail}"
        return events.PurchaseUncertain(**of, reason=reason) if late else None
    match meaning_of_refusal(bought, error.status, error.code):
        case "open":
            return None
        case "uncertain":
            answer = f"{error.code}: {error.detail}"
            reason = f"refused now ({answer}), after an earlier request without a response"
            return events.PurchaseUncertain(**of, reason=reason)
        case "refused":
            return events.PurchaseRefused(
                **of,
                code=error.code,
                message=error.detail,
                status=error.status,
                request_id=error.request_id,
            )


def _acceptance(action: Buy, job: Generation) -> events.PurchaseAccepted:
    return events.PurchaseAccepted(
        **action.event_fields,
        task_id=job.id,
        # The service may charge at the end only; a job that holds nothing would leave the cap open.
        reserved_credits=job.reserved_credits or action.purchase.reserve,
    )


def _answer_event(action: Buy, answer: ChatCompletion) -> events.ChatAnswered:
    reserved = (answer.credits and answer.credits.reserved) or action.purchase.reserve
    final = answer.credits.final if answer.credits else None
    return events.ChatAnswered(
        **action.event_fields,
        completion_id=answer.id,
        session_id=answer.session_id or json.loads(action.purchase.body).get("session_id") or "",
        content=answer.message.content,
        usage=answer.usage.model_dump() if answer.usage else {},
        reserved_credits=reserved,
        # A cost that the service did not report counts as what was set aside.
        final_credits=reserved if final is None else final,
    )


# --- The wallet that they change ---


@dataclass
class _Wallet:
    """The reads of one balance, one after the other, each shared by all that ask before it is sent.

    Attributes:
        sent: How many reads were sent.
        last: Number and credits of the last read that was answered.
    """

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    sent: int = 0
    last: tuple[int, int] = (0, 0)
    readers: int = 0

    async def read(self, run: Run) -> int:
        """The balance; a run reads with its own client, since another run may end at any time."""
        known = self.sent
        async with self.turn:
            await asyncio.sleep(0)  # those that ask at the same time share this read
            if self.last[0] <= known:
                self.sent = number = self.sent + 1
                self.last = number, (await run.client.credits.retrieve()).current_credits
            return self.last[1]


_WALLETS: dict[tuple[asyncio.AbstractEventLoop, ServiceConnection], _Wallet] = {}
"""Those that runs of an event loop read at this moment."""


async def read_balance(run: Run, action: ReadBalance) -> events.BalanceRead:
    """The balance; None if the service does not answer, which never stops a run."""
    of = asyncio.get_running_loop(), run.context.service
    wallet, credits = _WALLETS.setdefault(of, _Wallet()), None
    wallet.readers += 1
    try:
        with contextlib.suppress(APIError):
            credits = await wallet.read(run)
    finally:
        wallet.readers -= 1
        if not wallet.readers:
            _WALLETS.pop(of, None)
    return events.BalanceRead(step=action.step, phase=action.phase, credits=credits)
