"""Going on with a run: its service, what is asked of it, and whether it can be paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rivya_flows.app.prepare import refuse_over, remaining, verdict
from rivya_flows.app.run_context import RunContext, known_run
from rivya_flows.app.run_options import RunOptions
from rivya_flows.cli.answers import open_questions, read_answers
from rivya_flows.cli.configuration import settings
from rivya_flows.cli.execution import OutputOptions, drive, finish, write_down
from rivya_flows.cli.finding import find_run, open_journal
from rivya_flows.cli.interrupts import Interrupts
from rivya_flows.cli.output import tell
from rivya_flows.cli.service import at_home
from rivya_flows.errors import UsageError
from rivya_flows.ledger.receipt import receipt
from rivya_flows.ledger.summary import is_owed
from rivya_flows.planning.names import label
from rivya_flows.planning.queue.events import AnswerGiven, RunResumed, Unpaid
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.reducer import BUDGET, cap_asked
from rivya_flows.planning.queue.resume import can_regenerate
from rivya_flows.planning.queue.scheduler import NOT_BOUGHT
from rivya_flows.planning.queue.state import Phase, State

_SANDBOX = "sandbox:"


@dataclass(frozen=True)
class ResumeOptions:
    """What the command line asks of a resume, as written.

    Attributes:
        answers: ``STEP=KEY`` texts.
        budget: A new cap, or None.
        regenerate: ``*``, steps or ``step[key]``.
        resubmit: ``step[key]``.
    """

    answers: Sequence[str] = ()
    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()

    @property
    def buys(self) -> bool:
        """Whether it says that something is to be bought, also for a run that is completed."""
        return bool(self.regenerate or self.resubmit or self.budget is not None)


async def go_on(
    named: str, asked: ResumeOptions, manner: OutputOptions, interrupts: Interrupts
) -> int:
    """Resumes a run; gives the exit code.

    Raises:
        UsageError: There is no such run, or it has nothing of what is named.
        BudgetError: What is still to be bought cannot be paid; nothing was bought.
    """
    with open_journal(settings()) as journal:
        row = find_run(journal, named)
    async with at_home(sandbox=row.service.startswith(_SANDBOX)) as context:
        row = known_run(context, row.run_id)
        entries = context.journal.entries(row.run_id)
        state = replay(entry.event for entry in entries)
        _check_names(state, asked)
        _tell_idle(state, asked.regenerate)
        answers = read_answers(asked.answers, open_questions(entries), state)
        if state.ended == "completed" and not _has_more(receipt(entries), state, asked):
            tell(f"{row.run_id} is completed already; its report is written anew")
            await _tell_prefect(context, row.run_id)
            return finish(context, row, manner)
        unpaid = await _unpaid(context, state, asked, answers)
        tell(f"run {row.run_id}: going on")
        # Ahead of all else, so that an answer is not lost with an execution that does not begin.
        write_down(context, row.run_id, answers)
        wish = RunOptions(asked.budget, asked.regenerate, asked.resubmit, unpaid)
        code = await drive(context, row.run_id, wish, manner, interrupts)
        await _tell_prefect(context, row.run_id)
        return code


async def _tell_prefect(context: RunContext, run_id: str) -> None:
    """Lets the flow run of a deployment that waits for an answer see that the run went on here."""
    from rivya_flows.flows.execution.local_runner import standing_server
    from rivya_flows.flows.server.select_server import pointed_at

    if (server := standing_server(context.settings)) is not None:
        with pointed_at(server):
            # Here and not above: it imports Prefect, which takes a second.
            from rivya_flows.flows.questions.suspension import wake_run

            await wake_run(run_id, tell)


def _has_more(told: Mapping[str, Any], state: State, asked: ResumeOptions) -> bool:
    """Whether a completed run has more to do: failures that the spec allowed can be mended too.

    What was paid for is brought home in any case, more is bought only where that is said.
    """
    named = asked.regenerate or asked.resubmit
    lacks = any(item.phase is Phase.FAILED or item.code == NOT_BOUGHT for _, item in state.each())
    return bool(named) or (lacks and asked.budget is not None) or is_owed(told)


async def _unpaid(
    context: RunContext, state: State, asked: ResumeOptions, answers: Sequence[AnswerGiven]
) -> Unpaid | None:
    """Why nothing more is bought, where something that was bought can be brought home all the same.

    Raises:
        BudgetError: The rest fits neither budget nor balance, and there is nothing else to do.
    """
    if state.ended == "completed" and not asked.buys:
        return "completed"
    if any(one.step == BUDGET and one.answer == "no" for one in answers):
        return None  # the run ends with what it has
    raised = [cap_asked(one.key) for one in answers if one.step == BUDGET and one.answer == "yes"]
    resumed = RunResumed(
        at=datetime.now(UTC),
        resend_hours=context.settings.rivya_flows_resend_hours,
        budget=raised[0] if raised else asked.budget,
        regenerate=asked.regenerate,
        resubmit=asked.resubmit,
    )
    async with context.client() as client:
        balance = (await client.credits.retrieve()).current_credits
    left = remaining(state, balance, context.look_up, resumed)
    if left.verdict == "ok" or not left.under_way:
        refuse_over(left)
        return None
    tell(f"{verdict(left)}; what was bought is brought home, and nothing more is bought")
    return "budget" if left.verdict == "over_budget" else "balance"


def _check_names(state: State, asked: ResumeOptions) -> None:
    """A mistyped step would otherwise do nothing, silently."""
    items = {label(step_id, item.key) for step_id, item in state.each()}
    for name in asked.regenerate:
        if name != "*" and name not in items and name not in state.steps:
            raise _unknown("--regenerate", name, state.plan.order)
    uncertain = [
        label(step_id, item.key)
        for step_id, item in state.each()
        if item.last is not None and item.last.status in ("uncertain", "intended")
    ]
    for name in asked.resubmit:
        if name not in uncertain:
            raise _unknown("--resubmit", name, uncertain)


def _tell_idle(state: State, regenerate: Sequence[str]) -> None:
    """What a person named to be bought anew and will not be: only failed jobs are."""
    failed = {
        name
        for step_id, item in state.each()
        for name in ("*", step_id, label(step_id, item.key))
        if can_regenerate(item, by_name=name == label(step_id, item.key))
    }
    for name in regenerate:
        if name not in failed:
            of = "the run" if name == "*" else name
            tell(f"--regenerate: no job of {of} has failed, so nothing of it is bought anew")


def _unknown(option: str, name: str, choices: Sequence[str]) -> UsageError:
    hint = f"one of: {', '.join(choices)}" if choices else "the run has no uncertain purchase"
    return UsageError(f"{option}: the run has no {name!r} to do that with", hint)
