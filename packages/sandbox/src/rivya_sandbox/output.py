"""What commands print: tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from rivya_client.printable import one_line, printable_json

_WIDTH = 60  # characters of an answer in a list


def shorten(text: str) -> str:
    """A text as a cell of a table."""
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"


def times(one: Mapping[str, Any]) -> str:
    """How often a fault or an answer was used: ``1 of 2``, or ``1`` where it has no limit."""
    return str(one["used"]) + ("" if one["times"] is None else f" of {one['times']}")


def show(document: Any, as_json: bool, *lines: str) -> None:
    """Prints one JSON document, or lines for people."""
    if as_json:
        # Escapes instead of letters where the letters could not be written.
        unicode = (sys.stdout.encoding or "").lower().startswith("utf")
        text = json.dumps(document, indent=2, ensure_ascii=not unicode)
        click.echo(printable_json(text))
        return
    for line in lines:
        click.echo(one_line(line))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table; columns whose name begins with ``>`` are aligned to the right."""
    names = [column.removeprefix(">") for column in columns]
    cells = [names, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    aligns = [">" if column.startswith(">") else "<" for column in columns]
    return [
        "  ".join(
            f"{cell:{align}{width}}" for cell, align, width in zip(row, aligns, widths, strict=True)
        ).rstrip()
        for row in cells
    ]
