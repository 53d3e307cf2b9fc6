"""Resume a run: check what is asked of it and whether it can be paid, then execute it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from rivya_flows.app.connect import connect
from rivya_flows.app.execution import SILENT, Observer, append_events, execute
from rivya_flows.app.live_guard import confirm_live, spending_of
from rivya_flows.app.prepare import refuse_over, remaining, verdict
from rivya_flows.app.report import RunReport, RunReporter
from rivya_flows.app.run_context import RunContext, continuable
from rivya_flows.app.run_media import restore_media
from rivya_flows.app.run_options import RunOptions
from rivya_flows.app.runner import Runner
from rivya_flows.app.runs import find_run, open_journal, which
from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.ledger.continuing import BOUGHT_AGAIN
from rivya_flows.ledger.model import Receipt
from rivya_flows.ledger.phrases import total_of
from rivya_flows.ledger.provenance import is_sandbox
from rivya_flows.ledger.summary import is_owed
from rivya_flows.planning.names import label
from rivya_flows.planning.pricing.estimate import Estimate
from rivya_flows.planning.questions.open_questions import Choice, answerable
from rivya_flows.planning.questions.presentation import answer_line
from rivya_flows.planning.questions.reading_answers import read_answers
from rivya_flows.planning.queue.events import AnsweredBy, AnswerGiven, Channel, RunResumed, Unpaid
from rivya_flows.planning.queue.item_state import Phase
from rivya_flows.planning.queue.queue import step
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.resume import can_regenerate
from rivya_flows.planning.queue.scheduler import NOT_BOUGHT
from rivya_flows.planning.queue.state import State
from rivya_flows.settings import Settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import RunRow


@dataclass(frozen=True)
class ResumeOptions:
    """What a user asks of a resume.

    Attributes:
        answers: ``STEP=KEY`` texts, or choices by step.
        budget: A new cap in credits for the whole run, or None.
        regenerate: ``*``, steps or ``step[key]``.
        resubmit: ``step[key]``.
        by: The name of who answers; None if nobody said.
        channel: The way the answers came.
    """

    answers: Sequence[str] | Mapping[str, Choice] = ()
    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    by: str | None = None
    channel: Channel = "command"

    @property
    def buys(self) -> bool:
        """Whether it asks for purchases, also of a run that is completed."""
        return bool(self.regenerate or self.resubmit or self.budget is not None)


async def resume(
    name: str,
    options: ResumeOptions,
    settings: Settings,
    runner: Runner,
    *,
    observer: Observer = SILENT,
) -> RunReport:
    """Resumes a run and executes it to its end; buys nothing twice.

    Args:
        name: Id or folder of the run, or ``last``. A run of the sandbox is resumed in the sandbox.
        options: What is asked of it.
        settings: Those of the store and the service of the run. A run with a wallet of its own takes
            key and address from its block in Prefect.
        runner: Executes it.
        observer: Hears of it.

    Raises:
        UsageError: There is no such run, or it has nothing of what the options name.
        BudgetError: What is still to be bought cannot be paid, or would come from a real wallet, has
            no cap, and was not confirmed; nothing was bought.
        asyncio.CancelledError: See `execute`.
    """
    async with _service_of(name, settings, runner, observer.notify) as (context, row):
        report = await _resume(context, row, options, runner, observer)
        await runner.wake(context.settings, row.run_id, observer.notify)
        return report


async def plan_resume(
    name: str,
    options: ResumeOptions,
    settings: Settings,
    runner: Runner,
    *,
    notify: Callable[[str], object] = lambda _: None,
) -> Estimate:
    """What a resume would keep, still buy and cost; buys nothing, and the run stays as it is.

    Raises:
        UsageError: As of `resume`.
        APIError: The service did not answer.
    """
    async with _service_of(name, settings, runner, notify) as (context, row):
        reporter = RunReporter(context.journal, context.assets, continuable(context, row))
        state, answers = await _state_and_answers(reporter, options, notify)
        resumed = _resumed(context, options, _unasked(state, options, answers))
        for answer in answers:
            state, _ = step(state, answer)
        await in_thread(
            partial(restore_media, context.assets, reporter, state, resumed, writes=False)
        )
        failed = [
            name
            for step_id, item in state.each()
            if item.code in BOUGHT_AGAIN
            and not {"*", step_id, name := label(step_id, item.key)}.intersection(
                options.regenerate
            )
        ]
        if failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            notify(f"failed, and not bought again without --regenerate: {failed[0]}{more}")
        return await _rest(context, state, resumed, reporter.frozen.labels, notify)


@asynccontextmanager
async def _service_of(
    name: str, settings: Settings, runner: Runner, notify: Callable[[str], object]
) -> AsyncIterator[tuple[RunContext, RunRow]]:
    """The service of the run of that name, and the run."""
    with open_journal(settings) as journal:
        row = find_run(journal, name)
    for line in which(name, row):
        notify(line)
    sandbox = is_sandbox(row.service)
    wallet = None if row.wallet is None else await runner.wallet(settings, row.wallet)
    chosen = settings if sandbox or wallet else await runner.with_key(settings)
    async with connect(chosen, sandbox=sandbox, wallet=wallet, notify=notify) as context:
        yield context, row


async def _state_and_answers(
    reporter: RunReporter, options: ResumeOptions, notify: Callable[[str], object]
) -> tuple[State, tuple[AnswerGiven, ...]]:
    """The run as it is, and the answers that the options give.

    Raises:
        UsageError: It has nothing of what the options name.
    """
    state = await in_thread(reporter.follow)
    _check_names(state, options)
    _notify_idle(state, options.regenerate, notify)
    by = AnsweredBy(name=options.by, channel=options.channel, at=datetime.now(UTC))
    return state, read_answers(options.answers, answerable(state), state, by)


async def _resume(
    context: RunContext, row: RunRow, options: ResumeOptions, runner: Runner, observer: Observer
) -> RunReport:
    run_id = row.run_id
    reporter = RunReporter(context.journal, context.assets, continuable(context, row))
    state, answers = await _state_and_answers(reporter, options, observer.notify)
    if state.ended == "completed" and not (
        answers or _has_more(reporter.receipt(), state, options)
    ):
        useless = "" if options.budget is None else ", so --budget changes nothing"
        observer.notify(f"{run_id} is already completed{useless}; rewriting its report")
        observer.notify("`rivya-flows runs` names the runs that have not completed")
        return await asyncio.to_thread(reporter.write)
    resumed = _resumed(context, options, _unasked(state, options, answers))
    for answer in answers:  # what they let the run buy is priced before they count
        state, _ = step(state, answer)
    await in_thread(partial(restore_media, context.assets, reporter, state, resumed))
    labels = reporter.frozen.labels
    raised = any(one.step == BUDGET and one.answer == "yes" for one in answers)
    unpaid, budget, left = await _unpaid(context, state, options, resumed, labels, observer, raised)
    to_buy = (
        f"; still to buy: {total_of(left)}" if left and unpaid is None and left.max != 0 else ""
    )
    observer.notify(f"run {run_id}: resuming{to_buy}")
    # First of all, so that no answer is lost with an execution that does not begin.
    await in_thread(partial(append_events, context.journal, run_id, answers))
    for answer in answers:
        observer.notify(answer_line(answer))
    run_options = RunOptions(budget, options.regenerate, options.resubmit, unpaid)
    return await execute(context, runner, run_id, run_options, observer, reporter)


def _has_more(made: Receipt, state: State, options: ResumeOptions) -> bool:
    """Whether a completed run has more to do.

    Paid results that are missing are collected in any case; failures that the spec allows are
    bought again only where the options say so.
    """
    named = options.regenerate or options.resubmit
    lacks = any(item.phase is Phase.FAILED or item.code == NOT_BOUGHT for _, item in state.each())
    return bool(named) or (lacks and options.budget is not None) or is_owed(made)


async def _unpaid(
    context: RunContext,
    state: State,
    options: ResumeOptions,
    resumed: RunResumed,
    labels: Mapping[str, str],
    observer: Observer,
    raised: bool,
) -> tuple[Unpaid | None, int | None, Estimate | None]:
    """Why a resume buys nothing new and only collects paid results; None where it may buy.

    And its new budget: as given, or what was agreed to, or None to keep the old one; and the price of what
    is left, None where that is not asked for. `state` has the answers, one of which raised the budget if
    `raised`; `labels` are those of the run.

    Raises:
        BudgetError: The rest fits neither budget nor balance, and there is nothing else to do; or
            it was not confirmed.
    """
    if unpaid := resumed.unpaid:
        return None if unpaid == "budget" else unpaid, options.budget, None
    left = await _rest(context, state, resumed, labels, observer.notify)
    # Where somebody is there, or has agreed to more budget, the run asks for what it still lacks.
    asks = left.asks and options.budget is None and (observer.ask is not None or raised)
    fits = (replace(left, budget=None) if asks else left).verdict == "ok"
    if fits or not left.under_way:
        if not fits:
            asked = next((one for one in answerable(state) if one.step == BUDGET), None)
            agree = f", or agree to {asked.text!r} with --answer budget=yes" if asked else ""
            refuse_over(left, agree)
        agreed = await confirm_live(context, spending_of(left), observer.notify, observer.confirm)
        return None, options.budget if agreed is None else left.spent + agreed, left
    observer.notify(f"{verdict(left)}; collecting paid results, buying nothing new")
    return "budget" if left.verdict == "over_budget" else "balance", options.budget, left


def _unasked(state: State, options: ResumeOptions, answers: Sequence[AnswerGiven]) -> Unpaid | None:
    """Why a resume buys nothing new, whatever that costs: the run is completed, or ends with what it has."""
    if state.ended == "completed" and not (options.buys or answers):
        return "completed"
    return "budget" if any(one.step == BUDGET and one.answer == "no" for one in answers) else None


def _resumed(context: RunContext, options: ResumeOptions, unpaid: Unpaid | None) -> RunResumed:
    """What the execution would begin with that the options ask for."""
    wanted = RunOptions(options.budget, options.regenerate, options.resubmit, unpaid)
    return wanted.resumed(context.settings.rivya_flows_resend_hours)


async def _rest(
    context: RunContext,
    state: State,
    resumed: RunResumed,
    labels: Mapping[str, str],
    notify: Callable[[str], object],
) -> Estimate:
    """The price of all that is left; `state` has the answers, `labels` are those of the run."""
    async with context.first_client(notify) as client:
        balance = (await client.credits.retrieve()).current_credits
    pools = await in_thread(partial(context.pools, labels))
    return remaining(state, balance, context.look_up, resumed, pools)


def _check_names(state: State, options: ResumeOptions) -> None:
    """Refuses a mistyped step, which would silently do nothing."""
    items = {label(step_id, item.key) for step_id, item in state.each()}
    for name in options.regenerate:
        if name != "*" and name not in items and name not in state.steps:
            raise _unknown("--regenerate", name, state.plan.order)
    uncertain = [
        label(step_id, item.key)
        for step_id, item in state.each()
        if item.last is not None and item.last.status in ("uncertain", "intended")
    ]
    for name in options.resubmit:
        if name not in uncertain:
            raise _unknown("--resubmit", name, uncertain)


def _notify_idle(state: State, regenerate: Sequence[str], notify: Callable[[str], object]) -> None:
    """Says what is named to be bought again and will not be: only failed jobs are."""
    failed = {
        name
        for step_id, item in state.each()
        for name in ("*", step_id, label(step_id, item.key))
        if can_regenerate(item, by_name=name == label(step_id, item.key))
    }
    for name in regenerate:
        if name not in failed:
            of = "the run" if name == "*" else name
            notify(f"--regenerate: no job of {of} failed; buying nothing again")


def _unknown(option: str, name: str, choices: Sequence[str]) -> UsageError:
    hint = meant(name, choices) or "the run has no uncertain purchase"
    return UsageError(f"{option}: the run has no {name!r}", hint)
