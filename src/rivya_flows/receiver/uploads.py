"""`/upload/<token>`: a page that takes a person's own files and gives addresses for the run form."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from rivya_flows.errors import MediaError, StoreError
from rivya_flows.media.decoding import probe_async
from rivya_flows.receiver.addresses import asset_address, named_upload, upload_token
from rivya_flows.store.assets import AssetStore, file_hash

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
        until = named_upload(self.secret, str(request.path_params["token"]))
        if until is None or 0 < until < time.time():
            raise HTTPException(404)
        nonce = secrets.token_urlsafe(16)
        token = upload_token(self.secret, int(time.time()) + LIFETIME_SECONDS)
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
        until = named_upload(self.secret, str(request.path_params["token"]))
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
        address = asset_address("..", self.secret, digest, found.mime_type)
        shape = {"kind": found.kind, "width": found.width, "height": found.height}
        return {"address": address, **shape}


def _make_room(folder: Path, size: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = shutil.disk_usage(folder).free < FREE_BYTES + size
    except OSError as error:
        raise StoreError(f"cannot keep a file: {error.strerror or error}") from error
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
