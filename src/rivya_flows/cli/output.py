"""Print: one JSON document or tables on stdout, messages on stderr.

All output of a command goes through this module, which escapes control characters (see
`rivya_flows.printable`). Nothing else here prints.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

import click

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.environment import variables
from rivya_flows.printable import one_line, printable, printable_json

if TYPE_CHECKING:  # imported where something is drawn
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE = 200
"""Columns of a table that is printed into a file or a pipe."""


def tolerate_narrow_terminals() -> None:
    """Prints escapes for characters that the terminal cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def fill_closed_streams() -> None:
    """Opens standard streams that the caller closed (``>&-``) as ``/dev/null``.

    Otherwise the next file that is opened, such as the journal, becomes standard output.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def tell(*lines: str) -> None:
    r"""Prints messages on stderr; a line feed inside a line is shown as ``\n``."""
    for line in lines:
        click.echo(one_line(line), err=True)


def show(*lines: str) -> None:
    r"""Prints lines of the result, on stdout; a line feed inside a line is shown as ``\n``."""
    for line in lines:
        click.echo(one_line(line))


def tell_problem(problem: Diagnostic) -> None:
    """Prints a mistake of a spec on stderr, in colour on a terminal that has it."""
    place, *rest = problem.lines
    tell_styled(place, bold=True)
    for line in rest:
        if line.strip() == "^":
            tell_styled(line, fg="red", bold=True)
        elif line is rest[-1] and problem.hint:
            tell_styled(line, fg="cyan")
        else:
            tell(line)


def tell_styled(line: str, **style: Any) -> None:
    """Prints a line on stderr, in a style of click's where stderr shows colours."""
    shown = one_line(line)
    click.echo(click.style(shown, **style) if _has_colours(sys.stderr) else shown, err=True)


def show_styled(line: str, **style: Any) -> None:
    """Prints a line of the result, in a style of click's where stdout shows colours."""
    shown = one_line(line)
    click.echo(click.style(shown, **style) if _has_colours(sys.stdout) else shown)


def _has_colours(stream: TextIO) -> bool:
    environment = variables()
    wanted = not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"
    return wanted and stream.isatty()


def located(label: str, path: object, *, stderr: bool = False) -> tuple[str, ...]:
    """A label with a path, which no terminal breaks if there is a way; other text stays as it is.

    On a terminal without room for both: from the current folder, then on a line of its own.
    """
    stream = sys.stderr if stderr else sys.stdout
    whole = f"{label}{path}"
    fits = not stream.isatty() or len(whole) <= (columns := _columns(stream))
    if fits or not Path(str(path)).is_absolute():
        return (whole,)
    with contextlib.suppress(ValueError):  # it is elsewhere
        path = Path(str(path)).relative_to(Path.cwd())
    near = f"{label}{path}"
    return (near,) if len(near) <= columns else (label.rstrip(), f"    {path}")


def is_wide(columns: int) -> bool:
    """Whether stdout is no terminal, or one with so many columns."""
    return not sys.stdout.isatty() or _columns(sys.stdout) >= columns


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDE
    except (OSError, ValueError):
        return WIDE


def prompt(words: str) -> None:
    """Prints a prompt on stderr."""
    click.echo(one_line(words), err=True, nl=False)


def show_cursor() -> None:
    """Shows the cursor of the terminal again, below a live table that ends without its own end."""
    if sys.stderr.isatty():
        click.echo("\x1b[?25h", err=True)


def tell_traceback(error: BaseException) -> None:
    """Prints a traceback on stderr."""
    for part in traceback.format_exception(error):
        tell(*part.rstrip("\n").split("\n"))


class _Inert(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        return one_line(super().formatMessage(record))


def log_handler(layout: str = "%(message)s", level: int = logging.NOTSET) -> logging.Handler:
    """A handler that writes records to stderr, each message on one line."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    handler.setFormatter(_Inert(layout))
    return handler


def print_json(document: Any, *, indent: int | None = 2) -> None:
    """Prints the one document of ``--json``."""
    # Escapes instead of letters where the letters could not be written.
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(document, indent=indent, ensure_ascii=not unicode)
    click.echo(printable_json(text))


MOST_DRAWN = 1_000
"""Rows of a table that rich draws."""

Cell = str | tuple[str, str]
"""Words, or words and a style of rich such as ``green``."""


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Prints a table; columns as of `table`.

    More than `MOST_DRAWN` rows are neither styled nor wrapped: rich takes a millisecond for each.
    """
    if len(rows) > MOST_DRAWN:
        click.echo("\n".join(_plain(columns, rows)))
        return
    out = console(width=None if sys.stdout.isatty() else WIDE)
    # Cells are padded to their column; nobody wants the blanks at the end of a line.
    with out.capture() as captured:
        out.print(table(rows, columns))
    click.echo("\n".join(line.rstrip() for line in captured.get().split("\n")[:-1]))


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    from rich.cells import cell_len

    right = [column.startswith(">") for column in columns]
    lines = [[column.lstrip(">!") for column in columns]]
    lines += [
        [one_line(cell if isinstance(cell, str) else cell[0]) for cell in row] for row in rows
    ]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        blanks = [" " * (width - cell_len(text)) for text, width in zip(line, widths, strict=True)]
        parts = zip(line, blanks, right, strict=True)
        set_out = (blank + text if to_right else text + blank for text, blank, to_right in parts)
        yield "  ".join(set_out).rstrip()


def console(*, stderr: bool = False, width: int | None = None) -> Console:
    """Where rich draws; names and prompts are the user's: no markup, no emoji names in them."""
    from rich.console import Console

    return Console(
        file=sys.stderr if stderr else sys.stdout,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
    )


def table(rows: Iterable[Sequence[Cell]], columns: Sequence[str] = ()) -> Table:
    """A table without borders, one line of text in each cell; no columns: no head.

    Columns whose name begins with ``>`` are set to the right; those with ``!`` are cut last.
    """
    from rich.table import Table

    drawn = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="bold",
        show_header=bool(columns),
    )
    for column in columns:
        side: Literal["right", "left"] = "right" if column[:1] == ">" else "left"
        drawn.add_column(column.lstrip(">!"), justify=side, no_wrap=column[:1] == "!")
    for row in rows:
        drawn.add_row(*map(drawable, row))
    return drawn


def drawable(cell: Cell) -> Text:
    """A cell, or a line, as rich draws it."""
    from rich.text import Text

    words, style = (cell, "") if isinstance(cell, str) else cell
    return Text(one_line(words), style=style)


def size_of(size_bytes: int) -> str:
    """``0 bytes``, ``12 kB``, ``3.4 MB``: decimal units."""
    for unit, worth in (("GB", 10**9), ("MB", 10**6)):
        if size_bytes >= worth:
            return f"{size_bytes / worth:.1f} {unit}"
    return f"{size_bytes / 1000:.0f} kB" if size_bytes >= 1000 else f"{size_bytes} bytes"
