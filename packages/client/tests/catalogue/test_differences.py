"""What a service lists otherwise than the shipped catalogue."""

from __future__ import annotations

import copy
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.differences import ModelDifference, differences, price_changes
from rivya_client.catalogue.snapshot import from_wire, shipped


def changed(**models: dict[str, Any] | None) -> Catalogue:
    """The shipped catalogue with fields of models changed, or without a model; `_` is a hyphen."""
    wire: Any = copy.deepcopy(dict(shipped().wire))
    for name, fields in models.items():
        [entry] = [one for one in wire["data"] if one["id"] == name.replace("_", "-")]
        if fields is None:
            wire["data"].remove(entry)
        else:
            entry.update(fields)
    return from_wire(wire, date="2026-12-01", source="live")


def test_an_equal_catalogue_has_no_difference() -> None:
    assert [*differences(changed(), shipped())] == []


def test_new_changed_and_gone_models_are_told_in_the_order_of_the_service() -> None:
    params: Any = copy.deepcopy(shipped().wire["data"][0]["params"])
    params[0]["options"] = ["1:1", "8:1"]
    params.append({"key": "seed", "type": "number"})
    listed = changed(
        z_image={"base_credits": 2, "max_prompt_length": 500, "params": params},
        sora_2={"id": "sora-3"},
        runway={"params": [], "reference_media": None, "file_kinds": []},
    )
    assert [*differences(listed, shipped())] == [
        ModelDifference(
            "z-image",
            "changed",
            "2 credits here, 1 in the shipped catalogue; max_prompt_length 500, not 1000;"
            " aspect_ratio: options 1:1, 8:1, not 16:9, 1:1, 3:4, 4:3, 9:16; new parameter seed",
        ),
        ModelDifference("sora-3", "new", "video, 6 credits"),
        ModelDifference(
            "runway",
            "changed",
            "references none, not image (at most 1); no parameter aspectRatio;"
            " no parameter duration; no parameter quality; no parameter waterMark",
        ),
        ModelDifference("sora-2", "gone", "in the shipped catalogue alone"),
    ]


def test_prices_are_told_once_for_each_model_that_a_run_uses() -> None:
    listed = changed(z_image={"base_credits": 2}, sora_2={"base_credits": None})
    used = ["z-image", "runway", "z-image", "unknown", "sora-2"]
    assert [*price_changes(listed, shipped(), used)] == [
        "z-image: 2 credits here, 1 in the shipped catalogue",
        "sora-2: unknown credits here, 6 in the shipped catalogue",
    ]
