"""The rows of a batch: a CSV file whose first line names inputs, one run for each further line."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.errors import Diagnostic, SpecError
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS, meant
from rivya_flows.language.inputs import fit, hint_for
from rivya_flows.language.syntax.input_parsing import parse_assignments
from rivya_flows.language.workflow import Workflow
from rivya_flows.planning.names import digest
from rivya_flows.store.assets import file_hash

MAX_ROWS = 10_000
NOTE = "x-"
"""Begin of the names of columns that are for people, as with keys of a spec."""

_SHOWN = 200


@dataclass(frozen=True)
class BatchRow:
    """One row.

    Attributes:
        number: Counted from 1, without the header and without blank lines.
        line: Where it begins in its file, counted from 1.
        run_id: Of its run: the same wherever the row stands in the file, and another one as soon
            as anything in it changes.
        values: What is given for its run, by input.
        notes: Its ``x-`` columns.
    """

    number: int
    line: int
    run_id: str
    values: Mapping[str, Any]
    notes: Mapping[str, str]


def batch_id_of(workflow: Workflow, spec_text: str, service: str, file: str) -> str:
    """The batch of a spec, a service and a file name: started again, it is the same one."""
    mark = digest([service, spec_text, Path(file).name])[:8]
    return f"batch-{workflow.name[:40]}-{mark}"


def read_rows(
    text: str,
    *,
    file: str,
    workflow: Workflow,
    batch_id: str,
    given: Mapping[str, Any] | None = None,
) -> tuple[BatchRow, ...]:
    """All rows, every cell read against the type of its input.

    An empty cell is not given, so the input's default holds. Commas, semicolons and tabs separate.

    Args:
        text: The content of the file.
        file: Its name, for problems.
        workflow: Of the spec.
        batch_id: First part of the runs' ids.
        given: Values for all rows; a cell wins over them.

    Raises:
        SpecError: The header or cells are wrong; all problems in one, each at its place.
    """
    reading = _Reading(file, text.removeprefix("\ufeff"), workflow, dict(given or {}))
    rows = reading.rows(batch_id)
    if reading.problems:
        raise SpecError(tuple(sorted(reading.problems)[:MAX_PROBLEMS]))
    return rows


class _Reading:
    def __init__(self, file: str, text: str, workflow: Workflow, given: dict[str, Any]) -> None:
        self.problems: list[Diagnostic] = []
        self._file = file
        self._lines = text.splitlines()
        self._text = text
        self._workflow = workflow
        self._given = given
        self._delimiter = _delimiter(self._lines[0] if self._lines else "", workflow)

    def rows(self, batch_id: str) -> tuple[BatchRow, ...]:
        found = self._records()
        line, header = next(found, (1, []))
        names = [name.strip() for name in header]
        self._check_header(line, names)
        if self.problems:
            return ()
        rows: list[BatchRow] = []
        seen: Counter[str] = Counter()
        for line, cells in found:
            if len(rows) == MAX_ROWS:
                self._add(line, 1, "too-many-rows", f"a batch has at most {MAX_ROWS:,} rows")
                break
            values, notes, identity = self._row(line, names, cells)
            mark = digest(identity)[:10]
            again = f"-{seen[mark] + 1}" if seen[mark] else ""
            seen[mark] += 1
            run_id = f"{batch_id}-{mark}{again}"
            rows.append(BatchRow(len(rows) + 1, line, run_id, values, notes))
        if not rows and not self.problems:
            self._add(line, 1, "no-rows", "there is no row below the header")
        return tuple(rows)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Each record with the line it begins on; blank lines are left out."""
        reader = csv.reader(
            io.StringIO(self._text, newline=""), delimiter=self._delimiter, strict=True
        )
        line = 1
        try:
            for record in reader:
                if any(cell.strip() for cell in record):
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            hint = 'a cell with a quote or a line break is written "so ""quoted"" here"'
            self._add(line, 1, "not-csv", f"this is no CSV: {error}", hint)

    def _check_header(self, line: int, names: list[str]) -> None:
        inputs = self._workflow.inputs
        if not names and not self.problems:
            hint = "write the names of the inputs into the first line"
            self._add(line, 1, "no-rows", "the file is empty", hint)
        earlier = set[str]()
        for index, name in enumerate(names):
            if len(self.problems) >= MAX_PROBLEMS:
                break  # no more of them are told
            if name in earlier:
                self._cell(line, index, "repeated-column", f"the column {name!r:.60} is repeated")
            elif name not in inputs and not name.startswith(NOTE):
                hint = meant(name, inputs) or "the spec has no inputs"
                self._cell(
                    line,
                    index,
                    "unknown-input",
                    f"unknown input {name!r:.60}",
                    f"{hint}; a column for people begins with {NOTE}",
                )
            earlier.add(name)

    def _row(
        self, line: int, names: Sequence[str], cells: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, Any]]:
        """What is given, the notes, and what makes this row another one than the others."""
        if len(cells) != len(names):
            message = f"{len(cells)} cells, but the header has {len(names)}"
            self._add(line, 1, "wrong-cells", message, "a cell with a comma is written in quotes")
            return {}, {}, {}
        written = dict(zip(names, cells, strict=True))
        notes = {name: text for name, text in written.items() if name.startswith(NOTE)}
        values, identity = dict(self._given), {}
        for index, (name, text) in enumerate(written.items()):
            if name in notes or not text.strip():
                continue
            try:
                values.update(parse_assignments([f"{name}={text}"], self._workflow))
            except SpecError as error:
                for problem in error.diagnostics:
                    self._cell(line, index, problem.code, problem.message, problem.hint)
                values.pop(name, None)
                continue
        for name, declared in self._workflow.inputs.items():
            index = names.index(name) if name in names else 0
            if values.get(name) is None:
                empty = not written.get(name, "").strip()
                if declared.required and declared.default is None and empty:
                    message = f"the input {name!r} is needed"
                    self._cell(line, index, "missing-input", message, hint_for(declared))
                continue
            try:
                fitted = fit(declared, values[name], root=Path())
            except ValueError as error:
                self._cell(line, index, "wrong-input", f"{name}: {error}", hint_for(declared))
            else:
                identity[name] = _identity(fitted)
        return values, notes, identity

    def _cell(
        self, line: int, index: int, code: str, message: str, hint: str | None = None
    ) -> None:
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        starts = _starts(text, self._delimiter)
        self._add(line, starts[index] if index < len(starts) else 1, code, message, hint)

    def _add(
        self, line: int, column: int, code: str, message: str, hint: str | None = None
    ) -> None:
        text = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        shown = text if len(text) <= _SHOWN else ""
        self.problems.append(
            Diagnostic(code, message, hint, file=self._file, line=line, column=column, source=shown)
        )


def _delimiter(header: str, workflow: Workflow) -> str:
    """What separates the names of inputs; spreadsheets of some countries write semicolons."""

    def known(delimiter: str) -> int:
        return sum(name.strip(' "') in workflow.inputs for name in header.split(delimiter))

    return max(",;\t", key=known)


def _starts(text: str, delimiter: str) -> list[int]:
    """Columns, counted from 1, at which the cells of one line begin."""
    starts, quoted = [1], False
    for index, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == delimiter and not quoted:
            starts.append(index + 2)
    return starts


def _identity(value: Any) -> Any:
    """A value by what it says: a file by its content, so that a moved folder is the same batch."""
    if isinstance(value, list):
        return [_identity(one) for one in value]
    if isinstance(value, dict) and set(value) == {"path"}:
        return {"sha256": file_hash(Path(value["path"]))}
    return value
