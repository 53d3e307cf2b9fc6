"""`fork`: a new run that takes finished work of another one."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli import completion
from rivya_flows.cli.groups import examples
from rivya_flows.cli.input_options import PLAN_OPTION, RUN_ARGUMENT, YES_OPTION, with_inputs
from rivya_flows.cli.interrupts import run_interruptibly
from rivya_flows.cli.output import tell
from rivya_flows.cli.plan import show_plan
from rivya_flows.cli.run import begun, who


def _one(_context: click.Context, _option: click.Parameter, named: tuple[str, ...]) -> str | None:
    if len(named) > 1:
        raise click.BadParameter("name one step or one item; fork the fork for the next one")
    return next(iter(named), None)


@click.command(
    epilog=examples(
        "fork RUN -i voice=Jessica --plan", "fork RUN --from film", "fork RUN --from 'stills[neon]'"
    )
)
@RUN_ARGUMENT
@click.option(
    "--from",
    "step",
    metavar="STEP[KEY]",
    multiple=True,
    callback=_one,
    shell_complete=completion.steps,
    help="Make STEP and what depends on it again, or STEP[KEY] and what uses it; not more than once.",
)
@click.option(
    "--spec",
    type=Path,
    shell_complete=completion.specs,
    help="Run this file, such as the edited spec of RUN, instead of the spec that RUN had.",
)
@with_inputs
@click.option(
    "--label",
    "labels",
    metavar="NAME=VALUE",
    shell_complete=completion.labels,
    multiple=True,
    help="Count the run under this, beside the labels of RUN; it wins.",
)
@click.option("--budget", type=click.IntRange(0), help="Override the spec's credit budget.")
@PLAN_OPTION
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Create the run's folder here: outputs, contact sheet, receipt.",
)
@YES_OPTION
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def fork(
    named: str,
    step: str | None,
    spec: Path | None,
    assignments: tuple[str, ...],
    file: Path | None,
    labels: tuple[str, ...],
    budget: int | None,
    only_plan: bool,
    out: Path,
    yes: bool,
    open_sheet: bool,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Run a run again with changes, and buy only what they change.

    RUN is its id, its folder, or `last`: the run in which something happened last. What it has
    finished of equal requests, and what was picked there, is taken from it for nothing.
    """
    runner, chosen = begun(begins=not only_plan)
    from rivya_flows.app.run import ForkOptions, fork_request, plan, run
    from rivya_flows.app.spec_file import read_inputs, read_spec
    from rivya_flows.cli.ending import end
    from rivya_flows.cli.terminal import confirmer, observer
    from rivya_flows.planning.labels import read_labels

    edited = None if spec is None else read_spec(spec)
    given = read_inputs(assignments, file)
    options = ForkOptions(given, step, budget, read_labels(labels), edited)
    request, of_sandbox = fork_request(named, options, chosen, tell)
    there = sandbox or of_sandbox
    if only_plan:
        found = run_interruptibly(
            lambda _: plan(request, chosen, runner, sandbox=there, notify=tell)
        )
        return show_plan(found, as_json=as_json)
    confirm = confirmer(yes=yes, as_json=as_json)
    report = run_interruptibly(
        lambda interrupts: run(
            request,
            chosen,
            runner,
            out=out,
            sandbox=there,
            observer=observer(interrupts, who(None), confirm),
        )
    )
    code = end(report, as_json=as_json, open_sheet=open_sheet)
    assert request.fork is not None
    tell(f"compare with: rivya-flows compare {request.fork.run_id} {report.run_id}")
    return code
