"""Plan a run, start one here and now, or fork one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from rivya_flows.engine.run import Runner, RunOptions
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError, UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.language.workflow import Workflow
from rivya_flows.money.live_guard import confirm_live, spending_of
from rivya_flows.money.quotes import QuoteFile, prepare_quote, write_quote
from rivya_flows.planning.questions.reading_answers import refuse_unfit
from rivya_flows.plans.labels import labels_of
from rivya_flows.plans.names import label
from rivya_flows.preparation.prepare import (
    InputReader,
    Prepared,
    RunRequest,
    close_budget,
    expected_price,
    new_run_id,
    prepare_here,
    refuse_over,
    soft_limits,
)
from rivya_flows.preparation.spec_file import InputValues, SpecFile, spec_path
from rivya_flows.queue.events import RunFrozen
from rivya_flows.queue.forks import fork_of
from rivya_flows.queue.queue import replay
from rivya_flows.receipt.phrases import is_sandbox, uncollected
from rivya_flows.receipt.report import RunReport
from rivya_flows.runs.connect import connect_with
from rivya_flows.runs.execution import SILENT, Observer, execute, run_folder
from rivya_flows.runs.lookup import find_run, open_journal, which
from rivya_flows.settings import Settings


async def plan(
    request: RunRequest,
    settings: Settings,
    runner: Runner,
    *,
    out: Path | None = None,
    sandbox: bool = False,
    notify: Callable[[str], object] = lambda _: None,
) -> Estimate:
    """What a run would do and cost; buys nothing. With `out` a quote of it is written to that file."""
    async with connect_with(runner, settings, sandbox=sandbox, notify=notify) as context:
        ready = await prepare_here(context, request, "run-plan", starts=False, notify=notify)
        if out is not None:
            await asyncio.to_thread(write_quote, context, request, ready, out)
        return ready.estimate


async def run(
    request: RunRequest | QuoteFile,
    settings: Settings,
    runner: Runner,
    *,
    out: Path,
    sandbox: bool = False,
    observer: Observer = SILENT,
) -> RunReport:
    """Starts a run and executes it to its end; it gets a folder in `out`."""
    wallet, told = None if isinstance(request, QuoteFile) else request.wallet, observer.notify
    async with connect_with(
        runner, settings, sandbox=sandbox, wallet=wallet, notify=told
    ) as context:
        ready = await ready_to_start(context, request, observer)
        await asyncio.to_thread(write_start, context, ready, out)
        run_id = ready.frozen.run_id
        observer.notify(f"run {run_id}: {expected_price(ready.estimate)}")
        for warning in (*close_budget(ready.estimate), *soft_limits(ready.estimate)):
            observer.notify(warning)
        steps = ready.estimate.steps
        observer.usual({one.id: one.usual_seconds for one in steps if one.usual_seconds})
        return await execute(context, runner, run_id, RunOptions(), observer)


async def ready_to_start(
    context: RunContext, request: RunRequest | QuoteFile, observer: Observer
) -> Prepared:
    """A run that is checked, can be paid and is confirmed; nothing is written yet."""
    run_id = new_run_id(datetime.now(UTC))
    if isinstance(request, QuoteFile):
        ready = await prepare_quote(context, request, run_id, notify=observer.notify)
    else:
        ready = await prepare_here(context, request, run_id, starts=True, notify=observer.notify)
    refuse_unfit(observer.answers, ready.plan)
    refuse_over(ready.estimate)
    spending = spending_of(ready.estimate, ready.frozen.quote)
    agreed = await confirm_live(context, spending, observer.notify, observer.confirm)
    if agreed is None:
        return ready
    return replace(ready, frozen=ready.frozen.model_copy(update={"budget": agreed}))


def write_start(context: RunContext, ready: Prepared, out: Path) -> Path:
    """Writes the first entry of a run, which can be resumed from then on; gives its folder in `out`."""
    folder = run_folder(out, ready.frozen.run_id)
    try:
        context.journal.create(ready.frozen, folder)
    except RivyaError:
        with suppress(OSError):  # it may be that of a run with the same id
            folder.rmdir()
        raise
    return folder


@dataclass(frozen=True)
class ForkOptions:
    """What a user changes in a fork.

    Attributes:
        step: Make this step and what depends on it again, though nothing of it changes; or ``step[key]``
            and what uses it.
        budget: A cap in credits; None keeps that which the run was started with, else the spec's.
        labels: Labels beside those of the run; they win.
        spec: Takes the place of that of the run; None keeps it.
    """

    inputs: InputReader = field(default_factory=lambda: InputValues((), None, ""))
    step: str | None = None
    budget: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    spec: SpecFile | None = None


def fork_request(
    name: str,
    options: ForkOptions,
    settings: Settings,
    notify: Callable[[str], object] = lambda _: None,
) -> tuple[RunRequest, bool]:
    """The run that repeats a run in part, and whether it is one of the local sandbox.

    It has the spec of the run as it was frozen, unless another one is given, and its inputs, labels,
    budget and cache mode with changes.
    """
    with open_journal(settings) as journal:
        row = find_run(journal, name, only_read=True)
        for line in which(name, row):
            notify(line)
        events = [entry.event for entry in journal.entries(row.run_id)]
    frozen, state = events[0], replay(events)
    assert isinstance(frozen, RunFrozen)
    items = (label(step_id, item.key) for step_id, item in state.each())
    known = dict.fromkeys((*state.plan.order, *items))
    if options.step is not None and options.step not in known:
        hint = meant(options.step, known)
        raise UsageError(f"--from: the run has no step {options.step!r}", hint)
    file = str(spec_path(frozen.spec_file, row.folder))
    # Those of its command; those of the spec may follow inputs that change.
    written = labels_of(state.plan.workflow, frozen.inputs, {})
    given = {name: one for name, one in frozen.labels.items() if written.get(name) != one}
    budget = options.budget
    if budget is None and (budget := _given_budget(frozen, state.plan.workflow)) is not None:
        notify(f"budget {budget}, as {row.run_id} was started with; --budget N gives another")
    request = RunRequest(
        options.spec or SpecFile(frozen.spec_text, file, None, frozen.includes, frozen.files),
        options.inputs,
        budget,
        frozen.cache,
        labels={**given, **options.labels},
        fork=fork_of(state, options.step),
        forked=row.folder,
        uncollected=uncollected(state),
        wallet=row.wallet,
        earlier=frozen.inputs,
    )
    return request, is_sandbox(row.service)


def _given_budget(frozen: RunFrozen, workflow: Workflow) -> int | None:
    """The budget that a run was started with; None where its spec or its quote has it, or somebody agreed to a
    price.
    """
    given = frozen.plan.get("budget")  # of an agreement only the entry knows
    of_spec = workflow.budget and workflow.budget.credits
    return None if frozen.quote or given == of_spec or not isinstance(given, int) else given
