"""Byte ranges that browsers ask for, as when a person seeks in a film."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class UnsatisfiableError(Exception):
    """The range starts behind the end of the file."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes from `start` up to, but not including, `stop`."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Its length in bytes."""
        return self.stop - self.start


def asked_part(header: str | None, size: int) -> ByteRange | None:
    """The part that a ``Range`` header asks for; None for the whole file.

    Several ranges, other units and invalid values ask for the whole file, as RFC 9110, section
    14.2, allows.

    Args:
        header: Its value, or None.
        size: Of the file, in bytes.

    Raises:
        UnsatisfiableError: No byte of the file is in the range.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        last = int(match[2])
        if last == 0 or size == 0:
            raise UnsatisfiableError
        return ByteRange(max(0, size - last), size)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None  # invalid, so the header is ignored
    if start >= size:
        raise UnsatisfiableError
    return ByteRange(start, min(size, int(match[2]) + 1) if match[2] else size)
