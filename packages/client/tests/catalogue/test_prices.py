from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.prices import Price, price
from rivya_client.catalogue.snapshot import from_wire, shipped


def bounds(model_id: str, params: dict[str, Any]) -> tuple[int, int | None]:
    found = price(shipped().models[model_id], params, "a lamp")
    assert found.assumption
    return found.min, found.max


@pytest.mark.parametrize("model_id", shipped().models)
def test_the_default_request_of_a_fixed_model_has_an_exact_price(model_id: str) -> None:
    model = shipped().models[model_id]
    if model.billing_type == "FIXED":
        assert bounds(model_id, {}) == (model.base_credits, model.base_credits)


@pytest.mark.parametrize(
    ("model_id", "params", "expected"),
    [
        ("z-image", {"aspect_ratio": "9:16"}, (1, 1)),
        ("4o-image", {"size": "3:2"}, (3, 3)),
        ("nano-banana-2", {"resolution": "1K"}, (5, 5)),
        ("nano-banana-2", {"resolution": "4K"}, (5, None)),
        ("kling-2-6", {"duration": 5, "sound": False}, (55, 55)),
        ("kling-2-6", {"sound": True}, (55, None)),
        ("happyhorse-1-0", {"duration": 5.0}, (28, 28)),
        ("happyhorse-1-0", {"duration": 15}, (28, None)),
        ("sora-2-pro", {"size": "high"}, (75, None)),
        ("seedream-4-0", {"max_images": 6}, (6, None)),
        ("grok-imagine-video", {"mode": "fun"}, (10, 10)),
        ("kling-3-0", {"mode": "std"}, (90, None)),
        ("kling-3-0", {"duration": "${{ inputs.length }}"}, (90, None)),
    ],
)
def test_a_fixed_price_is_exact_only_at_the_price_bearing_defaults(
    model_id: str, params: dict[str, Any], expected: tuple[int, int | None]
) -> None:
    assert bounds(model_id, params) == expected


def test_the_assumption_names_what_may_change_the_price() -> None:
    found = price(shipped().models["kling-3-0"], {"duration": 10, "sound": True})
    assert found.assumption == "duration, sound may change the base price"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"aspect": "9:16"}, "z-image has no parameter 'aspect'"),
        ({"aspect_ratio": "9:17"}, "aspect_ratio cannot be '9:17'"),
    ],
)
def test_what_the_service_may_refuse_is_named_and_has_no_exact_price(
    params: dict[str, Any], words: str
) -> None:
    found = price(shipped().models["z-image"], params)
    assert found == Price(1, None, f"the service may refuse this: {words}")


def test_reference_media_are_a_parameter_of_every_model() -> None:
    assert bounds("nano-banana-2", {"referenceMediaItems": []}) == (5, 5)


def test_a_metered_price_is_at_least_the_base() -> None:
    assert bounds("elevenlabs-turbo-2-5", {"voice": "TX3LPaxmHKxFdv7VOQHJ"}) == (6, None)


def test_a_turn_of_a_chat_costs_from_nothing_to_its_reserve() -> None:
    assert bounds("gpt-5-2-chat", {}) == (0, 3)


def test_an_unknown_billing_type_has_no_upper_bound() -> None:
    wire = {"data": [{"id": "m", "base_credits": 4, "billing_type": "AUCTION"}]}
    model = from_wire(wire, date="2026-11-25", source="live").models["m"]
    assert price(model, {}) == Price(4, None, "unknown billing type 'AUCTION'")
    found = price(model, {})
    assert found.min != found.max
