"""`GET /runs/<token>/report.html`: the contact sheet of a run, rendered from its journal now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rivya_flows.assets import Asset
from rivya_flows.ledger.receipt import receipt
from rivya_flows.media.contact_sheet import contact_sheet
from rivya_flows.receiver.addresses import asset_address, named_run
from rivya_flows.receiver.responses import not_found
from rivya_flows.store.journal import Journal

_HEADERS = {
    "Cache-Control": "no-store",  # the run may continue
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; media-src 'self' data:;"
    " style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
}


@dataclass(frozen=True)
class Reports:
    """Serves the contact sheets of a store's runs.

    Attributes:
        journal: Of the store.
        secret: Signs URLs.
    """

    journal: Journal
    secret: str

    async def __call__(self, request: Request) -> Response:
        """The page; 404 for an invalid URL, or a run that is gone."""
        run_id = named_run(self.secret, str(request.path_params["token"]))
        page = None if run_id is None else await run_in_threadpool(self._page, run_id)
        return not_found() if page is None else HTMLResponse(page, headers=_HEADERS)

    def _page(self, run_id: str) -> str | None:
        entries = self.journal.entries(run_id)
        if not entries:
            return None
        return contact_sheet(receipt(entries), _nowhere, asset_url=self._address)

    def _address(self, asset: Asset) -> str:
        # Relative to the page, so that it works under any host name of the receiver.
        return asset_address("../..", self.secret, asset.sha256, asset.mime_type)


def _nowhere(sha256: str) -> Path:
    raise KeyError(sha256)
