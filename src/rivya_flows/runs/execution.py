"""Plan a run, start one here and now, fork one, or execute one that is in the store."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import (
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rivya_flows.engine.run import Asker, Listener, Rendering, Run, Runner, RunOptions, ignore
from rivya_flows.engine.run_context import RunContext, known_run
from rivya_flows.errors import RivyaError, StoreError, UsageError, explain_os_error
from rivya_flows.estimate.estimate import Estimate
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.workflow import Workflow
from rivya_flows.money.live_guard import Confirm, confirm_live, spending_of
from rivya_flows.money.quotes import QuoteFile, prepare_quote, write_quote
from rivya_flows.plans.budgets import run_cap
from rivya_flows.plans.labels import labels_of
from rivya_flows.plans.names import label
from rivya_flows.preparation import prepare
from rivya_flows.preparation.spec_file import InputReader, SpecFile, spec_path
from rivya_flows.private import as_the_user_wants
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import check_answer, refuse_unfit
from rivya_flows.queue.events import Event, PurchaseIntended, RunEnded, RunFrozen
from rivya_flows.queue.forks import fork_of
from rivya_flows.queue.queue import replay, step
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import is_sandbox, uncollected_purchases
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.runs.connect import connect
from rivya_flows.runs.lookup import find_run, open_journal, which
from rivya_flows.settings import Settings
from rivya_flows.store import mailbox
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import is_answered

_DELIVERIES, _WAKES = 60, 15

QuestionHandler = Callable[[Question, Callable[[], Awaitable[RunReport]]], Awaitable[Answer | None]]
"""As `Asker`, with a function that writes the report of the run so far, to look at the choices."""


@dataclass(frozen=True)
class Caller:
    """Who plans, runs or resumes here: with which settings and runner, and what it hears, shows and answers.

    Attributes:
        sandbox: Buy from the local sandbox, also with a key. A resume buys where its run did.
        usual: Is called with the seconds that a job of a step usually takes, by step, where known.
        ask, confirm: Answer questions, and whether to buy from a real wallet; None: there is no one to ask.
        answers: What it will answer, as far as that is known before the run, by the name of the question: one
            that cannot fit is refused before anything is bought.
        progress: Gives a context that lasts while the run executes.
        absorb_cancel: Takes a cancellation of the task back, so that the report is returned; None raises it.
    """

    settings: Settings
    runner: Runner
    sandbox: bool = False
    notify: Callable[[str], object] = ignore
    begins: Callable[[str], object] = ignore
    listen: Listener = ignore
    usual: Callable[[Mapping[str, float]], object] = ignore
    rendering: Rendering = ignore
    ask: QuestionHandler | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    confirm: Confirm | None = None
    progress: Callable[[], AbstractContextManager[None]] = nullcontext
    absorb_cancel: Callable[[], object] | None = None

    @asynccontextmanager
    async def connect(self, wallet: str | None = None) -> AsyncIterator[RunContext]:
        """As `connect`, with the wallet of that name, or the key of a secret block where there is none."""
        settings, sandbox = self.settings, self.sandbox
        credentials = None if wallet is None else await self.runner.wallet(settings, wallet)
        if not (sandbox or credentials):
            settings = await self.runner.with_key(settings)
        opened = connect(settings, sandbox=sandbox, wallet=credentials, notify=self.notify)
        async with opened as context:
            yield context

    def asker(self, reporter: RunReporter) -> Asker | None:
        """Asks the questions of a run, with its report."""
        if (ask := self.ask) is None:
            return None
        return lambda question: ask(question, partial(asyncio.to_thread, reporter.write))


class GivenAnswers:
    """Answers that were given ahead by the names of questions, round after round.

    Args:
        speaks_for_all: Whether an answer to a review without a name is that of all reviewers.
    """

    def __init__(
        self, answers: Mapping[str, Iterable[Answer]], *, speaks_for_all: bool = False
    ) -> None:
        self.speaks_for_all = speaks_for_all
        self.left = {name: [*choices] for name, choices in answers.items()}
        self.refused: list[UsageError] = []

    async def ask(self, question: Question, _: Callable[[], Awaitable[RunReport]]) -> Answer | None:
        """The next answer to a question; None if there is none, or it does not fit."""
        waiting = self.left.get(question.label)
        if not waiting:
            return None
        answer = waiting[0]
        answered = {one.by.name for one in question.responses}
        missing = [one for one in question.reviewers if one not in answered]
        if self.speaks_for_all and missing and answer.name is None:
            answer = replace(answer, name=missing[0])
        if answer is waiting[0] or len(missing) == 1:
            waiting.pop(0)
        try:
            return check_answer(question, answer)
        except UsageError as error:
            self.refused.append(error)
            return None


async def plan(request: prepare.RunRequest, caller: Caller, *, out: Path | None = None) -> Estimate:
    """What a run would do and cost; buys nothing. With `out` a quote of it is written to that file."""
    async with caller.connect() as context:
        ready = await prepare.prepare_here(
            context, request, "run-plan", starts=False, notify=caller.notify
        )
        if out is not None:
            await asyncio.to_thread(write_quote, context, request, ready, out)
        return ready.estimate


async def run(request: prepare.RunRequest | QuoteFile, caller: Caller, out: Path) -> RunReport:
    """Starts a run and executes it to its end; it gets a folder in `out`."""
    wallet = None if isinstance(request, QuoteFile) else request.wallet
    async with caller.connect(wallet) as context:
        ready = await ready_to_start(context, request, caller)
        await asyncio.to_thread(write_start, context, ready, out)
        run_id, priced = ready.frozen.run_id, ready.estimate
        caller.notify(f"run {run_id}: {prepare.expected_price(priced)}")
        for warning in (*prepare.close_budget(priced), *prepare.soft_limits(priced)):
            caller.notify(warning)
        caller.usual({one.id: one.usual_seconds for one in priced.steps if one.usual_seconds})
        return await execute(context, run_id, RunOptions(), caller)


async def ready_to_start(
    context: RunContext, request: prepare.RunRequest | QuoteFile, caller: Caller
) -> prepare.Prepared:
    """A run that is checked, can be paid and is confirmed; nothing is written yet."""
    run_id = prepare.new_run_id(datetime.now(UTC))
    if isinstance(request, QuoteFile):
        ready = await prepare_quote(context, request, run_id, notify=caller.notify)
    else:
        ready = await prepare.prepare_here(
            context, request, run_id, starts=True, notify=caller.notify
        )
    refuse_unfit(caller.answers, ready.plan)
    prepare.refuse_over(ready.estimate)
    spending = spending_of(ready.estimate, ready.frozen.quote)
    agreed = await confirm_live(context, spending, caller.notify, caller.confirm)
    if agreed is None:
        return ready
    return replace(ready, frozen=ready.frozen.model_copy(update={"budget": agreed}))


def write_start(context: RunContext, ready: prepare.Prepared, out: Path) -> Path:
    """Writes the first entry of a run, which can be resumed from then on; gives its folder in `out`."""
    folder = run_folder(out, ready.frozen.run_id)
    try:
        context.journal.create(ready.frozen, folder)
    except RivyaError:
        with suppress(OSError):  # it may be that of a run with the same id
            folder.rmdir()
        raise
    return folder


def fork_request(
    name: str,
    settings: Settings,
    notify: Callable[[str], object] = lambda _: None,
    *,
    inputs: InputReader = lambda _: {},
    step: str | None = None,
    budget: int | None = None,
    labels: Mapping[str, str] = MappingProxyType({}),
    spec: SpecFile | None = None,
) -> tuple[prepare.RunRequest, bool]:
    """The run that repeats a run in part, and whether it is one of the local sandbox.

    `step` and what depends on it, or ``step[key]`` and what uses it, are made again though nothing changes.
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
    if step is not None and step not in known:
        hint = suggest(step, known)
        raise UsageError(f"--from: the run has no step {step!r}", hint)
    file = str(spec_path(frozen.spec_file, row.folder))
    # Those of its command; those of the spec may follow inputs that change.
    written = labels_of(state.plan.workflow, frozen.inputs, {}, frozen.run)
    given = {name: one for name, one in frozen.labels.items() if written.get(name) != one}
    if budget is None and (budget := _given_budget(frozen, state.plan.workflow)) is not None:
        notify(f"budget {budget}, as {row.run_id} was started with; --budget N gives another")
    request = prepare.RunRequest(
        spec or SpecFile(frozen.spec_text, file, None, frozen.includes, frozen.files),
        inputs,
        budget,
        frozen.cache,
        labels={**given, **labels},
        fork=fork_of(state, step),
        forked=row.folder,
        uncollected=uncollected_purchases(state),
        wallet=row.wallet,
        earlier=frozen.inputs,
    )
    return request, is_sandbox(row.service)


