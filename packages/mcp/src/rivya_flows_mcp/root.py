"""What an agent may name and keep: specs, files and runs inside one folder, the root; and its quotes and processes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rivya_client.printable import printable
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.input_values import hint_of
from rivya_flows.language.inputs import fit
from rivya_flows.language.workflow import Workflow
from rivya_flows.money.quotes import QUOTE_ID, VALID, Quote, QuoteFile, read_quote, write_quote
from rivya_flows.preparation.prepare import Prepared, RunRequest
from rivya_flows.preparation.spec_file import SpecFile, read_spec
from rivya_flows.private import private_folder
from rivya_flows.questions.open_questions import answerable
from rivya_flows.questions.question import BUDGET, Answer
from rivya_flows.questions.reading_answers import read_answers
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, RunFrozen, Stamped
from rivya_flows.queue.queue import replay
from rivya_flows.store.journal import Journal, RunRow

AS_TEXT = "spec"  # name of a spec that was given as text


def spec_inside(root: Path, given: str) -> SpecFile:
    """The spec at a path inside the root, or the one that the text is."""
    if "\n" in given or "\r" in given:
        return SpecFile(given, AS_TEXT, root)
    path = path_inside(root, given)
    if path.exists() and not path.is_file():  # a pipe would hold the server until somebody writes
        raise UsageError(f"{given!r:.200} is not a file", "name a spec; `list_specs` shows them")
    return read_spec(path)


def path_inside(root: Path, given: str) -> Path:
    """The path that is meant, its links followed."""
    try:
        path = (root / given).resolve()
        inside = path.is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
        inside = False
    if not inside:
        raise UsageError(f"{given!r:.200} is outside the root {root}", "name a path inside it")
    return path


def inputs_inside(root: Path, workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, files at their paths inside the root."""
    found, problems = dict(given), []
    for name, declared in workflow.inputs.items():
        if given.get(name) is None or not (declared.has_files or declared.is_table):
            continue
        try:
            found[name] = fit(declared, given[name], root=root, inside=True)
        except ValueError as error:
            message = f"{name}: {str(error).replace('the folder of the spec', 'the root')}"
            hint = hint_of(error, declared, given[name])
            problems.append(Diagnostic("wrong-input", message, hint, file="<inputs>"))
    if problems:
        raise SpecError(tuple(problems))
    return found


def run_inside(root: Path, journal: Journal, run: str) -> RunRow:
    """A run that was made in the root; other runs do not exist for an agent."""
    row = journal.run(run)
    if row is None or not row.folder.resolve().is_relative_to(root):
        raise UsageError(f"there is no run {run!r:.200} in {root}", "`run` gives its id")
    return row


MAX_QUOTES = 500  # quotes that hold at the same time


def save_quote(data: Path, context: RunContext, request: RunRequest, ready: Prepared) -> Quote:
    """Writes the quote under its id, and deletes those that hold no longer."""
    folder, old, left = private_part(data, "quotes"), time.time() - VALID.total_seconds(), 0
    for path in folder.iterdir():
        if path.stat().st_mtime < old:
            path.unlink(missing_ok=True)
        else:
            left += 1
    if left >= MAX_QUOTES:
        message = f"there are {left} quotes of the last 24 hours, which is the most"
        raise UsageError(message, f"run one of them, or delete those in {folder}")
    # In the same folder, since the place of its spec is written from there.
    written = folder / f"new-{secrets.token_hex(8)}.json"
    quote = write_quote(context, request, ready, written)
    written.rename(folder / f"{quote.id}.json")
    return quote


def read_saved(data: Path, root: Path, name: str) -> QuoteFile:
    """The quote of an id."""
    path = private_part(data, "quotes") / f"{name}.json"
    known = re.fullmatch(QUOTE_ID, name) and path.is_file()  # no other name becomes a path
    if not known or (file := read_quote(path)).quote.id != name:
        raise UsageError(f"there is no quote {name!r:.60}", "make one with `plan`")
    if file.spec is not None:
        for one in (file.spec.name, *file.quote.includes, *file.quote.files):
            path_inside(root, str(file.spec.parent / one))
    return file


def private_part(data: Path, name: str) -> Path:
    """A private folder of the data folder."""
    private_folder(data)
    private_folder(data / "mcp")
    private_folder(folder := data / "mcp" / name)
    return folder


BY = "an agent"


def answers_of(
    entries: Sequence[Stamped], step: str, keys: Sequence[str] | None, note: str
) -> tuple[tuple[AnswerGiven, ...], str | None]:
    """The entries of an answer, none where the run knows it already; and how the run has ended.

    `keys` are those of the choices as they were shown; None: none of the choices.
    """
    frozen = entries[0].event
    assert isinstance(frozen, RunFrozen)
    run_id = frozen.run_id
    if frozen.started_by != "agent":
        raise UsageError(
            f"{run_id} was not started by an agent, so an agent cannot let it buy more",
            f"a person answers with `rivya-flows resume {run_id} --answer STEP=KEY`",
        )
    state = replay(entry.event for entry in entries)
    questions = answerable(state)
    question = next((one for one in questions if printable(one.label) == step), None)
    name, picked = step, tuple(keys or ())
    if question is not None:
        if question.step == BUDGET and picked != ("no",):
            raise UsageError(
                "budget: an agent can answer no alone: its quote is the most that is spent",
                f"a person raises it with `rivya-flows resume {run_id} --budget N`",
            )
        spelled = {printable(one): one for one in question.choices}
        name, picked = question.label, tuple(spelled.get(one, one) for one in picked)
    by = AnsweredBy(name=BY, channel="agent", at=datetime.now(UTC))
    return read_answers({name: Answer(picked, note)}, questions, state, by), state.ended
