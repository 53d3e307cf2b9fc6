"""Print how an execution ended, and give the exit code."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rivya_flows.cli.failures import CREDITS, FAILED, INTERRUPTED
from rivya_flows.cli.output import print_json, show, tell
from rivya_flows.cli.receipt import wallet
from rivya_flows.cli.terminal import question_lines, show_page
from rivya_flows.preparation.spec_file import spec_path
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.receipt.continuing import NO_CREDITS, continuation
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.phrases import not_downloaded, open_jobs, unanswered_purchases
from rivya_flows.receipt.questions import command
from rivya_flows.receipt.report import RunReport
from rivya_flows.receipt.summary import failure_codes, is_owed, pools, run_json, sentence, troubles

_MANY = 12  # lines of one output; contact sheet, receipt and `--json` have all of it


def end(report: RunReport, *, as_json: bool, open_sheet: bool) -> int:
    """Prints how an execution ended and gives the exit code."""
    if as_json:
        receipt_path, sheet_path = str(report.receipt_path), str(report.sheet_path)
        print_json(run_json(report.receipt, receipt_path=receipt_path, report_path=sheet_path))
    else:
        show(*_result(report))
    tell(*_advice(report), *([] if as_json else _next_step(report)))
    if open_sheet:
        show_page(report.sheet_path)
    return _exit_code(report)


def _exit_code(report: RunReport) -> int:
    """0 done or waiting for a pick, 1 failed, 3 credits or budget, 130 cancelled."""
    if report.status == "cancelled":
        return INTERRUPTED
    if report.status == "suspended":
        return CREDITS if any(one.step == BUDGET for one in report.questions) else 0
    if report.status == "completed":
        return 0
    return CREDITS if failure_codes(report.receipt) & NO_CREDITS else FAILED


def _result(report: RunReport) -> Iterator[str]:
    receipt = report.receipt
    yield from ("", f"{receipt.status}: {sentence(receipt)}")
    for name, value in receipt.outputs.items():
        lines = _shown(value)
        if len(lines) > _MANY:
            lines[_MANY - 1 :] = [f"and {len(lines) - _MANY + 1} more"]
        # Further lines of a text are indented, so that none passes for a line of ours.
        for index, line in enumerate("\n".join(lines).replace("\r\n", "\n").split("\n")):
            yield f"  {'' if index else name:<14}{line}"
    yield f"  {'contact sheet':<14}{report.sheet_path}"
    yield f"  {'receipt':<14}{report.receipt_path}"
    yield f"  {'credits':<14}{wallet(receipt)}"
    for line in (*pools(receipt, soft_passed=True), *troubles(receipt)):
        yield f"  {line}"


def _shown(value: Any) -> list[str]:
    """The lines of an output: the file of a medium, each member of a list."""
    if isinstance(value, list):
        return [line for one in value for line in _shown(one)] or ["–"]
    if isinstance(value, Mapping) and "mime_type" in value:
        gone = "gone: no copy is left" if value.get("sha256") else value.get("url")
        return [str(value.get("path") or gone)]
    if value is None:
        return ["–"]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]


def _advice(report: RunReport) -> Iterator[str]:
    """What to do next about a run that did not complete, or not all of it."""
    if report.status == "completed":
        if is_owed(report.receipt):
            yield f"collect paid results with: rivya-flows resume {report.run_id}"
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
    yield from commands(report.run_id, report.questions)
    yield from raise_pools(item.pool for _, item in report.receipt.each())
    if report.status != "suspended":
        yield str(continuation(with_spec_here(report.receipt, report.folder)))


def _next_step(report: RunReport) -> Iterator[str]:
    """What a person may want to do with a run that completed."""
    if report.status == "completed" and (names := [*report.receipt.inputs]):
        fork = f"rivya-flows fork {report.run_id} -i {names[0]}=VALUE"
        yield f"change it, and buy only what differs, with: {fork}"


def with_spec_here(receipt: Receipt, folder: Path | None) -> Receipt:
    """The receipt with the path of its spec from here, if that lies above the folder of the run."""
    if folder is None:
        return receipt
    file = str(spec_path(receipt.spec.file, folder))
    return receipt.model_copy(update={"spec": receipt.spec.model_copy(update={"file": file})})


def raise_pools(names: Iterable[str | None]) -> Iterator[str]:
    """What to do about pools that did not cover purchases, a line for each."""
    for pool in dict.fromkeys(filter(None, names)):
        raised = f"rivya-flows budgets set {pool} --credits N"
        yield f"raise the pool {pool}, or wait for its next period if it has one: {raised}"


def commands(run_id: str, questions: Sequence[Question]) -> tuple[str, ...]:
    """The command lines that answer questions: for each choice, or the first of many."""
    lines = []
    for question in questions:
        many = len(question.choices) > _MANY
        more = f"  # or another of the {len(question.choices)}" if many else ""
        answers = [(choice, more) for choice in question.choices[: 1 if many else None]]
        if question.count > 1:
            lines.append(command(run_id, question))
            answers = []
        if question.rounds_left:
            answers.append(("none: NOTE" if question.note_room else "none", ""))
        for answer, beside in answers:
            quoted = shlex.quote(f"{question.label}={answer}")
            lines.append(f"rivya-flows resume {run_id} --answer {quoted}{beside}")
    return tuple(lines)
