"""Traces of runs, by the OpenTelemetry API that Prefect brings; without an SDK nothing is recorded.

One span for each execution of a run, and in it one for each purchase, from its intent to its
settlement. They hold names and numbers: no prompt, no text of an answer or an error, no key.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode, Tracer, TracerProvider

from rivya_flows.queue.events import (
    ChatAnswered,
    Event,
    JobEnded,
    OfPurchase,
    PoolRefused,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseUnanswered,
    RunEnded,
)
from rivya_flows.queue.state import State
from rivya_flows.receipt.metrics import outcome_of

_MAX_NAME = 200


class RunTrace:
    """The spans of one execution of a run; `trace_id` is None where no SDK records traces."""

    def __init__(self, tracer: Tracer, span: Span, run_id: str) -> None:
        self._tracer = tracer
        self._span = span
        self._run_id = run_id
        self._began = time.time_ns()
        self._purchases: dict[tuple[str, str, int], Span] = {}
        self.trace_id: str | None = None
        if span.is_recording():
            self.trace_id = trace.format_trace_id(span.get_span_context().trace_id)

    def listen(self, event: Event, state: State) -> None:
        """Is told each event after it was written, with the state after it."""
        if self.trace_id is None or isinstance(event, PoolRefused | PurchaseUnanswered):
            return  # one was never journaled, the other is still open
        if isinstance(event, OfPurchase):
            self._of_purchase(event)
        elif isinstance(event, RunEnded):
            _set(self._span, status=event.status, credits=state.spent)
            if event.status == "failed":
                self._span.set_status(StatusCode.ERROR)

    def end_open(self) -> None:
        """Ends the spans of purchases that this execution leaves open."""
        for span in self._purchases.values():
            _set(span, outcome="open")
            span.end()

    def _of_purchase(self, event: OfPurchase) -> None:
        of = (event.step, event.key, event.n)
        span = self._purchases.get(of)
        if span is None:
            span = self._purchases[of] = self._start(event)
        match event:
            case PurchaseIntended():
                _set(span, model=event.model, planned_credits=event.reserve, route=event.route)
                return
            case PurchaseAccepted():
                _set(span, task_id=event.task_id, reserved_credits=event.reserved_credits)
                return
            case JobEnded() | ChatAnswered():
                _set(span, credits=event.final_credits)
        outcome = outcome_of(event)
        _set(span, outcome=outcome)
        if outcome != "succeeded":
            span.set_status(StatusCode.ERROR)
        span.end()
        del self._purchases[of]

    def _start(self, event: OfPurchase) -> Span:
        """The span of a purchase; one that an earlier execution intended begins with this one."""
        resumed = not isinstance(event, PurchaseIntended)
        span = self._tracer.start_span(
            "rivya_flows.purchase",
            context=trace.set_span_in_context(self._span),
            start_time=self._began if resumed else None,
        )
        _set(span, run_id=self._run_id, step=event.step, item=event.key, resumed=resumed)
        return span


@contextmanager
def traced(
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
