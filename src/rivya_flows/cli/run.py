"""`run` and `resume`: one execution of a run, here and now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rivya_flows.cli.given import InputValues, read_given, with_inputs
from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
from rivya_flows.cli.output import price_of, tell

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.prepare import CacheMode, SpecFile
    from rivya_flows.app.run_context import RunContext
    from rivya_flows.cli.execution import OutputOptions
    from rivya_flows.planning.pricing.estimate import Estimate


@click.command()
@click.argument("spec", type=Path)
@with_inputs
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="The run gets a folder in it: outputs, contact sheet, receipt.",
)
@click.option("--budget", type=click.IntRange(0), help="Cap in credits, in place of the spec's.")
@click.option(
    "--cache",
    type=click.Choice(["off", "run", "spec"]),
    help="Where finished work may come from, in place of the spec's word.",
)
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def run(
    spec: Path,
    assignments: tuple[str, ...],
    file: Path | None,
    out: Path,
    budget: int | None,
    cache: Literal["off", "run", "spec"] | None,
    open_sheet: bool,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Run a spec here and now.

    With no key it buys from the local sandbox, and says so. Ctrl-C cancels the run; `resume`
    goes on with it.
    """
    from rivya_flows.app.prepare import read_spec
    from rivya_flows.cli.execution import OutputOptions

    text, given = read_spec(spec), read_given(assignments, file)
    manner = OutputOptions(as_json, open_sheet)

    async def work(interrupts: Interrupts) -> int:
        from rivya_flows.cli.service import at_home

        async with at_home(sandbox=sandbox) as context:
            return await _start(context, text, given, out, budget, cache, manner, interrupts)

    return run_interruptibly(work)


@click.command()
@click.argument("named", metavar="RUN")
@click.option(
    "--answer",
    "answers",
    metavar="STEP=KEY",
    multiple=True,
    help="Answer a question of the run.",
)
@click.option("--budget", type=click.IntRange(0), help="A new cap in credits for the whole run.")
@click.option(
    "--regenerate",
    metavar="[STEP]",
    is_flag=False,
    flag_value="*",
    multiple=True,
    help="Buy failed jobs anew: all, or those of STEP or STEP[KEY]. Give it after RUN.",
)
@click.option(
    "--resubmit",
    metavar="STEP[KEY]",
    multiple=True,
    help="Send an uncertain purchase again; it may then be paid twice.",
)
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def resume(
    named: str,
    answers: tuple[str, ...],
    budget: int | None,
    regenerate: tuple[str, ...],
    resubmit: tuple[str, ...],
    open_sheet: bool,
    as_json: bool,
) -> int:
    """Go on with a run that failed, was cancelled, killed or suspended.

    RUN is its id or its folder. What was bought is not bought again.
    """
    from rivya_flows.cli.execution import OutputOptions
    from rivya_flows.cli.resuming import ResumeOptions, go_on

    asked = ResumeOptions(answers, budget, regenerate, resubmit)
    manner = OutputOptions(as_json, open_sheet)
    return run_interruptibly(lambda interrupts: go_on(named, asked, manner, interrupts))


async def _start(
    context: RunContext,
    spec: SpecFile,
    given: InputValues,
    out: Path,
    budget: int | None,
    cache: CacheMode | None,
    manner: OutputOptions,
    interrupts: Interrupts,
) -> int:
    from datetime import UTC, datetime

    from rivya_flows.app.prepare import new_run_id, refuse_over
    from rivya_flows.app.run_options import RunOptions
    from rivya_flows.cli.execution import drive, made
    from rivya_flows.cli.plan import prepared

    run_id = new_run_id(datetime.now(UTC))
    ready = await prepared(context, spec, given, run_id, budget, cache, starts=True)
    refuse_over(ready.estimate)
    folder = made(out.expanduser().absolute() / run_id)
    context.journal.create(ready.frozen, folder)
    tell(f"run {run_id}: {_expected(ready.estimate)}")
    return await drive(context, run_id, RunOptions(), manner, interrupts)


def _expected(found: Estimate) -> str:
    budget = "" if found.budget is None else f", budget {found.budget}"
    expected = price_of(found.min, found.max)
    return f"{found.name}, {expected}, balance {found.balance}{budget}"
