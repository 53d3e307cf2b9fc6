"""`GET /runs/<token>/report.html`: the contact sheet of a run, rendered from its journal now."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rivya_flows.assets import Asset
from rivya_flows.errors import StoreError
from rivya_flows.ledger.receipt import receipt
from rivya_flows.media.contact_sheet import contact_sheet
from rivya_flows.receiver.addresses import asset_address, named_run
from rivya_flows.receiver.media import not_found
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal

KEPT_PAGES, KEPT_SECONDS = 8, 60.0
"""Pages in memory, and how long one is shown while its run writes nothing. Media may be deleted."""

MAX_DRAWN_BYTES = 64 * 2**20
"""A larger medium has no small picture: it would be read as a whole for it."""

_HEADERS = {
    "Cache-Control": "no-store",  # the run may continue
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True)
class _Page:
    """A page as it was rendered: by its last entry, at a time of the clock."""

    seq: int
    at: float
    html: str


@dataclass(frozen=True)
class Reports:
    """Serves the contact sheets of a store's runs; one is rendered at a time."""

    journal: Journal
    assets: AssetStore
    secret: str
    clock: Callable[[], float] = time.monotonic
    _pages: OrderedDict[str, _Page] = field(default_factory=OrderedDict)
    _rendering: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, request: Request) -> Response:
        """The page; 404 for an invalid URL, or a run that is gone."""
        run_id = named_run(self.secret, str(request.path_params["token"]))
        if run_id is None:
            return not_found()
        async with self._rendering:
            page = await run_in_threadpool(self._page, run_id)
        return not_found() if page is None else HTMLResponse(page, headers=_HEADERS)

    def _page(self, run_id: str) -> str | None:
        known, now = self._pages.pop(run_id, None), self.clock()
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
