"""Assets: one test of being one, and one way to find them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.assets import Asset, as_asset, assets_in, output_assets, rendered_as

PICTURE: dict[str, Any] = {
    "kind": "image",
    "path": "/media/ab",
    "url": "https://media.example/a.png",
    "mime_type": "image/png",
    "width": 9,
    "height": 16,
    "duration_seconds": None,
    "size_bytes": 70,
    "sha256": "ab" * 32,
}
SOUND: dict[str, Any] = {"kind": "audio", "sha256": "cd" * 32}


def test_an_asset_is_written_as_it_was_read_with_its_fields_in_their_order() -> None:
    asset = as_asset(PICTURE)
    assert asset is not None
    assert asset.path == Path("/media/ab")
    assert list(asset.as_json().items()) == list(PICTURE.items())


@pytest.mark.parametrize(
    "value",
    [
        None,
        "ab",
        {"kind": "image"},
        {"sha256": "ab"},
        {"kind": "poster", "sha256": "ab"},
        {"kind": "image", "sha256": 5},
        {"kind": "image", "sha256": "ab", "width": "wide"},
    ],
)
def test_other_values_are_not_assets(value: object) -> None:
    assert as_asset(value) is None
    assert list(assets_in(value)) == []


def test_assets_are_found_at_any_depth_in_the_order_of_the_value() -> None:
    sound = Asset(kind="audio", sha256="cd" * 32)
    found = assets_in({"a": [PICTURE, {"b": ({"c": sound},)}], "d": SOUND, "e": "text"})
    assert [asset.kind for asset in found] == ["image", "audio", "audio"]


def test_the_media_of_an_item_are_its_assets_or_else_its_asset() -> None:
    both: dict[str, Any] = {"asset": PICTURE, "assets": [PICTURE, SOUND], "json": SOUND}
    assert [asset.kind for asset in output_assets(both)] == ["image", "audio"]
    alone: dict[str, Any] = {"asset": SOUND, "assets": []}
    assert [asset.kind for asset in output_assets(alone)] == ["audio"]
    assert output_assets({"asset": None, "text": "no media"}) == []


def test_each_film_and_picture_of_a_composition_has_its_name() -> None:
    def made(sha256: str) -> dict[str, Any]:
        return {**PICTURE, "sha256": sha256}

    outputs: dict[str, Any] = {
        "by": {"1:1": {"asset": made("a")}, "tiktok": {"asset": made("b"), "clean": made("c")}},
        "poster": made("d"),
        "posters": [made("d"), made("e")],
    }
    named = {"a": ("1:1",), "b": ("tiktok",), "c": ("tiktok", "clean")}
    assert rendered_as(outputs) == named | {"d": ("poster",), "e": ("poster-2",)}
    assert rendered_as({"by": {"720x1280": {"asset": made("a")}}}) == {"a": ()}
