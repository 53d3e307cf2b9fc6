"""Runs the actions of the queue: each gives events, and goes on only after its last event was written.

Money is spent in `purchases`, and collected in `jobs`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pydantic import JsonValue, SecretStr

from rivya_flows.assets import Outputs, as_asset, looks_like_asset
from rivya_flows.callbacks import Revealed, post_callback
from rivya_flows.engine.drawing import compose, lay_out
from rivya_flows.engine.files import upload
from rivya_flows.engine.functions import call_function
from rivya_flows.engine.jobs import collect
from rivya_flows.engine.purchases import buy
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import ServiceConnection
from rivya_flows.errors import APIError, UsageError
from rivya_flows.language.canonical import canonical
from rivya_flows.language.inputs import RESERVED_HINT, names_secret, refusal
from rivya_flows.questions.open_questions import decide_at_deadline, question_asked
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue import actions, events
from rivya_flows.queue.actions import Action
from rivya_flows.queue.events import Event
from rivya_flows.queue.queue import is_failing
from rivya_flows.queue.scope import outputs_of
from rivya_flows.queue.state import State
from rivya_flows.settings import read_secret
from rivya_flows.steps.candidates import PickArguments, available, chosen_keys, pick_outputs
from rivya_flows.steps.connections import NotifyWith, UploadWith
from rivya_flows.steps.request import UploadedFile


async def pick(_: Run, action: actions.Work) -> Outputs:
    asked = PickArguments.model_validate(action.arguments)
    keys = chosen_keys(asked)
    picked = pick_outputs(asked.candidates, keys)
    if picked is None:
        known = ", ".join(str(one.get("key")) for one in available(asked.candidates))
        raise UsageError(f"there are no candidates {', '.join(keys)!r}", f"one of: {known}")
    return picked


async def miss_pick(_: Run, action: events.ItemFailed) -> None:
    """Fail a pick that nobody answered, so that a graph shows it."""
    raise UsageError(action.message, "Retry the run, then answer")


SecretBlocks = Callable[[str], Awaitable[SecretStr | None]]
"""Gives the value of a `Secret` block of Prefect by its name; None if there is none."""


async def notify(run: Run, work: actions.Work) -> Outputs:
    """Post the state of the run as JSON, signed if the step names a secret."""
    asked = NotifyWith.model_validate(work.arguments)
    url, secret = str(asked.url), asked.secret
    await post_callback(
        await revealed(url, run.secret_block) if names_secret(url) else url,
        canonical(_notice(run.state, work)).encode(),
        None if secret is None else await revealed(secret, run.secret_block),
        retry=run.retry(work.step),
        allow_private=run.context.settings.rivya_flows_allow_private_notify,
    )
    return {}


async def revealed(name: str, blocks: SecretBlocks) -> Revealed:
    """The secret named ``env:NAME`` or ``block:NAME``; no message of an error holds it."""
    if reason := refusal(name):
        raise UsageError(reason, RESERVED_HINT)
    source, _, rest = name.partition(":")
    if source == "env":
        found = read_secret(rest)
        missing = f"the secret {name!r} is not set"
        hint = "set the variable where the run is executed, or write it in .env there"
    elif source == "block":
        block = rest.removeprefix("secret/")
        found = await blocks(block)
        missing = f"there is no secret block {name!r}"
        hint = f"create a Secret block named {block} in Prefect"
    else:
        raise UsageError(
            "expected the name of a secret, not the secret itself", "write env:NAME or block:NAME"
        )
    if found is None:
        raise UsageError(missing, hint)
    return Revealed(name, found)


def _notice(state: State, work: actions.Work) -> dict[str, JsonValue]:
    part = state.planned(work.step).part
    status = "failed" if is_failing(state) else "completed"
    return {
        "run_id": state.run_id,
        "name": state.plan.workflow.name,
        "step": work.step,
        "key": work.key,
        "status": "running" if part == "steps" else status,
        "outputs": _without_paths(outputs_of(state).values),
        "credits": {"spent": state.spent, "saved": state.saved, "budget": state.cap},
        "body": work.arguments.get("body"),
    }


def _without_paths(value: Any) -> Any:
    """Remove the paths of assets, which mean nothing on another machine."""
    if isinstance(value, list):
        return [_without_paths(one) for one in value]
    if isinstance(value, dict):
        left_out = {"path"} if looks_like_asset(value) else set()
        return {key: _without_paths(value[key]) for key in value if key not in left_out}
    return value


WORK = {"pick": pick, "compose": compose, "layout": lay_out, "notify": notify}
"""Free work of the kinds that this package brings; that of others is `call_function`."""


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
            return _done(run, action)


async def _done(run: Run, action: Action) -> AsyncGenerator[Event]:
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
                yield await _decided(run, event)
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
            yield await _decided(run, decide_at_deadline(question))
            continue
        if choice is None:
            yield events.QuestionsLeft(at=run.clock())
            return
        yield choice.event(question, run.clock())


async def _decided(
    run: Run, event: events.AnswerGiven | events.ItemFailed
) -> events.AnswerGiven | events.ItemFailed:
    """The event, once a pick that fails by it has failed in a graph too."""
    if isinstance(event, events.ItemFailed):
        with suppress(UsageError):
            await run.call(miss_pick, "pick", event)
    return event


async def _answer(run: Run, question: Question) -> Answer | None:
    """The answer of a person; None if nobody answers. Raises `TimeoutError` at the deadline."""
    if run.ask is None:
        return None
    seconds = None
    if question.deadline is not None:
        seconds = max((question.deadline - run.clock()).total_seconds(), 0.0)
    return await asyncio.wait_for(run.ask(question), seconds)


@dataclass
class _Wallet:
    """The reads of one balance, one after the other; `next` is one that is not sent yet."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    next: asyncio.Task[int] | None = None
    readers: int = 0

    async def read(self, run: Run) -> int:
        """The balance, read once for all who ask before it is sent."""
        if self.next is None or self.next.done():  # it was cancelled before its turn
            self.next = asyncio.create_task(self._read(run))
        return await asyncio.shield(self.next)

    async def _read(self, run: Run) -> int:
        async with self.turn:
            self.next = None
            return (await run.client.credits.retrieve()).current_credits


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
