"""A spec made ready to run at a sandbox with nothing in its cache and no balance told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.preparation.prepare import Market, PlanningStore, Prepared, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import PoolTotal
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore


def prepared(
    spec: SpecFile,
    inputs: Mapping[str, Any],
    folder: Path,
    *,
    machine: Settings | None = None,
    pools: Callable[[Mapping[str, str]], tuple[PoolTotal, ...]] = lambda _: (),
) -> Prepared:
    """Raises what `prepare` raises.

    Args:
        spec: The spec.
        inputs: As they are given.
        folder: For assets.
        machine: Settings of the machine that executes the run, or None for a plan.
        pools: Those of the store.
    """
    return prepare(
        RunRequest(spec, lambda _: inputs),
        Market(shipped(), "sandbox"),
        "run-1",
        PlanningStore(
            AssetStore((folder / "assets").as_uri(), folder / "copies"),
            pools=pools,
            executes=machine,
        ),
    )
