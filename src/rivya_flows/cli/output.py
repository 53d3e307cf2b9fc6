"""Print: one JSON document or tables on stdout, messages on stderr.

All output of a command goes through this module, which escapes control characters (see
`rivya_client.printable`). Nothing else here prints.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click
from pydantic_core import to_jsonable_python

from rivya_client.printable import one_line, printable, printable_json
from rivya_flows.cli.layout import Cell, blocks, draw_table, excerpt, wrap_line
from rivya_flows.diagnostics import LINTS, Diagnostic
from rivya_flows.environment import variables
from rivya_flows.program import callable_here

if TYPE_CHECKING:  # imported where something is drawn
    from rich.live import Live

WIDE = 200  # columns of a table that is printed into a file or a pipe
_UNSIZED = 80  # columns of a terminal that reports none, as rich has it too


def prepare_streams() -> None:
    """Opens standard streams that the caller closed (``>&-``) as ``/dev/null``, lest the journal become one
    of them, and makes them print escapes for characters that the terminal cannot encode.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


_MEANINGS = {
    "green": ("completed", "cached"),
    "cyan": ("running", "hint"),
    "yellow": ("suspended", "waiting", "cancelled", "skipped", "warning", "note"),
    "red": ("failed", "killed", "error"),
}
COLOURS = {word: colour for colour, statuses in _MEANINGS.items() for word in statuses}
"""What a word means, in a table or before the first colon of a line."""


def tell(*lines: str, **style: Any) -> None:
    r"""Prints messages on stderr, in a style of click's; a line feed inside a line is shown as ``\n``."""
    for line in lines:
        click.echo(style_line(line, sys.stderr, **style), err=True, color=has_colours(sys.stderr))


def show(*lines: str, **style: Any) -> None:
    """Prints lines of the result, as `tell`, on stdout."""
    for line in lines:
        click.echo(style_line(line, sys.stdout, **style), color=has_colours(sys.stdout))


def show_verbatim(lines: Iterable[str]) -> None:
    """Prints lines on stdout for another program, such as a diff for `patch`; none is broken."""
    for line in lines:
        text = line.removesuffix("\r")
        click.echo(one_line(text) + line.removeprefix(text))


def show_markdown(lines: Iterable[str]) -> None:
    """Prints Markdown on stdout; `rivya_flows.markdown` made the texts of others in it harmless."""
    click.echo("\n".join(lines))


def style_line(line: str, stream: TextIO, **style: Any) -> str:
    """A line as a stream gets it; without a style of click's, the word before the first colon decides its colour."""
    text = callable_here(near_paths(one_line(line)))
    parts = wrap_line(text, columns_of(stream)) if stream.isatty() else [text]
    if draws(stream):
        parts = [_NAMED.sub(_add_link, part) for part in parts]
    if not has_colours(stream):
        return "\n".join(parts)
    if style:
        return "\n".join(click.style(part, **style) for part in parts)
    head, colon, rest = parts[0].partition(":")
    word = head.rpartition(" ")[2]
    if colon and word in COLOURS:
        parts[0] = click.style(head + colon, fg=COLOURS[word], bold=word == "error" or None) + rest
    return "\n".join(parts)


_NAMED = re.compile(r"https?://[^\s'\"`<>]*[\w/]|(?<![^\s(])[^\s'\"`:=]*/[^\s'\"`:=]*\w/?")
"""An address, or what may be the path of a file."""


def _add_link(found: re.Match[str]) -> str:
    """An address or a path as a link (OSC 8), which does not change its text."""
    text = target = found[0]
    if not text.startswith("http"):
        try:
            if not (path := Path(text).absolute()).exists():
                return text
        except OSError:  # the folder is gone, or no system has such a name
            return text
        target = path.as_uri()
    return f"\x1b]8;;{target}\x1b\\{text}\x1b]8;;\x1b\\"


