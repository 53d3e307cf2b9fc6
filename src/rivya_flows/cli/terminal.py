"""The person at the terminal: hears of a run, answers its questions, and reads how it ended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from rivya_client.printable import one_line
from rivya_flows.cli.failures import CREDITS, FAILED, INTERRUPTED
from rivya_flows.cli.layout import until
from rivya_flows.cli.output import near_paths, print_json, prompt, show, tell
from rivya_flows.cli.progress import Progress
from rivya_flows.cli.runs import wallet
from rivya_flows.cli.session import Interrupts, has_person, open_page, read_line
from rivya_flows.errors import UsageError
from rivya_flows.language.wording import cut
from rivya_flows.preparation.spec_file import spec_path
from rivya_flows.questions.question import BUDGET, Answer, Question
from rivya_flows.questions.reading_answers import check_answer, read_choice
from rivya_flows.queue.events import Event, RunResumed
from rivya_flows.queue.reviewing import person_of
from rivya_flows.queue.state import State
from rivya_flows.receipt.continuing import NO_CREDITS, continuation, next_command
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import not_downloaded, open_jobs, unanswered_purchases
from rivya_flows.receipt.questions import (
    are_numbered,
    command,
    deadline_note,
    how_to_answer,
    readable,
    round_note,
    standing_line,
)
from rivya_flows.receipt.report import RunReport
from rivya_flows.receipt.summary import (
    failure_codes,
    is_owed,
    pools,
    run_json,
    sentence,
    shortfalls,
    troubles,
)
from rivya_flows.runs.execution import Caller
from rivya_flows.steps.review import CHANGES

_MAX_TEXT = 300  # characters of a candidate that is a text
_WIDEST = 40  # of a key, as far as the others are moved to the right for it


class OpenedBoard:
    """The board of a run, which is opened in the browser as soon as the run begins, if there is one."""

    def __init__(self, find: Callable[[str], str | None]) -> None:
        self._find = find
        self._opening: Future[bool] | None = None

    def begin(self, run_id: str, say: Callable[[str], object]) -> None:
        """Opens it in the background, once."""
        if self._opening is None:
            self._opening = Future()
            work = partial(self._open, self._opening, run_id, say)
            Thread(target=work, name="board", daemon=True).start()

    def _open(self, opening: Future[bool], run_id: str, say: Callable[[str], object]) -> None:
        link = self._find(run_id)
        if opened := link is not None and open_page(link, say):
            say(f"board: {link.partition('/open')[0]}/board/{run_id}/")
        opening.set_result(opened)

    @property
    def is_open(self) -> bool:
        return self._opening is not None and self._opening.result()


def at_terminal(
    caller: Caller, interrupts: Interrupts, by: str | None = None, board: OpenedBoard | None = None
) -> Caller:
    """Shows progress on stderr and the board, and asks the person at the terminal, `by`, if there is one."""
    progress = Progress()
    interrupts.say = progress.say

    def listen(event: Event, state: State) -> None:
        interrupts.jobs = partial(open_jobs, state)
        if isinstance(event, RunResumed):
            # Prefect takes SIGTERM for itself when a flow begins, which is over by now.
            interrupts.listen()
            if board is not None:
                board.begin(state.run_id, progress.say)
        progress.listen(event, state)

    async def ask(question: Question, report: Callable[[], Awaitable[RunReport]]) -> Answer | None:
        with progress.pause():
            written = await report()
            lines = question_lines(question, written.media_paths)
            tell(f"contact sheet: {written.sheet_path}", "", *lines)
            while True:
                name = await _ask_whose(question, by)
                prompt("answer, or open to see them: " if question.candidates else "answer: ")
                line = await read_line()
                if line is None:
                    return None
                try:
                    if chosen := await _ask_for_note(question, read_choice(question, line, name)):
                        return chosen
                except UsageError as error:
                    if line.strip().lower() == "open" and question.candidates:
                        open_page(written.sheet_path)
                    else:
                        tell(f"{error.message}; {error.hint}")

    return replace(
        caller,
        notify=progress.say,
        begins=interrupts.begin,
        listen=listen,
        usual=progress.expect,
        rendering=progress.render,
        ask=ask if has_person() else None,
        progress=progress.drawing,
        absorb_cancel=interrupts.absorb,
    )


async def _ask_whose(question: Question, by: str | None) -> str | None:
    """Whose answer a review is given: `by`, unless that is no reviewer who has not answered yet."""
    answered = {person_of(one.by.name) for one in question.responses}
    missing = [one for one in question.reviewers if person_of(one) not in answered]
    if not missing or person_of(by) in map(person_of, missing):
        return by
    if len(missing) == 1 < len(question.reviewers):
        tell(f"as {missing[0]}")
        return missing[0]
    prompt(f"whose answer ({', '.join(missing)}): ")
    return (await read_line()) or by


async def _ask_for_note(question: Question, choice: Answer) -> Answer | None:
    """The choice, with a note if it is none of the candidates. None: it was taken back."""
    if choice.picked or choice.note or not question.note_room:
        return choice
    prompt(
        f"none buys {question.again}; a note for the next round (Enter for none, Ctrl-D to go back): "
    )
    if (note := await read_line()) is None:
        tell("")  # the next prompt begins on a line of its own
        return None
    return check_answer(question, replace(choice, note=note))


def question_lines(question: Question, paths: dict[str, str]) -> list[str]:
    """The question and its numbered choices, each with the file to look at; one line each."""
    # The question about the budget has choices alone.
    candidates = {one.key: one for one in question.candidates}
    is_review = question.kind == "review"
    choices = tuple(candidates) if is_review else question.choices
    widest = min(max(map(len, choices), default=0), _WIDEST)
    # A number that is the key of another choice would name that one.
    is_numbered = not is_review and are_numbered(choices)
    digits = len(str(len(choices))) if is_numbered else 0
    lines = [question.title]
    if is_review:
        lines.append(one_line(standing_line(question)))
    if again := round_note(question.round, ()):
        lines.append(again)
    if limit := deadline_note(question, until):
        lines.append(limit)
    for number, choice in enumerate(choices, start=1):
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
            score = f"{one.score:g} of 10{proposed}: {one_line(one.reason)}"
            lines.append(f"  {'':>{digits}}  {score}".rstrip(": "))
    if question.judge_error:
        lines.append(f"no scores: {one_line(question.judge_error)}")
    if how := how_to_answer(question):
        lines.append(how)
    return lines


_MANY = 12  # lines of one output; contact sheet, receipt and `--json` have all of it


def end(report: RunReport, *, as_json: bool, open_sheet: bool) -> int:
    """Prints how an execution ended and gives the exit code: 0 done or waiting for a pick, 1 failed,
    3 credits or budget, 130 cancelled.
    """
    receipt = report.receipt
    if as_json:
        paths = {"receipt_path": report.receipt_path, "report_path": report.sheet_path}
        document = run_json(receipt, **{name: str(path) for name, path in paths.items()})
        asked = [one.label for one in report.questions]
        following = next_command(with_spec_here(receipt, report.folder), asked)
        print_json(document | {"next": following})
    else:
        show(*_result_lines(report))
    tell(*_advice(report, as_json=as_json))
    if open_sheet:
        open_page(report.sheet_path)
    if report.status == "cancelled":
        return INTERRUPTED
    if report.status == "suspended":
        return CREDITS if any(one.step == BUDGET for one in report.questions) else 0
    if report.status == "completed":
        return 0
    return CREDITS if failure_codes(receipt) & NO_CREDITS else FAILED


def _result_lines(report: RunReport) -> Iterator[str]:
    receipt = report.receipt
    yield from ("", f"{receipt.status}: {sentence(receipt)}")
    for name, value in receipt.outputs.items():
        file = receipt.text_files.get(name)
        lines = [str(report.receipt_path.with_name(file))] if file else _output_lines(value)
        if value is None and report.status == "suspended":
            lines = ["not yet"]
        # Further lines of a text are indented, so that none passes for a line of ours.
        lines = "\n".join(lines).replace("\r\n", "\n").split("\n")
        if len(lines) > _MANY:
            lines[_MANY - 1 :] = [f"and {len(lines) - _MANY + 1} more"]
        for index, line in enumerate(lines):
            yield f"  {'' if index else name:<14}{line}"
    yield f"  {'contact sheet':<14}{report.sheet_path}"
    yield f"  {'receipt':<14}{report.receipt_path}"
    yield f"  {'credits':<14}{wallet(receipt)}"
    for line in (*shortfalls(receipt), *pools(receipt, soft_passed=True), *troubles(receipt)):
        yield f"  {line}"


def _output_lines(value: Any) -> list[str]:
    """The lines of an output: the file of a medium, each member of a list."""
    if isinstance(value, list):
        return [line for one in value for line in _output_lines(one)] or ["–"]
    if isinstance(value, Mapping) and "mime_type" in value:
        gone = "gone: no copy is left" if value.get("sha256") else value.get("url")
        return [str(value.get("path") or gone)]
    if value is None:
        return ["–"]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]


def _advice(report: RunReport, *, as_json: bool) -> Iterator[str]:
    """What to do next with the run: collect, continue, answer or change it."""
    if report.status == "completed":
        if is_owed(report.receipt):
            yield f"collect paid results with: rivya-flows resume {report.run_id}"
        if not as_json and (name := next(iter(report.receipt.inputs), None)):
            fork = f"rivya-flows fork {report.run_id} -i {name}=VALUE"
            yield f"change it, and buy only what differs, with: {fork}"
        return
    lost = unanswered_purchases(report.state)
    for job in (jobs := [one for one in open_jobs(report.state) if one not in lost]):
        yield f"still running: {job}"
    for job in lost:
        yield f"may be paid: {job}; resume asks the service, and buys nothing twice"
    if report.status == "cancelled":
        for job in (done := not_downloaded(report.state)):
            yield f"done, not downloaded: {job}"
        if jobs or done:
            yield "that is paid for: resume collects it at no extra price"
    if report.status == "suspended":
        for question in report.questions:
            asked, *choices = question_lines(question, report.media_paths)
            yield f"waiting for an answer: {asked}"
            yield from choices
    if report.questions:  # a deadline that failed a pick can still be answered
        yield "answer with:"
    yield from answer_commands(report.run_id, report.questions)
    yield from raise_pools(item.pool for _, item in report.receipt.each())
    if report.status != "suspended":
        yield str(continuation(with_spec_here(report.receipt, report.folder)))


def with_spec_here(receipt: Receipt, folder: Path | None) -> Receipt:
    """The receipt with the path of its spec from here, if that lies above the folder of the run."""
    if folder is None:
        return receipt
    file = str(spec_path(receipt.spec.file, folder))
    return receipt.model_copy(update={"spec": receipt.spec.model_copy(update={"file": file})})


def raise_pools(names: Iterable[str | None]) -> Iterator[str]:
    """What to do about pools that did not cover purchases, a line for each."""
    for pool in dict.fromkeys(filter(None, names)):
        command = f"rivya-flows budgets set {pool} --credits N"
        yield f"raise the pool {pool}, or wait for its next period if it has one: {command}"


def answer_commands(run_id: str, questions: Sequence[Question]) -> tuple[str, ...]:
    """The command lines that answer questions: for each choice, or the first of many."""
    lines = []
    for question in questions:
        many = len(question.choices) > _MANY
        more = f"  # or another of the {len(question.choices)}" if many else ""
        answers = [(choice, more) for choice in question.choices[: 1 if many else None]]
        by = " --by NAME" if question.reviewers else ""
        if question.kind == "review":
            answers = [("approve", by), ("changes: NOTE", by)]
            if any(one.answer == CHANGES for one in question.responses):
                answers.append(("end", "  # the round, with these changes"))
        elif question.count > 1:
            lines.append(command(run_id, question))
            answers = []
        if question.kind == "pick" and question.rounds_left:
            answers.append(("none: NOTE" if question.note_room else "none", ""))
        for answer, beside in answers:
            quoted = shlex.quote(f"{question.label}={answer}")
            lines.append(f"rivya-flows resume {run_id} --answer {quoted}{beside}")
        if question.kind == "review":
            quoted = shlex.quote(question.label)
            lines.append(f"rivya-flows review {run_id} {quoted}  # a link for each reviewer")
    return tuple(lines)
