"""A run for one task: what tasks reach of it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from rivya_client.client import RivyaClient
from rivya_flows.engine.run import Run
from rivya_flows.engine.run_context import RunContext, ServiceConnection
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore


def run_of(client: Any, assets: Any, folder: Path, **more: Any) -> Run:
    """A run with this client, store and scratch folder; `more` are further fields of it."""
    missing: Any = None
    context = RunContext(
        settings=Settings(),
        service=ServiceConnection("", None, "test", 1.0),
        journal=missing,
        leases=missing,
        assets=cast("AssetStore", assets),
        scratch=folder,
    )
    row: Any = SimpleNamespace(row=SimpleNamespace(run_id="run-1"))
    run = Run(context, row, **more)
    run.client = cast("RivyaClient", client)
    return run
