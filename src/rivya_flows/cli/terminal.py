"""The person at the terminal: hears of a run, and answers its questions."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rivya_client.printable import one_line
from rivya_flows.cli.interrupts import Interrupts
from rivya_flows.cli.live import Progress
from rivya_flows.cli.moments import until
from rivya_flows.cli.output import near_paths, prompt, tell
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.language.wording import cut
from rivya_flows.money.live_guard import Confirm, agreement
from rivya_flows.private import as_the_user_wants
from rivya_flows.questions.question import Answer, Question
from rivya_flows.questions.reading_answers import checked, read_choice
from rivya_flows.queue.events import Event, RunResumed
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import open_jobs
from rivya_flows.receipt.questions import (
    are_numbered,
    deadline_note,
    how_to_answer,
    readable,
    round_note,
)
from rivya_flows.receipt.report import RunReport
from rivya_flows.runs.execution import Caller, QuestionHandler

_MAX_TEXT = 300  # characters of a candidate that is a text
_WIDEST = 40  # of a key, as far as the others are moved to the right for it


def at_terminal(caller: Caller, interrupts: Interrupts, by: str | None = None) -> Caller:
    """Shows progress on stderr, and asks the person at the terminal, `by`, if there is one."""
    progress = Progress()
    interrupts.say = progress.say

    def listen(event: Event, state: State) -> None:
        interrupts.jobs = partial(open_jobs, state)
        if isinstance(event, RunResumed):
            # Prefect takes SIGTERM for itself when a flow begins, which is over by now.
            interrupts.listen()
        progress.listen(event, state)

    return replace(
        caller,
        notify=progress.say,
        begins=interrupts.begin,
        listen=listen,
        usual=progress.expect,
        rendering=progress.render,
        ask=_asker(progress, by) if _is_terminal() else None,
        progress=progress.shown,
        absorb_cancel=interrupts.calm,
    )


def confirmer(*, yes: bool, as_json: bool) -> Confirm | None:
    """Confirms purchases from a real wallet; None where nobody can: in a pipe, in CI, with ``--json``."""

    async def ask(words: str) -> bool:
        prompt(f"{words} Go on? [y/N] ")
        if (line := await _line()) is None:
            tell("")  # Ctrl-D: the next message begins on a line of its own
            return False
        return line.strip().lower() in ("y", "yes")

    if yes:
        return agreement(tell)
    return ask if _is_terminal() and not as_json and not variables().get("CI") else None


def agreed(command: str, words: Sequence[str], *, as_json: bool) -> bool:
    """Asks whether a command that takes ``--yes`` may delete what these sentences say; says so if not."""
    confirm = confirmer(yes=False, as_json=as_json)
    if confirm is None:
        message = f"{' '.join(words)} `{command}` asks first, and there is no terminal to answer at"
        raise UsageError(message, "add --yes")

    async def ask() -> bool:
        tell(*words[:-1])
        return await confirm(words[-1])

    if not (may := asyncio.run(ask())):
        tell("nothing was deleted")
    return may


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _asker(progress: Progress, by: str | None) -> QuestionHandler:
    async def ask(question: Question, report: Callable[[], Awaitable[RunReport]]) -> Answer | None:
        with progress.paused():
            written = await report()
            tell(
                f"contact sheet: {written.sheet_path}",
                "",
                *question_lines(question, written.media_paths),
            )
            while True:
                prompt("answer, or open to see them: " if question.candidates else "answer: ")
                line = await _line()
                if line is None:
                    return None
                try:
                    if chosen := await _noted(question, read_choice(question, line, by)):
                        return chosen
                except UsageError as error:
                    if line.strip().lower() == "open" and question.candidates:
                        show_page(written.sheet_path)
                    else:
                        tell(f"{error.message}; {error.hint}")

    return ask


async def _noted(question: Question, choice: Answer) -> Answer | None:
    """A choice; of none without a note, with the one that is asked for. None: it was taken back."""
    if choice.picked or choice.note or not question.note_room:
        return choice
    prompt(
        f"none buys {question.again}; a note for the next round (Enter for none, Ctrl-D to go back): "
    )
    if (note := await _line()) is None:
        tell("")  # the next prompt begins on a line of its own
        return None
    return checked(question, replace(choice, note=note))


def show_page(page: Path | str) -> bool:
    """Opens a page, by its file or address, in the browser; says so and gives False if there is none."""
    with as_the_user_wants():
        opened = webbrowser.open(page if isinstance(page, str) else page.as_uri())
    if not opened:
        tell(f"no browser could be opened: {page}")
    return opened


def question_lines(question: Question, paths: dict[str, str]) -> list[str]:
    """The question and its numbered choices, each with the file to look at; one line each."""
    # The question about the budget has choices alone.
    candidates = {one.key: one for one in question.candidates}
    widest = min(max(map(len, question.choices), default=0), _WIDEST)
    # A number that is the key of another choice would name that one.
    digits = len(str(len(question.choices))) if are_numbered(question.choices) else 0
    lines = [question.title]
    if again := round_note(question.round, ()):
        lines.append(again)
    if limit := deadline_note(question, until):
        lines.append(limit)
    for number, choice in enumerate(question.choices, start=1):
        one = candidates.get(choice)
        place = near_paths(paths.get(one.sha256 or "") or one.place) if one else ""
        lines.append(
            f"  {number if digits else '':>{digits}}  {choice:<{widest}}  {place}".rstrip()
        )
        if one is None:
            continue
        if text := " / ".join(readable(one.text or "").splitlines()):
            lines.append(f"  {'':>{digits}}  {one_line(cut(text, _MAX_TEXT))}")
        if one.reason is not None:
            proposed = ", proposed" if one.proposed else ""
            words = f"{one.score:g} of 10{proposed}: {one_line(one.reason)}"
            lines.append(f"  {'':>{digits}}  {words}".rstrip(": "))
    if question.judge_error:
        lines.append(f"no scores: {one_line(question.judge_error)}")
    if how := how_to_answer(question):
        lines.append(how)
    return lines


async def _line() -> str | None:
    """The next line; None at the end of the input. Can be cancelled, unlike a thread that reads."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Future[None] = loop.create_future()

    def ready() -> None:
        if not typed.done():
            typed.set_result(None)

    loop.add_reader(sys.stdin, ready)
    try:
        await typed
        return sys.stdin.readline() or None
    except asyncio.CancelledError:
        tell("")  # the deadline came: the next message begins on a line of its own
        raise
    finally:
        loop.remove_reader(sys.stdin)
