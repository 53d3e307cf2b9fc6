"""`aspect`, `seconds`, `seed` and `resolution` at the top of `with`: one way to write them for every model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rivya_client.catalogue.prices import Price
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.common_params import asked_seconds
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.workflow import Step
from rivya_flows.plans.requests import alternatives_of, build_request
from rivya_flows.steps.arguments import World
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.registry import BUILT_IN
from rivya_flows.steps.request import ItemRequest, ItemRequestError

WORLD = World(shipped(), "naive")


def step(fallback: tuple[dict[str, Any], ...] = (), **given: Any) -> Step:
    with_ = GenerateWith.model_validate({"prompt": "a lamp", **given})
    return Step.model_validate(
        {"id": "film", "uses": "generate", "with": with_, "fallback": fallback}
    )


def asked(made: Step, **inputs: Any) -> ItemRequest:
    return build_request(made, {"inputs": inputs}, WORLD)


def expected(**known: Any) -> Price:
    arguments = {"params": {}, "prompt": "a lamp", "brand": True, **known}
    return BUILT_IN["generate"].expected_price(arguments, WORLD)[1]


def test_what_is_written_at_the_top_is_the_same_purchase_as_in_params() -> None:
    top = asked(step(model="kling-2-6", aspect="9:16", seconds=10))
    own = asked(step(model="kling-2-6", params={"aspect_ratio": "9:16", "duration": "10"}))
    assert top.arguments["params"] == {"aspect_ratio": "9:16", "duration": "10"}
    assert replace(top, size=own.size) == own
    assert BUILT_IN["generate"].body(top, (), "job") == BUILT_IN["generate"].body(own, (), "job")


@pytest.mark.parametrize("written", [10, 10.0, "10", "10s", "${{ inputs.n }}", "${{ inputs.n }}s"])
def test_seconds_are_a_number_or_a_duration(written: Any) -> None:
    made = asked(step(model="kling-2-6", seconds=written), n=10)
    assert made.arguments["params"] == {"duration": "10"}


def test_a_value_that_only_the_run_knows_is_refused_with_what_the_model_makes() -> None:
    with pytest.raises(ItemRequestError, match="'seconds' cannot be 7; 'kling-2-6' makes 5 or 10"):
        asked(step(model="kling-2-6", seconds="${{ inputs.n }}"), n=7)
    made = step(model="veo3-1-lite", aspect="1:1")
    with pytest.raises(ItemRequestError, match="'veo3-1-lite' makes 16:9, 9:16 or auto"):
        asked(made)


def test_a_null_or_the_word_default_leaves_it_to_the_model() -> None:
    for written in ("${{ inputs.n or none }}", "default"):
        assert asked(step(model="z-image", aspect=written), n="").arguments["params"] == {}


def test_a_fallback_changes_the_model_and_keeps_what_is_at_the_top() -> None:
    made = step(
        ({"model": "sora-2", "seconds": 15}, {"model": "wan-2-5-video", "resolution": "default"}),
        model="runway",
        aspect="9:16",
        seconds=10,
        resolution="default",
    )
    assert [asked(one).arguments["params"] for one in alternatives_of(made)] == [
        {"aspectRatio": "9:16", "duration": "10"},
        {"aspect_ratio": "portrait", "n_frames": "15"},
        {"aspect_ratio": "9:16", "duration": "10"},
    ]


def test_the_price_depends_on_the_length_and_the_resolution() -> None:
    runway = {"model": "runway"}
    assert expected(**runway).max == 12
    assert expected(**runway, seconds=5, resolution="720p", aspect="9:16").max == 12
    for known in ({"seconds": 10}, {"resolution": "1080p"}, {"seconds": Unknown()}):
        assert expected(**runway, **known).max is None
    priced = asked(step(model="runway", seconds=10)).priced_by
    assert priced != asked(step(model="runway", seconds=5)).priced_by


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({"model": "sora-2"}, 10.0),
        ({"model": "sora-2", "seconds": "15s"}, 15.0),
        ({"model": "sora-2", "params": {"n_frames": "15"}}, 15.0),
        ({"model": "sora-2", "seconds": Unknown()}, None),
        ({"model": "sora-2", "params": Unknown()}, None),
        ({"model": "veo3-1-lite"}, None),
    ],
)
def test_the_length_of_a_film_is_known_where_the_model_is_asked_for_one(
    given: dict[str, Any], seconds: float | None
) -> None:
    assert asked_seconds(shipped().models[given["model"]], given) == seconds
