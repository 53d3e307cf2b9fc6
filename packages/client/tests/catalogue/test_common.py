"""`aspect`, `seconds`, `seed` and `resolution` of every model."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rivya_client.catalogue.catalogue import Model, option_text
from rivya_client.catalogue.common import COMMON, COMMON_NAMES, common_params
from rivya_client.catalogue.snapshot import from_wire, shipped

MODELS = shipped().models
TIERS = {
    ("sora-2-pro", "size"),
    ("gpt-image-1-5", "quality"),
    ("seedream-4-5", "quality"),
    ("seedream-5-lite", "quality"),
}
"""Parameters with such a name that are something else."""
COMMON_FORMS = {"aspect": r"\d+:\d+|auto", "seconds": r"\d+", "resolution": r"\d+p|\d+K"}


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda one: one.id)
def test_every_model_takes_each_of_the_four_that_one_of_its_parameters_is(model: Model) -> None:
    takes = common_params(model)
    assert {one.own.key for one in takes.values()} == {
        param.key
        for param in model.params
        if param.key in COMMON_NAMES and (model.id, param.key) not in TIERS
    }
    for name, one in takes.items():
        assert name in COMMON
        assert one.common.key == name
        assert bool(one.spelled) is (one.own.type == "select")
        for written in one.common.options:
            assert re.fullmatch(COMMON_FORMS[name], written)
            assert one.own_value(written) in one.own.options
        spelled_otherwise = {"square"}  # two sizes of one shape: the other is the default
        assert {*one.own.options} - {*one.spelled.values()} <= spelled_otherwise
        if one.own.default is not None and one.spelled:
            default = option_text(one.own.default)
            assert one.own_value(one.common.default) == default


@pytest.mark.parametrize(
    ("model", "name", "value", "own"),
    [
        ("z-image", "aspect", "9:16", ("aspect_ratio", "9:16")),
        ("veo3-1-lite", "aspect", "auto", ("aspectRatio", "Auto")),
        ("seedance-2", "aspect", "auto", ("aspect_ratio", "adaptive")),
        ("qwen-image", "aspect", "9:16", ("image_size", "portrait_16_9")),
        ("qwen-image", "aspect", "4:3", ("image_size", "landscape_4_3")),
        ("qwen-image", "aspect", "1:1", ("image_size", "square_hd")),
        ("seedream-4-0", "aspect", "21:9", ("image_size", "landscape_21_9")),
        ("sora-2", "aspect", "9:16", ("aspect_ratio", "portrait")),
        ("sora-2", "seconds", "15", ("n_frames", "15")),
        ("grok-imagine-video", "seconds", 8, ("duration", 8)),
        ("elevenlabs-sound-effect-v2", "seconds", 0.5, ("duration_seconds", 0.5)),
        ("veo3-1-fast", "seed", 12_345, ("seeds", 12_345)),
        ("google-imagen4", "seed", 7, ("seed", "7")),
        ("hailuo-standard", "resolution", "768p", ("resolution", "768P")),
        ("runway", "resolution", "1080p", ("quality", "1080p")),
        ("seedream-4-0", "resolution", "2K", ("image_resolution", "2K")),
    ],
)
def test_a_value_is_spelled_as_the_model_spells_it(
    model: str, name: str, value: Any, own: tuple[str, Any]
) -> None:
    takes = common_params(MODELS[model])[name]
    assert (takes.own.key, takes.own_value(value)) == own


def test_a_model_that_the_service_adds_is_read_by_the_same_rules() -> None:
    params = [
        {"key": "imageSize", "type": "select", "options": ["portrait_5_4", "square"]},
        {"key": "quality", "type": "select", "options": ["480P", "4k"], "default": "4k"},
    ]
    wire = {"data": [{"id": "new", "category": "image", "base_credits": 1, "params": params}]}
    model = from_wire(wire, date="2026-12-01", source="live").models["new"]
    takes = common_params(model)
    assert takes["aspect"].spelled == {"4:5": "portrait_5_4", "1:1": "square"}
    assert takes["resolution"].spelled == {"480p": "480P", "4K": "4k"}
    assert takes["resolution"].common.default == "4K"
