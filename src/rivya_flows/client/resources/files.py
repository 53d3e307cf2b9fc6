"""Reference files: what a job is to look at or listen to."""

from __future__ import annotations

import logging
import mimetypes
from pathlib import Path, PurePath
from typing import get_args

from rivya_flows.client.media_types import BY_DEFAULT, BY_SOME_MODEL, Accepted, checked_media_type
from rivya_flows.client.transport.requests import Form, path_of
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.upload_sources import Readable, repeatable
from rivya_flows.client.wire.api_objects import File, MediaKind
from rivya_flows.errors import UsageError

logger = logging.getLogger("rivya_flows.files")

LONGEST_REQUEST_ID = 128  # characters; contract, section 5


class Files:
    """Uploads reference files. Free, and it starts no job."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upload(
        self,
        content: bytes | Path | Readable,
        *,
        kind: MediaKind,
        name: str | None = None,
        mime_type: str | None = None,
        model: str | None = None,
        accepted: Accepted | None = None,
        client_request_id: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> File:
        """The file as the service keeps it; size and signature are checked before it is sent.

        Args:
            content: The bytes, where they lie, or an open binary file or stream, synchronous or
                not. A stream is read from where it stands, copied to a temporary file so that it
                can be sent again, and left open.
            kind: What it is.
            name: File name to send; None takes the path's or the file's, or the kind.
            mime_type: Media type to send; None takes that of the signature.
            model: The model it is for, whose own limits the service then checks at once.
            accepted: What is checked here; None is the service's default, or with a `model` the
                most that any model takes.
            client_request_id: Trace id of the caller, at most 128 characters.
            retry: None takes the client's.

        Raises:
            MediaError: The file cannot be read, is empty, too large or of another type.
            UsageError: `client_request_id` is too long, `kind` is none, or `content` gives no bytes.
            APIStatusError: The service refused the file.
            APIConnectionError: No readable answer came.

        Source: ``POST /api/v1/files``.
        """
        if client_request_id is not None and len(client_request_id) > LONGEST_REQUEST_ID:
            raise UsageError(
                f"client_request_id: {len(client_request_id)} characters,"
                f" at most {LONGEST_REQUEST_ID}"
            )
        if kind not in get_args(MediaKind):
            raise UsageError(f"kind: {kind!r} is none of {', '.join(get_args(MediaKind))}")
        # A name on disk may be no text; what of it is none becomes "?".
        name = (name or _name_of(content) or kind).encode(errors="replace").decode()
        accepted = accepted or (BY_SOME_MODEL if model else BY_DEFAULT)[kind]
        fields = {"kind": kind, "model": model, "client_request_id": client_request_id}
        told = {key: value for key, value in fields.items() if value is not None}
        async with repeatable(content, name, accepted.max_bytes) as source:
            found = checked_media_type(name, source.head, source.size_bytes, kind, accepted)
            _warn_between_two_megabytes(name, source.size_bytes, accepted)
            form = Form(source.content, name, mime_type or found or _guessed(name), told)
            return await self._transport.upload("/api/v1/files", form, File, retry=retry)

    async def retrieve(self, file_id: str, *, retry: RetryPolicy | None = None) -> File:
        """A file that was uploaded by this account.

        Raises:
            APIStatusError: 404 if there is none, or it is another account's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/files/{fileId}``.
        """
        return await self._transport.get(path_of("files", file_id), File, retry=retry)


def _name_of(content: bytes | Path | Readable) -> str | None:
    name = getattr(content, "name", None)  # of an open file it may be a number
    return PurePath(name).name if isinstance(name, str) else None


def _guessed(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _warn_between_two_megabytes(name: str, size_bytes: int, accepted: Accepted) -> None:
    """Whether the service's MB are 2^20 bytes or 10^6 is not documented."""
    if accepted.max_bytes is not None and size_bytes > accepted.max_bytes / 2**20 * 10**6:
        logger.warning(
            "%s: %d bytes; if the service counts a MB as 10^6 bytes it will refuse it",
            name,
            size_bytes,
        )
