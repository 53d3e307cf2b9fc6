"""Media on the page: pictures as pictures, films and sounds as links.

Prefect removes players from Markdown, so a film is a still that links to it.
"""

from __future__ import annotations

from collections.abc import Callable

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.artifact import Artifact
from rivya_flows.flows.run_page.markdown import link, picture, quotation, text

Address = Callable[[Asset], str | None]
"""The URL of an asset for a browser; None if it has none."""

Poster = Callable[[Asset], str | None]
"""The URL of a film's still; None if it has none."""


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


def as_markdown(name: str, asset: Asset, address: Address, poster: Poster) -> str:
    """A medium as Markdown."""
    url = address(asset)
    words = caption(name, asset)
    if url is None:
        return f"{words} (stored; no URL for a browser)"
    if asset.kind == "image":
        return picture(name, url, to=url)
    still = poster(asset) if asset.kind == "video" else None
    first = f"{picture(name, still, to=url)}\n\n" if still else ""
    return f"{first}{link(f'Play {name}', url)} ({about(asset)})"


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
