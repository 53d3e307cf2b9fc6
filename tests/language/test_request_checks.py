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
# The minimal requests of the model pages that need more than a prompt.
MINIMAL: dict[str, dict[str, Any]] = {
    "elevenlabs-turbo-2-5": {"voice": "TX3LPaxmHKxFdv7VOQHJ"},
    "elevenlabs-multilingual-v2": {"voice": "TX3LPaxmHKxFdv7VOQHJ"},
    "elevenlabs-dialogue-v3": {"dialogue": [{"voice": "Adam", "text": "Hello"}]},
}


def model(model_id: str) -> Model:
    return shipped().models[model_id]


def only(found: tuple[Diagnostic, ...]) -> Diagnostic:
    assert len(found) == 1, found
    return found[0]


def hint(one: Diagnostic) -> str:
    assert one.hint is not None
    return one.hint


@pytest.mark.parametrize("model_id", shipped().models)
def test_the_minimal_request_of_every_model_passes(model_id: str) -> None:
    params = MINIMAL.get(model_id, {})
    assert coerce_params(model(model_id), params) == (params, ())
    assert check_prompt(model(model_id), "A quiet evening") == ()
    route: Literal["generate", "chat"] = (
        "chat" if model(model_id).category == "chat" else "generate"
    )
    assert check_model(shipped(), model_id, route) == ()


@pytest.mark.parametrize("model_id", shipped().models)
def test_a_request_with_every_default_written_passes(model_id: str) -> None:
    chosen = model(model_id)
    params = {p.key: p.default for p in chosen.params if p.default is not None}
    params |= MINIMAL.get(model_id, {})
    assert coerce_params(chosen, params) == (params, ())


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
    ],
)
def test_values_become_what_the_wire_wants(
    model_id: str, key: str, written: Any, sent: Any
) -> None:
    coerced, found = coerce_params(model(model_id), {key: written})
    assert found == ()
    assert coerced == {key: sent}
    assert type(coerced[key]) is type(sent)


def test_a_number_becomes_the_option_of_a_select() -> None:
    params = {"dialogue": [{"text": "Hello"}], "stability": 0.5}
    coerced, found = coerce_params(model("elevenlabs-dialogue-v3"), params)
    assert (coerced["stability"], found) == ("0.5", ())


def test_nothing_is_added_to_the_parameters() -> None:
    assert coerce_params(model("kling-3-0"), {}) == ({}, ())


@pytest.mark.parametrize("value", [True, False, "true", "false"])
def test_a_switch_listed_with_one_option_takes_both(value: object) -> None:
    params = [{"key": "sound", "type": "select", "default": "false", "options": ["false"]}]
    wire = {"data": [{"id": "m", "category": "video", "params": params}]}
    live = from_wire(wire, date="2026-11-25", source="live").models["m"]
    assert coerce_params(live, {"sound": value})[1] == ()


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    one = only(coerce_params(model("veo3-1-lite"), {"aspect_ratio": "9:16"})[1])
    assert (one.path, one.code) == (("params", "aspect_ratio"), "unknown-param")
    assert "did you mean 'aspectRatio'?" in hint(one)


def test_an_unknown_key_of_an_incomplete_list_is_reported_as_such() -> None:
    one = only(coerce_params(model("wan-2-7-video"), {"camera": "still"})[1])
    assert "may be incomplete" in hint(one)


def test_reference_items_are_pointed_to_references() -> None:
    one = only(coerce_params(model("nano-banana-2"), {"referenceMediaItems": []})[1])
    assert "references:" in hint(one)


def test_a_wrong_option_is_refused_with_all_options() -> None:
    one = only(coerce_params(model("wan-2-6"), {"resolution": "720"})[1])
    assert one.code == "bad-option"
    assert hint(one) == "did you mean '720p'? one of 720p, 1080p"


