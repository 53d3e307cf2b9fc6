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


def test_credits_are_those_of_the_account_and_verbose_shows_each_request_and_no_key(
    call: Terminal, service: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("credits")
    assert said.out == f"15 credits at {service.base_url}\n"
    assert "GET " not in said.err
    assert call("credits", "--json").document == {"credits": 15, "service": service.base_url}
    said = call("--verbose", "credits")
    assert "GET " in said.err
    assert "/api/v1/credits" in said.err
    assert service.api_key not in said.err
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_wrong")
    said = call("credits")
    assert (said.code, "error: api_key_invalid" in said.err) == (2, True)
    assert "rvya_sk_wrong" not in said.err


def test_models_are_those_of_the_service_and_the_shipped_ones_without_a_key(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as keyless:
        keyless.delenv("RIVYA_API_KEY")
        listed = call("models").out
    assert listed.splitlines()[1].split()[:3] == ["z-image", "image", "1"]
    assert listed.endswith(", shipped\n")
    said = call("models", "--json").document
    assert (said["source"], len(said["models"])) == ("live", 57)


def test_model_is_shown_with_parameters_and_price(call: Terminal) -> None:
    said = call("models", "veo3-1-lite")
    assert said.code == 0
    assert "aspectRatio" in said.out
    shown = call("models", "veo3-1-lite", "--json").document["model"]
    assert shown["price"]["min"] == shown["base_credits"]
    assert "aspectRatio" in [param["key"] for param in shown["params"]]


def test_model_is_shown_with_what_it_takes_under_the_names_of_every_model(call: Terminal) -> None:
    lines = [line.split() for line in call("models", "runway").out.splitlines()]
    assert ["seconds", "duration", "5", "5,", "10"] in lines
    assert ["resolution", "quality", "720p", "720p,", "1080p"] in lines
    [seed] = [
        one
        for one in call("models", "veo3-1-lite", "--json").document["model"]["common"]
        if one["key"] == "seed"
    ]
    assert (seed["own"], seed["options"], seed["min"], seed["max"]) == ("seeds", [], 10_000, 99_999)


def test_models_are_listed_by_kind_and_by_a_part_of_their_ids(call: Terminal) -> None:
    found = call("models", "veo3", "--kind", "video", "--json").document["models"]
    assert {one["id"] for one in found} == {"veo3-1-lite", "veo3-1-fast"}
    (row,) = [
        one for one in call("models", "kling").out.splitlines() if one.startswith("kling-3-0")
    ]
    assert "text-to-video, image-to-video" in row
    assert "those that have make video" in call("models", "veo3", "--kind", "chat").err


def test_voices_of_a_model_are_shown_with_name_id_and_character(call: Terminal) -> None:
    lines = call("models", "elevenlabs-turbo-2-5").out.splitlines()
    assert ["Jessica", "cgSgspJ2msm6clMCkdW9", "female", "American", "playful,", "bright,",
            "warm"] in [line.split() for line in lines]  # fmt: skip
