"""Execute a run that is in the store, and report how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rivya_flows.engine.run import Asker, Listener, Rendering, Run, Runner, RunOptions, ignore
from rivya_flows.engine.run_context import RunContext, known_run
from rivya_flows.errors import RivyaError, UsageError
from rivya_flows.money.live_guard import Confirm
from rivya_flows.planning.questions.question import Answer, Question
from rivya_flows.planning.questions.reading_answers import checked
from rivya_flows.private import as_the_user_wants
from rivya_flows.queue.events import Event, PurchaseIntended, RunEnded, Stamped
from rivya_flows.receipt.report import RunReport, RunReporter
from rivya_flows.store.database import in_thread
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases

QuestionHandler = Callable[[Question, Callable[[], Awaitable[RunReport]]], Awaitable[Answer | None]]
"""As `Asker`, with a function that writes the report of the run so far, to look at the choices."""


@dataclass(frozen=True)
class Observer:
    """What the caller of `run` or `resume` hears, shows and answers.

    Attributes:
        usual: Is told the seconds that a job of a step usually takes, by step, where known.
        ask: Answers questions; None where there is no one to ask.
        answers: What it will answer, as far as that is known before the run, by the name of the
            question. One that cannot fit is refused before anything is bought.
        confirm: Answers whether to buy from a real wallet; None where there is no one to ask.
        progress: Gives a context that lasts while the run executes.
        absorb_cancel: Called after the task was cancelled, to take the cancellation back
            (`asyncio.Task.uncancel`), so that the report of the cancelled run is returned; None
            raises CancelledError once the report is written.
    """

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


SILENT = Observer()  # hears nothing and answers nothing


class GivenAnswers:
    """Answers that were given ahead by the names of questions, round after round."""

    def __init__(self, answers: Mapping[str, Iterable[Answer]]) -> None:
        self.left = {name: [*choices] for name, choices in answers.items()}
        self.refused: list[UsageError] = []

    async def ask(self, question: Question, _: Callable[[], Awaitable[RunReport]]) -> Answer | None:
        """The next answer to a question; None if there is none, or it does not fit."""
        waiting = self.left.get(question.label)
        if not waiting:
            return None
        try:
            return checked(question, waiting.pop(0))
        except UsageError as error:
            self.refused.append(error)
            return None


async def execute(
    context: RunContext,
    runner: Runner,
    run_id: str,
    options: RunOptions,
    observer: Observer,
    reporter: RunReporter | None = None,
) -> RunReport:
    """Executes a run to its end and writes its report."""
    observer.begins(run_id)
    if reporter is None:
        reporter = RunReporter(context.journal, context.assets, known_run(context, run_id))
    await in_thread(reporter.follow)
    known = reporter.seq
    ask = _asker(observer.ask, reporter)
    try:
        with observer.progress():
            async with runner.started(context.settings, observer.notify):
                run = Run(
                    context,
                    reporter,
                    options,
                    ask,
                    observer.listen,
                    observer.rendering,
                    observer.notify,
                )
                return await runner.execute(run)
    except asyncio.CancelledError:
        if observer.absorb_cancel is None:
            await in_thread(partial(end_as_cancelled, context, reporter))
            await asyncio.to_thread(reporter.write)
            raise
        observer.absorb_cancel()
        await in_thread(partial(end_as_cancelled, context, reporter))
    except Exception as error:
        entries = await in_thread(partial(context.journal.entries, run_id))
        warning = warning_after_end(error, [one for one in entries if one.seq > known])
        if warning is None:
            if not any(isinstance(one.event, PurchaseIntended) for one in entries):
                observer.notify("nothing was bought")
            observer.notify(f"resume with: rivya-flows resume {run_id}")
            raise
        observer.notify(warning)
    return await asyncio.to_thread(reporter.write)


def _asker(ask: QuestionHandler | None, reporter: RunReporter) -> Asker | None:
    if ask is None:
        return None

    async def answer(question: Question) -> Answer | None:
        return await ask(question, partial(asyncio.to_thread, reporter.write))

    return answer


def warning_after_end(error: Exception, entries: Sequence[Stamped]) -> str | None:
    """A warning of what failed after an execution had ended; None if it had not ended.

    The journal says how a run ended. A Prefect server that is gone by then changes nothing of it.
    """
    ended = any(isinstance(entry.event, RunEnded) for entry in entries)
    if isinstance(error, RivyaError) or not ended:
        return None
    reason = f"{type(error).__name__}: {error}".splitlines()[0]
    return f"warning: Prefect may show the run as it was before its end ({reason})"


def append_events(journal: Journal, run_id: str, events: Sequence[Event]) -> None:
    """Appends events to the journal of a run that no engine executes."""
    leases = Leases(journal.engine)
    lease = leases.acquire(run_id)
    try:
        for event in events:
            journal.append(run_id, event, lease.fence)
    finally:
        leases.release(lease)


def end_as_cancelled(context: RunContext, reporter: RunReporter) -> None:
    """Writes the end of a run that was cancelled before its engine began, and wrote none."""
    if reporter.follow().ended is None:
        ended = RunEnded(status="cancelled", at=datetime.now(UTC))
        append_events(context.journal, reporter.row.run_id, [ended])


def run_folder(out: Path, name: str) -> Path:
    """The folder of a run or a batch below `out`, made if it is missing."""
    if name in ("", "..") or Path(name).name != name:
        raise UsageError(f"{name!r} is not the name of a folder", "name another run")
    return make_folder(out.expanduser().absolute() / name)


def make_folder(folder: Path) -> Path:
    """The folder of a run, made before anything is bought."""
    try:
        with as_the_user_wants():
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder}: {error.strerror or error}", "give another --out DIR; nothing was bought"
        ) from error
    return folder