def _given_budget(frozen: RunFrozen, workflow: Workflow) -> int | None:
    """The budget that a run was started with; None if its spec, its quote or an agreement has it."""
    given = frozen.plan.get("budget")  # of an agreement only the entry knows
    of_spec = run_cap(workflow, frozen.inputs)
    return None if frozen.quote or given == of_spec or not isinstance(given, int) else given


async def execute(
    context: RunContext,
    run_id: str,
    options: RunOptions,
    caller: Caller,
    reporter: RunReporter | None = None,
) -> RunReport:
    """Executes a run to its end and writes its report."""
    caller.begins(run_id)
    if reporter is None:
        reporter = RunReporter(context.journal, context.assets, known_run(context, run_id))
    await in_thread(reporter.follow)
    asker = caller.asker(reporter)
    run = Run(context, reporter, options, asker, caller.listen, caller.rendering, caller.notify)
    try:
        with caller.progress():
            started = caller.runner.connect(context.settings, caller.notify)
            async with ended_well(run, caller.notify), started:
                return await caller.runner.execute(run)
    except asyncio.CancelledError:
        if caller.absorb_cancel is None:
            await asyncio.to_thread(reporter.write)
            raise
        caller.absorb_cancel()
    except Exception:
        entries = await in_thread(context.journal.entries, run_id)
        if not any(isinstance(one.event, PurchaseIntended) for one in entries):
            caller.notify("nothing was bought")
        caller.notify(f"resume with: rivya-flows resume {run_id}")
        raise
    return await asyncio.to_thread(reporter.write)


