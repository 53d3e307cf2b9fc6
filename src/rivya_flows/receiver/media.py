"""What browsers get: media, whole or the part that one asks for, and the contact sheets of runs."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from rivya_flows.assets import Asset
from rivya_flows.errors import StoreError
from rivya_flows.receipt.contact_sheet import contact_sheet
from rivya_flows.receipt.from_journal import receipt
from rivya_flows.receiver.addresses import asset_address, named_medium, named_run
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal

PIECE_BYTES = 2**20
"""How much of an answer is in memory at once."""

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


def not_found() -> Response:
    """The same for what never existed, what is gone, and what is secret."""
    return PlainTextResponse("Not Found", status_code=404, headers={"Cache-Control": "no-store"})


async def serve_medium(assets: AssetStore, secret: str, request: Request) -> Response:
    """`GET /media/<token>/<name>`: the medium; 404 for an invalid URL, or a medium that is gone."""
    name = str(request.path_params["name"])
    medium = named_medium(secret, str(request.path_params["token"]), name)
    size = None if medium is None else await run_in_threadpool(assets.size, medium.sha256)
    if medium is None or size is None:
        return not_found()
    tag = f'"{medium.sha256}"'
    headers = {**_OF_MEDIUM, "ETag": tag, "Content-Disposition": f'inline; filename="{name}"'}
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


KEPT_PAGES, KEPT_SECONDS = 8, 60.0
"""Pages in memory, and how long one is shown while its run writes nothing. Media may be deleted."""

MAX_DRAWN_BYTES = 64 * 2**20
"""A larger medium has no small picture: it would be read as a whole for it."""

_OF_REPORT = {
    "Cache-Control": "no-store",  # the run may continue
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True)
class _Page:
    """A page as it was rendered: by its last entry, at a monotonic time."""

    seq: int
    at: float
    html: str


@dataclass(frozen=True)
class Reports:
    """The contact sheets of a store's runs, rendered from their journals now, one at a time."""

    journal: Journal
    assets: AssetStore
    secret: str
    _pages: OrderedDict[str, _Page] = field(default_factory=OrderedDict)
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, request: Request) -> Response:
        """`GET /runs/<token>/report.html`: the page; 404 for an invalid URL, or a run that is gone."""
        run_id = named_run(self.secret, str(request.path_params["token"]))
        if run_id is None:
            return not_found()
        async with self._rendering:
            page = await run_in_threadpool(self._page, run_id)
        return not_found() if page is None else HTMLResponse(page, headers=_OF_REPORT)

    def _page(self, run_id: str) -> str | None:
        known, now = self._pages.pop(run_id, None), time.monotonic()
        if (
            known is None
            or now - known.at > KEPT_SECONDS
            or self.journal.entries(run_id, known.seq)
        ):
            entries = self.journal.entries(run_id)
            if not entries:
                return None
            fetched: set[str] = set()
            path = partial(self._path, fetched)
            html = contact_sheet(receipt(entries), path, asset_url=self._address)
            for sha256 in fetched:
                self.assets.forget_copy(sha256)
            known = _Page(entries[-1].seq, now, html)
        self._pages[run_id] = known
        if len(self._pages) > KEPT_PAGES:
            self._pages.popitem(last=False)
        return known.html

    def _address(self, asset: Asset) -> str:
        # Relative to the page, so that it works under any host name of the receiver.
        return asset_address("../..", self.secret, asset.sha256, asset.mime_type)

    def _path(self, fetched: set[str], sha256: str) -> Path:
        """Where a medium can be read; notes it, since a copy of it must not stay."""
        try:
            size = self.assets.size(sha256)
            if size is not None and size <= MAX_DRAWN_BYTES:
                fetched.add(sha256)
                return self.assets.local_path(sha256)
        except StoreError:
            pass
        raise KeyError(sha256)
