"""Server-sent events out of bytes; nothing here waits.

Source: the HTML standard, "Server-sent events"; what it leaves to a browser is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ServerEvent:
    """One event.

    Attributes:
        name: ``event:`` of it, or empty.
        data: Its ``data:`` lines, joined by line feeds; may be empty.
    """

    name: str
    data: str


class EventDecoder:
    """Takes bytes as they come, cut anywhere, and gives the events that are whole.

    Lines end with CR, LF or both and with nothing else: JSON may hold U+2028 as it is.

    Attributes:
        lines: How many lines have ended, empty ones too.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._line = bytearray()
        self._after_cr = False
        self._first = True
        self._name = ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that end in this piece."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        *ends, rest = _LINE_END.split(piece)
        self.lines += len(ends)
        for end in ends:
            self._line += end
            yield from self._take_line()
        self._line += rest

    def flush(self) -> Iterator[ServerEvent]:
        """The event that was not closed by an empty line, if there is one; the bytes are over."""
        if self._line:
            yield from self._take_line()
        yield from self._close()

    def _take_line(self) -> Iterator[ServerEvent]:
        line = bytes(self._line).removeprefix(_BOM if self._first else b"")
        self._line.clear()
        self._first = False
        if not line:
            yield from self._close()
            return
        field, _, value = line.decode(errors="replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            self._name = value.strip()
        elif field == "data":
            self._data.append(value)
        # An empty field is a comment; `id` and `retry` are for browsers.

    def _close(self) -> Iterator[ServerEvent]:
        if self._name or self._data:
            yield ServerEvent(self._name, "\n".join(self._data))
        self._name = ""
        self._data = []
