"""`graph`: the expanded plan as a picture."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from rivya_flows.cli.given import read_given, with_inputs
from rivya_flows.cli.output import show


@click.command()
@click.argument("spec", type=Path)
@with_inputs
def graph(spec: Path, assignments: tuple[str, ...], file: Path | None) -> None:
    """Print the plan of a spec as a Mermaid flow chart, with items, models and credits.

    Nothing is sent: prices are those that the service told last, or of the catalogue that
    ships with this package.
    """
    from rivya_flows.app.catalogue_cache import known_catalogue
    from rivya_flows.app.prepare import prepare, read_spec
    from rivya_flows.cli.configuration import settings
    from rivya_flows.planning.mermaid import mermaid
    from rivya_flows.planning.queue.reducer import begin
    from rivya_flows.store.assets import AssetStore

    # Files of the spec are measured for the plan, and kept only as long as that takes.
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare(
            read_spec(spec),
            read_given(assignments, file),
            known_catalogue(settings()),
            run_id="run-graph",
            service="",
            balance=None,
            assets=AssetStore(Path(folder, "assets").as_uri(), Path(folder, "scratch")),
            look_up=lambda _: None,
        )
        show(*mermaid(begin(prepared.frozen).plan, prepared.estimate).split("\n"))