def tell_problem(problem: Diagnostic) -> None:
    """Prints a mistake of a spec on stderr, in colour on a terminal that has it."""
    place, *rest = problem.lines
    hint = rest.pop() if problem.hint else None
    colour, coloured = "yellow" if problem.code in LINTS else "red", has_colours(sys.stderr)
    tell(place, fg=colour, bold=True)
    if rest:
        source, caret = map(one_line, rest)
        if sys.stderr.isatty():
            source, column = excerpt(source, len(caret) - 1, columns_of(sys.stderr))
            caret = " " * column + "^"
        click.echo(source, err=True)
        click.echo(click.style(caret, fg=colour, bold=True), err=True, color=coloured)
    if hint:
        tell(hint, fg="cyan")


def has_colours(stream: TextIO) -> bool:
    """Whether a stream gets colours, by ``NO_COLOR``, ``FORCE_COLOR`` and ``TERM=dumb``."""
    own = variables()
    if own.get("NO_COLOR"):
        return False
    return bool(own.get("FORCE_COLOR")) or (stream.isatty() and own.get("TERM") != "dumb")


def draws(stream: TextIO) -> bool:
    """Whether a stream is a terminal on which a table can be redrawn."""
    return stream.isatty() and variables().get("TERM") != "dumb"


def near_paths(line: str) -> str:
    """A line in which paths below the current folder are relative to it."""
    try:
        folder = f"{Path.cwd()}/"
    except OSError:  # it is gone
        return line
    if folder == "//" or folder not in line:
        return line
    return re.sub(rf"""(?<![^\s"'(`]){re.escape(folder)}(?=[^\s/])""", "", line)


def columns_of(stream: TextIO) -> int:
    """Columns of the terminal of a stream, which ``COLUMNS`` overrides."""
    if (wanted := variables().get("COLUMNS", "")).isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _UNSIZED
    except (OSError, ValueError):
        return WIDE


def prompt(text: str) -> None:
    """Prints a prompt on stderr."""
    click.echo(style_line(text.rstrip(), sys.stderr) + " ", err=True, nl=False)


def show_cursor() -> None:
    """Shows the cursor of the terminal again, below a live table that ends without its own end."""
    if draws(sys.stderr):
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
    """Prints the one document of ``--json``; a dataclass or a model in it is the map of its fields."""
    # Escapes instead of letters where the letters could not be written.
    unicode = (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
    text = json.dumps(document, indent=indent, ensure_ascii=not unicode, default=to_jsonable_python)
    click.echo(printable_json(text))


def show_result(*lines: str, document: Any, as_json: bool) -> None:
    """Prints the document of ``--json``, or lines for people."""
    if as_json:
        print_json(document)
    else:
        show(*lines)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Prints a table; columns as of `draw_table`. A terminal that is too narrow gets blocks of lines."""
    coloured = has_colours(sys.stdout)
    for width in (columns_of(sys.stdout),) if sys.stdout.isatty() else (WIDE, sys.maxsize):
        if lines := draw_table(columns, rows, width, coloured=coloured):
            click.echo("\n".join(lines), color=coloured)
            return
    show(*blocks(columns, rows))


def live(render: Callable[[int], Iterable[str]]) -> Live:
    """A display on stderr of the lines for so many lines of a terminal, asked for again and again."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    # Names and prompts are the user's: no markup, no emoji names in them.
    console = Console(
        stderr=True,
        force_terminal=True,
        color_system="auto" if has_colours(sys.stderr) else None,
        markup=False,
        emoji=False,
        highlight=False,
    )
    return Live(
        console=console,
        get_renderable=lambda: Text.from_ansi("\n".join(render(console.height))),
        refresh_per_second=4,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def print_above(live: Live, line: str) -> None:
    """Prints a line above a live display."""
    from rich.text import Text

    live.console.print(Text.from_ansi(style_line(line, sys.stderr)), soft_wrap=True)
