"""Reference files: media that a job uses as input."""

from __future__ import annotations

import logging
import mimetypes
from pathlib import Path, PurePath
from typing import Unpack

from rivya_flows.client.media_types import (
    BY_DEFAULT,
    BY_SOME_MODEL,
    Accepted,
    check_kind,
    checked_media_type,
)
from rivya_flows.client.resources.resource import M, Resource, api_call
from rivya_flows.client.transport.request_options import RequestOptions
from rivya_flows.client.transport.requests import Form, path_of
from rivya_flows.client.upload_sources import Readable, repeatable
from rivya_flows.client.wire.api_objects import File, MediaKind
from rivya_flows.errors import UsageError

logger = logging.getLogger("rivya_flows.files")

MAX_REQUEST_ID_LENGTH = 128  # characters; contract, section 5


class Files(Resource[M]):
    """Uploads reference files, for free."""

    @api_call
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
        **options: Unpack[RequestOptions],
    ) -> File:
        """The uploaded file; size and signature are checked before it is sent.

        Args:
            content: The bytes, their path, or an open binary file or stream, synchronous or
                asynchronous. A stream is read from its current position, copied to a temporary
                file so that it can be sent again, and left open.
            kind: What it is.
            name: File name to send; None is that of the path or file, else the kind.
            mime_type: Media type to send; None is that of the signature.
            model: The model that it is for; the service then checks the limits of that model.
            accepted: The limits that the client checks; None is the service's default, or with a
                `model` the largest of any model.
            client_request_id: Trace id of the caller, at most 128 characters.
            options: See `RequestOptions`.

        Raises:
            MediaError: The file cannot be read, is empty, too large or of another type.
            UsageError: `client_request_id` is too long, `kind` is not a media kind, or `content`
                does not give bytes.
            APIStatusError: The service refused the file.
            APIConnectionError: No readable answer arrived.

        Source: ``POST /api/v1/files``.
        """
        if client_request_id is not None and len(client_request_id) > MAX_REQUEST_ID_LENGTH:
            raise UsageError(
                f"client_request_id: {len(client_request_id)} characters,"
                f" at most {MAX_REQUEST_ID_LENGTH}"
            )
        check_kind(kind)
        # A file name may not be valid text; its other bytes become "?".
        name = (name or _name_of(content) or kind).encode(errors="replace").decode()
        accepted = accepted or (BY_SOME_MODEL if model else BY_DEFAULT)[kind]
        fields = {"kind": kind, "model": model, "client_request_id": client_request_id}
        sent = {key: value for key, value in fields.items() if value is not None}
        async with repeatable(content, name, accepted.max_bytes) as source:
            found = checked_media_type(name, source.head, source.size_bytes, kind, accepted)
            _warn_between_two_megabytes(name, source.size_bytes, accepted)
            form = Form(source.content, name, mime_type or found or _guessed(name), sent)
            return await self._transport.send("POST", "/api/v1/files", File, form, **options)

    @api_call
    async def retrieve(self, file_id: str, **options: Unpack[RequestOptions]) -> File:
        """An uploaded file of this account.

        Raises:
            NotFoundError: There is none, or it is another account's.

        Source: ``GET /api/v1/files/{fileId}``.
        """
        return await self._transport.send("GET", path_of("files", file_id), File, **options)


def _name_of(content: bytes | Path | Readable) -> str | None:
    name = getattr(content, "name", None)  # of an open file it may be a number
    return PurePath(name).name if isinstance(name, str) else None


def _guessed(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _warn_between_two_megabytes(name: str, size_bytes: int, accepted: Accepted) -> None:
    """Whether the service's MB are 2^20 bytes or 10^6 is not documented."""
    if accepted.max_bytes is not None and size_bytes > accepted.max_bytes / 2**20 * 10**6:
        logger.warning(
            "%s: %d bytes; the service refuses it if its MB are 10^6 bytes",
            name,
            size_bytes,
        )
