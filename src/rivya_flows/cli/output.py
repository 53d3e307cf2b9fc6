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


COLOURS = {
    "completed": "green",
    "running": "cyan",
    "suspended": "yellow",
    "cancelled": "yellow",
    "failed": "red",
    "killed": "red",
    "error": "red",
    "warning": "yellow",
    "note": "yellow",
    "hint": "cyan",
}
"""What a word means, in a table or before the colon that a line begins with."""


def tell(*lines: str) -> None:
    r"""Prints messages on stderr; a line feed inside a line is shown as ``\n``."""
    for line in lines:
        _echo(line, sys.stderr)


def show(*lines: str, **style: Any) -> None:
    r"""Prints lines of the result, on stdout; a line feed inside a line is shown as ``\n``.

    `style` is one of click's, for terminals.
    """
    for line in lines:
        _echo(line, sys.stdout, **style)


def show_diff(lines: Iterable[str]) -> None:
    """Prints a diff on stdout as `patch` reads it: a line ends as that of its file."""
    for line in lines:
        text = line.removesuffix("\r")
        click.echo(one_line(text) + line.removeprefix(text))


def _echo(line: str, stream: TextIO, **style: Any) -> None:
    shown = one_line(line)
    coloured = has_colours(stream)
    word, colon, rest = shown.partition(":")
    if coloured and style:
        shown = click.style(shown, **style)
    elif coloured and colon and word in COLOURS:
        shown = click.style(word + colon, fg=COLOURS[word], bold=word == "error" or None) + rest
    click.echo(shown, err=stream is sys.stderr, color=coloured)


def tell_problem(problem: Diagnostic) -> None:
    """Prints a mistake of a spec on stderr, in colour on a terminal that has it."""
    place, *rest = problem.lines
    if has_colours(sys.stderr) and place.endswith(code := f" [{problem.code}]"):
        place = click.style(one_line(place.removesuffix(code)), bold=True)
        click.echo(place + click.style(code, fg="red"), err=True, color=True)
    else:
        tell(place)
    for line in rest:
        if line.strip() == "^":
            tell_styled(line, fg="red", bold=True)
        elif line is rest[-1] and problem.hint:
            tell_styled(line, fg="cyan")
        else:
            tell(line)


def tell_styled(line: str, **style: Any) -> None:
    """Prints a line on stderr, in a style of click's where stderr shows colours."""
    _echo(line, sys.stderr, **style)


def has_colours(stream: TextIO) -> bool:
    """Whether colours go there: to terminals, unless ``NO_COLOR`` or ``TERM=dumb`` is set; with
    ``FORCE_COLOR`` also to pipes and files.
    """
    own = variables()
    if own.get("NO_COLOR"):
        return False
    return bool(own.get("FORCE_COLOR")) or (stream.isatty() and own.get("TERM") != "dumb")


def located(label: str, path: object, *, stderr: bool = False) -> tuple[str, ...]:
    """A label with a path, which no terminal breaks if there is a way; other text stays as it is.

    On a terminal shortened by `near`, and on its own line if there is no room for both.
    """
    stream = sys.stderr if stderr else sys.stdout
    if not stream.isatty() or not Path(str(path)).is_absolute():
        return (f"{label}{path}",)
    whole = f"{label}{near(path, stream)}"
    fits = len(whole) <= _columns(stream)
    return (whole,) if fits else (label.rstrip(), f"    {near(path, stream)}")


def near(path: object, stream: TextIO) -> str:
    """A path on a terminal: from the current folder if it is below it. In a pipe it stays whole."""
    found = Path(str(path))
    with contextlib.suppress(ValueError, OSError):  # it is elsewhere
        if stream.isatty():
            return str(found.relative_to(Path.cwd()))
    return str(path)


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
        out.print(table(*_fitting(columns, rows, out.width)))
    drawn = "\n".join(line.rstrip() for line in captured.get().split("\n")[:-1])
    click.echo(drawn, color=has_colours(sys.stdout))


def _fitting(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], width: int
) -> tuple[list[list[Cell]], list[str]]:
    """Rows and columns without those that may be left out, from the right, until the rest fits."""
    from rich.cells import cell_len

    kept = list(range(len(columns)))
    wide = [
        max(cell_len(one if isinstance(one, str) else one[0]) for one in column)
        for column in zip([name.lstrip(">!?") for name in columns], *rows, strict=True)
    ]
    while sum(wide[one] for one in kept) + 2 * (len(kept) - 1) > width:
        spare = [one for one in kept if "?" in columns[one][:2]]
        if not spare:
            break
        kept.remove(spare[-1])
    return [[row[one] for one in kept] for row in rows], [columns[one] for one in kept]


def _plain(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    from rich.cells import cell_len

    right = [">" in column[:2] for column in columns]
    lines = [[column.lstrip(">!?") for column in columns]]
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

    stream = sys.stderr if stderr else sys.stdout
    coloured = has_colours(stream)
    return Console(
        file=stream,
        width=width,
        # FORCE_COLOR alone makes no terminal, on which rich would draw again and again.
        force_terminal=stream.isatty(),
        color_system=("auto" if stream.isatty() else "standard") if coloured else None,
        markup=False,
        emoji=False,
        highlight=False,
    )


def table(rows: Iterable[Sequence[Cell]], columns: Sequence[str] = ()) -> Table:
    """A table without borders, one line of text in each cell; no columns: no head.

    Columns whose name begins with ``>`` are set to the right, and like those with ``!`` cut last;
    `print_table` leaves out those with ``?`` where a terminal has no room.
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
        side: Literal["right", "left"] = "right" if ">" in column[:2] else "left"
        whole = {">", "!"} & {*column[:2]}
        name = column.lstrip(">!?")
        # A long word is continued on the next line: nothing is lost.
        drawn.add_column(name, justify=side, no_wrap=bool(whole), overflow="fold")
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
