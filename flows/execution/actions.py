"""Runs the actions of the queue; free work is done here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from rivya_flows.app.run_context import ServiceConnection
from rivya_flows.app.runner import OfItem, Run
from rivya_flows.assets import Asset, MediaKind, as_asset, looks_like_asset
from rivya_flows.errors import APIError, UsageError
from rivya_flows.flows.execution.purchases import buy, call_free, collect
from rivya_flows.planning.expansion.run_scope import outputs_of
from rivya_flows.planning.questions.open_questions import (
    Choice,
    decide_at_deadline,
    given,
    question_asked,
)
from rivya_flows.planning.queue.actions import (
    Action,
    Ask,
    AskCache,
    Buy,
    Collect,
    EndRun,
    Expire,
    Question,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.planning.queue.events import (
    AnswerGiven,
    BalanceRead,
    Event,
    FileUploaded,
    ItemCompleted,
    ItemFailed,
    QuestionsLeft,
    RunEnded,
)
from rivya_flows.planning.queue.queue import is_failing
from rivya_flows.planning.queue.state import State
from rivya_flows.steps.candidates import chosen_keys
from rivya_flows.steps.request import UploadedFile
from rivya_flows.tasks.files import Upload, upload_file
from rivya_flows.tasks.media import compose_media, lay_out_media, miss_pick, pick_one
from rivya_flows.tasks.notify import post_notice


@dataclass
class _Reading:
    """One read of the balance for all who asked before it was sent."""

    task: asyncio.Task[int] | None = None
    sent: bool = False


_READINGS: dict[tuple[asyncio.AbstractEventLoop, ServiceConnection], _Reading] = {}
"""The last one of each wallet, until it is over."""


async def read_balance(run: Run, action: ReadBalance) -> AsyncGenerator[Event]:
    """Report the balance; None if the service does not answer, which never stops a run."""
    try:
        credits = await _shared(run)
    except APIError:
        credits = None
    yield BalanceRead(step=action.step, phase=action.phase, credits=credits)


async def _shared(run: Run) -> int:
    wallet = (asyncio.get_running_loop(), run.context.service)
    reading = _READINGS.get(wallet)
    if reading is None or reading.sent:
        earlier = None if reading is None else reading.task
        reading = new = _READINGS[wallet] = _Reading()

        def forget(_: object) -> None:
            if _READINGS.get(wallet) is new:
                del _READINGS[wallet]

        reading.task = asyncio.create_task(_read(run, reading, earlier))
        reading.task.add_done_callback(forget)
    assert reading.task is not None  # set when the reading is created
    return await asyncio.shield(reading.task)


async def _read(run: Run, reading: _Reading, earlier: asyncio.Task[int] | None) -> int:
    """Read once no other read runs, so that callers in the meantime share the next one."""
    if earlier is not None and not earlier.done():
        await asyncio.wait([earlier])
    reading.sent = True
    return (await run.client.credits.retrieve()).current_credits


async def notify(run: Run, action: Work) -> dict[str, Any]:
    url, secret = str(action.arguments["url"]), action.arguments.get("secret")
    document = notice(run.state, action)
    await run.call(post_notice, "notify", action, url, document, secret, run.retry(action.step))
    return {}


def notice(state: State, action: Work) -> dict[str, Any]:
    """The document: the current state of the run, and the `body` of the step."""
    part = state.planned(action.step).part
    status = "failed" if is_failing(state) else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": action.step,
        "key": action.key,
        "status": "running" if part == "steps" else status,
        "outputs": _without_paths(outputs_of(state).values),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": action.arguments.get("body"),
    }


def _without_paths(value: Any) -> Any:
    """Remove the paths of assets, which mean nothing on another machine."""
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, dict):
        left_out = {"path"} if looks_like_asset(value) else set()
        return {key: _without_paths(value[key]) for key in value if key not in left_out}
    return value


async def upload_reference(run: Run, action: UploadMedium) -> AsyncGenerator[Event]:
    """Upload one medium, once for each model of a run."""
    done = await _uploaded(run, action, action.source, action.media, action.model, action.asset)
    yield FileUploaded(
        source=action.source,
        media=action.media,
        model=action.model,
        file=UploadedFile.model_validate(done.file.model_dump()),
        asset=done.asset,
    )


async def work(run: Run, action: Work) -> AsyncGenerator[Event]:
    began = time.monotonic()
    outputs = await _WORK.get(action.uses, call_free)(run, action)
    seconds = round(time.monotonic() - began, 3)
    yield ItemCompleted(step=action.step, key=action.key, outputs=outputs, work_seconds=seconds)


async def _upload(run: Run, action: Work) -> dict[str, Any]:
    source = action.arguments["file"]
    asset = as_asset(source)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = action.arguments.get("kind") or (asset.kind if asset else "image")
    done = await _uploaded(run, action, source, media, action.arguments.get("model"), asset)
    file, kept = done.file, done.asset
    if kept:
        made = {**kept.as_json(), "url": file.url}
    else:  # only the service has it; passing it on needs its id alone
        names = {"kind", "url", "mime_type", "duration_seconds"}
        made = {**file.model_dump(include=names), "file_id": file.id}
    return {"asset": made, "id": file.id, "url": file.url}


async def _uploaded(
    run: Run,
    of: OfItem,
    source: str,
    media: str,
    model: str | None,
    asset: Asset | None,
) -> Upload:
    retry = run.retry(of.step)
    return await run.call(
        upload_file, "upload", of, source, cast("MediaKind", media), model, asset, retry
    )


async def _pick(run: Run, action: Work) -> dict[str, Any]:
    keys = chosen_keys(action.arguments)
    return await run.call(pick_one, "pick", action, action.arguments["from"], keys)


async def _compose(run: Run, action: Work) -> dict[str, Any]:
    timeout, progress = _timeout(run, action), partial(run.rendering, action.step, action.key)
    return await run.call(compose_media, "compose", action, action.arguments, timeout, progress)


async def _lay_out(run: Run, action: Work) -> dict[str, Any]:
    return await run.call(lay_out_media, "layout", action, action.arguments, _timeout(run, action))


def _timeout(run: Run, action: Work) -> float | None:
    return run.state.spec(action.step).timeout


_WORK: dict[str, Callable[[Run, Work], Awaitable[dict[str, Any]]]] = {
    "upload": _upload,
    "pick": _pick,
    "compose": _compose,
    "layout": _lay_out,
    "notify": notify,
}


async def ask(run: Run, action: Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, and what deadlines decide; left questions stay open."""
    for question in action.questions:
        state = run.state
        if question.name not in state.deadlines:
            yield question_asked(question, run.clock(), state.missed.get(question.name))
    for question in run.state.asking:
        try:
            choice = await _answer(run, question)
        except TimeoutError:
            yield await _decided(run, decide_at_deadline(question))
            continue
        if choice is None:
            yield QuestionsLeft(at=run.clock())
            return
        yield given(question, choice, run.clock())