def test_an_unknown_voice_is_refused_with_the_one_that_was_meant_and_who_there_is() -> None:
    one = only(coerce_params(model("elevenlabs-turbo-2-5"), {"voice": "jesica"})[1])
    assert hint(one).startswith("did you mean 'Jessica'? one of Liam (male, American), Jessica (")


def test_a_name_of_a_voice_is_taken_only_where_the_service_has_its_id() -> None:
    params = [{"key": "voice", "type": "select", "options": ["cgSgspJ2msm6clMCkdW9", "new-id"]}]
    wire = {"data": [{"id": "m", "category": "audio", "params": params}]}
    live = from_wire(wire, date="2026-11-25", source="live").models["m"]
    assert coerce_params(live, {"voice": "Jessica"})[0] == {"voice": "cgSgspJ2msm6clMCkdW9"}
    one = only(coerce_params(live, {"voice": "Liam"})[1])
    assert hint(one) == "one of Jessica (female, American), new-id"


def test_a_name_that_is_an_option_itself_is_sent_as_it_is() -> None:
    params = {"dialogue": [{"text": "Hello"}], "default_voice": "Liam"}
    assert coerce_params(model("elevenlabs-dialogue-v3"), params) == (params, ())


@pytest.mark.parametrize(
    ("model_id", "key", "value", "code"),
    [
        ("grok-imagine-video", "duration", 31, "out-of-range"),
        ("grok-imagine-video", "duration", 5, "out-of-range"),
        ("grok-imagine-video", "duration", 6.5, "out-of-range"),
        ("veo3-1-lite", "seeds", 9999, "out-of-range"),
        ("qwen2-image", "seed", -1, "out-of-range"),
        ("seedream-3-0", "guidance_scale", "a lot", "bad-param"),
        ("seedream-3-0", "guidance_scale", True, "bad-param"),
        ("seedream-3-0", "guidance_scale", float("nan"), "bad-param"),
        ("seedream-3-0", "seed", "1e999", "bad-param"),
        ("seedream-3-0", "seed", 10**400, "out-of-range"),
        ("ideogram-v3", "negative_prompt", ["rain"], "bad-param"),
        ("ideogram-v3", "style", None, "bad-param"),
        ("ideogram-v3", "style", {"a": 1}, "bad-param"),
    ],
)
def test_values_outside_their_descriptor_are_refused(
    model_id: str, key: str, value: Any, code: str
) -> None:
    coerced, found = coerce_params(model(model_id), {key: value})
    assert only(found).path == ("params", key)
    assert only(found).code == code
    assert coerced == {}


def test_a_range_is_in_the_hint() -> None:
    one = only(coerce_params(model("grok-imagine-video"), {"duration": 31})[1])
    assert one.hint == "from 6 to 30"


def test_a_number_between_the_steps_of_a_slider_passes() -> None:
    voice = MINIMAL["elevenlabs-turbo-2-5"]
    assert coerce_params(model("elevenlabs-turbo-2-5"), {**voice, "speed": 0.97})[1] == ()


@pytest.mark.parametrize("model_id", MINIMAL)
def test_a_required_parameter_that_is_missing_is_named(model_id: str) -> None:
    one = only(coerce_params(model(model_id), {})[1])
    assert (one.path, one.code) == (("params",), "missing-param")
    assert next(iter(MINIMAL[model_id])) in one.message


@pytest.mark.parametrize(
    "dialogue", [[], "Hello", ["Hello"], [{"voice": "Adam"}], [{"text": "Hello", "mood": "dry"}]]
)
def test_a_dialogue_must_be_a_list_of_lines(dialogue: Any) -> None:
    found = coerce_params(model("elevenlabs-dialogue-v3"), {"dialogue": dialogue})[1]
    assert only(found).code == "bad-param"


