"""Validation of generation requests."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rivya_sandbox.service import catalogue
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.validation import generation
from support.sandbox_calls import code, credits

CATALOGUE = catalogue.shipped()

LAMP = {"model": "z-image", "prompt": "A lamp"}

VOICE = {"voice": "TX3LPaxmHKxFdv7VOQHJ"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": None}, "'model'"),
        ({"model": ["z-image"]}, "'model'"),
        ({"model": "z-imag"}, "z-imag"),
        ({"model": "gpt-5-2-chat"}, "chat"),
        ({"prompt": None}, "'prompt'"),
        ({"prompt": "   "}, "'prompt'"),
        ({"prompt": 7}, "'prompt'"),
        ({"prompt": "x" * 1001}, "1000"),
        ({"params": []}, "'params'"),
        ({"params": {"aspect": "1:1"}}, "'aspect'"),
        ({"params": {"aspect_ratio": "2:1"}}, "9:16"),
        ({"params": {"aspect_ratio": None}}, "aspect_ratio"),
        ({"params": {"aspect_ratio": ["1:1"]}}, "aspect_ratio"),
        ({"files": ["a"]}, "referenceMediaItems"),
        ({"seed": 7}, "'seed'"),
        ({"client_request_id": "x" * 129}, "client_request_id"),
        ({"params": {"referenceMediaItems": [{"url": "u", "kind": "image"}]}}, "no reference"),
        ({"model": "elevenlabs-turbo-2-5"}, "'voice'"),
        ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "speed": 2}}, "0.7 to 1.2"),
        ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "speed": "1"}}, "number"),
        ({"model": "elevenlabs-turbo-2-5", "params": {**VOICE, "next_text": 1}}, "text"),
        ({"model": "seedream-4-0", "params": {"max_images": 1.5}}, "whole"),
        ({"model": "elevenlabs-dialogue-v3"}, "'dialogue'"),
        ({"model": "elevenlabs-dialogue-v3", "params": {"dialogue": []}}, "'dialogue'"),
        ({"model": "elevenlabs-dialogue-v3", "params": {"dialogue": [{"voice": "Adam"}]}}, "text"),
    ],
)
def test_a_request_that_is_invalid_for_its_model_costs_nothing(
    client: httpx.Client, change: dict[str, Any], said: str
) -> None:
    body = {key: value for key, value in {**LAMP, **change}.items() if value is not None}
    answer = client.post("/api/v1/generations", json=body)
    assert (answer.status_code, code(answer)) == (400, "validation_failed")
    assert said in answer.json()["error"]["message"]
    assert credits(client) == 1000


def test_a_model_that_is_not_open_to_the_api_is_refused() -> None:
    body = CATALOGUE.body.replace(b'"available"', b'"coming_soon"', 1)
    closed = next(model for model in catalogue.parse(body).models.values() if not model.available)
    with pytest.raises(Refusal, match="not available"):
        generation(catalogue.parse(body), {"model": closed.id, "prompt": "x"})


@pytest.mark.parametrize("model", CATALOGUE.models.values(), ids=lambda model: model.id)
def test_every_model_accepts_its_own_options_defaults_and_scalars(
    model: catalogue.ServedModel,
) -> None:
    if model.category == "chat":
        return
    needed = {key: param.default for key, param in model.params.items() if param.required}
    if "dialogue" in needed:
        needed["dialogue"] = [{"text": "Hello"}]
    for key, param in model.params.items():
        values: list[Any] = [*param.options, param.min, param.max, param.default]
        if param.default in ("true", "false"):
            values += [True, False]
        if "10" in param.options:
            values += [10]
        for value in [value for value in values if value is not None]:
            body = {"model": model.id, "prompt": "x", "params": {**needed, key: value}}
            checked = generation(CATALOGUE, body).params[key]
            assert isinstance(checked, str) == (param.type in ("select", "text"))
