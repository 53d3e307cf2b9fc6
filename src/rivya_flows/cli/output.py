"""Printing: one JSON document or tables on stdout, words on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

WIDE = 200
"""Width of a table that goes into a file or a pipe, in columns."""


def tolerate_narrow_terminals() -> None:
    """Makes a terminal that lacks a character show its number, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fill_closed_streams() -> None:
    """Opens what the caller has closed (``>&-``) as nothing.

    Else the next file that is opened, such as the journal, would be the standard output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def tell(words: str) -> None:
    """Says something to a person, on stderr."""
    click.echo(words, err=True)


def show(words: str) -> None:
    """Prints a line of the result, on stdout."""
    click.echo(words)


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Prints the one document of ``--json``."""
    # Escapes instead of letters where the letters could not be written.
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    click.echo(json.dumps(document, indent=indent, ensure_ascii=not unicode))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; columns whose name begins with ``>`` are set to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Names and prompts are the user's: no markup, no emoji names in them.
    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else WIDE,
        markup=False,
        emoji=False,
        highlight=False,
    )
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column[:1] == ">" else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # Cells are padded to their column; nobody wants the blanks at the end of a line.
    with console.capture() as captured:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def price_range(least: int, most: int | None) -> str:
    """``20``, ``0–2``, or ``from 3`` where only the service knows the most."""
    if most is None:
        return f"from {least}"
    return str(least) if least == most else f"{least}–{most}"


def price_of(least: int, most: int | None) -> str:
    """The same with its unit."""
    return f"{price_range(least, most)} credit{'' if least == most == 1 else 's'}"


def size_of(size_bytes: int) -> str:
    """``0 bytes``, ``12 kB``, ``3.4 MB``: decimal units."""
    for unit, worth in (("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= worth:
            return f"{size_bytes / worth:.1f} {unit}"
    return f"{size_bytes / 1000:.0f} kB" if size_bytes >= 1000 else f"{size_bytes} bytes"
