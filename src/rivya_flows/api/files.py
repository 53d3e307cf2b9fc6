"""Reference files: what a job is to look at or listen to."""

from __future__ import annotations

import mimetypes
from pathlib import Path

from rivya_flows.api.requests import Form, path_of
from rivya_flows.api.retries import RetryPolicy
from rivya_flows.api.transport import Transport
from rivya_flows.api.wire import File, MediaKind
from rivya_flows.errors import UsageError

LONGEST_REQUEST_ID = 128  # characters; contract, section 5


class Files:
    """Uploads reference files. Free, and it starts no job."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def upload(
        self,
        content: bytes | Path,
        *,
        kind: MediaKind,
        name: str | None = None,
        mime_type: str | None = None,
        model: str | None = None,
        client_request_id: str | None = None,
        retry: RetryPolicy | None = None,
    ) -> File:
        """The file as the service keeps it.

        Args:
            content: The bytes, or where they lie.
            kind: What it is. The service looks at the bytes too.
            name: File name to send; None takes the path's, or the kind.
            mime_type: Media type to send; None guesses it from the name.
            model: The model it is for, whose own limits are then checked at once.
            client_request_id: Trace id of the caller, at most 128 characters.
            retry: None takes the client's.

        Raises:
            MediaError: The file cannot be read.
            UsageError: `client_request_id` is too long.
            APIStatusError: The service refused the file.
            APIConnectionError: No readable answer came.

        Source: ``POST /api/v1/files``.
        """
        if client_request_id is not None and len(client_request_id) > LONGEST_REQUEST_ID:
            raise UsageError(
                f"client_request_id: {len(client_request_id)} characters,"
                f" at most {LONGEST_REQUEST_ID}"
            )
        name = name or (content.name if isinstance(content, Path) else kind)
        mime_type = mime_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        fields = {"kind": kind, "model": model, "client_request_id": client_request_id}
        told = {key: value for key, value in fields.items() if value is not None}
        form = Form(content, name, mime_type, told)
        return await self._transport.upload("/api/v1/files", form, File, retry=retry)

    async def retrieve(self, file_id: str, *, retry: RetryPolicy | None = None) -> File:
        """A file that was uploaded by this account.

        Raises:
            APIStatusError: 404 if there is none, or it is another account's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/files/{fileId}``.
        """
        return await self._transport.get(path_of("files", file_id), File, retry=retry)
