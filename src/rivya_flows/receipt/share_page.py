"""The page of a run for a client: one HTML file with its finished media, and nothing of how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.media.decoding import draw_poster
from rivya_flows.receipt.embedding import AssetPath, alt_text, data_uri, described
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.pages import moment_text, rendered, text_of

MAX_SHARED_BYTES = 100_000_000
"""Of all media in one page: as base64 they are a third larger, and browsers hold the page in memory."""


class SharedMedium(NamedTuple):
    """A medium in the page; its name is empty if that of the output says it."""

    asset: Asset
    path: Path
    name: str
    alt: str

    @property
    def source(self) -> str:
        """All of it as a data URI."""
        return data_uri(self.asset.mime_type or f"{self.asset.kind}/*", self.path.read_bytes())

    @property
    def poster(self) -> str:
        """A data URI of a picture of a film; else empty."""
        is_film = self.asset.kind == "video"
        still = draw_poster(self.asset.sha256, self.path).result() if is_film else None
        return data_uri("image/webp", still) if still else ""


class SharedOutput(NamedTuple):
    """An output of a run in the page; it has a text if it has no media."""

    name: str
    media: list[SharedMedium]
    text: str
    gone: int

    @property
    def size_bytes(self) -> int:
        """Of its media."""
        return sum(one.path.stat().st_size for one in self.media)


def shared_outputs(
    receipt: Receipt, asset_path: AssetPath, only: Sequence[str] = ()
) -> list[SharedOutput]:
    """The finished outputs of a run; a medium that several have is in the first of them."""
    # Beside others, people call a medium by its format, or the key of its item.
    names, seen = described([*receipt.each()]), set[str]()
    found: list[SharedOutput] = []
    for output, value in receipt.outputs.items():
        if only and output not in only:
            continue
        media, gone = [], 0
        for asset in assets_in(value):
            if asset.sha256 not in seen:
                seen.add(asset.sha256)
                about = None if as_asset(value) else names.get(asset.sha256)
                name = about.name if about else ""
                alt = alt_text(asset.kind, name=f"{output} {name}".rstrip())
                try:
                    media.append(SharedMedium(asset, asset_path(asset.sha256), name, alt))
                except KeyError:
                    gone += 1
        text = "" if any(assets_in(value)) else text_of(value)
        if media or text or gone:
            found.append(SharedOutput(output, media, text, gone))
    return found


def share_page(receipt: Receipt, outputs: Sequence[SharedOutput]) -> str:
    """The page: subject, title, date, films, pictures, sounds and texts, whole and inside it.

    It has no price, wallet, id, prompt, model or link, and of the inputs the subject alone. The files are as they were made: their
    metadata and content credentials are in them.
    """
    view = {
        "titles": [*filter(None, [receipt.subject, receipt.title or receipt.name])],
        "date": moment_text(receipt.ended_at or receipt.started_at).split(",")[0],
        "rehearsal": receipt.sandbox,
        "outputs": outputs,
    }
    inside = sum(one.size_bytes for one in outputs) * 4 // 3
    return rendered("share.html", view, beside_media=inside)
