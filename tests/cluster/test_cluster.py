"""Runs on PostgreSQL, Redis, S3, a Prefect server in two processes and two workers."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from support.samples import is_thorough

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.prefect
def test_every_run_of_a_cluster_completes_by_itself_and_nothing_is_bought_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`scripts/cluster` in small, and on the same cluster a journal that is away, as in `scripts/outages`."""
    monkeypatch.syspath_prepend(SCRIPTS)
    processes, kills, outages, audit = (
        importlib.import_module(name)
        for name in ("cluster_processes", "cluster", "outages", "audit")
    )
    try:
        cluster = processes.Cluster(tmp_path, time_scale=0.2, limit=2, journal_apart=True)
        with cluster:
            kills.begin(cluster)
            proof = kills.prove(cluster, 4, victim="run", tell=print)
            assert proof.victims
            books = audit.audit(cluster.store, cluster.sandbox)
            assert kills.violations(proof, books, 4) == []
            assert cluster.server.refuses_strangers()
            flow_runs = proof.flow_runs
            if is_thorough():
                flow_runs += outages.survive(cluster, 3, "journal", "stopped", 15, print)
            books = audit.audit(cluster.store, cluster.sandbox)
            assert outages.violations(cluster, flow_runs, books) == []
    except processes.MissingError as missing:
        pytest.skip(str(missing))
