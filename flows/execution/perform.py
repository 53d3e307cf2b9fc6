"""Runs the actions of the queue; free work is done here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from rivya_client.mime_types import MediaKind
from rivya_flows.assets import Asset, Outputs, as_asset
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import ServiceConnection
from rivya_flows.errors import APIError, UsageError
from rivya_flows.flows.execution.purchases import buy, called, collect
from rivya_flows.planning.questions.open_questions import decide_at_deadline, question_asked
from rivya_flows.planning.questions.question import Answer, Question
from rivya_flows.queue.actions import (
    Action,
    Ask,
    AskCache,
    Buy,
    Collect,
    EndRun,
    Expire,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.queue.events import (
    AnswerGiven,
    BalanceRead,
    Event,
    FileUploaded,
    ItemCompleted,
    ItemFailed,
    QuestionsLeft,
    RunEnded,
)
from rivya_flows.steps.request import UploadedFile
from rivya_flows.steps.upload import UploadWith
from rivya_flows.tasks.files import Upload, upload_file
from rivya_flows.tasks.media import compose_media, lay_out_media, miss_pick, pick_one
from rivya_flows.tasks.notify import post_notice

_TASKS = {one.name: one for one in (pick_one, compose_media, lay_out_media, post_notice)}
"""Free work of a built-in kind."""


@dataclass
class _Reading:
    """One read of the balance for all who asked before it was sent."""

    task: asyncio.Task[int] | None = None
    sent: bool = False


_READINGS: dict[tuple[asyncio.AbstractEventLoop, ServiceConnection], _Reading] = {}
"""The last one of each wallet, until it is over."""


async def read_balance(run: Run, action: ReadBalance) -> BalanceRead:
    """The balance; None if the service does not answer, which never stops a run."""
    try:
        credits = await _shared(run)
    except APIError:
        credits = None
    return BalanceRead(step=action.step, phase=action.phase, credits=credits)


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


async def _work(run: Run, action: Work) -> Outputs:
    if action.uses == "upload":
        return await _upload(run, action)
    if (task := _TASKS.get(action.uses)) is not None:
        return await run.call(task, action.uses, action, action)
    return await called(run, action, action.arguments)


async def _upload(run: Run, action: Work) -> Outputs:
    asked = UploadWith.model_validate(action.arguments)
    source, asset = asked.file, as_asset(asked.file)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = asked.kind or (asset.kind if asset else "image")
    done = await _uploaded(run, action, source, media, asked.model, asset)
    file, kept = done.file, done.asset
    if kept:
        made = {**kept.as_json(), "url": file.url}
    else:  # only the service has it; passing it on needs its id alone
        names = {"kind", "url", "mime_type", "duration_seconds"}
        made = {**file.model_dump(include=names), "file_id": file.id}
    return {"asset": made, "id": file.id, "url": file.url}


async def _uploaded(
    run: Run,
    of: UploadMedium | Work,
    source: str,
    media: str,
    model: str | None,
    asset: Asset | None,
) -> Upload:
    retry = run.retry(of.step)
    return await run.call(
        upload_file, "upload", of, source, cast("MediaKind", media), model, asset, retry
    )


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
        yield choice.event(question, run.clock())


async def _decided(run: Run, event: AnswerGiven | ItemFailed) -> AnswerGiven | ItemFailed:
    """The event, once a pick that fails by it has failed in Prefect's graph too."""
    if isinstance(event, ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, "pick", event, event.message)
    return event


async def _answer(run: Run, question: Question) -> Answer | None:
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
        case Ask():
            return ask(run, action)
        case Buy():
            return buy(run, action)
        case Collect():
            return collect(run, action)
        case _:
            return _done(run, action)


async def _done(
    run: Run, action: ReadBalance | UploadMedium | AskCache | Work | Expire | EndRun
) -> AsyncGenerator[Event]:
    match action:
        case ReadBalance():
            yield await read_balance(run, action)
        case UploadMedium(source=source, media=media, model=model):
            done = await _uploaded(run, action, source, media, model, action.asset)
            file = UploadedFile.model_validate(done.file.model_dump())
            yield FileUploaded(source=source, media=media, model=model, file=file, asset=done.asset)
        case AskCache():  # the outputs of an equal request, if their media are intact
            yield await asyncio.to_thread(run.look_up, action)
        case Work(step=step, key=key):
            began = time.monotonic()
            outputs = await _work(run, action)
            seconds = round(time.monotonic() - began, 3)
            yield ItemCompleted(step=step, key=key, outputs=outputs, work_seconds=seconds)
        case Expire():
            for event in action.events:
                yield await _decided(run, event)
        case EndRun():
            yield RunEnded(status=action.status, at=run.clock())
