"""Paid work: journals the intent of a purchase, sends the same bytes under the same key, and collects
the results of jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import TypedDict, cast

from pydantic import JsonValue

from rivya_client.errors import NotSentError, RefusedAfterSilenceError, may_have_been_carried_out
from rivya_client.mime_types import MediaKind
from rivya_client.types import ChatCompletion, Generation
from rivya_flows.assets import Outputs
from rivya_flows.engine.run import Run
from rivya_flows.errors import APIError, APIStatusError, UsageError
from rivya_flows.flows.absence import is_absence
from rivya_flows.queue.actions import Buy, Collect, Work
from rivya_flows.queue.events import (
    ChatAnswered,
    Event,
    ItemCompleted,
    ItemFailed,
    JobEnded,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUnanswered,
    PurchaseUncertain,
)
from rivya_flows.queue.items import Purchase
from rivya_flows.queue.outcomes import CONFLICT, meaning_of_refusal
from rivya_flows.tasks.functions import call_function
from rivya_flows.tasks.generations import (
    CollectError,
    JobFailedError,
    buy_by_route,
    collect_generation,
)


async def call_paid(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Call a function under the key of a purchase; report its cost and outputs.

    An exception leaves the purchase open: only the function knows whether it bought, and a resume
    calls it again with the same arguments under the same key.
    """
    arguments = json.loads(action.bought.body)["arguments"]
    outputs = await called(run, action, arguments, action.bought.idempotency_key)
    yield JobEnded(**_of(action), status="succeeded", final_credits=action.bought.reserve)
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs)


async def called(
    run: Run, action: Buy | Work, arguments: dict[str, JsonValue], idempotency_key: str = ""
) -> Outputs:
    """What the `work` of a kind makes."""
    planned = run.state.planned(action.step)
    kind, timeout = planned.kind, planned.step.timeout
    return await run.call(
        call_function, kind.uses, action, kind, arguments, idempotency_key, timeout
    )


async def buy(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Wait for a slot of the model, buy, and report the outcome.

    A job whose acceptance counts keeps the slot until it is collected; any other outcome releases it.
    """
    request = run.state.item(action.step, action.key).request
    paid_model = None if request is None or action.bought.is_function else request.model
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
        **_of(action),
        route=action.bought.route,
        idempotency_key=action.bought.idempotency_key,
        body=action.bought.body,
        reserve=action.bought.reserve,
        at=run.clock(),
        alternative=action.bought.alternative,
        model=None if action.bought.is_function else _model_in(action.bought.body),
        rest=action.rest,
    )


def _model_in(body: str) -> str | None:
    """The model that a body names, which a kind of another distribution may have written in its own way."""
    with contextlib.suppress(ValueError):
        sent = json.loads(body)
        if isinstance(sent, dict) and isinstance(sent.get("model"), str):
            return str(sent["model"])
    return None


async def _send_intended(run: Run, action: Buy) -> AsyncGenerator[Event]:
    """Buy what the journal intends, and report the outcome.

    A missing response raises: the intent stays open, and a resume sends the same bytes under the
    same key. A request that never left raises too, after the intent was closed at 0.
    """
    of = _of(action)
    if action.bought.is_function:
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
    purchases = run.state.item(action.step, action.key).purchases
    return next(one for one in purchases if one.n == action.n)


def _may_have_bought(error: APIError) -> bool:
    """Whether a request of the failed call, or another one under its key, may have been accepted."""
    silent = isinstance(error, RefusedAfterSilenceError) or may_have_been_carried_out(error)
    return silent or error.code == CONFLICT


def _closing(
    error: APIError, bought: Purchase, of: _Named, *, late: bool
) -> PurchaseRefused | PurchaseUncertain | None:
    """The event that closes a purchase after a failed call; None if it stays open."""
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
    bought, retry = action.bought, run.retry(action.step)
    kind = run.state.planned(action.step).kind
    if (route := kind.route) is None or route.name != bought.route:
        # Another route may not know the key: it would charge again.
        raise UsageError(
            f"{kind.uses!r} does not buy by {bought.route!r} any more, as when this was intended",
            "install the version of its kind that the run began with",
        )
    return await run.call(
        buy_by_route, route.stage, action, route, bought.body, bought.idempotency_key, retry
    )


class _Named(TypedDict):
    """What names a purchase in its events."""

    step: str
    key: str
    n: int


def _of(action: Buy | Collect) -> _Named:
    return {"step": action.step, "key": action.key, "n": action.n}


def _accepted(action: Buy, job: Generation) -> PurchaseAccepted:
    return PurchaseAccepted(
        **_of(action),
        task_id=job.id,
        # The service may charge at the end only; a job that holds nothing would leave the cap open.
        reserved_credits=job.reserved_credits or action.bought.reserve,
    )


def _answered(action: Buy, answer: ChatCompletion) -> ChatAnswered:
    reserved = (answer.credits and answer.credits.reserved) or action.bought.reserve
    final = answer.credits.final if answer.credits else None
    return ChatAnswered(
        **_of(action),
        completion_id=answer.id,
        session_id=answer.session_id or json.loads(action.bought.body).get("session_id") or "",
        content=answer.message.content,
        usage=answer.usage.model_dump() if answer.usage else {},
        reserved_credits=reserved,
        # A cost that the service did not report counts as what was set aside.
        final_credits=reserved if final is None else final,
    )


MAX_URLS = 1_000
"""Result URLs of one job that the journal keeps."""


async def collect(run: Run, action: Collect) -> AsyncGenerator[Event]:
    """Report how the job ended and what it cost, then its media; what was downloaded is kept in any case.

    Raises:
        CollectError: The host of a result is away, and the run outlasts that.
    """
    item = run.state.item(action.step, action.key)
    model = None if item.request is None else item.request.model
    run.slots.under_way(action, model)
    bought = None if item.last is None else item.last.intended_at
    earlier = bought is not None and bought < run.began
    failed = None
    try:
        done = await run.call(
            collect_generation,
            "collect",
            action,
            action.task_id,
            cast("MediaKind", action.media),
            model,
            action.timeout_seconds,
            (run.clock() - bought).total_seconds() if bought and earlier else None,
            action.files,
        )
    except JobFailedError as error:
        yield _ended(run, action, error.generation)
        return
    except CollectError as error:
        failed = error
    finally:
        run.slots.over(action)
    if not action.settled:
        yield _ended(run, action, failed.generation if failed else done.generation)
    of = {"step": action.step, "key": action.key}
    if failed and run.outlasts and is_absence(failed):
        raise failed
    if failed:
        yield ItemFailed(**of, code=failed.code, message=failed.message, files=failed.files)
        return
    assets = [asset.as_json() for asset in done.assets]
    outputs = {"asset": assets[0], "assets": assets, "task_id": action.task_id}
    yield ItemCompleted(**of, outputs=outputs)


def _ended(run: Run, action: Collect, job: Generation) -> JobEnded:
    final = job.final_credits
    if final is None:
        # A cost that the service did not report counts as what was set aside.
        bought = run.state.item(action.step, action.key).last
        final = bought.held if bought else 0
    watched = run.watched.pop(action.task_id, None)
    return JobEnded(
        **_of(action),
        status=job.status,
        final_credits=final,
        urls=job.result.urls[:MAX_URLS] if job.result else (),
        error=job.error.message if job.error else None,
        error_code=job.error.code if job.error else None,
        model=job.model,
        seconds=watched.seconds if watched else None,
        looks=watched.looks if watched else None,
        late_seconds=watched.late if watched else None,
    )
