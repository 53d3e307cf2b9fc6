"""Resume a run: check what is asked of it, its media, and whether it can be paid, then execute it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from rivya_flows.engine.run import Runner, RunOptions
from rivya_flows.engine.run_context import RunContext, continuable
from rivya_flows.errors import UsageError
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.language.diagnostic_report import meant
from rivya_flows.money.live_guard import confirm_live, spending_of
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.questions.presentation import answer_line
from rivya_flows.planning.questions.question import BUDGET, Answer
from rivya_flows.planning.questions.reading_answers import read_answers
from rivya_flows.plans.names import label
from rivya_flows.preparation.prepare import refuse_over, remaining, verdict
from rivya_flows.preparation.restore import restore_media
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, Channel, RunResumed, Unpaid
from rivya_flows.queue.items import Phase
from rivya_flows.queue.queue import step
from rivya_flows.queue.resume import can_regenerate
from rivya_flows.queue.scheduler import NOT_BOUGHT
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import BOUGHT_AGAIN
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import is_sandbox, total_of
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.receipt.summary import is_owed
from rivya_flows.runs.connect import connect_with
from rivya_flows.runs.execution import SILENT, Observer, append_events, execute
from rivya_flows.runs.lookup import find_run, open_journal, which
from rivya_flows.settings import Settings
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import RunRow


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(RunOptions):
    """What a user asks of a resume; answers are ``STEP=KEY`` texts, or choices by step."""

    answers: Sequence[str] | Mapping[str, Answer] = ()
    by: str | None = None
    channel: Channel = "command"


async def resume(
    name: str,
    options: ResumeOptions,
    settings: Settings,
    runner: Runner,
    *,
    observer: Observer = SILENT,
) -> RunReport:
    """Resumes a run and executes it to its end; buys nothing twice.

    A run of the sandbox is resumed there, and one with a wallet of its own with that, as Prefect has it.
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
    """What a resume would keep, still buy and cost; buys nothing, and the run stays as it is."""
    async with _service_of(name, settings, runner, notify) as (context, row):
        asked = await _read(context, row, options, notify)
        await asked.restore_media(context, writes=False)
        failed = [
            name
            for step_id, item in asked.state.each()
            if item.code in BOUGHT_AGAIN
            and not {"*", step_id, name := label(step_id, item.key)}.intersection(
                options.regenerate
            )
        ]
        if failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            notify(f"failed, and not bought again without --regenerate: {failed[0]}{more}")
        return await asked.rest(context, notify)


@dataclass(frozen=True)
class _Asked:
    """A resume that somebody asks for: the run before and with the answers, and what is executed first."""

    reporter: RunReporter
    answers: tuple[AnswerGiven, ...]
    before: State
    state: State
    resumed: RunResumed

    async def restore_media(self, context: RunContext, *, writes: bool = True) -> None:
        """Puts back what the rest of the run needs; without `writes`, only looks whether that is there."""
        given = (context.assets, self.reporter, self.state, self.resumed)
        await in_thread(partial(restore_media, *given, writes=writes))

    async def rest(self, context: RunContext, notify: Callable[[str], object]) -> Estimate:
        """The price of all that is left."""
        async with context.first_client(notify) as client:
            balance = (await client.credits.retrieve()).current_credits
        pools = await in_thread(partial(context.pools, self.reporter.frozen.labels))
        return remaining(self.state, balance, context.look_up, self.resumed, pools)


async def _read(
    context: RunContext, row: RunRow, options: ResumeOptions, notify: Callable[[str], object]
) -> _Asked:
    """The run as it is and what the options ask of it; refuses what it does not have."""
    reporter = RunReporter(context.journal, context.assets, continuable(context, row))
    before = await in_thread(reporter.follow)
    _check_names(before, options)
    _notify_idle(before, options.regenerate, notify)
    by = AnsweredBy(name=options.by, channel=options.channel, at=datetime.now(UTC))
    answers = read_answers(options.answers, answerable(before), before, by)
    # Why it buys nothing new, whatever that costs.
    unpaid: Unpaid | None = None
    buys = options.regenerate or options.resubmit or options.budget is not None
    if before.ended == "completed" and not (buys or answers):
        unpaid = "completed"
    elif any(one.step == BUDGET and one.answer == "no" for one in answers):
        unpaid = "budget"
    hours = context.settings.rivya_flows_resend_hours
    resumed = replace(options, unpaid=unpaid).resumed(hours)
    state = before.copy()
    for answer in answers:  # what they let the run buy is priced before they count
        step(state, answer)
    return _Asked(reporter, answers, before, state, resumed)


