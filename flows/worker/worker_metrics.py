"""Metrics of a warm worker, which Prefect serves with its own: ``PREFECT_CLIENT_METRICS_ENABLED``."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

SLOTS = Gauge("rivya_flows_worker_slots", "Runs that this worker executes at most")
SLOTS_USED = Gauge("rivya_flows_worker_slots_used", "Runs that this worker executes now")
HOSTS_STARTED = Counter("rivya_flows_worker_hosts_started", "Host processes that were started")
HOSTS_LOST = Counter("rivya_flows_worker_hosts_lost", "Host processes that died or were blocked")
