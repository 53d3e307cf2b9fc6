"""Rows of inputs in CSV, JSON and YAML files, each mistake at its line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS, DiagnosticCollector
from rivya_flows.language.input_values import (
    convert,
    fit_value,
    hint_for,
    hint_of,
    parse_text,
    place_of,
)
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.syntax.media_references import is_uploaded, written_path
from rivya_flows.language.tables import SUFFIXES, Record, Table, most_rows, read_text, too_many
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Change, Input, change_files


class TableError(ValueError):
    """A file with rows has mistakes."""

    def __init__(self, problems: Sequence[Diagnostic]) -> None:
        self.problems = tuple(sorted(problems)[:MAX_PROBLEMS])
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{self.problems[0]}{more}")


def read_table_file(declared: Input, written: str, root: Path, inside: bool) -> Any:
    """The rows, or the map, in a file that a value names: `products.csv`, or `@products.csv` as in a shell."""
    named = Path(written.strip().removeprefix("@")).expanduser()
    path = (root / named).resolve()
    if inside and not path.is_relative_to(root.resolve()):
        raise ValueError(f"{preview(written)} is outside the folder of the spec")
    if not path.is_file():
        raise ValueError(f"there is no file {str(named)!r:.200}")
    text = read_text(path, source.MAX_BYTES, label=str(named))
    return rows_from(declared, text, file=str(named), beside=named.parent, root=root, inside=inside)


def rows_from(
    declared: Input,
    text: str,
    *,
    file: str,
    beside: PurePath,
    root: Path | None,
    inside: bool = False,
) -> Any:
    """The rows, or the map, in the text of a CSV, JSON or YAML file, with its paths as if `root` had them.

    Args:
        file: Its name, which says what it is.
        beside: Its folder, where its paths begin, from `root`.
        root: None: whether its files are there is not checked.

    Raises:
        TableError: All that is wrong, each at its line and column.
    """
    suffix = PurePath(file).suffix.lower()
    if suffix not in (*SUFFIXES, ".json", ".yaml", ".yml"):
        raise ValueError(f"{preview(file)} is no CSV, JSON or YAML file by its name")
    if suffix in SUFFIXES and declared.type == "map":
        raise ValueError(
            f"{preview(file)} has rows, and this takes one map: write it in JSON or YAML"
        )
    moved = paths_from(beside)
    if suffix in SUFFIXES:
        fields = declared.fields
        table = Table(text, file=file, names=fields, what="field")
        rows = []
        for record in () if table.problems else table.records():
            values, _ = read_row(table, record, fields, root=root, inside=inside, change=moved)
            rows.append(values)
        if table.problems:
            raise TableError(table.problems)
        return rows
    report = DiagnosticCollector(file, text)
    text = text.removeprefix("\ufeff")
    in_yaml = _JSON_ESCAPE.sub(_as_in_yaml, text) if suffix == ".json" else text
    report.root, mistakes = source.read(in_yaml)
    report.add_located(mistakes)
    value = report.root and tree.plain(report.root)
    if not mistakes:
        with suppress(ValueError):  # a line separator inside quotes is a character in JSON
            value = json.loads(text, parse_constant=_refuse)
    value = change_files(declared, value, moved)
    most = most_rows(declared.fields)
    if isinstance(value, list) and len(value) > most:
        report.add((most,), "too-many-rows", too_many(most))
    if not report.diagnostics and not (root is None and declared.has_files):
        try:
            convert(declared, value, root, inside)
        except ValueError as error:
            hint = hint_of(error, declared, value)
            report.add(place_of(error), "wrong-input", str(error), hint)
    if report.diagnostics:
        raise TableError(report.diagnostics)
    return value


def paths_from(folder: PurePath) -> Change:
    """Makes a path that begins in this folder one that begins where the folder's own path does."""

    def move(_: Input, value: Any) -> Any:
        path = None if isinstance(value, str) and is_uploaded(value) else written_path(value)
        return value if path is None or path.startswith("~") else str(folder / path)

    return move


_JSON_ESCAPE = re.compile(
    r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE | re.DOTALL
)


def _as_in_yaml(escape: re.Match[str]) -> str:
    """A pair of escapes, with which JSON writes one character, as YAML writes it."""
    if escape[1] is None:
        return escape[0]
    high, low = int(escape[1], 16), int(escape[2], 16)
    return f"\\U{0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF):08X}"


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def read_row(
    table: Table,
    record: Record,
    fields: Mapping[str, Input],
    *,
    given: Mapping[str, Any] | None = None,
    root: Path | None,
    inside: bool = False,
    change: Change = lambda _, value: value,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values of a record, each read by the type of its field, and the same values as expressions see them.

    What is wrong is added to the table. An empty cell leaves a field to `given`, else to its default.

    Args:
        root: As for `fit`; None: files are not looked at.
        change: Of each file.
    """
    values, fitted, wrong = dict(given or {}), dict[str, Any](), set[str]()
    for name, text in record.cells.items():
        if name in fields and text.strip():
            try:
                values[name] = change_files(fields[name], parse_text(fields[name], text), change)
            except ValueError as error:
                hint = hint_for(fields[name])
                table.add_at(record.line, name, "wrong-input", f"{name}: {error}", hint)
                values.pop(name, None)
                wrong.add(name)
    for name, declared in fields.items():
        if values.get(name) is None:
            if declared.required and declared.default is None and name not in wrong:
                message = f"missing {table.what} {name!r}"
                table.add_at(record.line, name, "missing-input", message, hint_for(declared))
        elif root is not None or not declared.has_files:
            try:
                fitted[name] = fit_value(declared, values[name], root, inside)
            except ValueError as error:
                hint = hint_of(error, declared, values[name])
                table.add_at(record.line, name, "wrong-input", f"{name}: {error}", hint)
    return values, fitted
