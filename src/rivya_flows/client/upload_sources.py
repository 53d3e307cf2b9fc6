"""The source of an upload: bytes, a file, or an open stream."""

from __future__ import annotations

import asyncio
import inspect
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from rivya_flows.errors import MediaError, UsageError
from rivya_flows.mime_types import HEAD_BYTES

_PIECE_BYTES = 2**20


class Readable(Protocol):
    """An open binary file or stream, with a synchronous or asynchronous `read`."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]:
        """At most `size` bytes; empty at the end."""
        ...


@dataclass(frozen=True)
class UploadSource:
    """Bytes that can be sent again.

    Attributes:
        content: The bytes, or an open file of ours.
        head: The first `HEAD_BYTES` of them.
        size_bytes: Their number.
    """

    content: bytes | IO[bytes]
    head: bytes
    size_bytes: int


@asynccontextmanager
async def repeatable(
    content: bytes | Path | Readable, where: str, max_bytes: int | None
) -> AsyncIterator[UploadSource]:
    """The content with its size and first bytes, to be read any number of times.

    A stream is copied from its current position to a temporary file, which is removed at the end:
    it can be checked first and sent again after a failure.

    It is not closed, and one longer than `max_bytes` (None: no limit) is not read to its end.

    Raises:
        MediaError: It cannot be read, or a stream is longer than `max_bytes`.
        UsageError: It is none of the three, or there is no space for a copy.
    """
    if isinstance(content, bytes):
        yield UploadSource(content, content[:HEAD_BYTES], len(content))
    elif isinstance(content, Path):
        with await asyncio.to_thread(_opened, content) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            yield UploadSource(file, await asyncio.to_thread(file.read, HEAD_BYTES), size_bytes)
    elif hasattr(content, "read"):
        with tempfile.TemporaryFile() as copy:
            size_bytes = await _copy(content, copy, where, max_bytes)
            copy.seek(0)
            yield UploadSource(copy, copy.read(HEAD_BYTES), size_bytes)
    else:
        raise UsageError(
            f"{where}: is neither bytes nor a path nor an open file: {type(content)!r}",
            "pass a pathlib.Path for the name of a file",
        )


def _opened(path: Path) -> IO[bytes]:
    try:
        # Without the flag, a pipe without a writer would block.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as exc:
        raise MediaError(f"{path}: cannot be read: {exc.strerror}") from exc
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    raise MediaError(
        f"{path}: cannot be read: it is not a regular file", "open it and pass the open file"
    )


async def _copy(stream: Readable, copy: IO[bytes], where: str, max_bytes: int | None) -> int:
    size_bytes = 0
    while piece := await _piece(stream, where):
        size_bytes += len(piece)
        if max_bytes is not None and size_bytes > max_bytes:
            raise MediaError(
                f"{where}: longer than the limit of {max_bytes} bytes", "nothing was sent"
            )
        try:
            await asyncio.to_thread(copy.write, piece)
        except OSError as exc:
            raise UsageError(
                f"{where}: no space for a copy: {exc.strerror}", "free some space, then try again"
            ) from exc
    return size_bytes


async def _piece(stream: Readable, where: str) -> bytes:
    try:
        if inspect.iscoroutinefunction(stream.read):
            piece: Any = await stream.read(_PIECE_BYTES)
        else:
            # A file on a slow disk must not block the event loop.
            piece = await asyncio.to_thread(stream.read, _PIECE_BYTES)
            piece = await piece if inspect.isawaitable(piece) else piece
    except (OSError, ValueError) as exc:  # a closed file raises the latter
        raise MediaError(f"{where}: cannot be read: {exc}") from exc
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise UsageError(
        f"{where}: gives {type(piece).__name__}, not bytes", "open the file in binary mode"
    )
