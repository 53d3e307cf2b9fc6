"""What people see of a run while it executes: log lines, spans of traces, and the results of its calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode, Tracer, TracerProvider

from rivya_client.printable import one_line, printable
from rivya_client.types import ChatCompletion, Generation
from rivya_flows.assets import Asset, assets_in, output_assets, rendered_as
from rivya_flows.engine.files import Upload
from rivya_flows.engine.jobs import CollectedJob
from rivya_flows.engine.run import Listener, Rendering
from rivya_flows.errors import APIError, RateLimitError
from rivya_flows.plans.names import short_label
from rivya_flows.queue import events
from rivya_flows.queue.state import State
from rivya_flows.receipt.metrics import outcome_of
from rivya_flows.receipt.news import describe_event
from rivya_flows.receipt.phrases import credits_of, open_jobs
from rivya_flows.steps.registry import known_kind

Logger = logging.Logger | logging.LoggerAdapter[Any]


def log_events(logger: Logger, *then: Listener) -> Listener:
    """A listener that logs what each event changed, and passes the event on."""
    spent: int | None = None
    refusing: set[str] = set()  # a fan-out may have hundreds of refused items

    def listen(event: events.Event, state: State) -> None:
        nonlocal spent
        answered = isinstance(event, events.AnswerGiven)
        for line in describe_event(spent, event, state):
            level = logging.WARNING if line.stays and not answered else logging.INFO
            logger.log(level, "%s", line.text.removeprefix("warning: "))
        spent = state.spent
        match event:
            case events.PurchaseRefused():
                how = "refused" if event.status else "not sent"
                name = short_label(event.step, event.key)
                logger.warning("%s: %s, not charged: %s", name, how, event.message)
            case events.PurchaseUncertain():
                text = "%s: outcome unknown, counted as spent: %s"
                logger.warning(text, short_label(event.step, event.key), event.reason)
            case events.PoolRefused() if event.rest and event.pool not in refusing:
                refusing.add(event.pool)
                left = f"the pool {event.pool} has {credits_of(event.left)} left"
                text = "all that is left needs at least %s, %s; buying nothing more"
                logger.warning(text, event.needs, left)
            case events.RunEnded(status="cancelled"):
                logger.warning("cancelled; %s spent or held", credits_of(state.spent))
                if jobs := open_jobs(state):
                    logger.warning("still running: %s", ", ".join(jobs))
                resume = f"resume with a retry or `rivya-flows resume {state.run_id}`"
                logger.warning("%s; nothing is bought twice", resume)
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

    def note_poll(self, error: APIError | None) -> None:
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
                f"no news of jobs that were bought: {error}; they continue there, and this run asks again"
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


_MAX_NAME = 200


class RunTrace:
    """The spans of one execution of a run; `trace_id` is None if no SDK records traces."""

    def __init__(self, tracer: Tracer, span: Span, run_id: str) -> None:
        self._tracer = tracer
        self._span = span
        self._run_id = run_id
        self._began = time.time_ns()
        self._purchases: dict[tuple[str, str, int], Span] = {}
        self.trace_id: str | None = None
        if span.is_recording():
            self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def listen(self, event: events.Event, state: State) -> None:
        """A listener: gets each event after it was written, with the state after it."""
        if self.trace_id is None or isinstance(
            event, events.PoolRefused | events.PurchaseUnanswered
        ):
            return  # one was never journaled, the other is still open
        if isinstance(event, events.PurchaseEvent):
            self._of_purchase(event)
        elif isinstance(event, events.RunEnded):
            _set(self._span, status=event.status, credits=state.spent)
            if event.status == "failed":
                self._span.set_status(StatusCode.ERROR)

    def end_open(self) -> None:
        """Ends the spans of purchases that this execution leaves open."""
        for span in self._purchases.values():
            _set(span, outcome="open")
            span.end()

    def _of_purchase(self, event: events.PurchaseEvent) -> None:
        of = (event.step, event.key, event.n)
        span = self._purchases.get(of)
        if span is None:
            # One that an earlier execution intended begins with this one.
            resumed = not isinstance(event, events.PurchaseIntended)
            span = self._purchases[of] = self._tracer.start_span(
                "rivya_flows.purchase",
                context=trace.set_span_in_context(self._span),
                start_time=self._began if resumed else None,
            )
            _set(span, run_id=self._run_id, step=event.step, item=event.key, resumed=resumed)
        match event:
            case events.PurchaseIntended():
                _set(span, model=event.model, planned_credits=event.reserve, route=event.route)
                return
            case events.PurchaseAccepted():
                _set(span, task_id=event.task_id, reserved_credits=event.reserved_credits)
                return
            case events.JobEnded() | events.ChatAnswered():
                _set(span, credits=event.final_credits)
        outcome = outcome_of(event)
        _set(span, outcome=outcome)
        if outcome != "succeeded":
            span.set_status(StatusCode.ERROR)
        span.end()
        del self._purchases[of]


@contextmanager
def trace_run(
    run_id: str, campaign: str, provider: TracerProvider | None = None
) -> Iterator[RunTrace]:
    tracer = trace.get_tracer("rivya_flows", tracer_provider=provider)
    # Messages of exceptions quote what a service or a spec said.
    with tracer.start_as_current_span(
        "rivya_flows.run", record_exception=False, set_status_on_exception=False
    ) as span:
        _set(span, run_id=run_id, campaign=campaign)
        of_run = RunTrace(tracer, span, run_id)
        try:
            yield of_run
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            of_run.end_open()


def _set(span: Span, **attributes: Any) -> None:
    for name, value in attributes.items():
        if isinstance(value, str):  # the key of an item may be any text
            value = value[:_MAX_NAME].encode("utf-8", "replace").decode()
        if value is not None:
            span.set_attribute(f"rivya_flows.{name}", value)


def media_of_result(stage: str, result: Any) -> list[Asset]:
    """The media that are shown of the result of a task."""
    if isinstance(result, CollectedJob):
        return [*result.assets]
    if isinstance(result, Upload):
        return [*assets_in(result.asset)]
    # Of a kind with media of its own: picked items, for one, have their other media too.
    kind = known_kind(stage)
    own = kind is not None and "asset" in kind.outputs and isinstance(result, Mapping)
    return output_assets(result) if own else [*assets_in(result)]


def words_of(result: Any) -> str:
    """What stands for a result without media: the answer of a model, the id of a job, a text."""
    if isinstance(result, ChatCompletion):
        return result.message.content or ""
    if isinstance(result, Generation):
        return result.id
    return result if isinstance(result, str) else ""


def title_media(name: str, media: list[Asset], result: Any) -> Iterator[tuple[str, Asset]]:
    """Media below their titles: the name of the item, with the key that was picked or the format."""
    outputs = result if isinstance(result, Mapping) else {}
    formats, items = rendered_as(outputs), outputs.get("items")
    picked = [
        f": {one.get('key')}"
        for one in (items if isinstance(items, list) else ())
        if isinstance(one, Mapping) and one.get("asset")
    ]
    for number, asset in enumerate(media):
        own = picked[number] if number < len(picked) else ""
        yield " ".join([f"{name}{own}", *formats.get(asset.sha256, ())]), asset
