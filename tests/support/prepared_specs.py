"""A spec made ready to run at a sandbox with nothing in its cache and no balance told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rivya_flows.app.prepare import Prepared, SpecFile, prepare
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore


def prepared(
    spec: SpecFile, inputs: Mapping[str, Any], folder: Path, *, driver: Settings | None = None
) -> Prepared:
    """Raises what `prepare` raises.

    Args:
        spec: The spec.
        inputs: As they are given.
        folder: For assets.
        driver: Of the process that will drive the run, or None for a plan.
    """
    return prepare(
        spec,
        lambda _: inputs,
        shipped(),
        run_id="run-1",
        service="sandbox",
        balance=None,
        assets=AssetStore((folder / "assets").as_uri(), folder / "copies"),
        look_up=lambda _: None,
        driver=driver,
    )