@asynccontextmanager
async def _service_of(
    name: str, settings: Settings, runner: Runner, notify: Callable[[str], object]
) -> AsyncIterator[tuple[RunContext, RunRow]]:
    with open_journal(settings) as journal:
        row = find_run(journal, name)
    for line in which(name, row):
        notify(line)
    sandbox = is_sandbox(row.service)
    async with connect_with(
        runner, settings, sandbox=sandbox, wallet=row.wallet, notify=notify
    ) as context:
        yield context, row


async def _resume(
    context: RunContext, row: RunRow, options: ResumeOptions, runner: Runner, observer: Observer
) -> RunReport:
    asked = await _read(context, row, options, observer.notify)
    run_id, reporter, answers = row.run_id, asked.reporter, asked.answers
    if asked.before.ended == "completed" and not (
        answers or _has_more(reporter.receipt(), asked.before, options)
    ):
        useless = "" if options.budget is None else ", so --budget changes nothing"
        observer.notify(f"{run_id} is already completed{useless}; rewriting its report")
        observer.notify("`rivya-flows runs` names the runs that have not completed")
        return await asyncio.to_thread(reporter.write)
    await asked.restore_media(context)
    unpaid, budget, left = await _unpaid(context, asked, options, observer)
    buys = left and unpaid is None and left.max != 0
    to_buy = f"; still to buy: {total_of(left)}" if left and buys else ""
    observer.notify(f"run {run_id}: resuming{to_buy}")
    # First of all, so that no answer is lost with an execution that does not begin.
    await in_thread(partial(append_events, context.journal, run_id, answers))
    for answer in answers:
        observer.notify(answer_line(answer))
    run_options = replace(options, budget=budget, unpaid=unpaid)
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
    context: RunContext, asked: _Asked, options: ResumeOptions, observer: Observer
) -> tuple[Unpaid | None, int | None, Estimate | None]:
    """Why a resume buys nothing new and only collects paid results; None where it may buy.

    And its new budget: as given, or what was agreed to, or None to keep the old one; and the price of what
    is left, None where that is not asked for.
    """
    if unpaid := asked.resumed.unpaid:
        return None if unpaid == "budget" else unpaid, options.budget, None
    left = await asked.rest(context, observer.notify)
    raised = any(one.step == BUDGET and one.answer == "yes" for one in asked.answers)
    # Where somebody is there, or has agreed to more budget, the run asks for what it still lacks.
    asks = left.asks and options.budget is None and (observer.ask is not None or raised)
    fits = (replace(left, budget=None) if asks else left).verdict == "ok"
    if fits or not left.under_way:
        if not fits:
            open_ones = answerable(asked.state)
            question = next((one for one in open_ones if one.step == BUDGET), None)
            agree = f", or agree to {question.text!r} with --answer budget=yes" if question else ""
            refuse_over(left, agree)
        agreed = await confirm_live(context, spending_of(left), observer.notify, observer.confirm)
        return None, options.budget if agreed is None else left.spent + agreed, left
    observer.notify(f"{verdict(left)}; collecting paid results, buying nothing new")
    return "budget" if left.verdict == "over_budget" else "balance", options.budget, left


def _check_names(state: State, options: ResumeOptions) -> None:
    """Refuses a mistyped step, which would silently do nothing."""
    items = {label(step_id, item.key) for step_id, item in state.each()}
    for name in options.regenerate:
        if name != "*" and name not in items and name not in state.steps:
            raise UsageError(
                f"--regenerate: the run has no {name!r}",
                meant(name, state.plan.order) or "the run has no uncertain purchase",
            )
    uncertain = [
        label(step_id, item.key)
        for step_id, item in state.each()
        if item.last is not None and item.last.status in ("uncertain", "intended")
    ]
    for name in options.resubmit:
        if name not in uncertain:
            raise UsageError(
                f"--resubmit: the run has no {name!r}",
                meant(name, uncertain) or "the run has no uncertain purchase",
            )


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
