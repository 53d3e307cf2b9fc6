"""What browsers get: media, whole, in part or small; and the page that takes files."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)

from rivya_flows.assets import Asset
from rivya_flows.errors import MediaError, StoreError, explain_os_error
from rivya_flows.media.decoding import draw_poster, probe_async
from rivya_flows.receipt.embedding import Served
from rivya_flows.receiver import addresses
from rivya_flows.store.assets import AssetStore, file_hash

PIECE_BYTES = 2**20  # of an answer in memory at once
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
_OF_MEDIUM = {
    "Accept-Ranges": "bytes",
    # Content by hash never changes; `private`: no shared cache may keep it.
    "Cache-Control": "private, max-age=31536000, immutable",
    # Pages of Prefect have another origin and may show it.
    "Cross-Origin-Resource-Policy": "cross-origin",
    # For the viewer that a browser builds around a film or picture; no scripts.
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self';"
    " style-src 'unsafe-inline'",
}


async def serve_medium(assets: AssetStore, secret: str, request: Request) -> Response:
    """`GET /media/<token>/<name>`: the medium; 404 for an invalid URL, or a medium that is gone."""
    name = str(request.path_params["name"])
    medium = addresses.named_medium(secret, str(request.path_params["token"]), name)
    if medium is None:
        raise HTTPException(404)
    return await medium_response(assets, medium, name, request)


async def medium_response(
    assets: AssetStore,
    medium: addresses.ServedMedium,
    name: str,
    request: Request,
    differing: Mapping[str, str] = MappingProxyType({}),
) -> Response:
    """A medium, whole or the part that is asked for; `differing` headers win. 404 if it is gone."""
    size = await run_in_threadpool(assets.size, medium.sha256)
    if size is None:
        raise HTTPException(404)
    tag = f'"{medium.sha256}"'
    headers = {**_OF_MEDIUM, "ETag": tag, "Content-Disposition": f'inline; filename="{name}"'}
    headers |= differing
    known = request.headers.get("if-none-match", "").split(",")
    if {tag, "*"} & {one.strip().removeprefix("W/") for one in known}:
        return Response(status_code=304, headers=headers)
    is_same = request.headers.get("if-range", tag) == tag
    asked = asked_part(request.headers.get("range") if is_same else None, size)
    status, part = (200, range(size)) if asked is None else (206, asked)
    if status == 206 and not part:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{size}"})
    if status == 206:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
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
        raise HTTPException(404) from None

    async def pieces() -> AsyncIterator[bytes]:
        yield first
        for start in part[PIECE_BYTES::PIECE_BYTES]:
            yield await read(start)

    return StreamingResponse(pieces(), status, headers, medium.mime_type)


def asked_part(header: str | None, size: int) -> range | None:
    """The part that a ``Range`` header asks for, empty if the file has none of it; None for all.

    Any other value asks for the whole file, as RFC 9110, section 14.2, allows; several ranges too.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return range(max(0, size - int(match[2])), size)
    start, last = int(match[1]), int(match[2] or size)
    return None if last < start and match[2] else range(start, min(size, last + 1))


MAX_DRAWN_BYTES = 64 * 2**20  # a larger medium has no small picture: it would be read as a whole


async def serve_still(assets: AssetStore, secret: str, request: Request) -> Response:
    """`GET /stills/<token>/<name>`: a small picture of the medium of `serve_medium`, or the whole picture."""
    name, token = str(request.path_params["name"]), str(request.path_params["token"])
    medium = addresses.named_medium(secret, token, name)
    size = None if medium is None else await run_in_threadpool(assets.size, medium.sha256)
    if medium is None or size is None:
        raise HTTPException(404)
    drawn = None
    if size <= MAX_DRAWN_BYTES:
        try:
            path = await run_in_threadpool(assets.local_path, medium.sha256)
            drawn = await asyncio.wrap_future(draw_poster(medium.sha256, path))
        except StoreError:
            raise HTTPException(404) from None
        finally:
            assets.forget_copy(medium.sha256)
    if drawn is not None:
        return Response(drawn, headers=_OF_MEDIUM, media_type="image/webp")
    if not medium.mime_type.startswith("image/"):
        raise HTTPException(404)
    return RedirectResponse(f"../../media/{token}/{name}")


def served_from(base: str, secret: str) -> Served:
    """Where a page finds its media; `base` leads from the page to the root of the receiver."""

    def whole(asset: Asset) -> str:
        return addresses.asset_address(base, secret, asset.sha256, asset.mime_type)

    return Served(whole, lambda asset: whole(asset).replace("/media/", "/stills/", 1))


# --- Files that people upload ---

