"""`run`, `resume`, `fork` and `batch`: execute runs here and now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import options, session
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import tell
from rivya_flows.cli.plan import request_of, show_plan
from rivya_flows.cli.session import confirmer, run_interruptibly
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.receipt.report import RunReport
    from rivya_flows.runs.execution import Caller


_BY = option("Who answers; left out, your user name.", metavar="NAME")


@command(
    "run specs/first-picture.yaml",
    "run specs/product-launch.yaml -i pick=human --budget 40",
    "run --quote launch.quote",
)
def run(
    spec: Path | None = argument(),
    assignments: tuple[str, ...] = options.INPUTS,
    file: Path | None = options.INPUTS_FILE,
    only_plan: bool = options.PLAN,
    quote: Path | None = option(
        "Run a quote of `plan --out` as it is, instead of SPEC and its options.", metavar="QUOTE"
    ),
    out: Path = options.RUN_FOLDER,
    budget: int | None = options.BUDGET,
    cache: options.Cache = options.CACHE,
    labels: tuple[str, ...] = options.LABELS,
    by: str | None = _BY,
    yes: bool = options.YES,
    open_sheet: bool = options.OPEN,
    sandbox: bool = options.SANDBOX,
    as_json: bool = options.JSON,
) -> int:
    """Run a spec here and now.

    Without a key it buys from the local sandbox, and says so. Ctrl-C cancels the run; `resume`
    continues it. Before it buys from a real wallet it asks, unless a budget caps it.
    """
    file_to_run = quote or spec
    if file_to_run is None:
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
    beside = [name for name, value in given.items() if value not in (None, ())]
    if quote is not None and beside:
        raise UsageError(
            f"--quote cannot be used with {', '.join(beside)}: the quote says all that is run",
            "leave them out, or make a new quote with `plan --out`",
        )
    caller = session.caller(
        begins=file_to_run.exists() and not only_plan, sandbox=sandbox, executes=True
    )
    from rivya_flows.money.quotes import read_quote
    from rivya_flows.runs.execution import plan, run as run_spec

    if quote is not None:
        work = partial(run_spec, read_quote(quote), out=out)
    else:
        request = request_of(file_to_run, assignments, file, budget, cache, labels)
        if only_plan:
            return show_plan(plan(request, caller), as_json=as_json)
        work = partial(run_spec, request, out=out)
    code, _ = _execute(work, caller, _who(by), yes=yes, as_json=as_json, open_sheet=open_sheet)
    return code


@command(
    "resume last --plan",
    "resume RUN --answer hero=street",
    "resume RUN --regenerate film --budget 60",
)
def resume(
    named: str = options.RUN,
    answers: tuple[str, ...] = option(
        "Answer a question of the run: a key, a number, several, or none: NOTE.",
        "--answer",
        metavar="STEP=KEY",
    ),
    by: str | None = _BY,
    budget: int | None = option(
        "Set a new credit budget for the whole run.", type=click.IntRange(0)
    ),
    regenerate: tuple[str, ...] = option(
        "Buy failed jobs again: all, or those of STEP or STEP[KEY]. Write it after RUN.",
        metavar="[STEP]",
        is_flag=False,
        flag_value="*",
    ),
    resubmit: tuple[str, ...] = option(
        "Send an uncertain purchase again; it may then be paid twice.", metavar="STEP[KEY]"
    ),
    accept: tuple[str, ...] = option(
        "Use media that were refused for their faults: of STEP or STEP[KEY].", metavar="STEP"
    ),
    only_plan: bool = options.PLAN,
    yes: bool = options.YES,
    open_sheet: bool = options.OPEN,
    as_json: bool = options.JSON,
) -> int:
    """Resume a run that failed, was cancelled, killed or suspended.

    RUN is its id, its folder, or `last`: the run in which something happened last. Nothing is
    bought twice.
    """
    caller = session.caller(begins=not only_plan, executes=True)
    from rivya_flows.runs.resume import ResumeOptions, plan_resume, resume as resume_run

    name = _who(by)
    wanted = ResumeOptions(
        answers=answers,
        budget=budget,
        regenerate=regenerate,
        resubmit=resubmit,
        accept=accept,
        by=name,
    )
    if only_plan:
        return show_plan(plan_resume(named, wanted, caller), as_json=as_json)
    work = partial(resume_run, named, wanted)
    code, _ = _execute(work, caller, name, yes=yes, as_json=as_json, open_sheet=open_sheet)
    return code


def _one(_context: click.Context, _option: click.Parameter, named: tuple[str, ...]) -> str | None:
    if len(named) > 1:
        raise click.BadParameter("name one step or one item; fork the fork for the next one")
    return next(iter(named), None)


@command(
    "fork RUN -i voice=Jessica --plan", "fork RUN --from film", "fork RUN --from 'stills[neon]'"
)
def fork(
    named: str = options.RUN,
    step: str | None = option(
        "Make STEP and what depends on it again, or STEP[KEY] and what uses it; not more than once.",
        "--from",
        metavar="STEP[KEY]",
        multiple=True,
        callback=_one,
    ),
    spec: Path | None = option(
        "Run this file, such as the edited spec of RUN, instead of the spec that RUN had."
    ),
    assignments: tuple[str, ...] = options.INPUTS,
    file: Path | None = options.INPUTS_FILE,
    labels: tuple[str, ...] = options.labels(
        "Count the run under this, beside the labels of RUN; it wins."
    ),
    budget: int | None = option(
        "Set a credit budget, instead of that of RUN or the spec.", type=click.IntRange(0)
    ),
    only_plan: bool = options.PLAN,
    out: Path = options.RUN_FOLDER,
    yes: bool = options.YES,
    open_sheet: bool = options.OPEN,
    sandbox: bool = options.SANDBOX,
    as_json: bool = options.JSON,
) -> int:
    """Run a run again with changes, and buy only what they change.

    RUN is its id, its folder, or `last`: the run in which something happened last. What it has
    finished of equal requests, and what was picked there, is taken from it for nothing.
    """
    caller = session.caller(begins=not only_plan, executes=True)
    from rivya_flows.plans.labels import read_labels
    from rivya_flows.preparation.spec_file import read_inputs, read_spec
    from rivya_flows.runs.execution import fork_request, plan, run as run_spec

    request, of_sandbox = fork_request(
        named,
        caller.settings,
        tell,
        spec=None if spec is None else read_spec(spec),
        inputs=read_inputs(assignments, file),
        step=step,
        budget=budget,
        labels=read_labels(labels),
    )
    caller = replace(caller, sandbox=sandbox or of_sandbox)
    if only_plan:
        return show_plan(plan(request, caller), as_json=as_json)
    work = partial(run_spec, request, out=out)
    code, run_id = _execute(
        work, caller, _who(None), yes=yes, as_json=as_json, open_sheet=open_sheet
    )
    assert request.fork is not None
    tell(f"compare with: rivya-flows compare {request.fork.run_id} {run_id}")
    return code


def _execute(
    work: Callable[..., Awaitable[RunReport]],
    caller: Caller,
    by: str | None,
    *,
    yes: bool,
    as_json: bool,
    open_sheet: bool,
) -> tuple[int, str]:
    """Executes a run before the person at the terminal, and prints how it ended: the exit code, and its id."""
    from rivya_flows.cli.terminal import OpenedBoard, at_terminal, end

    caller = replace(caller, confirm=confirmer(yes=yes, as_json=as_json))
    board = OpenedBoard(caller.runner.board) if open_sheet else None
    report = run_interruptibly(
        lambda interrupts: work(caller=at_terminal(caller, interrupts, by, board))
    )
    is_open = board is not None and board.is_open  # and stays as the contact sheet
    return end(report, as_json=as_json, open_sheet=open_sheet and not is_open), report.run_id


def _who(by: str | None) -> str | None:
    """The name of the person who answers: as given, else the login name of the user."""
    from rivya_flows.environment import user
    from rivya_flows.questions.open_questions import MAX_NAME
    from rivya_flows.questions.reading_answers import signature

    return signature(by if by is not None else (user() or "")[:MAX_NAME])


@command(
    "batch specs/social-set.yaml --rows rows.csv --budget 100",
    "batch specs/social-set.yaml --rows rows.csv --plan",
)
def batch(
    spec: Path = options.SPEC,
    table: Path = option(
        "CSV file; its header names inputs of the spec.", "--rows", metavar="FILE", required=True
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
    as_json: bool = options.JSON,
    open_sheet: bool = options.OPEN,
) -> int:
    """Run a spec once for each row of a table.

    Values of -i apply to all rows; a cell overrides them. Rerun the same command to continue with
    the rows that are not done; nothing is bought twice.
    """
    # Each row that is priced leaves garbage, before everything is imported.
    begins = spec.exists() and table.exists() and not only_plan
    caller = session.caller(begins=begins, sandbox=sandbox)
    from rivya_flows.batch.pricing import BatchOptions, plan_batch
    from rivya_flows.batch.rows import read_table
    from rivya_flows.cli.batch import print_plan, print_result, run_at_terminal

    request = request_of(spec, assignments, file, None, cache, labels)
    named = tuple(one.strip() for one in (keys or "").split(",") if one.strip())
    wanted = BatchOptions(request, read_table(table), str(table), budget, parallel, out, named)
    if only_plan:
        planning = plan_batch(wanted, caller)
        return print_plan(run_interruptibly(lambda _: planning), as_json=as_json)
    caller = replace(caller, confirm=confirmer(yes=yes, as_json=as_json))
    result = run_interruptibly(partial(run_at_terminal, wanted, caller))
    return print_result(result, as_json=as_json, open_sheet=open_sheet)
