"""Runs the actions of the queue: each gives events, and continues only after its last event was written.

Money is spent in `purchases`, and collected in `jobs`; `work` has the free steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

from rivya_flows.assets import Outputs, as_asset
from rivya_flows.engine.files import upload
from rivya_flows.engine.jobs import collect
from rivya_flows.engine.purchases import buy
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import ServiceConnection
from rivya_flows.engine.work import WORK, call_function, miss_pick
from rivya_flows.errors import APIError, UsageError
from rivya_flows.questions.open_questions import decide_at_deadline, question_asked
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue import actions, events
from rivya_flows.queue.actions import Action
from rivya_flows.queue.events import Event
from rivya_flows.steps.connections import UploadWith
from rivya_flows.steps.request import UploadedFile


def events_of(run: Run, action: Action) -> AsyncGenerator[Event]:
    """The events of an action; close the generator if it is left before its end."""
    match action:
        case actions.Buy():
            return buy(run, action)
        case actions.Collect():
            return collect(run, action)
        case actions.Ask():
            return ask(run, action)
        case _:
            return _run_plain(run, action)


async def _run_plain(run: Run, action: Action) -> AsyncGenerator[Event]:
    match action:
        case actions.ReadBalance():
            yield await read_balance(run, action)
        case actions.UploadMedium(source=source, media=media, model=model):
            done = await run.call(upload, "upload", action)
            file = UploadedFile.model_validate(done.file.model_dump())
            yield events.FileUploaded(
                source=source, media=media, model=model, file=file, asset=done.asset
            )
        case actions.AskCache():  # the outputs of an equal request, if their media are intact
            yield await asyncio.to_thread(run.look_up, action)
        case actions.Work(step=step, key=key):
            began = time.monotonic()
            if action.uses == "upload":
                outputs = await _upload(run, action)
            else:
                function = WORK.get(action.uses, call_function)
                outputs = await run.call(function, action.uses, action)
            seconds = round(time.monotonic() - began, 3)
            yield events.ItemCompleted(step=step, key=key, outputs=outputs, work_seconds=seconds)
        case actions.Expire():
            for event in action.events:
                yield await _decide(run, event)
        case actions.EndRun():
            yield events.RunEnded(status=action.status, at=run.clock())


async def _upload(run: Run, action: actions.Work) -> Outputs:
    asked = UploadWith.model_validate(action.arguments)
    source, asset = asked.file, as_asset(asked.file)
    if isinstance(source, dict):
        source = asset.sha256 if asset else source.get("file_id") or source.get("url")
    media = asked.kind or (asset.kind if asset else "image")
    medium = actions.UploadMedium(source, media, asked.model, asset, action.step, action.key)
    done = await run.call(upload, "upload", medium)
    file = done.file
    if done.asset:
        made = {**done.asset.as_json(), "url": file.url}
    else:  # only the service has it; passing it on needs its id alone
        names = {"kind", "url", "mime_type", "duration_seconds"}
        made = {**file.model_dump(include=names), "file_id": file.id}
    return {"asset": made, "id": file.id, "url": file.url}


async def ask(run: Run, action: actions.Ask) -> AsyncGenerator[Event]:
    """Report each answer as soon as it is given, and what deadlines decide; left questions stay open."""
    for question in action.questions:
        state = run.state
        if question.name not in state.deadlines:
            yield question_asked(question, run.clock(), state.missed.get(question.name))
    for question in run.state.asking:
        try:
            choice = await _answer(run, question)
        except TimeoutError:
            yield await _decide(run, decide_at_deadline(question))
            continue
        if choice is None:
            yield events.QuestionsLeft(at=run.clock())
            return
        yield choice.event(question, run.clock())


async def _decide(
    run: Run, event: events.AnswerGiven | events.ItemFailed
) -> events.AnswerGiven | events.ItemFailed:
    """The event, once a pick that fails by it has failed in a graph too."""
    if isinstance(event, events.ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, "pick", event)
    return event


async def _answer(run: Run, question: Question) -> Answer | None:
    """The answer of a person; None without one. Raises `TimeoutError` at the deadline."""
    if run.ask is None:
        return None
    seconds = None
    if question.deadline is not None:
        seconds = max((question.deadline - run.clock()).total_seconds(), 0.0)
    return await asyncio.wait_for(run.ask(question), seconds)


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


async def read_balance(run: Run, action: actions.ReadBalance) -> events.BalanceRead:
    """The balance; None if the service does not answer, which never stops a run."""
    of = asyncio.get_running_loop(), run.context.service
    wallet, credits = _WALLETS.setdefault(of, _Wallet()), None
    wallet.readers += 1
    try:
        with suppress(APIError):
            credits = await wallet.read(run)
    finally:
        wallet.readers -= 1
        if not wallet.readers:
            _WALLETS.pop(of, None)
    return events.BalanceRead(step=action.step, phase=action.phase, credits=credits)
