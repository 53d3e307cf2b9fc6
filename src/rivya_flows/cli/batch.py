"""`batch`: one run of a spec for each row of a CSV file, under one budget."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from rivya_flows.cli.completion import files
from rivya_flows.cli.groups import examples
from rivya_flows.cli.input_options import (
    CACHE_OPTION,
    LABEL_OPTION,
    PLAN_OPTION,
    SPEC_ARGUMENT,
    YES_OPTION,
    with_inputs,
)
from rivya_flows.cli.interrupts import run_interruptibly


@click.command(
    epilog=examples(
        "batch specs/social-set.yaml --rows rows.csv --budget 100",
        "batch specs/social-set.yaml --rows rows.csv --plan",
    )
)
@SPEC_ARGUMENT
@click.option(
    "--rows",
    "table",
    metavar="FILE",
    type=Path,
    required=True,
    shell_complete=files,
    help="CSV file; its header names inputs of the spec.",
)
@with_inputs
@click.option("--budget", type=click.IntRange(0), help="Cap the credits of all rows together.")
@click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="Run at most this many rows at once.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Create the batch's folder here: summary, contact sheet, and a folder for each row.",
)
@click.option(
    "--key",
    "keys",
    metavar="COL[,COL]",
    help="Columns that name a row; default: notes such as a SKU, and short texts, that tell rows apart.",
)
@CACHE_OPTION
@LABEL_OPTION
@PLAN_OPTION
@YES_OPTION
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
def batch(
    spec: Path,
    table: Path,
    assignments: tuple[str, ...],
    file: Path | None,
    budget: int | None,
    parallel: int,
    out: Path,
    keys: str | None,
    cache: Literal["off", "run", "spec"] | None,
    labels: tuple[str, ...],
    only_plan: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
    open_sheet: bool,
) -> int:
    """Run a spec once for each row of a table.

    Values of -i apply to all rows; a cell overrides them. Rerun the same command to continue with
    the rows that are not done; nothing is bought twice.
    """
    from rivya_flows.cli.run import begun

    # Each row that is priced leaves garbage, before everything is imported.
    begins = spec.exists() and table.exists() and not only_plan
    runner, chosen = begun(begins=begins, collects_later=False)
    from rivya_flows.app.batch.execution import run_batch
    from rivya_flows.app.batch.pricing import BatchOptions, plan_batch
    from rivya_flows.app.batch.rows import read_table
    from rivya_flows.app.prepare import RunRequest
    from rivya_flows.app.spec_file import read_inputs, read_spec
    from rivya_flows.cli.batch_live import BatchProgress, print_plan, print_result
    from rivya_flows.cli.output import tell
    from rivya_flows.cli.terminal import confirmer
    from rivya_flows.planning.labels import read_labels

    request = RunRequest(
        read_spec(spec), read_inputs(assignments, file), cache=cache, labels=read_labels(labels)
    )
    named = tuple(one.strip() for one in (keys or "").split(",") if one.strip())
    options = BatchOptions(request, read_table(table), str(table), budget, parallel, out, named)
    if only_plan:
        found = run_interruptibly(
            lambda _: plan_batch(options, chosen, runner, sandbox=sandbox, say=tell)
        )
        return print_plan(found, as_json=as_json)
    result = run_interruptibly(
        lambda interrupts: run_batch(
            options,
            chosen,
            runner,
            sandbox=sandbox,
            observer=BatchProgress(interrupts),
            confirm=confirmer(yes=yes, as_json=as_json),
        )
    )
    return print_result(result, as_json=as_json, open_sheet=open_sheet)
