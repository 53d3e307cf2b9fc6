"""Runs the receiver with the store and its metrics, Prefect, and an endpoint at the service that leads to it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from pydantic import SecretStr
from sqlalchemy import Engine, func, select

from rivya_client.client import RivyaClient
from rivya_client.hosts import host_in
from rivya_client.types import EVENT_TYPES, WebhookEndpoint
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import APIError
from rivya_flows.queue.events import parse
from rivya_flows.receipt.metrics import WAIT_BUCKETS, LabelValues, Totals, Waits
from rivya_flows.receiver import server
from rivya_flows.receiver.app import WEBHOOK_PATH, Metrics, Receiver
from rivya_flows.receiver.notification import Emit
from rivya_flows.runs.execution import deliver
from rivya_flows.runs.retention import prune_store
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import rows
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import failed_start_counts, last_sweep
from rivya_flows.store.secrets import (
    forget_signing_secrets,
    has_signing_secret,
    keep_signing_secret,
    rotate_signing_secret,
    signing_secrets,
)
from rivya_flows.store.tables import EVENTS

_DAY_SECONDS = 24 * 3600.0

_log = logging.getLogger("rivya_flows.receiver")  # which `webhooks listen` prints


@dataclass(frozen=True)
class Ready:
    """A receiver that accepts requests; its endpoint at the service is None if it was not registered."""

    base_url: str
    public_url: str
    webhooks: str
    prefect_api_url: str
    endpoint: str | None
    has_secret: bool


async def serve_receiver(
    settings: Settings,
    host: str,
    port: int,
    announce: Callable[[Ready], None],
    *,
    more_secrets: tuple[SecretStr, ...],
    registers: bool,
    events: Callable[[], AbstractAsyncContextManager[tuple[str, Emit]]],
    service: Callable[[], AbstractAsyncContextManager[RunContext]],
    wake: Callable[[str], Awaitable[bool]],
) -> None:
    """Serve until SIGTERM or Ctrl-C; must run in the main thread. A port of 0 is a free one.

    `events` starts a Prefect server unless one runs; it gives its URL, and what sends notifications.
    `wake` continues the flow run of a run that was answered with a link.
    """
    bound = server.listen(host, port)
    base_url = server.url_of(bound, host)
    public_url = (settings.rivya_flows_public_url or base_url).rstrip("/")
    webhooks = public_url + WEBHOOK_PATH
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(bound))
        api_url, emit = await stack.enter_async_context(events())
        endpoint = None
        if registers:
            is_local = settings.rivya_flows_public_url is None
            registering = _registration(service, webhooks, removes=is_local)
            endpoint = await stack.enter_async_context(registering)
        folder = stack.enter_context(scratch())
        journal = stack.enter_context(contextlib.closing(Journal(settings.store_url)))

        # Read for each delivery, so that new endpoints and secrets count at once.
        def secrets() -> tuple[SecretStr, ...]:
            return (*more_secrets, *signing_secrets(journal.engine))

        def ready(stop: Callable[[], None]) -> None:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stop)
            has_secret = bool(secrets())
            announce(Ready(base_url, public_url, webhooks, api_url, endpoint, has_secret))

        auth = settings.rivya_flows_metrics_auth
        public_host = host_in(settings.rivya_flows_public_url or "")
        assets = AssetStore(settings.assets_url, folder)
        receiver = Receiver(
            journal,
            assets,
            secrets,
            emit,
            Metrics(StoreMetrics(journal.engine).text, auth) if auth else None,
            frozenset(name for name in (public_host, host.lower()) if name),
            _pruning(settings, journal, assets),
            None if (key := settings.rivya_api_key) is None else key.get_secret_value(),
            partial(deliver, journal, wake=wake),
        )
        await server.serve(receiver.app(), bound, ready=ready)


def _pruning(
    settings: Settings, journal: Journal, assets: AssetStore
) -> tuple[Callable[[], object], float] | None:
    """What `RIVYA_FLOWS_KEEP_MEDIA_DAYS` asks for, and its period in seconds."""
    days = settings.rivya_flows_keep_media_days
    if days is None:
        return None

    def prune() -> None:
        now, older_than = datetime.now(UTC), timedelta(days=days)
        pruned = prune_store(journal, assets, now=now, older_than=older_than, data=settings.data)
        _log.info("deleted %d media, %d bytes", len(pruned.media), pruned.size_bytes)

    return prune, min(_DAY_SECONDS, days * _DAY_SECONDS / 10)


@asynccontextmanager
async def _registration(
    service: Callable[[], AbstractAsyncContextManager[RunContext]], url: str, *, removes: bool
) -> AsyncIterator[str]:
    """The id of the endpoint at the service, which keeps events of a public receiver until that comes back."""
    async with service() as context, context.client() as client:
        engine = context.journal.engine
        endpoint_id = await register(client, engine, url)
        try:
            yield endpoint_id
        finally:
            if removes:
                with contextlib.suppress(APIError):
                    await client.webhooks.delete(endpoint_id)
                    forget_signing_secrets(engine, endpoint_id)


async def register(client: RivyaClient, engine: Engine, url: str) -> str:
    """Create the endpoint of a URL, or repair it, and give its id; its secret is in the store after that."""
    for endpoint in (await client.webhooks.list()).data:
        is_gone = endpoint.status == "revoked" or endpoint.revoked_at is not None
        if endpoint.url != url or is_gone:
            continue
        if endpoint.status not in (None, "active"):
            await client.webhooks.update(endpoint.id, status="active")
        if not has_signing_secret(engine, endpoint.id):
            rotated = await client.webhooks.rotate_secret(endpoint.id)
            rotate_signing_secret(engine, endpoint.id, rotated.signing_secret)
        return endpoint.id
    return (await create_endpoint(client, engine, url, name="rivya-flows")).id


async def create_endpoint(
    client: RivyaClient,
    engine: Engine,
    url: str,
    *,
    name: str | None = None,
    event_types: tuple[str, ...] = EVENT_TYPES,
) -> WebhookEndpoint:
    """Create an endpoint; its secret, which the service shows once, is in the store after that."""
    made = await client.webhooks.create(url, name=name, event_types=event_types)
    if made.signing_secret is None:
        # Not in a field that this client knows: a rotation returns another one.
        rotated = await client.webhooks.rotate_secret(made.id)
        made = made.model_copy(update={"signing_secret": rotated.signing_secret})
    assert made.signing_secret is not None
    try:
        keep_signing_secret(engine, made.id, made.signing_secret)
    except BaseException:
        # Nobody could ever verify its events.
        with contextlib.suppress(APIError):
            await client.webhooks.delete(made.id)
        raise
    return made


READ_SECONDS = 3.0  # the longest that one scrape reads; the next scrapes continue
FRESH_SECONDS = 5.0  # scrapes within this time get the previous numbers
BEGIN_SECONDS = 120.0  # a new series stays 0: `increase()` counts nothing of its first value
_ROWS = 1_000

_Number = TypeVar("_Number", int, Waits)


class StoreMetrics(Collector):
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
        self._registry.register(self)

    def text(self) -> bytes:
        """The text of ``/metrics``, format 0.0.4; has no sums until the whole store was read."""
        with self._lock:
            now = self._clock()
            if self._read_at is None or self._behind or now - self._read_at >= FRESH_SECONDS:
                self._read()
                self._read_at = now
            return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The families; without sums while entries are unread: they would look like credits spent just now."""
        totals = self._totals
        yield _gauge("store_runs_unread", "Runs with entries not counted yet", {(): self._behind})
        unreadable = {(): self._unreadable}
        yield _gauge("store_entries_unreadable", "Entries of a newer version", unreadable)
        failed = {(name,): number for name, number in self._failed_starts.items()}
        begun = "Flow runs that failed before their run began"
        yield self._counter("failed_starts", begun, failed, "campaign")
        if self._swept_at is not None:
            swept = "When the waker's last sweep was complete, in Unix seconds"
            yield _gauge("waker_last_sweep_timestamp_seconds", swept, {(): self._swept_at})
        if self._behind:
            return
        for name, help_text, numbers, *labels in (
            ("credits", "Credits settled", totals.credits, "campaign", "step", "model"),
            ("credits_saved", "Credits saved by the cache", totals.saved, "campaign", "step"),
            ("jobs", "Purchases that are settled", totals.jobs, "campaign", "model", "status"),
            ("run_ends", "Ends of executions", totals.ends, "campaign", "status"),
        ):
            yield self._counter(name, help_text, numbers, *labels)
        yield _waits(self._from_zero("job_seconds", totals.waits, Waits()))
        yield from _gauges(totals)

    def _counter(
        self, name: str, help_text: str, numbers: Mapping[Any, int], *labels: str
    ) -> Metric:
        family = CounterMetricFamily(f"rivya_flows_{name}", help_text, labels=labels)
        return _fill(family, self._from_zero(name, numbers, 0))

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
        give_up = self._clock() + READ_SECONDS
        recorded = failed_start_counts(self._engine)
        for name, number in recorded.items():
            # A counter does not fall when `store prune` deletes old ones.
            new = max(0, number - self._recorded_starts.get(name, 0))
            self._failed_starts[self._campaigns.of("campaign", name)] += new
        self._recorded_starts = recorded
        self._swept_at = last_sweep(self._engine)
        newest = select(EVENTS.c.run_id, func.max(EVENTS.c.seq)).group_by(EVENTS.c.run_id)
        behind = [
            run_id for run_id, seq in rows(self._engine, newest) if seq > self._seen.get(run_id, 0)
        ]
        while behind:
            if self._learn(behind[-1]) < _ROWS:
                behind.pop()
            if self._clock() > give_up:
                break
        self._behind = len(behind)

    def _learn(self, run_id: str) -> int:
        query = (
            select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.body)
            .where(EVENTS.c.run_id == run_id, EVENTS.c.seq > self._seen.get(run_id, 0))
            .order_by(EVENTS.c.seq)
            .limit(_ROWS)
        )
        found = rows(self._engine, query)
        for seq, at, body in found:
            self._seen[run_id] = seq
            try:
                self._totals.learn(run_id, at, parse(body))
            except ValueError:  # of a newer version; the gauge shows that the sums lack it
                self._unreadable += 1
        return len(found)