async def expire(run: Run, action: Expire) -> AsyncGenerator[Event]:
    for event in action.events:
        yield await _decided(run, event)


async def _decided(run: Run, event: AnswerGiven | ItemFailed) -> Event:
    """The event, once a pick that fails by it has failed in Prefect's graph too."""
    if isinstance(event, ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, "pick", event, event.message)
    return event


async def _answer(run: Run, question: Question) -> Choice | None:
    """The answer of a person; None if nobody answers. Raises `TimeoutError` at the deadline."""
    if run.ask is None:
        return None
    seconds = None
    if question.deadline is not None:
        seconds = max((question.deadline - run.clock()).total_seconds(), 0.0)
    return await asyncio.wait_for(run.ask(question), seconds)


def events_of(run: Run, action: Action) -> AsyncGenerator[Event]:
    """The events of an action; the generator resumes only after its last event was written."""
    match action:
        case ReadBalance():
            return read_balance(run, action)
        case UploadMedium():
            return upload_reference(run, action)
        case AskCache():
            return _ask_cache(run, action)
        case Buy():
            return buy(run, action)
        case Collect():
            return collect(run, action)
        case Work():
            return work(run, action)
        case Ask():
            return ask(run, action)
        case Expire():
            return expire(run, action)
        case EndRun():
            return _end(run, action)


async def _ask_cache(run: Run, action: AskCache) -> AsyncGenerator[Event]:
    """Report the outputs of an equal request, if their media are intact."""
    yield await asyncio.to_thread(run.look_up, action)


async def _end(run: Run, action: EndRun) -> AsyncGenerator[Event]:
    yield RunEnded(status=action.status, at=run.clock())
