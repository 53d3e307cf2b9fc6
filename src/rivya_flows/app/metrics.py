"""The store as Prometheus text; what was read once is not read again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select

from rivya_flows.ledger.metrics import WAIT_BUCKETS, Totals
from rivya_flows.planning.queue.event_codec import parse
from rivya_flows.store.database import reading
from rivya_flows.store.tables import EVENTS

READ_SECONDS = 3.0
"""What one scrape may take for reading; the rest follows with the next ones."""

FRESH_SECONDS = 5.0
"""Scrapes that come sooner than this are answered without looking into the store."""

_ROWS = 1_000


class StoreMetrics:
    """Numbers of one store, kept up to date by reading what is new in it.

    Args:
        engine: Of the journal.
        clock: Seconds that only grow.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._totals = Totals()
        self._seen: dict[str, int] = {}
        self._behind = 0
        self._unreadable = 0
        self._read_at: float | None = None
        self._lock = threading.Lock()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self))

    def text(self) -> bytes:
        """The text of ``/metrics``, format 0.0.4; sums only once the whole store was read.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            now = self._clock()
            if self._read_at is None or self._behind or now - self._read_at >= FRESH_SECONDS:
                self._read()
                self._read_at = now
            return generate_latest(self._registry)

    def _read(self) -> None:
        """Learns what is new, run by run, until the time is over."""
        give_up = self._clock() + READ_SECONDS
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
            except ValueError:  # of a newer version: counted, so that nobody trusts the sums
                self._unreadable += 1
        return len(rows)


@dataclass(frozen=True)
class _Families(Collector):
    """What a scrape is given."""

    of: StoreMetrics

    def collect(self) -> Iterator[Metric]:
        told = self.of
        yield _gauge("store_runs_unread", "Runs with entries not counted yet", told._behind)
        yield _gauge("store_entries_unreadable", "Entries of a newer version", told._unreadable)
        # Half the sums of a long history would look like credits spent just now.
        if not told._behind:
            yield from _families(told._totals)


def _families(totals: Totals) -> Iterator[Metric]:
    credits = CounterMetricFamily(
        "rivya_flows_credits", "Credits settled", labels=("campaign", "step", "model")
    )
    for names, number in totals.credits.items():
        credits.add_metric(names, number)
    saved = CounterMetricFamily(
        "rivya_flows_credits_saved", "Credits saved by the cache", labels=("campaign", "step")
    )
    for pair, number in totals.saved.items():
        saved.add_metric(pair, number)
    jobs = CounterMetricFamily(
        "rivya_flows_jobs", "Purchases that are settled", labels=("campaign", "model", "status")
    )
    for names, number in totals.jobs.items():
        jobs.add_metric(names, number)
    ends = CounterMetricFamily(
        "rivya_flows_run_ends", "Ends of executions", labels=("campaign", "status")
    )
    for pair, number in totals.ends.items():
        ends.add_metric(pair, number)
    yield from (credits, saved, jobs, ends)
    for name, words, driven in (
        ("jobs_in_flight", "Jobs that running runs wait for", True),
        ("jobs_left_open", "Jobs that stopped runs have left; a resume collects them", False),
    ):
        flying = GaugeMetricFamily(f"rivya_flows_{name}", words, labels=("campaign", "model"))
        for pair, number in totals.in_flight(driven=driven).items():
            flying.add_metric(pair, number)
        yield flying
    runs = GaugeMetricFamily(
        "rivya_flows_runs", "Runs by how they stand", labels=("campaign", "status")
    )
    for pair, number in totals.runs().items():
        runs.add_metric(pair, number)
    yield runs
    yield _waits(totals)


def _waits(totals: Totals) -> Metric:
    waits = HistogramMetricFamily(
        "rivya_flows_job_seconds", "From a job's acceptance to its end", labels=("model",)
    )
    bounds = [*(f"{bound:g}" for bound in WAIT_BUCKETS), "+Inf"]
    for model, wait in totals.waits.items():
        count, buckets = 0, []
        for bound, more in zip(bounds, wait.counts, strict=True):
            count += more
            buckets.append((bound, count))
        waits.add_metric((model,), buckets, wait.seconds)
    return waits


def _gauge(name: str, words: str, value: int) -> Metric:
    return GaugeMetricFamily(f"rivya_flows_{name}", words, value=value)
