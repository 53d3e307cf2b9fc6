"""What browsers get: media, whole or the part that one asks for, and the contact sheets of runs."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from rivya_flows.assets import Asset
from rivya_flows.errors import StoreError
from rivya_flows.receipt.contact_sheet import contact_sheet
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receiver.addresses import asset_address, named_medium, named_run
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal

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
    medium = named_medium(secret, str(request.path_params["token"]), name)
    size = None if medium is None else await run_in_threadpool(assets.size, medium.sha256)
    if medium is None or size is None:
        raise HTTPException(404)
    tag = f'"{medium.sha256}"'
    headers = {**_OF_MEDIUM, "ETag": tag, "Content-Disposition": f'inline; filename="{name}"'}
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


KEPT_PAGES, KEPT_SECONDS = 8, 60.0  # while a run writes nothing; its media may be deleted
MAX_DRAWN_BYTES = 64 * 2**20  # a larger medium has no small picture: it would be read as a whole

_OF_REPORT = {
    "Cache-Control": "no-store",  # the run may continue
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


class _Page(NamedTuple):
    seq: int  # of the last entry when it was rendered
    at: float  # monotonic
    html: str


@dataclass(frozen=True)
class Reports:
    """The contact sheets of a store's runs, rendered from their journals now, one at a time."""

    journal: Journal
    assets: AssetStore
    secret: str
    _pages: OrderedDict[str, _Page] = field(default_factory=OrderedDict)
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def page(self, request: Request) -> Response:
        """`GET /runs/<token>/report.html`: the page; 404 for an invalid URL, or a run that is gone."""
        run_id = named_run(self.secret, str(request.path_params["token"]))
        if run_id is None:
            raise HTTPException(404)
        async with self._rendering:
            page = await run_in_threadpool(self._page, run_id)
        return HTMLResponse(page, headers=_OF_REPORT)

    def _page(self, run_id: str) -> str:
        page, now = self._pages.pop(run_id, _Page(0, -math.inf, "")), time.monotonic()
        if now - page.at > KEPT_SECONDS or self.journal.entries(run_id, page.seq):
            page = self._draw(run_id, now)
        self._pages[run_id] = page
        if len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        return page.html

    def _draw(self, run_id: str, now: float) -> _Page:
        entries = self.journal.entries(run_id)
        if not entries:
            raise HTTPException(404)
        fetched: set[str] = set()

        def path(sha256: str) -> Path:
            with suppress(StoreError):
                size = self.assets.size(sha256)
                if size is not None and size <= MAX_DRAWN_BYTES:
                    fetched.add(sha256)
                    return self.assets.local_path(sha256)
            raise KeyError(sha256)

        def address(asset: Asset) -> str:
            # Relative to the page, so that it works under any host name of the receiver.
            return asset_address("../..", self.secret, asset.sha256, asset.mime_type)

        html = contact_sheet(receipt(entries), path, asset_url=address)
        for sha256 in fetched:
            self.assets.forget_copy(sha256)
        return _Page(entries[-1].seq, now, html)
