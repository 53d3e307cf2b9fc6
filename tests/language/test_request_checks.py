"""What a model takes: parameters as the wire wants them, prompts and references within its bounds."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from rivya_client.catalogue.catalogue import Model
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.request_checks import (
    check_model,
    check_prompt,
    check_reference_files,
    coerce_params,
)

MB = 2**20
VOICE = {"voice": "TX3LPaxmHKxFdv7VOQHJ"}
# The minimal requests of the model pages that need more than a prompt.
MINIMAL: dict[str, dict[str, Any]] = {
    "elevenlabs-turbo-2-5": VOICE,
    "elevenlabs-multilingual-v2": VOICE,
    "elevenlabs-dialogue-v3": {"dialogue": [{"voice": "Adam", "text": "Hello"}]},
}


def model(model_id: str) -> Model:
    return shipped().models[model_id]


def live(**described: Any) -> Model:
    """A model as the service describes it today."""
    wire = {"data": [{"id": "m", **described}]}
    return from_wire(wire, date="2026-11-25", source="live").models["m"]


def only(found: tuple[Diagnostic, ...]) -> Diagnostic:
    assert len(found) == 1, found
    return found[0]


def test_of_every_model_the_minimal_request_and_the_one_with_all_defaults_pass() -> None:
    for model_id, one in shipped().models.items():
        minimal = MINIMAL.get(model_id, {})
        defaults = {p.key: p.default for p in one.params if p.default is not None}
        for params in (minimal, {**defaults, **minimal}):
            assert coerce_params(one, params) == (params, ()), model_id
        assert check_prompt(one, "A quiet evening") == ()
        route: Literal["generate", "chat"] = "chat" if one.category == "chat" else "generate"
        assert check_model(shipped(), model_id, route) == ()


@pytest.mark.parametrize("model_id", MINIMAL)
def test_a_required_parameter_that_is_missing_is_named(model_id: str) -> None:
    one = only(coerce_params(model(model_id), {})[1])
    assert (one.path, one.code) == (("params",), "missing-param")
    assert next(iter(MINIMAL[model_id])) in one.message


@pytest.mark.parametrize(
    ("model_id", "key", "written", "sent"),
    [
        ("nano-banana-2", "google_search", True, "true"),
        ("sora-2", "n_frames", 10, "10"),
        ("sora-2", "n_frames", 10.0, "10"),
        ("kling-3-0", "duration", 15, "15"),
        ("google-imagen4", "seed", 42, "42"),
        ("grok-imagine-video", "duration", "12", 12),
        ("flux-kontext-pro", "enableTranslation", False, "false"),
        ("wan-2-6", "duration", "15", "15"),
        ("seedream-3-0", "guidance_scale", "2.5", 2.5),
        ("elevenlabs-multilingual-v2", "voice", "Juniper", "aMSt68OGf4xUZAnLpTU8"),
        ("elevenlabs-turbo-2-5", "speed", 0.97, 0.97),  # between the steps of its slider
        ("elevenlabs-dialogue-v3", "stability", 0.5, "0.5"),
        ("elevenlabs-dialogue-v3", "default_voice", "Liam", "Liam"),  # an option itself
    ],
)
def test_values_become_what_the_wire_wants(
    model_id: str, key: str, written: Any, sent: Any
) -> None:
    coerced, found = coerce_params(model(model_id), {**MINIMAL.get(model_id, {}), key: written})
    assert found == ()
    assert coerced.keys() == {*MINIMAL.get(model_id, {}), key}
    assert (coerced[key], type(coerced[key])) == (sent, type(sent))


@pytest.mark.parametrize("value", [True, False, "true", "false"])
def test_a_switch_listed_with_one_option_takes_both(value: object) -> None:
    params = [{"key": "sound", "type": "select", "default": "false", "options": ["false"]}]
    assert coerce_params(live(category="video", params=params), {"sound": value})[1] == ()


@pytest.mark.parametrize(
    ("model_id", "key", "value", "code", "hint"),
    [
        ("wan-2-7-video", "camera", "still", "unknown-param", "may be incomplete"),
        ("nano-banana-2", "referenceMediaItems", [], "unknown-param", "references:"),
        ("wan-2-6", "resolution", "720", "bad-option", "did you mean '720p'? one of 720p, 1080p"),
        ("elevenlabs-turbo-2-5", "voice", "jesica", "bad-option",
         "did you mean 'Jessica'? one of Liam (male, American), Jessica ("),
        ("grok-imagine-video", "duration", 31, "out-of-range", "from 6 to 30"),
        ("grok-imagine-video", "duration", 5, "out-of-range", ""),
        ("grok-imagine-video", "duration", 6.5, "out-of-range", ""),
        ("veo3-1-lite", "seeds", 9999, "out-of-range", ""),
        ("qwen2-image", "seed", -1, "out-of-range", ""),
        ("seedream-3-0", "guidance_scale", "a lot", "bad-param", ""),
        ("seedream-3-0", "guidance_scale", True, "bad-param", ""),
        ("seedream-3-0", "guidance_scale", float("nan"), "bad-param", ""),
        ("seedream-3-0", "seed", "1e999", "bad-param", ""),
        ("seedream-3-0", "seed", 10**400, "out-of-range", ""),
        ("ideogram-v3", "negative_prompt", ["rain"], "bad-param", ""),
        ("ideogram-v3", "style", None, "bad-param", ""),
        ("ideogram-v3", "style", {"a": 1}, "bad-param", ""),
        *[("elevenlabs-dialogue-v3", "dialogue", dialogue, "bad-param", "")
          for dialogue in ([], "Hello", ["Hello"], [{"voice": "Adam"}], [{"text": "Hello", "mood": "dry"}])],
    ],
)  # fmt: skip
def test_values_outside_their_descriptor_are_refused(
    model_id: str, key: str, value: Any, code: str, hint: str
) -> None:
    one = only(coerce_params(model(model_id), {**MINIMAL.get(model_id, {}), key: value})[1])
    assert (one.path[:2], one.code) == (("params", key), code)
    assert hint in (one.hint or "")


def test_a_name_of_a_voice_is_taken_only_where_the_service_has_its_id() -> None:
    params = [{"key": "voice", "type": "select", "options": ["cgSgspJ2msm6clMCkdW9", "new-id"]}]
    audio = live(category="audio", params=params)
    assert coerce_params(audio, {"voice": "Jessica"})[0] == {"voice": "cgSgspJ2msm6clMCkdW9"}
    one = only(coerce_params(audio, {"voice": "Liam"})[1])
    assert one.hint == "one of Jessica (female, American), new-id"


def test_values_not_known_yet_are_passed_through() -> None:
    params = {"voice": "${{ inputs.voice }}", "spead": 1}
    coerced, found = coerce_params(model("elevenlabs-turbo-2-5"), params, unknown={"voice"})
    assert coerced == {"voice": "${{ inputs.voice }}"}
    assert only(found).path == ("params", "spead")


def test_a_prompt_may_be_as_long_as_the_limit_of_its_model_and_no_longer() -> None:
    assert check_prompt(model("z-image"), "क" * 1000) == ()
    assert check_prompt(model("4o-image"), "x" * 100_000) == ()
    one = only(check_prompt(model("z-image"), "क" * 1001))
    assert one.message == "the prompt has 1,001 characters; 'z-image' takes at most 1,000"


@pytest.mark.parametrize("prompt", [None, "", "  \n"])
def test_a_missing_prompt_is_refused_where_one_is_needed(prompt: str | None) -> None:
    assert only(check_prompt(model("z-image"), prompt)).path == ("prompt",)
    assert only(check_prompt(model("gpt-5-2-chat"), prompt)).path == ("message",)
    assert check_prompt(model("elevenlabs-dialogue-v3"), prompt) == ()


@pytest.mark.parametrize(
    ("model_id", "kinds", "refused"),
    [
        ("z-image", [], ()),
        ("z-image", ["image"], ("references-refused", "references")),
        ("gpt-5-2-chat", ["image"], ("references-refused", "references")),
        ("nano-banana-2", ["image"] * 14, ()),
        ("nano-banana-2", ["image"] * 15, ("too-many-references", "references")),
        ("qwen-image", ["image"] * 40, ()),
        ("wan-2-6", ["video"], ()),
        ("wan-2-6", ["image", "video"], ("too-many-references", "references")),
        ("veo3-1-lite", ["image", "audio"], ("references-refused", "references", 1)),
        ("happyhorse-1-0", ["image"] * 9, ()),
        ("happyhorse-1-0", ["image"] * 5 + ["video"], ()),
        ("happyhorse-1-0", ["image"] * 6 + ["video"], ("references-refused", "references")),
        ("happyhorse-1-0", ["video"] * 2, ("references-refused", "references")),
    ],
)
def test_references_follow_the_rule_of_their_model(
    model_id: str, kinds: list[str], refused: tuple[str | int, ...]
) -> None:
    found = check_reference_files(model(model_id), kinds)
    assert [(one.code, *one.path) for one in found] == ([refused] if refused else [])


def test_a_reference_that_is_too_large_or_of_a_wrong_type_is_refused() -> None:
    banana = model("nano-banana-2")
    assert check_reference_files(banana, ["image"], [30 * MB], ["image/webp"]) == ()
    one = only(check_reference_files(banana, ["image", "image"], [None, 31 * MB]))
    assert (one.code, one.path) == ("reference-too-large", ("references", 1))
    one = only(check_reference_files(banana, ["image"], [1], ["image/gif"]))
    assert "image/png" in (one.hint or "")


def test_a_model_that_is_not_open_yet_is_refused() -> None:
    wire = {"data": [{"id": "m", "category": "image", "api_status": "coming_soon"}]}
    catalogue = from_wire(wire, date="2026-11-25", source="live")
    assert only(check_model(catalogue, "m", "generate")).code == "model-unavailable"
