"""The request of one item of a `generate` step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.language.expressions.values import memory_of
from rivya_flows.language.workflow import Step
from rivya_flows.plans.requests import build_request
from rivya_flows.steps.arguments import World
from rivya_flows.steps.cut import ComposeWith
from rivya_flows.steps.generate import GenerateWith
from rivya_flows.steps.request import ItemRequest, PlanTooLargeError


def spoken(voice: str) -> ItemRequest:
    with_ = GenerateWith.model_validate(
        {"model": "elevenlabs-turbo-2-5", "prompt": "Hello", "params": {"voice": voice}}
    )
    step = Step.model_validate({"id": "voice", "uses": "generate", "with": with_})
    return build_request(step, {"inputs": {"who": "Jessica"}}, World(shipped(), "naive"))


@pytest.mark.parametrize("written", ["Jessica", "${{ inputs.who }}"])
def test_a_voice_by_name_is_the_same_purchase_as_by_its_id(written: str) -> None:
    by_id = spoken("cgSgspJ2msm6clMCkdW9")
    assert by_id.arguments["params"] == {"voice": "cgSgspJ2msm6clMCkdW9"}
    # The size bounds what is written.
    assert replace(spoken(written), size=by_id.size) == by_id


def test_the_argument_that_is_too_large_is_the_one_that_is_named() -> None:
    with_ = ComposeWith.model_validate(
        {"clips": "${{ inputs.clips }}", "overlays": [{"text": "Hi"}]}
    )
    step = Step.model_validate({"id": "film", "uses": "compose", "with": with_})
    clips = [{"media": {"url": f"https://example.com/{n}.png"}} for n in range(100)]
    # Each clip grows by its defaults once the request is made.
    room = memory_of({"clips": clips}) + 1_000
    with pytest.raises(PlanTooLargeError, match="'clips' does not fit"):
        build_request(step, {"inputs": {"clips": clips}}, World(shipped(), "naive"), room)
