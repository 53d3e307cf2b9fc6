"""The event that tells Prefect how a run ended, for automations; also of one that failed before it began."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal
from uuid import UUID, uuid4, uuid5

from prefect import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.events import Event, emit_event
from prefect.events.filters import EventFilter, EventIDFilter
from prefect.settings import get_current_settings
from pydantic import BaseModel, ConfigDict, JsonValue

from rivya_client.printable import one_line
from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.engine.publishing import addresses_of, report_of
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError, hint_of
from rivya_flows.flows.prefect_internals import RUN_COUNT_LABEL, send_event
from rivya_flows.flows.recovery.automations import EVENT_PREFIX, LAST_HEARTBEAT, OURS, ROW_PREFIX
from rivya_flows.flows.recovery.orphans import close_cancelled
from rivya_flows.flows.run_ids import can_be_suspended, flow_run_here, flow_run_of, run_id_of
from rivya_flows.markdown import link, picture, text
from rivya_flows.planning.questions.open_questions import utc_minute
from rivya_flows.planning.questions.presentation import deadline_words, what_follows
from rivya_flows.plans.names import listed
from rivya_flows.queue.events import AnsweredBy
from rivya_flows.receipt.continuing import next_step
from rivya_flows.receipt.model import Choice, Moment, Receipt
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.receipt.summary import how_picked, told, troubles
from rivya_flows.settings import read_settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import FailedStart, listed_runs, record_failed_start

_ENDS = UUID("5f3c1d5e-6f0e-4f6b-9d52-0a4c7a1f9b21")
"""The namespace of the ids of events: one for each end of each run."""

_TOLD = {"kind", "mime_type", "width", "height", "duration_seconds", "sha256"}
_MAX_TEXT = 2_000
_MAX_MEDIA = 50
_MAX_TROUBLES = 20
_MAX_PICTURES = 4
_MAX_NAME = 64
_LONGEST_END_SECONDS, _LOOK_SECONDS = 60.0, 0.2
_endings: set[asyncio.Task[None]] = set()
_logger = logging.getLogger(__name__)

Address = Callable[[Asset], str | None]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Candidate(_Part):
    n: int
    key: str
    kind: str | None
    url: str | None


class _Question(_Part):
    question: str | None
    deadline: Moment | None
    then: str | None
    candidates: tuple[_Candidate, ...]


class _Choice(_Part):
    picked: tuple[str, ...]
    by: AnsweredBy | None
    how: str
    notes: tuple[str, ...]


class _Credits(_Part):
    spent: int | None
    saved: int = 0
    budget: int | None = None


class EndPayload(_Part):
    """What the event of a run's end carries; each medium has its URL."""

    run_id: str
    name: str
    title: str
    status: str
    sentence: str
    credits: _Credits
    outputs: dict[str, JsonValue] = {}
    picked: dict[str, dict[str, JsonValue]] = {}
    choices: dict[str, _Choice] = {}
    questions: dict[str, _Question] = {}
    troubles: tuple[str, ...] = ()
    report: str | None = None
    next: str | None = None
    markdown: str = ""


async def announce(
    context: RunContext, receipt: Receipt, *, again: bool = False, in_batch: bool = False
) -> None:
    """Sends the event of a run's end; never fails a run.

    Of a run that a command continued while its flow run is suspended, that flow run sends it.
    Returns once the server has it, or its client gave up. Until Prefect knows the end too, it starts
    the flow run again if this process dies, and the next one announces what the journal has as
    ended: the same event, by its id.

    Args:
        again: An earlier process may have sent it: then not, if the server has it.
    """

    def payload() -> EndPayload:
        address = addresses_of(context, receipt.media)
        report, deployed = report_of(context, receipt.run_id), can_be_suspended()
        return payload_of(receipt, address, report, deployed=deployed)

    if receipt.status != "cancelled" and await _ends_in_prefect(receipt.run_id):
        return
    end = uuid5(_ENDS, f"{receipt.run_id} {receipt.executions}")
    await _send(payload, end, ROW_PREFIX if in_batch else EVENT_PREFIX, again=again)


async def announce_failure(error: Exception, status: Literal["cancelled", "failed"]) -> None:
    """Sends the event of a flow run that an error ends, and records one that never began."""
    run = flow_run_here()
    if run is None:
        return
    name = await _flow_name(run)
    reason = one_line(str(error))[:_MAX_TEXT]
    failed = FailedStart(run_id_of(str(run.id)), name[:_MAX_NAME], time.time(), reason)
    spent = None
    if run.deployment_id is not None:  # else its run may have another id
        with contextlib.suppress(Exception):  # store or settings may be why it fails
            spent = await in_thread(partial(_recorded, failed, status))
    hint = hint_of(error)
    found = EndPayload(
        run_id=failed.run_id,
        name=name,
        title=name,
        status=status,
        sentence=reason if spent is None else f"{reason}; {credits_of(spent)}",
        credits=_Credits(spent=spent),
        next="; ".join(filter(None, (hint, "then Retry, in the menu of the run"))),
    )
    await _send(lambda: _with_message(found, text(found.next)), uuid4())


