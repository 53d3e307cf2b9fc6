"""The media in evaluated arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.assets import Asset, as_asset
from rivya_flows.language.syntax.media_references import is_uploaded, is_url
from rivya_flows.language.wording import shown
from rivya_flows.planning.names import digest


class ItemRequestError(Exception):
    """The evaluated arguments cannot be sent; the message says why."""


@dataclass(frozen=True)
class Medium:
    """A reference medium of a request.

    Attributes:
        source: SHA-256 of an asset, else the URL or file id that the spec gave.
        media: image, video or audio.
        asset: The asset, if this run holds it.
        mime_type: None if not known.
    """

    source: str
    media: str
    asset: Asset | None = None
    mime_type: str | None = None

    @property
    def is_content(self) -> bool:
        """Whether its source always names the same content."""
        return self.asset is not None or "://" not in self.source


def media_of(
    value: Any, kind: str, files: Mapping[str, Asset], argument: str
) -> tuple[Medium, ...]:
    """The media in a list or in a single value of an argument, without nulls."""
    listed = value if isinstance(value, list) else [value]
    return tuple(medium_of(one, kind, files, argument) for one in listed if one is not None)


def medium_of(value: Any, kind: str, files: Mapping[str, Asset], argument: str) -> Medium:
    """The medium that an asset, a text or a map describes; of this kind, if it says none.

    Raises:
        ItemRequestError: It describes none.
    """
    value = named_file(value, files)
    if isinstance(value, str) and (is_url(value) or is_uploaded(value)):
        return Medium(value, kind)
    if isinstance(value, Mapping) and isinstance(value.get("kind"), str | None):
        kind = value.get("kind") or kind
        asset = as_asset({**value, "kind": kind})
        if asset is not None and asset.sha256:
            return Medium(asset.sha256, kind, asset, asset.mime_type)
        for source in (value.get("file_id"), value.get("url")):
            if isinstance(source, str) and source:
                mime_type = value.get("mime_type")
                return Medium(source, kind, None, mime_type if isinstance(mime_type, str) else None)
    raise ItemRequestError(
        f"{argument!r} takes assets, URLs and ids of uploads, not {shown(value)}"
    )


def named_file(value: Any, files: Mapping[str, Asset]) -> Any:
    """The asset of a file that the spec names by its path; any other value as it is."""
    return files[value].as_json() if isinstance(value, str) and value in files else value


def content_hash(request: list[Any], media: Sequence[Medium]) -> str:
    """The hash of a request; "" if a medium is known by its URL alone."""
    return digest(request) if all(medium.is_content for medium in media) else ""