MAX_UPLOAD_BYTES = 100 * 2**20  # of one file, as of one that a run fetches
MAX_UPLOADS, MAX_UPLOADED_BYTES, WINDOW_SECONDS = 200, 2 * 2**30, 3600.0  # in it
MAX_AT_ONCE = 4
FREE_BYTES = 2**30  # must stay free on the disk of a store on this machine
LIFETIME_SECONDS = 3600  # of an open page, from each opening
HEADER = "x-rivya-upload"  # no other page can send it without asking first
_TYPE = "application/octet-stream"
_TOO_LARGE = f"A file may have {MAX_UPLOAD_BYTES >> 20} MiB."


@dataclass(frozen=True)
class Uploads:
    assets: AssetStore
    secret: str
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_AT_ONCE))

    async def page(self, request: Request) -> Response:
        until = addresses.named_upload(self.secret, str(request.path_params["token"]))
        if until is None or 0 < until < time.time():
            raise HTTPException(404)
        nonce = secrets.token_urlsafe(16)
        token = addresses.upload_token(self.secret, int(time.time()) + LIFETIME_SECONDS)
        policy = (
            f"default-src 'none'; connect-src 'self'; img-src 'self'; style-src 'nonce-{nonce}';"
            f" script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        html = resources.files(__package__).joinpath("upload.html").read_text("utf-8")
        html = html.replace("{{nonce}}", nonce).replace("{{token}}", token)
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
        return HTMLResponse(html, headers=headers)

    async def take(self, request: Request) -> Response:
        """Keeps the body; answers the address of the medium, relative to the page."""
        until = addresses.named_upload(self.secret, str(request.path_params["token"]))
        if not until:
            raise HTTPException(404)
        try:
            if until < time.time():
                raise HTTPException(403, "This page has expired: reload it.")
            _check_origin(request)
            return JSONResponse(await self._store(request), headers={"Cache-Control": "no-store"})
        except HTTPException as refused:
            return _refusal(refused.status_code, refused.detail)
        except MediaError:
            return _refusal(415, "This is no picture, film or sound of a known kind.")
        except StoreError as error:
            return _refusal(503, f"It cannot be kept: {error.message}.")

    async def _store(self, request: Request) -> dict[str, object]:
        size = declared_size(request, MAX_UPLOAD_BYTES, _TOO_LARGE)
        target = self.assets.incoming()
        await run_in_threadpool(_make_room, target.parent, size)
        if self._slots.locked():
            raise HTTPException(429, "Too many files at once: try again.")
        now = time.time()
        while self._recent and self._recent[0][0] < now - WINDOW_SECONDS:
            self._recent.popleft()
        together = size + sum(recent for _, recent in self._recent)
        if len(self._recent) >= MAX_UPLOADS or together > MAX_UPLOADED_BYTES:
            raise HTTPException(429, "Too many files in this hour: try again later.")
        self._recent.append((now, size))
        async with self._slots:
            try:
                with await run_in_threadpool(target.open, "xb") as file:
                    async for piece in read_body(request, MAX_UPLOAD_BYTES, _TOO_LARGE):
                        await run_in_threadpool(file.write, piece)
                    if not file.tell():
                        raise HTTPException(400, "The file is empty.")
                found = await probe_async(target)
                digest = await run_in_threadpool(lambda: file_hash(target, sync=True))
                await run_in_threadpool(self.assets.take, target, digest)
                self.assets.forget_copy(digest)
            finally:
                await asyncio.to_thread(target.unlink, missing_ok=True)
        address = addresses.asset_address("..", self.secret, digest, found.mime_type)
        shape = {"kind": found.kind, "width": found.width, "height": found.height}
        return {"address": address, **shape}


def _make_room(folder: Path, size: int) -> None:
    with explain_os_error("cannot keep a file", "make the folder writable", StoreError):
        folder.mkdir(parents=True, exist_ok=True)
        full = shutil.disk_usage(folder).free < FREE_BYTES + size
    if full:
        raise HTTPException(507, "The disk is nearly full.")


def declared_size(request: Request, most: int, too_large: str) -> int:
    """The length of a body as its head says it, else the most that it may be; 413 for more."""
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isdigit() and len(declared) < 16 else most
    if size > most:
        raise HTTPException(413, too_large)
    return size


async def read_body(request: Request, most: int, too_large: str) -> AsyncIterator[bytes]:
    """A body piece by piece; refused as soon as it is too large."""
    left = most
    async for piece in request.stream():
        left -= len(piece)
        if left < 0:
            raise HTTPException(413, too_large)
        yield piece


def _check_origin(request: Request) -> None:
    """Refuses what a page of another origin could make a browser send."""
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    same = origin is None or urlsplit(origin).netloc == headers.get("host")
    ours = headers.get(HEADER) == "1" and headers.get("content-type") == _TYPE
    if not same or not ours or site != "same-origin":
        raise HTTPException(403, "Only the page of this address may send files here.")


def _refusal(status: int, message: str) -> Response:
    # The rest of the body is not read.
    headers = {"Cache-Control": "no-store", "Connection": "close"}
    return JSONResponse({"error": message}, status_code=status, headers=headers)