def end_heartbeats() -> None:
    """Sends `LAST_HEARTBEAT` of this flow run once no heartbeat can follow; never waits.

    Prefect sends heartbeats until its server has answered how the run ended; a late one would be waited for.
    """
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    if context is not None and run is not None and run.deployment_id is not None:
        ending = asyncio.get_running_loop().create_task(_last_heartbeat(run, context.start_time))
        _endings.add(ending)
        ending.add_done_callback(_endings.discard)


async def _last_heartbeat(run: FlowRun, began: datetime) -> None:
    """The end of the event loop ends the wait too; a run that is suspended has no final state."""
    try:
        async with asyncio.timeout(_LONGEST_END_SECONDS):
            while run.state is None or not run.state.is_final():
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        pass
    finally:
        every = get_current_settings().flows.heartbeat_frequency
        # The first one is sent at the beginning.
        if every is not None and datetime.now(UTC) - began >= timedelta(seconds=every):
            with contextlib.suppress(Exception):  # Prefect may raise anything
                of = {"prefect.resource.id": f"prefect.flow-run.{run.id}"}
                emit_event(event=LAST_HEARTBEAT, resource=of, related=[OURS])


async def _flow_name(run: FlowRun) -> str:
    """The name of its spec, also of one that this process does not find."""
    try:
        async with get_client() as client:
            return (await client.read_flow(run.flow_id)).name
    except Exception as error:  # the server is away
        _logger.debug("the flow of %s was not read: %s", run.id, error)
        return "unknown"


def _recorded(failed: FailedStart, status: str) -> int:
    """What its run has spent in earlier executions; without one it is recorded that none began."""
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        for found in listed_runs(journal.engine, labels={}, run_id=failed.run_id, limit=1):
            if found.unbegun is None:
                if status == "cancelled":
                    close_cancelled(journal, Leases(journal.engine), failed.run_id)
                return found.spent
        if status == "failed":
            record_failed_start(journal.engine, failed)
    return 0


async def _send(
    payload: Callable[[], EndPayload], end: UUID, prefix: str = EVENT_PREFIX, *, again: bool = False
) -> None:
    run = flow_run_here()
    if run is None:
        return
    try:
        if again and await _is_sent(end):
            return
        found = payload()
        event = Event(
            id=end,
            occurred=datetime.now(UTC),
            event=prefix + found.status,
            resource=resource_of(found, run),
            # Prefect adds those of a deployment; a run without one has the tag only here.
            related=[OURS],
            payload=found.model_dump(mode="json"),
        )
        if event.size_bytes > get_current_settings().server.events.maximum_size_bytes:
            event.payload["outputs"] = {}  # the server would drop the event
        await send_event(event)
    except Exception as error:  # Prefect may raise anything; the run has ended all the same
        shown = error if isinstance(error, RivyaError) else type(error).__name__
        _logger.warning("the run's end event was not sent: %s", shown)


async def _ends_in_prefect(run_id: str) -> bool:
    """Whether the deployment's flow run of this run is suspended: who continued the run here wakes it now,
    and it announces the end.
    """
    here, waiting = flow_run_here(), flow_run_of(run_id)
    if here is None or waiting is None or waiting == here.id:
        return False
    try:
        async with get_client() as client:
            state = (await client.read_flow_run(waiting)).state
        return state is not None and state.is_paused()
    except Exception as error:  # it is on another server, or this one is away
        _logger.debug("the flow run of %s was not read: %s", run_id, error)
        return False


async def _is_sent(end: UUID) -> bool:
    async with get_client() as client:
        found = await client.read_events(EventFilter(id=EventIDFilter(id=[end])), limit=1)
    return bool(found.events)


def resource_of(payload: EndPayload, run: FlowRun) -> dict[str, str]:
    """What the event is about: the flow run, with the labels that automations match."""
    return {
        "prefect.resource.id": f"prefect.flow-run.{run.id}",
        "prefect.resource.name": run.name or payload.run_id,
        # As on Prefect's own event of this end, so that a message tells both once.
        RUN_COUNT_LABEL: str(run.run_count),
        "rivya-flows.campaign": payload.name,
        "rivya-flows.run-id": payload.run_id,
    }


