"""`run` and `resume`: execute a run here and now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rivya_flows.cli import completion
from rivya_flows.cli.groups import examples
from rivya_flows.cli.input_options import (
    CACHE_OPTION,
    LABEL_OPTION,
    PLAN_OPTION,
    RUN_ARGUMENT,
    YES_OPTION,
    with_inputs,
)
from rivya_flows.cli.interrupts import run_interruptibly
from rivya_flows.cli.output import tell
from rivya_flows.cli.plan import show_plan
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.flows.execution.local_runner import LocalRunner
    from rivya_flows.settings import Settings


BY_OPTION = click.option("--by", metavar="NAME", help="Who answers; left out, your user name.")


@click.command(
    epilog=examples(
        "run specs/first-picture.yaml",
        "run specs/product-launch.yaml -i pick=human --budget 40",
        "run --quote launch.quote",
    )
)
@click.argument("spec", type=Path, required=False, shell_complete=completion.specs)
@with_inputs
@PLAN_OPTION
@click.option(
    "--quote",
    type=Path,
    metavar="QUOTE",
    shell_complete=completion.files,
    help="Run a quote of `plan --out` as it is, instead of SPEC and its options.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Create the run's folder here: outputs, contact sheet, receipt.",
)
@click.option("--budget", type=click.IntRange(0), help="Override the spec's credit budget.")
@CACHE_OPTION
@LABEL_OPTION
@BY_OPTION
@YES_OPTION
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
@click.option("--sandbox", is_flag=True, help="Buy from the local sandbox, also with a key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def run(
    spec: Path | None,
    assignments: tuple[str, ...],
    file: Path | None,
    only_plan: bool,
    quote: Path | None,
    out: Path,
    budget: int | None,
    cache: Literal["off", "run", "spec"] | None,
    labels: tuple[str, ...],
    by: str | None,
    yes: bool,
    open_sheet: bool,
    sandbox: bool,
    as_json: bool,
) -> int:
    """Run a spec here and now.

    Without a key it buys from the local sandbox, and says so. Ctrl-C cancels the run; `resume`
    continues it. Before it buys from a real wallet it asks, unless a budget caps it.
    """
    named = quote or spec
    if named is None:
        raise click.UsageError("Missing argument 'SPEC'.")
    given = {
        "SPEC": spec,
        "-i": assignments,
        "--inputs": file,
        "--budget": budget,
        "--cache": cache,
        "--label": labels,
        "--plan": only_plan or None,
    }
    if quote is not None:
        _refuse_beside_quote(given)
    runner, chosen = begun(begins=named.exists() and not only_plan)
    from rivya_flows.app.prepare import RunRequest
    from rivya_flows.app.quotes import QuoteFile, read_quote
    from rivya_flows.app.run import plan, run as run_spec
    from rivya_flows.app.spec_file import read_inputs, read_spec
    from rivya_flows.cli.ending import end
    from rivya_flows.cli.terminal import confirmer, observer
    from rivya_flows.planning.labels import read_labels

    request: RunRequest | QuoteFile
    if quote is not None:
        request = read_quote(quote)
    else:
        request = RunRequest(
            read_spec(named),
            read_inputs(assignments, file),
            budget,
            cache,
            labels=read_labels(labels),
        )
        if only_plan:
            found = run_interruptibly(
                lambda _: plan(request, chosen, runner, sandbox=sandbox, notify=tell)
            )
            return show_plan(found, as_json=as_json)
    confirm = confirmer(yes=yes, as_json=as_json)
    report = run_interruptibly(
        lambda interrupts: run_spec(
            request,
            chosen,
            runner,
            out=out,
            sandbox=sandbox,
            observer=observer(interrupts, who(by), confirm),
        )
    )
    return end(report, as_json=as_json, open_sheet=open_sheet)


@click.command(
    epilog=examples(
        "resume last --plan",
        "resume RUN --answer hero=street",
        "resume RUN --regenerate film --budget 60",
    )
)
@RUN_ARGUMENT
@click.option(
    "--answer",
    "answers",
    metavar="STEP=KEY",
    shell_complete=completion.answers,
    multiple=True,
    help="Answer a question of the run: a key, a number, several, or none: NOTE.",
)
@BY_OPTION
@click.option("--budget", type=click.IntRange(0), help="Set a new credit budget for the whole run.")
@click.option(
    "--regenerate",
    metavar="[STEP]",
    shell_complete=completion.steps,
    is_flag=False,
    flag_value="*",
    multiple=True,
    help="Buy failed jobs again: all, or those of STEP or STEP[KEY]. Write it after RUN.",
)
@click.option(
    "--resubmit",
    metavar="STEP[KEY]",
    multiple=True,
    help="Send an uncertain purchase again; it may then be paid twice.",
)
@PLAN_OPTION
@YES_OPTION
@click.option("--open", "open_sheet", is_flag=True, help="Open the contact sheet at the end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def resume(
    named: str,
    answers: tuple[str, ...],
    by: str | None,
    budget: int | None,
    regenerate: tuple[str, ...],
    resubmit: tuple[str, ...],
    only_plan: bool,
    yes: bool,
    open_sheet: bool,
    as_json: bool,
) -> int:
    """Resume a run that failed, was cancelled, killed or suspended.

    RUN is its id, its folder, or `last`: the run in which something happened last. Nothing is
    bought twice.
    """
    runner, chosen = begun(begins=not only_plan)
    from rivya_flows.app.resume import ResumeOptions, plan_resume, resume as resume_run
    from rivya_flows.cli.ending import end
    from rivya_flows.cli.terminal import confirmer, observer

    name, confirm = who(by), confirmer(yes=yes, as_json=as_json)
    options = ResumeOptions(
        answers=answers, budget=budget, regenerate=regenerate, resubmit=resubmit, by=name
    )
    if only_plan:
        found = run_interruptibly(
            lambda _: plan_resume(named, options, chosen, runner, notify=tell)
        )
        return show_plan(found, as_json=as_json)
    report = run_interruptibly(
        lambda interrupts: resume_run(
            named, options, chosen, runner, observer=observer(interrupts, name, confirm)
        )
    )
    return end(report, as_json=as_json, open_sheet=open_sheet)


def _refuse_beside_quote(given: Mapping[str, object]) -> None:
    """Refuses what a quote has of its own.

    Raises:
        UsageError: Some of it was given.
    """
    named = [name for name, value in given.items() if value not in (None, ())]
    if named:
        raise UsageError(
            f"--quote cannot be used with {', '.join(named)}: the quote says all that is run",
            "leave them out, or make a new quote with `plan --out`",
        )


def who(by: str | None) -> str | None:
    """The name of who answers: as given, else that of the user at the terminal.

    Raises:
        UsageError: It is too long.
    """
    from rivya_flows.environment import user
    from rivya_flows.planning.questions.open_questions import MAX_NAME
    from rivya_flows.planning.questions.reading_answers import signature

    return signature(by if by is not None else (user() or "")[:MAX_NAME])


def begun(*, begins: bool = True, collects_later: bool = True) -> tuple[LocalRunner, Settings]:
    """The runner, whose server begins to start before the rest is imported; and the settings."""
    from rivya_flows.cli.configuration import settings
    from rivya_flows.flows.execution.local_runner import LocalRunner

    # A log line that a dead Prefect server does not take is no error in the middle of ours.
    logging.raiseExceptions = False
    runner, chosen = LocalRunner(collects_later=collects_later), settings()
    if begins:
        runner.begin(chosen)
    return runner, chosen
