"""Decodes server-sent events; nothing here waits.

Source: the HTML standard, "Server-sent events", without the parts for browsers.
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
        name: Its ``event:`` field, or empty.
        data: Its ``data:`` lines, joined by line feeds; may be empty.
    """

    name: str
    data: str


class EventDecoder:
    """Takes bytes in pieces, cut anywhere, and returns whole events.

    Lines end with CR, LF or both and with nothing else: JSON may contain U+2028.

    Attributes:
        lines: Lines so far, empty ones too.
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
        """The last event if no empty line closed it; call it after the last byte."""
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
