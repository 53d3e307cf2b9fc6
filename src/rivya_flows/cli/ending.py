"""How an execution ended: what is printed, and the exit code."""

from __future__ import annotations

import json
import shlex
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.app.report import RunReport
from rivya_flows.cli.answers import commands, open_questions
from rivya_flows.cli.asking import form
from rivya_flows.cli.failures import CREDITS, FAILED, INTERRUPTED
from rivya_flows.cli.output import print_json, show, tell
from rivya_flows.cli.receipt import wallet
from rivya_flows.ledger.phrases import open_jobs
from rivya_flows.ledger.summary import failure_codes, is_owed, run_json, sentence, troubles
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import Stamped
from rivya_flows.planning.queue.queue import replay
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.private import as_the_user_wants

_MANY = 12  # lines of one output; contact sheet, receipt and `--json` have all of it
_NO_CREDITS = {"over_budget", "insufficient_credits"}


@dataclass(frozen=True)
class Ending:
    """An execution that is over.

    Attributes:
        entries: The journal of the run.
        report: What was written from it.
    """

    run_id: str
    entries: Sequence[Stamped]
    report: RunReport

    @property
    def status(self) -> str:
        """completed, failed, cancelled or suspended."""
        status: str = self.report.receipt["status"]
        return status

    @property
    def questions(self) -> tuple[Question, ...]:
        """What it waits for, if it is suspended."""
        return open_questions(self.entries) if self.status == "suspended" else ()


def end(ending: Ending, *, as_json: bool, open_sheet: bool) -> int:
    """Tells the end of an execution and gives its exit code."""
    report = ending.report
    if as_json:
        receipt_path, sheet_path = str(report.receipt_path), str(report.sheet_path)
        print_json(run_json(report.receipt, receipt_path=receipt_path, report_path=sheet_path))
    else:
        for line in _result(report):
            show(line)
    for line in _advice(ending):
        tell(line)
    if open_sheet:
        with as_the_user_wants():
            webbrowser.open(report.sheet_path.as_uri())
    return exit_code(ending)


def exit_code(ending: Ending) -> int:
    """0 done or waiting for a pick, 1 failed, 3 credits or budget, 130 cancelled."""
    if ending.status == "cancelled":
        return INTERRUPTED
    if ending.status == "suspended":
        return CREDITS if any(one.step == BUDGET for one in ending.questions) else 0
    if ending.status == "completed":
        return 0
    return CREDITS if failure_codes(ending.report.receipt) & _NO_CREDITS else FAILED


def _result(report: RunReport) -> Iterator[str]:
    receipt = report.receipt
    yield ""
    yield f"{receipt['status']}: {sentence(receipt)}"
    for name, value in receipt["outputs"].items():
        lines = _shown(value)
        if len(lines) > _MANY:
            lines[_MANY - 1 :] = [f"and {len(lines) - _MANY + 1} more"]
        # A text of many lines stands indented, so that none of them passes for one of ours.
        for index, line in enumerate("\n".join(lines).replace("\r\n", "\n").split("\n")):
            yield f"  {'' if index else name:<14}{line}"
    yield f"  {'contact sheet':<14}{report.sheet_path}"
    yield f"  {'receipt':<14}{report.receipt_path}"
    yield f"  {'credits':<14}{wallet(receipt['credits'])}"
    for line in troubles(receipt):
        yield f"  {line}"


def _shown(value: Any) -> list[str]:
    """An output as lines: a medium by its file, a list member by member."""
    if isinstance(value, list):
        return [line for one in value for line in _shown(one)] or ["–"]
    if isinstance(value, Mapping) and "mime_type" in value:
        return [str(value.get("path") or value.get("url"))]
    if value is None:
        return ["–"]
    return [value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)]


def _advice(ending: Ending) -> Iterator[str]:
    """What can be done next about a run that did not complete, or not all of it."""
    if ending.status == "completed":
        if is_owed(ending.report.receipt):
            yield f"to bring home what was paid for: rivya-flows resume {ending.run_id}"
        return
    state = replay(entry.event for entry in ending.entries)
    for job in open_jobs(state):
        yield f"still under way: {job}"
    if ending.status == "suspended":
        paths = media_paths(ending.report)
        for question in ending.questions:
            asked, *choices = form(question, paths)
            yield f"waits for an answer: {asked}"
            yield from choices
        yield from commands(ending.run_id, ending.questions)
        return
    # A deadline that failed a pick can still be answered.
    yield from commands(ending.run_id, open_questions(ending.entries))
    yield f"to go on: rivya-flows resume {ending.run_id}{resume_options(ending.report.receipt)}"


def resume_options(receipt: Mapping[str, Any]) -> str:
    """What a resume must be told so that it can get further than this time."""
    words = ""
    for step in receipt.get("steps", ()):
        for item in step["items"]:
            name = f"{step['id']}[{item['key']}]" if item["key"] else step["id"]
            if item["code"] in ("job_failed", "job_status_unknown"):
                words += f" --regenerate {shlex.quote(name)}"
            elif item["code"] == "uncertain":
                words += f" --resubmit {shlex.quote(name)}"
            elif item["code"] == "over_budget" and "--budget" not in words:
                words += " --budget N"
    return words


def media_paths(report: RunReport) -> dict[str, str]:
    """Where a person finds each medium of a run, by hash."""
    return {
        asset["sha256"]: str(asset["path"])
        for step in report.receipt["steps"]
        for item in step["items"]
        for asset in item["assets"]
        if asset.get("sha256") and asset.get("path")
    }
