"""Prometheus metrics of a store, read incrementally."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from rivya_flows.ledger.metrics import WAIT_BUCKETS, Balance, LabelValues, Totals, Waits
from rivya_flows.planning.queue.event_codec import parse
from rivya_flows.store.database import reading
from rivya_flows.store.run_list import failed_start_counts
from rivya_flows.store.suspended_runs import last_sweep
from rivya_flows.store.tables import EVENTS

READ_SECONDS = 3.0
"""The longest that one scrape reads; the next scrapes continue."""

FRESH_SECONDS = 5.0
"""Scrapes within this time get the previous numbers."""

BEGIN_SECONDS = 120.0
"""How long a new series of a counter stays 0, so that a scrape each minute sees it.

Prometheus' `increase()` counts nothing of the value with which a series begins.
"""

_ROWS = 1_000

_Number = TypeVar("_Number", int, Waits)


class StoreMetrics:
    """The metrics of one store, updated from its new entries.

    Args:
        engine: Of the journal.
        clock: Monotonic seconds.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._totals = Totals()
        self._failed_starts: Counter[str] = Counter()
        self._recorded_starts: Mapping[str, int] = {}
        self._campaigns = LabelValues()
        self._swept_at: float | None = None
        self._seen: dict[str, int] = {}
        self._behind = 0
        self._unreadable = 0
        self._read_at: float | None = None
        self._begun: dict[str, dict[object, float]] = {}  # counter, its labels, when they came
        self._lock = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self))

    def text(self) -> bytes:
        """The text of ``/metrics``, format 0.0.4; has no sums until the whole store was read.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            now = self._clock()
            if self._read_at is None or self._behind or now - self._read_at >= FRESH_SECONDS:
                self._read()
                self._read_at = now
            return generate_latest(self._registry)

    def _from_zero(
        self, counter: str, numbers: Mapping[Any, _Number], zero: _Number
    ) -> dict[Any, _Number]:
        """The numbers, with `zero` for those that are new; what the first look finds is not."""
        assert self._read_at is not None  # set by `text`
        since = self._read_at if counter in self._begun else -math.inf
        begun = self._begun.setdefault(counter, {})
        return {
            labels: number
            if self._read_at - begun.setdefault(labels, since) >= BEGIN_SECONDS
            else zero
            for labels, number in numbers.items()
        }

    def _read(self) -> None:
        """Reads new entries, run by run, until the time is up."""
        give_up = self._clock() + READ_SECONDS
        self._count_failed_starts()
        self._swept_at = last_sweep(self._engine)
        newest = select(EVENTS.c.run_id, func.max(EVENTS.c.seq)).group_by(EVENTS.c.run_id)
        with reading(self._engine) as connection:
            behind = [
                run_id
                for run_id, seq in connection.execute(newest)
                if seq > self._seen.get(run_id, 0)
            ]
        self._behind = len(behind)
        for run_id in behind:
            while self._learn(run_id) == _ROWS:
                if self._clock() > give_up:
                    return
            self._behind -= 1
            if self._clock() > give_up:
                return

    def _count_failed_starts(self) -> None:
        """Adds what is new; a counter does not fall when `store prune` deletes old ones."""
        recorded = failed_start_counts(self._engine)
        for name, number in recorded.items():
            new = max(0, number - self._recorded_starts.get(name, 0))
            self._failed_starts[self._campaigns.of("campaign", name)] += new
        self._recorded_starts = recorded

    def _learn(self, run_id: str) -> int:
        query = (
            select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
            .where(EVENTS.c.run_id == run_id, EVENTS.c.seq > self._seen.get(run_id, 0))
            .order_by(EVENTS.c.seq)
            .limit(_ROWS)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        for seq, at, body in rows:
            self._seen[run_id] = seq
            try:
                self._totals.learn(run_id, at, parse(body))
            except ValueError:  # of a newer version; the gauge shows that the sums lack it
                self._unreadable += 1
        return len(rows)


@dataclass(frozen=True)
class _Families(Collector):
    """The collector of a `StoreMetrics`."""

    metrics: StoreMetrics

    def collect(self) -> Iterator[Metric]:
        store = self.metrics
        yield _gauge("store_runs_unread", "Runs with entries not counted yet", store._behind)
        yield _gauge("store_entries_unreadable", "Entries of a newer version", store._unreadable)
        yield self._counter(
            "failed_starts",
            "Flow runs that failed before their run began",
            ("campaign",),
            {(name,): number for name, number in store._failed_starts.items()},
        )
        if store._swept_at is not None:
            help_text = "When the waker's last sweep was complete, in Unix seconds"
            yield _gauge("waker_last_sweep_timestamp_seconds", help_text, store._swept_at)
        # Partial sums would look like credits spent just now.
        if not store._behind:
            yield from self._counters(store._totals)
            yield from _gauges(store._totals)

    def _counters(self, totals: Totals) -> Iterator[Metric]:
        for counter, help_text, labels, numbers in (
            ("credits", "Credits settled", ("campaign", "step", "model"), totals.credits),
            ("credits_saved", "Credits saved by the cache", ("campaign", "step"), totals.saved),
            ("jobs", "Purchases that are settled", ("campaign", "model", "status"), totals.jobs),
            ("run_ends", "Ends of executions", ("campaign", "status"), totals.ends),
        ):
            yield self._counter(counter, help_text, labels, numbers)
        yield _waits(self.metrics._from_zero("job_seconds", totals.waits, Waits()))

    def _counter(
        self, name: str, help_text: str, labels: tuple[str, ...], numbers: Mapping[Any, int]
    ) -> Metric:
        shown = self.metrics._from_zero(name, numbers, 0)
        return _filled(CounterMetricFamily, name, help_text, labels, shown)


def _gauges(totals: Totals) -> Iterator[Metric]:
    in_flight = "Jobs that running runs wait for"
    left_open = "Jobs that stopped runs have left; a resume collects them"
    for gauge, help_text, labels, numbers in (
        ("jobs_in_flight", in_flight, ("campaign", "model"), totals.in_flight(driven=True)),
        ("jobs_left_open", left_open, ("campaign", "model"), totals.in_flight(driven=False)),
        ("runs", "Runs by status", ("campaign", "status"), totals.runs()),
    ):
        yield _filled(GaugeMetricFamily, gauge, help_text, labels, numbers)
    yield from _questions(totals.questions())
    yield from _wallets(totals.balances)


def _questions(asked: Mapping[str, Sequence[float]]) -> Iterator[Metric]:
    for gauge, help_text, of in (
        ("questions_waiting", "Questions that wait for an answer", len),
        ("oldest_question_timestamp_seconds", "When the oldest of them was asked", min),
    ):
        numbers = {(campaign,): of(times) for campaign, times in asked.items()}
        yield _filled(GaugeMetricFamily, gauge, help_text, ("campaign",), numbers)


def _wallets(balances: Mapping[tuple[str, str], Balance]) -> Iterator[Metric]:
    credits = {wallet: balance.credits for wallet, balance in balances.items()}
    times = {wallet: balance.at for wallet, balance in balances.items()}
    labels = ("service", "wallet")
    yield _filled(GaugeMetricFamily, "wallet_credits", "As a run last read them", labels, credits)
    read = "When a run last read the credits"
    yield _filled(GaugeMetricFamily, "wallet_read_timestamp_seconds", read, labels, times)


def _filled(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    help_text: str,
    labels: tuple[str, ...],
    numbers: Mapping[Any, float],
) -> Metric:
    family = kind(f"rivya_flows_{name}", help_text, labels=labels)
    for values, number in numbers.items():
        family.add_metric(values, number)
    return family


def _waits(by_model: Mapping[str, Waits]) -> Metric:
    waits = HistogramMetricFamily(
        "rivya_flows_job_seconds", "From a job's acceptance to its end", labels=("model",)
    )
    bounds = [*(f"{bound:g}" for bound in WAIT_BUCKETS), "+Inf"]
    for model, wait in by_model.items():
        count, buckets = 0, []
        for bound, more in zip(bounds, wait.counts, strict=True):
            count += more
            buckets.append((bound, count))
        waits.add_metric((model,), buckets, wait.seconds)
    return waits


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"rivya_flows_{name}", words, value=value)