@asynccontextmanager
async def ended_well(run: Run, warn: Callable[[str], object]) -> AsyncIterator[None]:
    """Ends a run that is cancelled before its engine began; what fails after its end is only a warning.

    The journal says how a run ended. A Prefect server that is gone by then changes nothing of it.
    """
    context, reporter = run.context, run.reporter
    known = reporter.seq

    def end() -> None:
        if reporter.follow().ended is None:
            end_as_cancelled(context.journal, run.run_id)

    try:
        yield
    except asyncio.CancelledError:
        await in_thread(end)  # one call, which a second cancellation does not divide
        raise
    except Exception as error:
        new = await in_thread(context.journal.entries, run.run_id, after=known)
        ended = any(isinstance(one.event, RunEnded) for one in new)
        if isinstance(error, RivyaError) or not ended:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        warn(f"warning: Prefect may show the run as it was before its end ({reason})")


def append_events(
    journal: Journal,
    run_id: str,
    events: Sequence[Event],
    *,
    only_if: Callable[[State], bool] | None = None,
) -> bool:
    """Appends events to the journal of a run that no engine executes, if its state is so; whether it did."""
    with driven(journal, run_id) as fence:
        if only_if and not only_if(replay(entry.event for entry in journal.entries(run_id))):
            return False
        for event in events:
            journal.append(run_id, event, fence)
        return True


@contextmanager
def driven(journal: Journal, run_id: str) -> Iterator[int]:
    """Holds the lease of a run, whose fence it gives, for a moment; `StoreError` if another process drives it."""
    leases = Leases(journal.engine)
    lease = leases.acquire(run_id)
    try:
        yield lease.fence
    finally:
        leases.release(lease)


async def deliver(
    journal: Journal, run_id: str, wake: Callable[[str], Awaitable[bool]], pause: float = 1.0
) -> None:
    """Sees to it that the answers that wait for a run are journaled, and that it continues with them.

    The process that drives the run takes them while it asks. One that is about to suspend the run, or has died,
    does not: so this tries until the lease is free. Killed anywhere and called again, it does what is left.
    """
    answered = False
    for _ in range(_DELIVERIES):
        with suppress(StoreError):  # another process drives it
            answered = await in_thread(take_waiting, journal, run_id)
            break
        if not await in_thread(_is_undelivered, journal, run_id):
            break
        await asyncio.sleep(pause)
    for _ in range(_WAKES if answered else 0):
        if await wake(run_id):
            break
        await asyncio.sleep(pause)  # its process may be about to suspend it


def take_waiting(journal: Journal, run_id: str) -> bool:
    """Journals the answers that wait for a run; whether one has closed its question, and nothing has continued since."""
    with driven(journal, run_id) as fence:
        events = [entry.event for entry in journal.entries(run_id)]
        state = replay(events)
        for number, one in mailbox.waiting(journal.engine, run_id):
            if event := one.event(state, number):
                journal.append(run_id, event, fence)
                step(state, event)
                events.append(event)
            else:
                mailbox.remove(journal.engine, number)
        return is_answered(events, state)


def _is_undelivered(journal: Journal, run_id: str) -> bool:
    """Whether answers wait for a run, or one that closed its question may have continued nothing."""
    events = [entry.event for entry in journal.entries(run_id)]
    waits = bool(mailbox.waiting(journal.engine, run_id))
    return waits or is_answered(events, replay(events))


def end_as_cancelled(journal: Journal, run_id: str, after: Container[str | None] = (None,)) -> bool:
    """Writes the cancellation of a run that no engine executes, unless it has ended otherwise; whether it did."""
    ended = RunEnded(status="cancelled", at=datetime.now(UTC))
    return append_events(journal, run_id, [ended], only_if=lambda state: state.ended in after)


def run_folder(out: Path, name: str) -> Path:
    """The folder of a run or a batch below `out`, made if it is missing."""
    if name in ("", "..") or Path(name).name != name:
        raise UsageError(f"{name!r} is not the name of a folder", "name another run")
    return make_folder(out.expanduser().absolute() / name)


def make_folder(folder: Path) -> Path:
    """The folder of a run, made before anything is bought."""
    with (
        explain_os_error(folder, "give another --out DIR; nothing was bought"),
        as_the_user_wants(),
    ):
        folder.mkdir(parents=True, exist_ok=True)
    return folder
