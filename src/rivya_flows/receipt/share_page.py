"""The page of a run for a client: one HTML file with its finished media, and nothing of how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rivya_client.mime_types import suffix_of
from rivya_flows.assets import Asset, as_asset, assets_in
from rivya_flows.media.decoding import draw_poster
from rivya_flows.receipt.embedding import AssetPath, alt_text, data_uri, described
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.pages import moment_text, rendered, text_of

MAX_SHARED_BYTES = 100_000_000
"""Of all media in one page: as base64 they are a third larger, and browsers hold the page in memory."""


@dataclass(frozen=True)
class SharedOutput:
    """An output of a run in the page.

    Attributes:
        text: Of an output without media; else "".
    """

    name: str
    media: tuple[tuple[str, Asset, Path], ...]
    text: str
    gone: int = 0

    @property
    def size_bytes(self) -> int:
        """Of its media."""
        return sum(path.stat().st_size for _, _, path in self.media)


def shared_outputs(
    receipt: Receipt, asset_path: AssetPath, only: Sequence[str] = ()
) -> list[SharedOutput]:
    """The finished outputs of a run; a medium that several have is in the first of them.

    Args:
        asset_path: Path of the asset with a SHA-256; may raise `KeyError`.
    """
    # Beside others, people call a medium by its format, or the key of its item.
    names, seen = described([*receipt.each()]), set[str]()
    found: list[SharedOutput] = []
    for name, value in receipt.outputs.items():
        if only and name not in only:
            continue
        media, gone = [], 0
        for asset in assets_in(value):
            if asset.sha256 not in seen:
                seen.add(asset.sha256)
                try:
                    path = asset_path(asset.sha256)
                except KeyError:
                    gone += 1
                else:
                    about = names.get(asset.sha256)
                    media.append((about.name if about else "", asset, path))
        if len(media) == 1 and as_asset(value):
            media = [("", asset, path) for _, asset, path in media]  # the output's name says it
        text = "" if any(assets_in(value)) else text_of(value)
        if media or text or gone:
            found.append(SharedOutput(name, tuple(media), text, gone))
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
        "outputs": [(one.name, [*_media(one)], one.text) for one in outputs],
    }
    inside = sum(one.size_bytes for one in outputs) * 4 // 3
    return rendered("share.html", view, beside_media=inside)


class _Shown(NamedTuple):
    asset: Asset
    name: str
    file: str
    source: str
    poster: str
    alt: str


def _media(output: SharedOutput) -> Iterator[_Shown]:
    for name, asset, path in output.media:
        file = "-".join(filter(None, [output.name, name.replace(":", "x").replace(" ", "-")]))
        still = draw_poster(asset.sha256, path).result() if asset.kind == "video" else None
        yield _Shown(
            asset,
            name,
            f"{file}{suffix_of(asset.mime_type)}",
            data_uri(asset.mime_type or f"{asset.kind}/*", path.read_bytes()),
            data_uri("image/webp", still) if still else "",
            alt_text(asset.kind, name=" ".join(filter(None, [output.name, name]))),
        )
