"""`GET /media/<token>/<name>`: one medium, whole or the part that a browser asks for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from rivya_flows.errors import StoreError
from rivya_flows.receiver.addresses import named_medium
from rivya_flows.store.assets import AssetStore

PIECE_BYTES = 2**20
"""How much of an answer is in memory at once."""

_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
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


def not_found() -> Response:
    """The same for what never existed, what is gone, and what is secret."""
    return PlainTextResponse("Not Found", status_code=404, headers={"Cache-Control": "no-store"})


async def serve_medium(assets: AssetStore, secret: str, request: Request) -> Response:
    """The medium; 404 for an invalid URL, or a medium that is gone."""
    name = str(request.path_params["name"])
    medium = named_medium(secret, str(request.path_params["token"]), name)
    size = None if medium is None else await run_in_threadpool(assets.size, medium.sha256)
    if medium is None or size is None:
        return not_found()
    tag = f'"{medium.sha256}"'
    headers = {**_HEADERS, "ETag": tag, "Content-Disposition": f'inline; filename="{name}"'}
    known = request.headers.get("if-none-match", "").split(",")
    if {tag, "*"} & {one.strip().removeprefix("W/") for one in known}:
        return Response(status_code=304, headers=headers)
    is_same = request.headers.get("if-range", tag) == tag
    asked = asked_part(request.headers.get("range") if is_same else None, size)
    part = range(size) if asked is None else asked
    if asked is not None and not asked:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    if asked is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    status = 200 if asked is None else 206
    headers["Content-Length"] = str(len(part))
    if request.method == "HEAD" or not part:
        return Response(status_code=status, headers=headers, media_type=medium.mime_type)

    async def read(start: int) -> bytes:
        stop = min(part.stop, start + PIECE_BYTES)
        return await run_in_threadpool(assets.part, medium.sha256, start, stop)

    try:
        # Read before the headers are sent: after them a 404 is impossible.
        first = await read(part.start)
    except StoreError:
        return not_found()

    async def pieces() -> AsyncIterator[bytes]:
        yield first
        for start in part[PIECE_BYTES::PIECE_BYTES]:
            yield await read(start)

    return StreamingResponse(pieces(), status, headers, medium.mime_type)


def asked_part(header: str | None, size: int) -> range | None:
    """The part that a ``Range`` header asks for, empty if the file has none of it; None for all.

    Several ranges, other units and invalid values ask for the whole file, as RFC 9110, section
    14.2, allows.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None  # invalid, so the header is ignored
    return range(start, min(size, int(match[2]) + 1) if match[2] else size)
