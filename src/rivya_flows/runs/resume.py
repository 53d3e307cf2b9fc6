"""Resume a run: check what is asked of it, its media, and whether it can be paid, then execute it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rivya_flows.engine.run import RunOptions
from rivya_flows.engine.run_context import RunContext, continuable
from rivya_flows.errors import UsageError
from rivya_flows.estimate.bought_again import with_reasons
from rivya_flows.estimate.estimate import Estimate, remaining
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.money.live_guard import confirm_live, spending_of
from rivya_flows.plans.names import BATCH_LABEL, label
from rivya_flows.preparation.prepare import refuse_over, verdict
from rivya_flows.preparation.restore import restore_media
from rivya_flows.processes.continued import continue_run
from rivya_flows.questions.open_questions import answerable
from rivya_flows.questions.question import BUDGET, Answer
from rivya_flows.questions.reading_answers import read_answers
from rivya_flows.queue.budget import NOT_BOUGHT
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    Channel,
    Event,
    MediaAccepted,
    RunResumed,
    Unpaid,
)
from rivya_flows.queue.items import Phase
from rivya_flows.queue.outcomes import can_regenerate
from rivya_flows.queue.queue import replay, step
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import BOUGHT_AGAIN
from rivya_flows.receipt.phrases import credits_of, is_sandbox, total_of
from rivya_flows.receipt.questions import answer_line
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.receipt.summary import is_owed
from rivya_flows.runs.execution import Caller, append_events, execute
from rivya_flows.runs.lookup import find_run, open_journal, which
from rivya_flows.settings import Settings
from rivya_flows.store import mailbox
from rivya_flows.store.database import in_thread


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(RunOptions):
    """What a user asks of a resume; answers are ``STEP=KEY`` texts, or choices by step.

    Attributes:
        accept: Steps, or ``step[key]``, whose media were refused and are taken after all; ``*`` is all.
    """

    answers: Sequence[str] | Mapping[str, Answer] = ()
    accept: tuple[str, ...] = ()
    by: str | None = None
    channel: Channel = "command"


async def resume(name: str, options: ResumeOptions, caller: Caller) -> RunReport:
    """Resumes a run where it bought, with its wallet, and executes it to its end; buys nothing twice."""
    async with _open_resume(name, options, caller) as resumed:
        report = await resumed.execute()
        run_id, settings = resumed.reporter.row.run_id, resumed.context.settings
        await caller.runner.wake(settings, run_id, caller.notify)
        return report


async def plan_resume(name: str, options: ResumeOptions, caller: Caller) -> Estimate:
    """What a resume would keep, still buy and cost; buys nothing, and the run stays as it is."""
    async with _open_resume(name, options, caller) as resumed:
        await resumed.restore_media(writes=False)
        failed = [
            name
            for step_id, item in resumed.state.each()
            if item.code in BOUGHT_AGAIN
            and not {"*", step_id, name := label(step_id, item.key)}.intersection(
                options.regenerate
            )
        ]
        if failed:
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            caller.notify(f"failed, and not bought again without --regenerate: {failed[0]}{more}")
        return await resumed.price(resumed.explain)


@dataclass(frozen=True)
class _Resume:
    """A resume that somebody asks for: the run before and with the answers, and what is executed first."""

    context: RunContext
    caller: Caller
    options: ResumeOptions
    reporter: RunReporter
    answers: tuple[AnswerGiven, ...]
    accepted: tuple[MediaAccepted, ...]
    before: State
    state: State
    resumed: RunResumed

    async def restore_media(self, *, writes: bool = True) -> None:
        """Puts back what the rest of the run needs; without `writes`, only looks whether that is there."""
        given = (self.context.assets, self.reporter, self.state, self.resumed)
        await in_thread(restore_media, *given, writes=writes)

    def explain(self, found: Estimate, rehearsed: State) -> Estimate:
        """The plan with the reasons of what it buys although an earlier run has it; a row of a batch has none."""
        if BATCH_LABEL in self.reporter.frozen.labels and rehearsed.fork is None:
            return found
        return with_reasons(found, rehearsed, self.context.look_up.earlier)

    async def price(
        self, explain: Callable[[Estimate, State], Estimate] = lambda found, _: found
    ) -> Estimate:
        """The price of all that is left."""
        context = self.context
        async with context.first_client(self.caller.notify) as client:
            balance = (await client.credits.retrieve()).current_credits
        pools = await in_thread(context.pools, self.reporter.frozen.labels)
        of = self.state, self.resumed, context.look_up, balance, pools
        return remaining(*of, explain)

    async def execute(self) -> RunReport:
        """Executes the run to its end, if it has more to do, and writes its report."""
        run_id, notify = self.reporter.row.run_id, self.caller.notify
        if await in_thread(self._is_done):
            useless = "" if self.options.budget is None else ", so --budget changes nothing"
            notify(f"{run_id} is already completed{useless}; rewriting its report")
            notify("`rivya-flows runs` names the runs that have not completed")
            return await asyncio.to_thread(self.reporter.write)
        await self.restore_media()
        unpaid, budget, left = await self._unpaid()
        buys = left and unpaid is None and left.max != 0
        to_buy = f"; still to buy: {total_of(left)}" if left and buys else ""
        notify(f"run {run_id}: resuming{to_buy}")
        # First of all, so that no answer is lost with an execution that does not begin.
        first: tuple[Event, ...] = (*self.accepted, *self.answers)
        if not await in_thread(self._append, run_id, first):
            raise UsageError(
                f"{run_id} has changed since it was read", "look at it, then resume it again"
            )
        for one in self.accepted:
            name = label(one.step, one.key)
            paid = credits_of(one.final_credits)
            notify(f"{name}: its refused media are used after all; {paid} paid, nothing is bought")
        for answer in self.answers:
            notify(answer_line(answer))
        options = replace(self.options, budget=budget, unpaid=unpaid)
        return await execute(self.context, run_id, options, self.caller, self.reporter)

    def _append(self, run_id: str, events: Sequence[Event]) -> bool:
        """Whether what is accepted may still be: another process may have bought it again since."""
        names, accepted = self.options.accept, [*self.accepted]

        def is_as_before(state: State) -> bool:
            return [*acceptances(state, names, accepted[0].by)] == accepted

        only_if = is_as_before if accepted else None
        return append_events(self.context.journal, run_id, events, only_if=only_if)

    def _is_done(self) -> bool:
        """Whether the run is completed and has no more to do: nothing to collect, to answer or to buy again."""
        options = self.options
        if self.before.ended != "completed" or self.answers:
            return False
        lacks = options.budget is not None and any(
            item.phase is Phase.FAILED or item.code == NOT_BOUGHT for _, item in self.before.each()
        )
        more = options.regenerate or options.resubmit or options.accept or lacks
        return not (more or is_owed(self.reporter.receipt()))

    async def _unpaid(self) -> tuple[Unpaid | None, int | None, Estimate | None]:
        """Why a resume only collects paid results, if it does; its new budget, if any; the price of what is left."""
        budget, caller = self.options.budget, self.caller
        if unpaid := self.resumed.unpaid:
            return None if unpaid == "budget" else unpaid, budget, None
        left = await self.price()
        raised = any(one.step == BUDGET and one.answer == "yes" for one in self.answers)
        # Where somebody is there, or has agreed to more budget, the run asks for what it still lacks.
        asks = left.asks and budget is None and (caller.ask is not None or raised)
        fits = (replace(left, budget=None) if asks else left).verdict == "ok"
        if fits or not left.under_way:
            if not fits:
                open_ones = answerable(self.state)
                found = next((one for one in open_ones if one.step == BUDGET), None)
                agree = f", or agree to {found.text!r} with --answer budget=yes" if found else ""
                refuse_over(left, agree)
            spending = spending_of(left)
            agreed = await confirm_live(self.context, spending, caller.notify, caller.confirm)
            return None, budget if agreed is None else left.spent + agreed, left
        caller.notify(f"{verdict(left)}; collecting paid results, buying nothing new")
        return "budget" if left.verdict == "over_budget" else "balance", budget, left


@asynccontextmanager
async def _open_resume(name: str, options: ResumeOptions, caller: Caller) -> AsyncIterator[_Resume]:
    """The resume of a run, on the service of the run; refuses what the run does not have."""
    with open_journal(caller.settings) as journal:
        row = find_run(journal, name)
    for line in which(name, row):
        caller.notify(line)
    there = replace(caller, sandbox=is_sandbox(row.service))
    async with there.connect(row.wallet) as context:
        reporter = RunReporter(context.journal, context.assets, continuable(context, row))
        before = await in_thread(reporter.follow)
        _check_names(before, options, caller.notify)
        by = AnsweredBy(name=options.by, channel=options.channel, at=datetime.now(UTC))
        state, waiting = before.copy(), list[AnswerGiven]()
        for number, one in await in_thread(mailbox.waiting, context.journal.engine, row.run_id):
            if answer := one.event(state, number):  # else it may be for what is asked since
                waiting.append(answer)
                step(state, answer)
        # A round that the answers begin is priced with the rest, and refused with it.
        state.rehearses = True
        given = read_answers(options.answers, answerable(state), state, by)
        answers = (*waiting, *given)
        # Why it buys nothing new, whatever that costs.
        unpaid: Unpaid | None = None
        more = (options.regenerate, options.resubmit, options.accept)
        buys = any(more) or options.budget is not None
        if before.ended == "completed" and not (buys or answers):
            unpaid = "completed"
        elif any(one.step == BUDGET and one.answer == "no" for one in answers):
            unpaid = "budget"
        hours = context.settings.rivya_flows_resend_hours
        resumed = replace(options, unpaid=unpaid).resume_event(datetime.now(UTC), hours)
        for answer in given:  # what they let the run buy is priced before they count
            step(state, answer)
        state.rehearses = False
        accepted = (*acceptances(before, options.accept, by),)
        for taken in accepted:
            step(state, taken)
        states = (before, state)
        yield _Resume(context, caller, options, reporter, answers, accepted, *states, resumed)


def acceptances(state: State, names: Collection[str], by: AnsweredBy) -> Iterator[MediaAccepted]:
    """The newest refused media of each failed item that is named."""
    for step_id, item in state.each():
        name = label(step_id, item.key)
        if item.phase is Phase.FAILED and item.lost and {"*", step_id, name}.intersection(names):
            bought = item.lost[-1]
            of = {"step": step_id, "key": item.key, "n": bought.n, "by": by}
            yield MediaAccepted(**of, final_credits=bought.held)


def continue_here(settings: Settings, run_id: str) -> bool:
    """Starts a process that continues a suspended run, where its files are on this machine; whether it did."""
    with open_journal(settings) as journal:
        row = journal.run(run_id)
        if row is None or not row.folder.is_dir():
            return False
        if replay(entry.event for entry in journal.entries(run_id)).ended != "suspended":
            return False
    try:
        continue_run(settings.data, run_id)
    except UsageError:  # its process is about to end
        return False
    return True


def _check_names(state: State, options: ResumeOptions, notify: Callable[[str], object]) -> None:
    """Refuses a mistyped step, which would silently do nothing; says what will not be bought again."""
    known, uncertain, failed = {"*", *state.steps}, list[str](), set[str]()
    refused = dict[str, None]()
    for step_id, item in state.each():
        known.add(name := label(step_id, item.key))
        if item.lost and item.phase is Phase.FAILED:
            refused |= {"*": None, step_id: None, name: None}
        if item.last is not None and item.last.status in ("uncertain", "intended"):
            uncertain.append(name)
        failed |= {one for one in ("*", step_id, name) if can_regenerate(item, by_name=one == name)}
    for option, names, right, likely, without in (
        ("--regenerate", options.regenerate, known, state.plan.order, ""),
        ("--resubmit", options.resubmit, uncertain, uncertain, "uncertain purchase"),
        ("--accept", options.accept, refused, [*refused], "refused media"),
    ):
        if wrong := [name for name in names if name not in right]:
            hint = suggest(wrong[0], likely) or f"the run has no {without}"
            if option != "--regenerate" and wrong[0] in known:
                raise UsageError(f"{option}: {wrong[0]!r} has no {without}", hint)
            raise UsageError(f"{option}: the run has no {wrong[0]!r}", hint)
    if both := {*options.accept}.intersection(options.regenerate):
        message = f"--accept and --regenerate both name {min(both)!r}"
        raise UsageError(message, "use its media with the one, or buy them again with the other")
    for name in options.regenerate:
        if name not in failed:  # only failed jobs are
            of = "the run" if name == "*" else name
            notify(f"--regenerate: no job of {of} failed; buying nothing again")
