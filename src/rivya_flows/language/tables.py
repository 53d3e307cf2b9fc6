"""Tables in CSV: records by the names in the header, and what is wrong with them, each at its cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import UsageError
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS, suggest

MAX_ROWS = 10_000
_MAX_CELLS = 200_000
NOTE = "x-"  # prefix of columns that are notes for people, as with keys of a spec
SUFFIXES = (".csv", ".tsv")
_MAX_SOURCE = 200  # characters of a line that a diagnostic quotes


def most_rows(names: Collection[str]) -> int:
    """The most rows that a table with these columns may have."""
    return min(MAX_ROWS, _MAX_CELLS // max(1, len(names)))


def too_many(most: int) -> str:
    """The message for a row after the last that a table may have."""
    return f"a table has at most {most:,} rows"


class Record(NamedTuple):
    """A record of a table: the line on which it begins, its cells as written, by column, and its notes."""

    line: int
    cells: dict[str, str]
    notes: dict[str, str]


class Table:
    """A text in CSV whose header names inputs, or fields; empty lines are passed over.

    Attributes:
        file: Its name in diagnostics.
        what: What its columns are: inputs, or fields.
        columns: The names in the header.
        problems: What is wrong with the text, as far as it was read.
    """

    def __init__(self, text: str, *, file: str, names: Collection[str], what: str) -> None:
        self.problems: list[Diagnostic] = []
        self.file, self._text, self.what = file, text.removeprefix("\ufeff"), what
        # The lines that `csv` counts: others, such as U+2028, stay in their cell.
        self._lines = [one.rstrip("\r\n") for one in io.StringIO(self._text, newline="")]
        self._most = most_rows(names)
        header = self._lines[0] if self._lines else ""
        # Spreadsheets of some countries write semicolons.
        self._delimiter = max(
            ",;\t", key=lambda one: sum(name.strip(' "') in names for name in header.split(one))
        )
        self._records = self._read()
        self._first, written = next(self._records, (1, []))
        self.columns = [name.strip() for name in written]
        self._check_header(names)

    def records(self) -> Iterator[Record]:
        """Each record below the header, while the text is CSV and a table has no more than `most_rows`."""
        count = 0
        for line, cells in self._records:
            if (count := count + 1) > self._most:
                self.add_at(line, None, "too-many-rows", too_many(self._most))
                return
            if len(cells) != len(self.columns):
                message = f"{len(cells)} cells, but the header has {len(self.columns)}"
                hint = "write a cell with a comma in quotes"
                self.add_at(line, None, "wrong-cells", message, hint)
                continue
            written = dict(zip(self.columns, cells, strict=True))
            notes = {name: text for name, text in written.items() if name.startswith(NOTE)}
            yield Record(line, written, notes)
        if not count and not self.problems:
            self.add_at(self._first, None, "no-rows", "no rows below the header")

    def _read(self) -> Iterator[tuple[int, list[str]]]:
        """Each record with the line on which it begins, without blank lines."""
        source = io.StringIO(self._text, newline="")
        reader = csv.reader(source, delimiter=self._delimiter, strict=True)
        line = 1
        try:
            for record in reader:
                if any(cell.strip() for cell in record):
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as error:
            hint = 'write a cell with a quote or a line break as "so ""quoted"" here"'
            self.add_at(line, None, "not-csv", f"not valid CSV: {error}", hint)

    def _check_header(self, names: Collection[str]) -> None:
        if not self.columns and not self.problems:
            hint = f"write the names of the {self.what}s into the first line"
            self.add_at(self._first, None, "no-rows", "the file is empty", hint)
        earlier = set[str]()
        for index, name in enumerate(self.columns):
            if len(self.problems) >= MAX_PROBLEMS:
                break  # no more are reported, and each one scans the line
            if name in earlier:
                message = f"repeated column {name!r:.60}"
                self.add_at(self._first, index, "repeated-column", message)
            elif name not in names and not name.startswith(NOTE):
                hint = suggest(name, names) or f"the spec has no {self.what}s"
                hint += f"; a column of notes begins with {NOTE}"
                message = f"unknown {self.what} {name!r:.60}"
                self.add_at(self._first, index, f"unknown-{self.what}", message, hint)
            earlier.add(name)

    def add_at(
        self, line: int, at: int | str | None, code: str, message: str, hint: str | None = None
    ) -> None:
        """Adds a diagnostic at a cell of a line, by its place from 0 or its column, or at the line's begin."""
        text = self._lines[line - 1] if 0 < line <= len(self._lines) else ""
        if isinstance(at, str):
            at = self.columns.index(at) if at in self.columns else None
        columns = _columns(text, self._delimiter) if at else []
        column = columns[at] if at and at < len(columns) else 1
        source = text if len(text) <= _MAX_SOURCE else ""
        self.problems.append(
            Diagnostic(code, message, hint, file=self.file, line=line, column=column, source=source)
        )


def read_text(path: Path, limit: int, *, label: str) -> str:
    """The text of a file, called `label`, with its line ends: those inside a cell belong to the cell."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)  # a device or a pipe has no size, and perhaps no end
        if len(content) > limit:
            size = f"{limit >> 20} MiB"
            raise UsageError(f"{label}: larger than {size}", "split it into several tables")
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        hint = 'save it as UTF-8; spreadsheets call that "CSV UTF-8"'
        raise UsageError(f"{label}: is not UTF-8 text", hint) from error
    except OSError as error:
        raise UsageError(f"{label}: {error.strerror or error}", "check the path") from error


def _columns(text: str, delimiter: str) -> list[int]:
    """The columns, from 1, at which the cells of a line begin."""
    columns, quoted = [1], False
    for index, letter in enumerate(text):
        if letter == '"':
            quoted = not quoted
        elif letter == delimiter and not quoted:
            columns.append(index + 2)
    return columns
