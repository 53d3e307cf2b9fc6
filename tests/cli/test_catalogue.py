"""`models` and `credits`: what the service says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running(tmp_path_factory.mktemp("sandbox"), credits=15) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def service(served: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A sandbox with 15 credits as the service."""
    buy_from(served, monkeypatch)
    return served


def test_credits_are_those_of_the_account(call: Terminal, service: Sandbox) -> None:
    assert call("credits").out == f"15 credits at {service.base_url}\n"
    assert call("credits", "--json").document == {"credits": 15, "service": service.base_url}


def test_refused_key_is_told_without_the_key(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_wrong")
    said = call("credits")
    assert said.code == 2
    assert "error: api_key_invalid" in said.err
    assert "rvya_sk_wrong" not in said.err


def test_models_are_those_of_the_service_where_there_is_a_key(call: Terminal) -> None:
    said = call("models", "--json")
    assert said.document["source"] == "live"
    assert len(said.document["models"]) == 57


def test_models_are_the_shipped_ones_without_a_key(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RIVYA_API_KEY")
    said = call("models")
    assert said.code == 0
    assert said.out.splitlines()[1].split()[:3] == ["z-image", "image", "1"]
    assert said.out.endswith(", shipped\n")


def test_model_is_shown_with_parameters_and_price(call: Terminal) -> None:
    said = call("models", "veo3-1-lite")
    assert said.code == 0
    assert "aspectRatio" in said.out
    shown = call("models", "veo3-1-lite", "--json").document["model"]
    assert shown["price"]["min"] == shown["base_credits"]
    assert "aspectRatio" in [param["key"] for param in shown["params"]]


def test_models_are_listed_by_kind_and_by_a_part_of_their_ids(call: Terminal) -> None:
    found = call("models", "veo3", "--kind", "video", "--json").document["models"]
    assert {one["id"] for one in found} == {"veo3-1-lite", "veo3-1-fast"}
    (row,) = [
        one for one in call("models", "kling").out.splitlines() if one.startswith("kling-3-0")
    ]
    assert "text-to-video, image-to-video" in row
    said = call("models", "veo3", "--kind", "chat")
    assert said.code == 2
    assert "no model of --kind chat has 'veo3' in its id" in said.err
    assert "those that have make video" in said.err


def test_unknown_model_is_told_with_the_one_meant(call: Terminal) -> None:
    said = call("models", "zimage")
    assert said.code == 2
    assert "did you mean 'z-image'?" in said.err


def test_voices_of_a_model_are_shown_with_name_id_and_character(call: Terminal) -> None:
    lines = call("models", "elevenlabs-turbo-2-5").out.splitlines()
    assert ["Jessica", "cgSgspJ2msm6clMCkdW9", "female", "American", "playful,", "bright,",
            "warm"] in [line.split() for line in lines]  # fmt: skip
