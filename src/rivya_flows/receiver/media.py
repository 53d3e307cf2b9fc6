"""`GET /media/<token>/<name>`: one medium, whole or in part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from rivya_flows.errors import StoreError
from rivya_flows.receiver.addresses import ServedMedium, named_medium
from rivya_flows.receiver.ranges import ByteRange, UnsatisfiableError, asked_part
from rivya_flows.receiver.responses import not_found
from rivya_flows.store.assets import AssetStore

PIECE_BYTES = 2**20
"""How much of an answer is in memory at once."""

_HEADERS = {
    "Accept-Ranges": "bytes",
    # Content by hash never changes; `private`: no shared cache may keep it.
    "Cache-Control": "private, max-age=31536000, immutable",
    # Pages of Prefect have another origin and may show it.
    "Cross-Origin-Resource-Policy": "cross-origin",
    # For the viewer that a browser builds around a film or picture; no scripts.
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self';"
    " style-src 'unsafe-inline'",
}


@dataclass(frozen=True)
class MediaRoutes:
    """Serves the media of a store."""

    assets: AssetStore
    secret: str

    async def __call__(self, request: Request) -> Response:
        """The medium; 404 for an invalid URL, or a medium that is gone."""
        name = str(request.path_params["name"])
        medium = named_medium(self.secret, str(request.path_params["token"]), name)
        if medium is None:
            return not_found()
        tag = f'"{medium.sha256}"'
        headers = {**_HEADERS, "ETag": tag, "Content-Disposition": f'inline; filename="{name}"'}
        size = await run_in_threadpool(self.assets.size, medium.sha256)
        if size is None:
            return not_found()
        if _known(request.headers.get("if-none-match"), tag):
            return Response(status_code=304, headers=headers)
        asked = request.headers.get("range")
        if request.headers.get("if-range", tag) != tag:
            asked = None
        try:
            part = asked_part(asked, size)
        except UnsatisfiableError:
            return Response(
                status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"}
            )
        if part is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
        status = 200 if part is None else 206
        return await self._answer(request, medium, part or ByteRange(0, size), status, headers)

    async def _answer(
        self,
        request: Request,
        medium: ServedMedium,
        part: ByteRange,
        status: int,
        headers: dict[str, str],
    ) -> Response:
        headers["Content-Length"] = str(part.size)
        if request.method == "HEAD" or part.size == 0:
            return Response(status_code=status, headers=headers, media_type=medium.mime_type)
        first = ByteRange(part.start, min(part.stop, part.start + PIECE_BYTES))
        try:
            # Read before the headers are sent: after them a 404 is impossible.
            piece = await self._read(medium, first)
        except StoreError:
            return not_found()
        rest = ByteRange(first.stop, part.stop)
        return StreamingResponse(
            self._pieces(medium, piece, rest),
            status_code=status,
            headers=headers,
            media_type=medium.mime_type,
        )

    async def _pieces(
        self, medium: ServedMedium, first: bytes, rest: ByteRange
    ) -> AsyncIterator[bytes]:
        yield first
        for start in range(rest.start, rest.stop, PIECE_BYTES):
            yield await self._read(medium, ByteRange(start, min(rest.stop, start + PIECE_BYTES)))

    async def _read(self, medium: ServedMedium, part: ByteRange) -> bytes:
        return await run_in_threadpool(self.assets.part, medium.sha256, part.start, part.stop)


def _known(header: str | None, tag: str) -> bool:
    """Whether the browser has this version already."""
    known = [one.strip().removeprefix("W/") for one in (header or "").split(",")]
    return tag in known or "*" in known