def _gauges(totals: Totals) -> Iterator[Metric]:
    in_flight = "Jobs that running runs wait for"
    left_open = "Jobs that stopped runs have left; a resume collects them"
    yield _gauge("jobs_in_flight", in_flight, totals.in_flight(driven=True), "campaign", "model")
    yield _gauge("jobs_left_open", left_open, totals.in_flight(driven=False), "campaign", "model")
    yield _gauge("runs", "Runs by status", totals.runs(), "campaign", "status")
    asked = {(campaign,): times for campaign, times in totals.questions().items()}
    count = {campaign: len(times) for campaign, times in asked.items()}
    oldest = {campaign: min(times) for campaign, times in asked.items()}
    since = "When the oldest of them was asked"
    yield _gauge("questions_waiting", "Questions that wait for an answer", count, "campaign")
    yield _gauge("oldest_question_timestamp_seconds", since, oldest, "campaign")
    credits = {wallet: balance.credits for wallet, balance in totals.balances.items()}
    times = {wallet: balance.at for wallet, balance in totals.balances.items()}
    read = "When a run last read the credits"
    yield _gauge("wallet_credits", "As a run last read them", credits, "service", "wallet")
    yield _gauge("wallet_read_timestamp_seconds", read, times, "service", "wallet")


def _gauge(name: str, help_text: str, numbers: Mapping[Any, float], *labels: str) -> Metric:
    return _fill(GaugeMetricFamily(f"rivya_flows_{name}", help_text, labels=labels), numbers)


def _fill(family: CounterMetricFamily | GaugeMetricFamily, numbers: Mapping[Any, float]) -> Metric:
    for values, number in numbers.items():
        family.add_metric(values, number)
    return family


def _waits(by_model: Mapping[str, Waits]) -> Metric:
    waits = HistogramMetricFamily(
        "rivya_flows_job_seconds", "From a job's acceptance to its end", labels=("model",)
    )
    bounds = [*(f"{bound:g}" for bound in WAIT_BUCKETS), "+Inf"]
    for model, wait in by_model.items():
        buckets = [*zip(bounds, itertools.accumulate(wait.counts), strict=True)]
        waits.add_metric((model,), buckets, wait.seconds)
    return waits
