"""An artifact on a run's page, its key, and those of a medium, a text and the items of a group.

Prefect removes players from Markdown, so a film is a still and a link.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_client.types import Generation
from rivya_flows.assets import Asset, assets_in
from rivya_flows.flows.task_groups import STATUSES
from rivya_flows.markdown import Marked, gallery, link, picture, quotation, table, text

_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_LONGEST = 40


@dataclass(frozen=True)
class Artifact:
    """One artifact; `data` is Markdown, a URL, or a number from 0 to 100."""

    type: str
    data: Any
    description: str


def artifact_key(*names: str) -> str:
    """A key from names in any script: lower-case letters, digits and dashes, as Prefect requires.

    A name that changes on the way gets a piece of its hash, so that two names never share a key.
    """
    return "-".join(_part(name) for name in names if name)


def _part(name: str) -> str:
    plain = _NOT_ALLOWED.sub("-", name.lower()).strip("-")
    if plain == name.replace("_", "-") and len(plain) <= _LONGEST:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:_LONGEST].strip('-')}-{mark}".lstrip("-")


Address = Callable[[Asset], str | None]
"""The URL of an asset for a browser; None if it has none."""

Poster = Callable[[Asset], str | None]
"""The URL of the still of a film, or of a small picture of a picture; None if there is none."""


def draw_asset(name: str, asset: Asset, address: Address, poster: Poster) -> Artifact | None:
    """One medium; None if a browser cannot reach it."""
    url = address(asset)
    if url is None:
        return None
    if asset.kind == "image":
        return Artifact("image", url, caption(name, asset))
    return Artifact("markdown", as_markdown(name, asset, address, poster), caption(name, asset))


def draw_text(name: str, words: str) -> Artifact:
    """The answer of a chat model."""
    return Artifact("markdown", quotation(words), f"Answer of {text(name)}")


def draw_group(name: str, rows: Sequence[tuple[str, str, object]], address: Address) -> Artifact:
    """The items of a group: their pictures, and a table with a row for each."""
    counts = Counter(status for _, status, _ in rows)
    said = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    media = [(item, asset) for item, _, value in rows for asset in assets_in(value)]
    stills = [(item, address(asset)) for item, asset in media if asset.kind == "image"]
    pictures = [(item, url, url) for item, url in stills if url]
    cells = [(item, status, _cell(value, address)) for item, status, value in rows]
    lines = [*([gallery(pictures), ""] if pictures else []), table(("item", "", ""), cells)]
    return Artifact("markdown", "\n".join(lines), f"{text(name)}: {said}")


def _cell(value: object, address: Address) -> str:
    if media := [*assets_in(value)]:
        words = ((about(asset), address(asset)) for asset in media)
        return Marked(", ".join(link(said, url) if url else said for said, url in words))
    if isinstance(value, Generation):
        return value.id
    return value if isinstance(value, str) else ""


def as_markdown(name: str, asset: Asset, address: Address, poster: Poster) -> str:
    """A medium as Markdown."""
    url = address(asset)
    words = caption(name, asset)
    if url is None:
        return f"{words} (stored; no URL for a browser)"
    if asset.kind == "image":
        return picture(name, url)
    still = poster(asset) if asset.kind == "video" else None
    first = f"{picture(name, still)}\n\n" if still else ""
    return f"{first}{words} ({link('play', url)})"


def caption(name: str, asset: Asset) -> str:
    """The name of a medium and what it is."""
    return f"{text(name)}: {about(asset)}"


def about(asset: Asset) -> str:
    """Kind, size and length of a medium, as far as they are known."""
    parts = [{"image": "image", "video": "film", "audio": "sound"}[asset.kind]]
    if asset.width and asset.height:
        parts.append(f"{asset.width} × {asset.height}")
    if asset.duration_seconds:
        parts.append(f"{asset.duration_seconds:.1f} s")
    return text(", ".join(parts))
