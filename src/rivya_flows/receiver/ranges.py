"""Which bytes of a file a browser asks for, as it does when a person moves about in a film."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class UnsatisfiableError(Exception):
    """The range begins behind the end of the file."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` to ahead of `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many."""
        return self.stop - self.start


def asked_part(header: str | None, size: int) -> ByteRange | None:
    """The part that a ``Range`` header asks for; None where the whole file is to be sent.

    Several ranges, other units and what cannot be read ask for the whole, as RFC 9110, section
    14.2, allows.

    Args:
        header: Its value, or None.
        size: Of the file, in bytes.

    Raises:
        UnsatisfiableError: No byte of the file is in the range.
    """
    told = _RANGE.fullmatch(header.strip()) if header else None
    if told is None or not (told[1] or told[2]):
        return None
    if not told[1]:
        last = int(told[2])
        if last == 0 or size == 0:
            raise UnsatisfiableError
        return ByteRange(max(0, size - last), size)
    start = int(told[1])
    if told[2] and int(told[2]) < start:
        return None  # no range at all, so the header counts for nothing
    if start >= size:
        raise UnsatisfiableError
    return ByteRange(start, min(size, int(told[2]) + 1) if told[2] else size)
