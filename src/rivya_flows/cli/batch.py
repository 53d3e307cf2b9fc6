"""`batch`: one run of a spec for each row of a CSV file, under one budget."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from rivya_flows.cli.input_options import with_inputs
from rivya_flows.cli.interrupts import Interrupts, run_interruptibly


@click.command()
@click.argument("spec", type=Path)
@click.option(
    "--rows",
    "table",
    metavar="FILE",
    type=Path,
    required=True,
    help="CSV file; its first line names inputs of the spec.",
)
@with_inputs
@click.option("--budget", type=click.IntRange(0), help="Cap in credits over all rows.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="How many rows may run at once.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="The batch gets a folder in it: summary, and a folder for each row.",
)
@click.option(
    "--cache",
    type=click.Choice(["off", "run", "spec"]),
    help="Where finished work may come from, in place of the spec's word.",
)
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def batch(
    spec: Path,
    table: Path,
    assignments: tuple[str, ...],
    file: Path | None,
    budget: int | None,
    parallel: int,
    out: Path,
    cache: Literal["off", "run", "spec"] | None,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Run a spec once for each row of a table.

    Inputs of -i hold for all rows; a cell wins over them. The same command again goes on with
    what is not done, and buys nothing twice.
    """
    from rivya_flows.app.inputs import read_inputs
    from rivya_flows.app.spec_file import read_spec
    from rivya_flows.cli.batching import BatchOptions, read_table, run_rows

    order = BatchOptions(
        spec=read_spec(spec),
        table=read_table(table),
        table_name=str(table),
        given=read_inputs(assignments, file),
        budget=budget,
        parallel=parallel,
        out=out.expanduser().absolute(),
        cache=cache,
        as_json=as_json,
    )

    async def work(interrupts: Interrupts) -> int:
        from rivya_flows.cli.service import at_home

        async with at_home(sandbox=sandbox) as context:
            return await run_rows(context, order, interrupts)

    return run_interruptibly(work)
