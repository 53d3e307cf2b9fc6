"""Traces of runs, recorded by a provider of OpenTelemetry's API: the SDK is no dependency."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

import rivya_flows as rf
from rivya_flows.engine.observers import trace_run
from rivya_flows.queue.events import PoolRefused, RunResumed
from rivya_flows.queue.reducer import initial_state
from rivya_flows.settings import read_settings
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.engine_runs import CREATE, Bomb, Studio, stills
from support.naive_service import frozen


class RecordedSpan(trace.NonRecordingSpan):
    """A span that keeps what it is told."""

    def __init__(self, context: SpanContext, parent: int, name: str) -> None:
        super().__init__(context)
        self.parent = parent
        self.name = name
        self.told: dict[str, Any] = {}
        self.status = StatusCode.UNSET
        self.ends = 0

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.told[key.removeprefix("rivya_flows.")] = value

    def record_exception(self, exception: BaseException, *_: Any, **__: Any) -> None:
        self.told["exception"] = str(exception)

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status
        self.told |= {"description": description} if description else {}

    def end(self, end_time: int | None = None) -> None:
        self.ends += 1


class Recorder(trace.TracerProvider, trace.Tracer):
    """A provider and its only tracer."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []
        self._numbers = itertools.count(1)

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self

    def start_span(self, name: str, context: Any = None, *_: Any, **__: Any) -> RecordedSpan:
        parent = trace.get_current_span(context).get_span_context()
        number = next(self._numbers)
        made = SpanContext(parent.trace_id or number, number, False, TraceFlags(1))
        self.spans.append(RecordedSpan(made, parent.span_id, name))
        return self.spans[-1]

    @contextmanager
    def start_as_current_span(self, name: str, **options: Any) -> Iterator[RecordedSpan]:  # type: ignore[override]  # a context manager of the API's own kind
        span = self.start_span(name)
        with trace.use_span(span, end_on_exit=True, **options):
            yield span


def executed(studio: Studio, bomb: Bomb | None = None) -> list[RecordedSpan]:
    """The spans of one execution of run-1."""
    recorder = Recorder()
    with trace_run("run-1", "stills", recorder) as tracing:
        asyncio.run(studio.execute("run-1", bomb=bomb, listen=tracing.listen))
    run, *purchases = recorder.spans
    assert all(span.ends == 1 for span in recorder.spans)
    assert {span.parent for span in purchases} <= {run.get_span_context().span_id}
    assert tracing.trace_id == f"{run.get_span_context().trace_id:032x}"
    return recorder.spans


def part(span: RecordedSpan, *names: str) -> Mapping[str, Any]:
    return {name: span.told.get(name) for name in names}


def test_a_run_is_a_span_and_each_purchase_in_it_says_what_was_planned_and_what_it_cost(
    studio: Studio,
) -> None:
    studio.order("on: generation, model: z-image, do: fail, times: 1")
    studio.prepared(stills(2, step="allow_failures: 1", prompt="secret"))
    run, *purchases = executed(studio)
    assert run.told == {
        "run_id": "run-1",
        "campaign": "stills",
        "status": "completed",
        "credits": 1,
    }
    assert [span.name for span in purchases] == ["rivya_flows.purchase"] * 2
    said = ("run_id", "step", "model", "planned_credits", "route", "resumed")
    for span in purchases:
        assert part(span, *said) == dict(
            zip(said, ("run-1", "stills", "z-image", 1, "generation", False), strict=True)
        )
        assert span.told["task_id"].startswith("task_")
    ends = sorted(
        (span.told["outcome"], span.told["credits"], span.status.name) for span in purchases
    )
    assert ends == [("failed", 0, "ERROR"), ("succeeded", 1, "UNSET")]
    assert sorted(span.told["item"] for span in purchases) == ["0", "1"]
    key = studio.service.api_key
    assert key is not None
    everything = str([span.told for span in (run, *purchases)])
    assert "secret" not in everything
    assert key.get_secret_value() not in everything


def test_a_purchase_that_an_earlier_execution_sent_is_a_span_of_the_one_that_collects_it(
    studio: Studio,
) -> None:
    studio.prepared(stills(1))
    _, left = executed(studio, Bomb(post=-1))
    assert part(left, "outcome", "credits") == {"outcome": "open", "credits": None}
    run, collected = executed(studio)
    assert part(collected, "resumed", "outcome", "credits") == {
        "resumed": True,
        "outcome": "succeeded",
        "credits": 1,
    }
    assert run.told["status"] == "completed"


def test_a_purchase_without_an_answer_has_not_succeeded_yet(studio: Studio) -> None:
    studio.order(f'on: "{CREATE}", do: drop_after_commit')
    studio.prepared(stills(1, step="retry: {attempts: 1}"))
    _, left = executed(studio)
    assert part(left, "outcome", "planned_credits") == {"outcome": "open", "planned_credits": 1}


def test_what_a_pool_refuses_is_no_purchase() -> None:
    recorder, state = Recorder(), initial_state(frozen(stills(1)))
    with trace_run("run-1", "stills", recorder) as tracing:
        refused = PoolRefused(step="stills", key="0", n=1, pool="acme", needs=1, left=0)
        tracing.listen(refused, state)
    assert len(recorder.spans) == 1


def test_without_an_sdk_nothing_is_recorded(studio: Studio) -> None:
    studio.prepared(stills(1))
    with trace_run("run-1", "stills") as tracing:
        asyncio.run(studio.execute("run-1", listen=tracing.listen))
    assert tracing.trace_id is None
    assert not tracing._purchases


def test_an_error_is_named_and_not_quoted() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="prompt"), trace_run("run-1", "stills", recorder):
        raise ValueError("a prompt")
    [span] = recorder.spans
    assert span.status is StatusCode.ERROR
    assert part(span, "exception", "description") == {
        "exception": None,
        "description": "ValueError",
    }


@pytest.mark.prefect
def test_the_journal_of_an_execution_names_its_trace(
    studio: Studio, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", recorder)  # as an SDK sets it, but for this test
    buy_from(sandbox, monkeypatch)
    (tmp_path / "spec.yaml").write_text(stills(1, top="budget: {credits: 1}"))
    done = rf.run(tmp_path / "spec.yaml", out=tmp_path / "out")
    run, purchase = (span for span in recorder.spans if span.name.startswith("rivya_flows."))
    assert run.told["run_id"] == done.run_id
    assert purchase.parent == run.get_span_context().span_id
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        begun = [entry.event for entry in journal.entries(done.run_id)][1]
    assert isinstance(begun, RunResumed)
    assert begun.trace_id == f"{run.get_span_context().trace_id:032x}"