def test_values_not_known_yet_are_passed_through() -> None:
    params = {"voice": "${{ inputs.voice }}", "spead": 1}
    coerced, found = coerce_params(model("elevenlabs-turbo-2-5"), params, unknown={"voice"})
    assert coerced == {"voice": "${{ inputs.voice }}"}
    assert only(found).path == ("params", "spead")


def test_a_prompt_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert check_prompt(model("z-image"), "क" * 1000) == ()
    one = only(check_prompt(model("z-image"), "क" * 1001))
    assert one.code == "prompt-too-long"
    assert one.message == "the prompt has 1,001 characters; 'z-image' takes at most 1,000"


def test_a_model_without_a_limit_takes_any_length() -> None:
    assert check_prompt(model("4o-image"), "x" * 100_000) == ()


@pytest.mark.parametrize("prompt", [None, "", "  \n"])
def test_a_missing_prompt_is_refused_where_one_is_needed(prompt: str | None) -> None:
    assert only(check_prompt(model("z-image"), prompt)).path == ("prompt",)
    assert only(check_prompt(model("gpt-5-2-chat"), prompt)).path == ("message",)
    assert check_prompt(model("elevenlabs-dialogue-v3"), prompt) == ()


@pytest.mark.parametrize(
    ("model_id", "kinds"),
    [
        ("z-image", []),
        ("nano-banana-2", ["image"] * 14),
        ("qwen-image", ["image"] * 40),
        ("wan-2-6", ["video"]),
        ("happyhorse-1-0", ["image"] * 9),
        ("happyhorse-1-0", ["image"] * 5 + ["video"]),
    ],
)
def test_references_within_the_rule_pass(model_id: str, kinds: list[str]) -> None:
    assert check_reference_files(model(model_id), kinds) == ()


@pytest.mark.parametrize(
    ("model_id", "kinds", "code", "path"),
    [
        ("z-image", ["image"], "references-refused", ("references",)),
        ("gpt-5-2-chat", ["image"], "references-refused", ("references",)),
        ("nano-banana-2", ["image"] * 15, "too-many-references", ("references",)),
        ("wan-2-6", ["image", "video"], "too-many-references", ("references",)),
        ("veo3-1-lite", ["image", "audio"], "references-refused", ("references", 1)),
        ("happyhorse-1-0", ["image"] * 6 + ["video"], "references-refused", ("references",)),
        ("happyhorse-1-0", ["video"] * 2, "references-refused", ("references",)),
    ],
)
def test_references_against_the_rule_are_refused(
    model_id: str, kinds: list[str], code: str, path: tuple[str | int, ...]
) -> None:
    one = only(check_reference_files(model(model_id), kinds))
    assert (one.code, one.path) == (code, path)


def test_a_reference_that_is_too_large_or_of_a_wrong_type_is_refused() -> None:
    banana = model("nano-banana-2")
    assert check_reference_files(banana, ["image"], [30 * MB], ["image/webp"]) == ()
    one = only(check_reference_files(banana, ["image", "image"], [None, 31 * MB]))
    assert (one.code, one.path) == ("reference-too-large", ("references", 1))
    one = only(check_reference_files(banana, ["image"], [1], ["image/gif"]))
    assert "image/png" in hint(one)


@pytest.mark.parametrize(
    ("model_id", "route", "code"),
    [
        ("z-imagee", "generate", "unknown-model"),
        ("z-image", "chat", "wrong-route"),
        ("gpt-5-2-chat", "generate", "wrong-route"),
    ],
)
def test_a_model_that_does_not_fit_the_step_is_refused(
    model_id: str, route: Any, code: str
) -> None:
    one = only(check_model(shipped(), model_id, route))
    assert (one.path, one.code) == (("model",), code)


def test_a_model_that_is_not_open_yet_is_refused() -> None:
    wire = {"data": [{"id": "m", "category": "image", "api_status": "coming_soon"}]}
    catalogue = from_wire(wire, date="2026-11-25", source="live")
    assert only(check_model(catalogue, "m", "generate")).code == "model-unavailable"
