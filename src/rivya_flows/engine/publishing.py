"""Addresses of media and contact sheets that a browser can open."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from rivya_flows.assets import Asset
from rivya_flows.engine.run_context import RunContext
from rivya_flows.errors import RivyaError
from rivya_flows.media.decoding import poster
from rivya_flows.processes import registry
from rivya_flows.receipt.from_journal import Recorded, recorded_asset
from rivya_flows.receipt.questions import MediaLinks
from rivya_flows.receiver.addresses import (
    SECRET_NAME,
    asset_address,
    report_address,
    upload_address,
)
from rivya_flows.settings import Settings
from rivya_flows.store.journal import Journal
from rivya_flows.store.secrets import shared_secret


def address_of(context: RunContext, asset: Asset) -> str | None:
    """The receiver's address of a medium, else that of the service, which may not last; or None."""
    public_url = context.settings.rivya_flows_public_url
    if public_url:
        return asset_address(public_url, context.address_secret, asset.sha256, asset.mime_type)
    return asset.url if asset.url and asset.url.startswith(("http://", "https://")) else None


def addresses_of(context: RunContext, media: Recorded) -> Callable[[object], str | None]:
    """Gives the address of a medium of a run; None for what only looks like one."""

    def address(value: object) -> str | None:
        asset = recorded_asset(value, media)
        return None if asset is None else address_of(context, asset)

    return address


def media_links(
    context: RunContext, media: Recorded, sides: Mapping[str, int], most: int | None = None
) -> MediaLinks:
    """Finds the media of a run, with at most `most` small pictures of so many pixels by kind."""
    drawn: dict[str, str | None] = {}

    def still(value: Asset) -> str | None:
        asset = recorded_asset(value, media)
        if asset is None or asset.kind not in sides or not context.settings.rivya_flows_public_url:
            return None
        if asset.sha256 not in drawn and (most is None or len(drawn) < most):
            drawn[asset.sha256] = _still(context, asset.sha256, sides[asset.kind])
        return drawn.get(asset.sha256)

    return MediaLinks(addresses_of(context, media), still)


def _still(context: RunContext, sha256: str, side: int) -> str | None:
    """The address of a small picture, which is stored beside its medium."""
    file = context.scratch / f"still-{uuid.uuid4().hex}.jpg"
    try:
        drawn = poster(context.assets.local_path(sha256), side=side)
        if drawn is None:
            return None
        file.write_bytes(drawn)
        kept = context.assets.put(file)
        return address_of(context, Asset(kind="image", mime_type="image/jpeg", sha256=kept))
    except (RivyaError, OSError):
        return None
    finally:
        file.unlink(missing_ok=True)


def report_of(context: RunContext, run_id: str) -> str | None:
    """The address of the contact sheet of a run; None without a receiver."""
    public_url = context.settings.rivya_flows_public_url
    return report_address(public_url, context.address_secret, run_id) if public_url else None


def receiver_url(settings: Settings, prefect_api_url: str | None) -> str | None:
    """The address of the receiver for browsers: that of the settings, or of an `up` with this Prefect server."""
    if settings.rivya_flows_public_url is not None:
        return settings.rivya_flows_public_url
    parts = registry.read(settings.data)
    server, receiver = parts.part("server"), parts.part("receiver")
    if server is None or receiver is None:
        return None
    ours = prefect_api_url or server.url
    return receiver.url if urlsplit(ours).port == urlsplit(server.url).port else None


def upload_page(settings: Settings, prefect_api_url: str) -> str | None:
    """The address of the page that takes files for run forms; None without a receiver."""
    public_url = receiver_url(settings, prefect_api_url)
    if not public_url:
        return None
    with closing(Journal(settings.store_url)) as journal:
        return upload_address(public_url, shared_secret(journal.engine, SECRET_NAME))
