"""`batch`: one run of a spec for each row of a CSV file, under one budget."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli import options
from rivya_flows.cli.commands import command, option
from rivya_flows.cli.completion import files
from rivya_flows.cli.interrupts import run_interruptibly
from rivya_flows.cli.output import tell
from rivya_flows.cli.plan import request_of
from rivya_flows.cli.run import begun


@command(
    "batch specs/social-set.yaml --rows rows.csv --budget 100",
    "batch specs/social-set.yaml --rows rows.csv --plan",
)
def batch(
    spec: Path = options.SPEC,
    table: Path = option(
        "CSV file; its header names inputs of the spec.",
        "--rows",
        metavar="FILE",
        required=True,
        shell_complete=files,
    ),
    assignments: tuple[str, ...] = options.INPUTS,
    file: Path | None = options.INPUTS_FILE,
    budget: int | None = option("Cap the credits of all rows together.", type=click.IntRange(0)),
    parallel: int = option(
        "Run at most this many rows at once.",
        type=click.IntRange(1, 64),
        default=4,
        show_default=True,
    ),
    out: Path = options.folder(
        "Create the batch's folder here: summary, contact sheet, and a folder for each row."
    ),
    keys: str | None = option(
        "Columns that name a row; default: notes such as a SKU, and short texts, that tell rows apart.",
        "--key",
        metavar="COL[,COL]",
    ),
    cache: options.Cache = options.CACHE,
    labels: tuple[str, ...] = options.LABELS,
    only_plan: bool = options.PLAN,
    yes: bool = options.YES,
    sandbox: bool = options.SANDBOX,
    as_json: bool = options.JSON_AT_END,
    open_sheet: bool = options.OPEN,
) -> int:
    """Run a spec once for each row of a table.

    Values of -i apply to all rows; a cell overrides them. Rerun the same command to continue with
    the rows that are not done; nothing is bought twice.
    """
    # Each row that is priced leaves garbage, before everything is imported.
    begins = spec.exists() and table.exists() and not only_plan
    runner, chosen = begun(begins=begins, collects_later=False)
    from rivya_flows.app.batch.execution import run_batch
    from rivya_flows.app.batch.plan import plan_batch
    from rivya_flows.app.batch.pricing import BatchOptions
    from rivya_flows.app.batch.rows import read_table
    from rivya_flows.cli.batch_live import BatchProgress, print_plan, print_result
    from rivya_flows.cli.terminal import confirmer

    request = request_of(spec, assignments, file, None, cache, labels)
    named = tuple(one.strip() for one in (keys or "").split(",") if one.strip())
    wanted = BatchOptions(request, read_table(table), str(table), budget, parallel, out, named)
    if only_plan:
        found = run_interruptibly(
            lambda _: plan_batch(wanted, chosen, runner, sandbox=sandbox, say=tell)
        )
        return print_plan(found, as_json=as_json)
    result = run_interruptibly(
        lambda interrupts: run_batch(
            wanted,
            chosen,
            runner,
            sandbox=sandbox,
            observer=BatchProgress(interrupts),
            confirm=confirmer(yes=yes, as_json=as_json),
        )
    )
    return print_result(result, as_json=as_json, open_sheet=open_sheet)