def payload_of(
    receipt: Receipt, address: Address, report: str | None, *, deployed: bool
) -> EndPayload:
    """The payload.

    Args:
        address: The URL of an asset for a browser; None if it has none.
        report: The URL of the contact sheet; None if it has none.
    """
    following = next_step(receipt, deployed=deployed)
    credits = receipt.credits
    found = EndPayload(
        run_id=receipt.run_id,
        name=receipt.name,
        title=receipt.title or receipt.name,
        status=receipt.status,
        sentence=told(receipt),
        credits=_Credits(spent=credits.spent, saved=credits.saved, budget=credits.budget),
        outputs={name: _value(value, address) for name, value in receipt.outputs.items()},
        picked={
            step.id: _medium(asset, address)
            for step, item in receipt.each()
            if step.uses == "pick"
            for asset in item.media[:1]
        },
        choices={
            name: _Choice(
                picked=choice.picked, by=choice.by, how=how_picked(choice), notes=choice.notes
            )
            for name, choice in itertools.islice(receipt.choices(), _MAX_MEDIA)
            if choice.picked
        },
        questions=_questions(receipt, address),
        troubles=tuple(troubles(receipt)[:_MAX_TROUBLES]),
        report=report,
        next=None if following is None else str(following),
    )
    return _with_message(found, following.markdown if following else "")


def _value(value: Any, address: Address) -> Any:
    if asset := as_asset(value):
        return _medium(asset, address)
    if isinstance(value, Mapping):
        return {str(name): _value(one, address) for name, one in value.items()}
    if isinstance(value, list):
        return [_value(one, address) for one in value[:_MAX_MEDIA]]
    return value[:_MAX_TEXT] if isinstance(value, str) else value


def _medium(asset: Asset, address: Address) -> dict[str, JsonValue]:
    return {**asset.model_dump(include=_TOLD), "url": address(asset)}


def _questions(receipt: Receipt, address: Address) -> dict[str, _Question]:
    """What the run asks, until when, what happens then, and the candidates with their numbers."""
    waiting = ((name, one) for name, one in receipt.choices() if one.waiting)
    return {
        name: _Question(
            question=choice.question,
            deadline=choice.deadline,
            then=_then(receipt, choice) if choice.then else None,
            candidates=tuple(
                _Candidate(
                    n=one.n,
                    key=one.key,
                    kind=asset.kind if asset else None,
                    url=address(asset) if asset else None,
                )
                for one in choice.candidates[:_MAX_MEDIA]
                for asset in (receipt.media.get(one.sha256 or ""),)
            ),
        )
        for name, choice in itertools.islice(waiting, _MAX_MEDIA)
    }


def _then(receipt: Receipt, choice: Choice) -> str:
    """What the deadline of a choice does, and what may be bought then."""
    words = deadline_words(choice.then, choice.count)
    if choice.then == "fail":
        return words
    return f"{words}, and {what_follows(receipt.credits.left)}"


def _question_lines(name: str, found: _Question) -> Iterator[str]:
    """A question as lines of a message."""
    yield f"**{text(name)}**: {text(found.question)}"
    if found.deadline and found.then:
        yield text(f"Open until {utc_minute(found.deadline)}; after that {found.then}.")
    named = [(f"{one.n} {one.key}", one.url) for one in found.candidates]
    yield " · ".join(link(words, url) if url else text(words) for words, url in named)
    pictures = [(one, one.url) for one in found.candidates if one.kind == "image" and one.url]
    for one, url in pictures[:_MAX_PICTURES]:
        yield picture(f"{one.n} {one.key}", url)


def _with_message(found: EndPayload, following: str) -> EndPayload:
    """The same with a message for people."""
    status = "waits for an answer" if found.status == "suspended" else found.status
    lines = [f"**{text(found.title)}** {status}: {text(found.sentence)}"]
    for name, question in found.questions.items():
        lines += _question_lines(name, question)
    for step, medium in found.picked.items():
        if isinstance(url := medium["url"], str):
            lines.append(picture(f"picked: {step}", url, to=url))
    for name, choice in found.choices.items():
        if choice.by is not None:
            words = f"{text(listed(choice.picked))}, picked by {text(choice.how)}"
            lines.append(f"* {text(name)}: {words}")
    media = [(name, one) for name, value in found.outputs.items() for one in assets_in(value)]
    lines += [f"* {link(name, one.url)}" for name, one in media if one.url]
    lines += [f"* {text(trouble)}" for trouble in found.troubles]
    if found.report:
        lines.append(link("Contact sheet", found.report))
    if following:
        lines.append(following)
    return found.model_copy(update={"markdown": "\n".join(lines)})
