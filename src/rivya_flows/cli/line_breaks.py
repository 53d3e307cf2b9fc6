"""Break lines for a terminal of some width; pure.

Lines break at blanks only. A longer word, such as a path or an address, stays whole: the terminal
continues it on the next line, and it pastes as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_INDENT = "    "
_COMMAND = re.compile(r"(?:^|(?<=[:;] )|(?<=  ))(?:'[^']*bin/|[^\s'`]*bin/)?rivya-flows'? .*")
"""A command to copy, by its name or path: the rest of its line."""

_ARGUMENT = re.compile(r"""#.*|(?:[^\s'"]|'[^']*'|"[^"]*"|['"])+""")
"""One word of a command for a shell, or its comment."""

_WORD = re.compile(r"(?:[^\s`]|`[^`]*`|`)+")
"""What is between backticks is one word: people copy it."""

_GAP = re.compile(r"\S {2,}(?=\S)")
"""Between two columns of a line."""


def width_of(text: str) -> int:
    """Columns of a text in a terminal."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def broken(line: str, columns: int) -> list[str]:
    """A line as lines that fit, each further one below the text of the first.

    A command at the end of the line gets a line of its own, and breaks with a backslash, so that
    all of it pastes.
    """
    if width_of(line) <= columns:
        return [line]
    if found := _COMMAND.search(line):
        before, command = line[: found.start()].rstrip(), found.group()
        indent = _leading(line) if not before else _leading(line) + _INDENT
        head = broken(before, columns) if before else []
        return [
            *head,
            *_lines(_ARGUMENT.findall(command), indent, indent + _INDENT, columns, " \\"),
        ]
    begins = _text_column(line, columns)
    further = min(width_of(line[:begins]), columns // 2)
    return list(_lines(_WORD.findall(line[begins:]), line[:begins], " " * further, columns))


def excerpt(source: str, column: int, columns: int) -> tuple[str, int]:
    """The part of a line of a file that fits around one of its columns, and that column in it."""
    if width_of(source) <= columns:
        return source, column
    start = max(0, min(column - columns // 2, len(source) - columns + 2))
    text = source[start : start + columns - 2]
    before, after = "…" if start else "", "…" if start + len(text) < len(source) else ""
    return before + text + after, column - start + len(before)


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _text_column(line: str, columns: int) -> int:
    """Where the text of a line begins: behind its indent, or its last column if there is room."""
    gaps = [found.end() for found in _GAP.finditer(line) if found.end() <= columns // 2]
    return gaps[-1] if gaps else len(_leading(line))


def _lines(
    words: Sequence[str], first: str, further: str, columns: int, mark: str = ""
) -> Iterator[str]:
    """Words as lines; a line that another one follows ends with the mark."""
    line, empty = first, True
    for index, word in enumerate(words, start=1):
        more = mark if index < len(words) else ""
        blank = "" if empty else " "
        if width_of(line + blank + word + more) <= columns:
            line += blank + word
        else:
            if line.strip():
                yield line.rstrip() + ("" if empty else mark)
            # Below the beginning of the line, if that makes room for all of it.
            room = max(0, columns - width_of(word + more))
            further = further if len(further) <= room else _INDENT[:room]
            line = further + word
        empty = False
    yield line
