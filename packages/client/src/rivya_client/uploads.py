"""What is uploaded: its source, its MIME type by the first bytes, and the limits of the service.

Source: contract, section 5. The service checks the signature too, so a wrong file is refused here
before it is sent.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import mimetypes
import os
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any, Protocol, get_args

from rivya_client.errors import MediaError, UsageError
from rivya_client.mime_types import HEAD_BYTES, MediaKind, mime_type_of_head
from rivya_client.options import Form

logger = logging.getLogger("rivya_client.files")

_MB = 2**20  # or 10**6: not documented; the larger one refuses no good file
_PIECE_BYTES = 2**20


@dataclass(frozen=True)
class Accepted:
    """Limits of a file.

    Attributes:
        max_bytes: Largest size; None is any.
        mime_types: By signature; empty is any, unknown ones too.
    """

    max_bytes: int | None
    mime_types: tuple[str, ...] = ()


_IMAGES = ("image/jpeg", "image/png", "image/webp")
_VIDEOS = ("video/mp4", "video/quicktime", "video/webm")
_AUDIO = ("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg")

BY_DEFAULT: Mapping[MediaKind, Accepted] = {
    "image": Accepted(10 * _MB, _IMAGES),
    "video": Accepted(50 * _MB, _VIDEOS),
    "audio": Accepted(10 * _MB, _AUDIO),
}
"""For a file without a model."""

BY_SOME_MODEL: Mapping[MediaKind, Accepted] = {
    "image": Accepted(30 * _MB, _IMAGES),
    "video": Accepted(95 * _MB, (*_VIDEOS, "video/x-matroska")),
    "audio": Accepted(10 * _MB, _AUDIO),
}
"""The largest known limits of any model; the service checks those of the model."""


class Readable(Protocol):
    """An open binary file or stream, with a synchronous or asynchronous `read`."""

    def read(self, size: int, /) -> bytes | Awaitable[bytes]:
        """At most `size` bytes; empty at the end."""
        ...


def check_kind(kind: str) -> None:
    """Refuses what is not a media kind, with a UsageError."""
    if kind not in get_args(MediaKind):
        raise UsageError(f"kind: {kind!r} is not one of {', '.join(get_args(MediaKind))}")


@asynccontextmanager
async def form_of(
    content: bytes | Path | Readable,
    kind: MediaKind,
    name: str | None,
    mime_type: str | None,
    accepted: Accepted | None,
    fields: Mapping[str, str],
) -> AsyncIterator[Form]:
    """The checked form of an upload; for the arguments and errors see `Files.upload`."""
    check_kind(kind)
    # A file name may not be valid text; its other bytes become "?".
    own = getattr(content, "name", None)  # of an open file it may be a number
    name = name or (PurePath(own).name if isinstance(own, str) else None) or kind
    name = name.encode(errors="replace").decode()
    limits = accepted or (BY_SOME_MODEL if "model" in fields else BY_DEFAULT)[kind]
    async with _repeatable(content, name, limits.max_bytes) as (source, head, size_bytes):
        found = checked_media_type(name, head, size_bytes, kind, limits)
        if limits.max_bytes is not None and size_bytes > limits.max_bytes / _MB * 10**6:
            message = "%s: %d bytes; the service refuses it if its MB are 10^6 bytes"
            logger.warning(message, name, size_bytes)
        guessed = mimetypes.guess_type(name)[0] or "application/octet-stream"
        yield Form(source, name, mime_type or found or guessed, fields)


def checked_media_type(
    where: str, head: bytes, size_bytes: int, kind: MediaKind, accepted: Accepted
) -> str | None:
    """The MIME type of a file within its limits; None if unknown and any type is accepted."""
    if size_bytes == 0:
        raise MediaError(f"{where}: is empty", "nothing was sent")
    if accepted.max_bytes is not None and size_bytes > accepted.max_bytes:
        raise MediaError(
            f"{where}: {size_bytes} bytes, at most {accepted.max_bytes} are accepted",
            "make it smaller; if the model accepts more, pass accepted=",
        )
    found = media_type_of(head, kind)
    names = {found, "audio/x-wav"} if found == "audio/wav" else {found}
    if accepted.mime_types and names.isdisjoint(accepted.mime_types):
        raise MediaError(
            f"{where}: is {found or 'not a known media type'},"
            f" accepted for {kind} are {', '.join(accepted.mime_types)}",
            "convert it; if the model accepts this type, pass accepted=",
        )
    return found


def media_type_of(head: bytes, kind: MediaKind) -> str | None:
    """The MIME type by the first `HEAD_BYTES` of a file; None if unknown.

    `kind` decides for a container that may hold video or only audio.
    """
    found = mime_type_of_head(head)
    if kind == "audio" and found == "video/mp4":
        return "audio/mp4"  # its brand does not say whether there is a picture
    return found


@asynccontextmanager
async def _repeatable(
    content: bytes | Path | Readable, where: str, max_bytes: int | None
) -> AsyncIterator[tuple[bytes | IO[bytes], bytes, int]]:
    """The content, to be read any number of times, its first `HEAD_BYTES` and its size.

    A stream is copied from its current position to a temporary file, which is removed at the end:
    it can be checked first and sent again after a failure. It is not closed, and one longer than
    `max_bytes` (None: no limit) is not read to its end.
    """
    if isinstance(content, bytes):
        yield content, content[:HEAD_BYTES], len(content)
    elif isinstance(content, Path):
        with await asyncio.to_thread(_open, content) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            yield file, await asyncio.to_thread(file.read, HEAD_BYTES), size_bytes
    elif hasattr(content, "read"):
        with tempfile.TemporaryFile() as copy:
            size_bytes = await _copy(content, copy, where, max_bytes)
            copy.seek(0)
            yield copy, copy.read(HEAD_BYTES), size_bytes
    else:
        raise UsageError(
            f"{where}: is neither bytes nor a path nor an open file: {type(content)!r}",
            "pass a pathlib.Path for the name of a file",
        )


def _open(path: Path) -> IO[bytes]:
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
