"""What a task run made, shown on its node: pictures as pictures, films and sounds as links.

Prefect takes players out of Markdown, so a film is a still of it that leads to the film.
"""

from __future__ import annotations

from collections.abc import Callable

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.artifact import Artifact
from rivya_flows.flows.run_page.markdown import link, picture, quotation, text

Address = Callable[[Asset], str | None]
"""Where a browser finds an asset; None if nowhere."""

Poster = Callable[[Asset], str | None]
"""Where a browser finds a still of a film."""


def draw_asset(name: str, asset: Asset, address: Address, poster: Poster) -> Artifact | None:
    """One medium; None where a browser could not reach it."""
    url = address(asset)
    if url is None:
        return None
    if asset.kind == "image":
        return Artifact("image", url, caption(name, asset))
    return Artifact("markdown", shown(name, asset, address, poster), caption(name, asset))


def draw_text(name: str, words: str) -> Artifact:
    """What a chat model answered."""
    return Artifact("markdown", quotation(words), f"Answer of {text(name)}")


def shown(name: str, asset: Asset, address: Address, poster: Poster) -> str:
    """A medium in a Markdown text."""
    url = address(asset)
    words = caption(name, asset)
    if url is None:
        return f"{words} (kept; no address that a browser could open)"
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
