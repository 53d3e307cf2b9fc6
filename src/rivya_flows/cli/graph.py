"""`graph`: print the expanded plan as a flow chart."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli.input_options import SPEC_ARGUMENT, with_inputs
from rivya_flows.cli.output import show_verbatim


@click.command()
@SPEC_ARGUMENT
@with_inputs
def graph(spec: Path, assignments: tuple[str, ...], file: Path | None) -> None:
    """Print the plan of a spec as a Mermaid flow chart, with items, models and credits.

    Nothing is sent: prices are the last ones that the service named, or those of the catalogue
    that ships with this package.
    """
    from rivya_flows.app.catalogue_cache import known_catalogue
    from rivya_flows.app.prepare import RunRequest, prepare_offline
    from rivya_flows.app.spec_file import read_inputs, read_spec
    from rivya_flows.cli.configuration import settings
    from rivya_flows.planning.mermaid import mermaid
    from rivya_flows.planning.queue.reducer import initial_state

    request = RunRequest(read_spec(spec), read_inputs(assignments, file))
    prepared = prepare_offline(request, known_catalogue(settings()))
    show_verbatim(mermaid(initial_state(prepared.frozen).plan, prepared.estimate).split("\n"))
