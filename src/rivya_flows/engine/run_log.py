"""What people read of a run while it executes: a line for each event, and when the service is silent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

from rivya_client.printable import one_line, printable
from rivya_flows.engine.run import Listener, Rendering
from rivya_flows.errors import APIError, RateLimitError
from rivya_flows.plans.names import short_label
from rivya_flows.queue import events
from rivya_flows.queue.events import Event
from rivya_flows.queue.outcomes import bought_instead
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import budget_warning, credits_of, open_jobs
from rivya_flows.receipt.questions import answer_line

Logger = logging.Logger | logging.LoggerAdapter[Any]


def log_events(logger: Logger, *then: Listener) -> Listener:
    """A listener that logs events and passes each on."""
    warned = False
    refusing: set[str] = set()  # a fan-out may have hundreds of refused items

    def listen(event: Event, state: State) -> None:
        nonlocal warned
        line = _LINES.get(type(event))
        if line is not None and (words := line(event)) and not _is_known(event, state):
            level = logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO
            logger.log(level, "%s", words)
        if instead := bought_instead(event, state):
            logger.warning("%s", instead)
        if isinstance(event, events.PoolRefused) and event.pool not in refusing:
            refusing.add(event.pool)
            left = f"the pool {event.pool} has {credits_of(event.left)} left"
            words = f"{_name(event)} needs {event.needs}, {left}; buying what fits"
            if event.rest:
                least = f"all that is left needs at least {event.needs}"
                words = f"{least}, {left}; buying nothing more"
            logger.warning("%s", words)
        if isinstance(event, events.RunEnded) and event.status == "cancelled":
            for sentence in cancelled_lines(state):
                logger.warning("%s", sentence)
        if not warned and (warning := budget_warning(state)):
            warned = True
            logger.warning("%s", warning)
        for one in then:
            one(event, state)

    return listen


def log_rendering(logger: Logger, then: Rendering) -> Rendering:
    """A listener that logs each quarter of a rendering, and passes everything on."""
    logged: dict[tuple[str, str], int] = {}

    def listen(step: str, key: str, share: float) -> None:
        quarter = int(4 * share)
        if quarter > logged.get((step, key), 0):
            logged[step, key] = quarter
            logger.info("%s: rendering %d %%", short_label(step, key), 25 * quarter)
        then(step, key, share)

    return listen


def start_line(state: State) -> str:
    """The first log line of an execution: its run, and the credits of earlier executions."""
    if not any(item.purchases for _, item in state.each()):
        return f"{state.run_id}: started"
    return f"{state.run_id}: resumed; {credits_of(state.spent)} spent or held so far"


def cancelled_lines(state: State) -> Iterator[str]:
    """The last log lines of a cancelled run: its credits, its open jobs, and how to resume it."""
    yield f"cancelled; {credits_of(state.spent)} spent or held"
    if jobs := open_jobs(state):
        yield f"still running: {', '.join(jobs)}"
    yield f"resume with a retry or `rivya-flows resume {state.run_id}`; nothing is bought twice"


def _name(event: Any) -> str:
    return short_label(event.step, event.key)


def _is_known(event: Event, state: State) -> bool:
    """Whether an item is done whose job was just said to have succeeded."""
    if not isinstance(event, events.ItemCompleted):
        return False
    purchases = state.item(event.step, event.key).purchases
    return bool(purchases) and purchases[-1].status == "succeeded"


_WARNINGS = (events.ItemFailed, events.PurchaseRefused, events.PurchaseUncertain)

_LINES: dict[type[Any], Callable[[Any], str | None]] = {
    events.CacheAnswered: lambda e: (
        None
        if e.outputs is None
        else f"{_name(e)}: taken from {e.run_id or 'an earlier run'}, {credits_of(e.saved)} saved"
    ),
    events.PurchaseAccepted: lambda e: (
        f"{_name(e)}: bought, {credits_of(e.reserved_credits)} ({e.task_id})"
    ),
    events.ChatAnswered: lambda e: f"{_name(e)}: answered, {credits_of(e.final_credits)}",
    events.JobEnded: lambda e: f"{_name(e)}: {e.status}, {credits_of(e.final_credits)}",
    events.AnswerGiven: answer_line,
    events.ItemCompleted: lambda e: f"{_name(e)}: done",
    events.ItemFailed: lambda e: f"{_name(e)}: {e.message}",
    events.PurchaseRefused: lambda e: (
        f"{_name(e)}: {'refused' if e.status else 'not sent'}, not charged: {e.message}"
    ),
    events.PurchaseUncertain: lambda e: (
        f"{_name(e)}: outcome unknown, counted as spent: {e.reason}"
    ),
}


SILENT_SECONDS = 5.0
"""From the first poll without news to the line about it: what is shorter is no outage."""


class ServiceOutage:
    """The polls of all jobs of a run together."""

    def __init__(
        self,
        address: str,
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._tell, self._clock = address, tell, clock
        self._since: float | None = None
        self._is_reported = False

    def polled(self, error: APIError | None) -> None:
        """Notes a poll, and why it brought no news; None: the service answered."""
        now = self._clock()
        if error is None or isinstance(error, RateLimitError):
            if self._is_reported:
                self._tell(f"{self._address} answers again")
            self._since, self._is_reported = None, False
            return
        self._since = now if self._since is None else self._since
        if not self._is_reported and now - self._since >= SILENT_SECONDS:
            self._is_reported = True
            self._tell(
                f"no news of jobs that were bought: {error}; they go on there, and this run asks again"
            )


class CleanedLines(logging.Filter):
    """Makes each record safe to print, also those of others, which quote prompts; drops routine lines."""

    def __init__(self, routine: tuple[str, ...]) -> None:
        super().__init__()
        self._routine = routine

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        record.msg, record.args = one_line(message), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = printable(logging.Formatter().formatException(record.exc_info))
        return not message.startswith(self._routine)
