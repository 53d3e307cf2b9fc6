"""An asset: a medium that is kept under the SHA-256 of its content."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError, model_validator

from rivya_client.mime_types import MediaKind

Outputs = Mapping[str, JsonValue]
"""The output fields of an item by name, as JSON."""


class Asset(BaseModel):
    """A picture, film or sound."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    # The order of the fields in journals and receipts.
    kind: MediaKind
    """`image`, `video` or `audio`."""
    path: Path | None = None
    """Where it lay on the machine that kept it, where that means anything."""
    url: str | None = None
    """Where it came from, which may have expired; a local file has none."""
    mime_type: str | None = None
    """Such as `image/png`, where it is known."""
    width: int | None = None
    """Pixels; a sound has none."""
    height: int | None = None
    """Pixels; a sound has none."""
    duration_seconds: float | None = None
    """Seconds; a picture has none."""
    size_bytes: int | None = None
    """How large it is, where that is known."""
    sha256: str
    """SHA-256 of its content, in hex."""

    @model_validator(mode="after")
    def _forget_given(self) -> Self:
        """A set of the fields that were given, for each asset, would be a tenth of a large receipt."""
        object.__setattr__(self, "__pydantic_fields_set__", _FIELDS)
        return self

    @property
    def is_font(self) -> bool:
        """Whether it is the font of a brand, which is kept beside media, and is none."""
        return (self.mime_type or "").startswith("font/")

    def as_json(self) -> dict[str, JsonValue]:
        """The asset as journals, receipts and expressions have it."""
        return self.model_dump(mode="json")


_FIELDS = set(Asset.model_fields)


def as_asset(value: object) -> Asset | None:
    """The asset that a JSON value describes; None for any other value.

    A description proves nothing: specs, models and functions may write any map. Only media that a
    journal recorded may be shown or served, see `receipt.from_journal`.
    """
    if isinstance(value, Asset):
        return value
    if not isinstance(value, Mapping) or not looks_like_asset(value):
        return None
    try:
        return Asset.model_validate(dict(value))
    except ValidationError:
        return None


def looks_like_asset(value: object) -> bool:
    """Whether a value is a map with the keys that mark an asset, valid or not.

    Its `path` is never trusted: a spec or a model may have written it.
    """
    return isinstance(value, Mapping) and {"kind", "sha256"} <= value.keys()


def assets_in(value: object) -> Iterator[Asset]:
    """All assets in a value, at any depth, in its order."""
    yield from (asset for asset, _ in described_assets(value))


def described_assets(value: object) -> Iterator[tuple[Asset, Any]]:
    """All assets in a value with what describes them there, which may say more."""
    if (asset := as_asset(value)) is not None:
        yield asset, value
    elif isinstance(value, Mapping | list | tuple):
        for member in value.values() if isinstance(value, Mapping) else value:
            yield from described_assets(member)


def with_assets(value: Any, change: Callable[[Asset], Any]) -> Any:
    """The value with something else instead of each asset in it, at any depth; None leaves one as it is."""
    if (asset := as_asset(value)) is not None and (changed := change(asset)) is not None:
        return changed
    if isinstance(value, Mapping):
        return {name: with_assets(one, change) for name, one in value.items()}
    return [with_assets(one, change) for one in value] if isinstance(value, list | tuple) else value


def output_assets(outputs: Outputs) -> list[Asset]:
    """The media of an item by its outputs: those in `assets`, else the one in `asset`, else its `frames`.

    Those of a composition are followed by its films without captions, its posters and its loop.
    """
    found = [*assets_in(outputs.get("assets") or outputs.get("asset"))]
    frames = {one.sha256: one for one in assets_in(outputs.get("frames"))}
    found = found or [*frames.values()]  # those of a film that stands still are one
    known = {asset.sha256 for asset in found}
    return found + [one for one, _ in _rendered_media(outputs) if one.sha256 not in known]


def rendered_as(outputs: Outputs) -> dict[str, tuple[str, ...]]:
    """What each medium of a composition or a layout is, by hash.

    Such as ``("9:16",)``, ``("9:16", "clean")``, ``("poster",)`` or ``("gif",)``. Without formats the
    film is ``()``. Empty for the outputs of other kinds of steps.
    """
    found: dict[str, tuple[str, ...]] = {}
    for asset, labels in _rendered_media(outputs):
        found.setdefault(asset.sha256, labels)
    return found


def _rendered_media(outputs: Outputs) -> Iterator[tuple[Asset, tuple[str, ...]]]:
    by = outputs.get("by")
    if not isinstance(by, Mapping):
        return
    # One without formats is under its size.
    sized = re.compile(r"[0-9]+x[0-9]+").fullmatch
    made = [(() if sized(n) else (n,), one) for n, one in by.items() if isinstance(one, Mapping)]
    found: list[tuple[tuple[str, ...], JsonValue]]
    found = [(labels, one.get("asset")) for labels, one in made]
    found += [((*labels, "clean"), one.get("clean")) for labels, one in made]
    found += [((name,), outputs.get(name)) for name in ("poster", "gif")]
    posters = outputs.get("posters")
    if isinstance(posters, list | tuple):
        found += [((f"poster-{at}",), one) for at, one in enumerate(posters[1:], 2)]
    for labels, value in found:
        if asset := as_asset(value):
            yield asset, labels
