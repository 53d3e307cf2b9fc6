from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rivya_client.catalogue.catalogue import Catalogue, FileLimit
from rivya_client.catalogue.prices import Price, price
from rivya_client.catalogue.snapshot import from_wire, shipped

MB = 2**20


def wire_model(**fields: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "m", "category": "image", **fields}]}


def live(wire: dict[str, Any]) -> Catalogue:
    return from_wire(wire, date="2026-11-25", source="live")


def test_snapshot_holds_all_models_of_the_contract() -> None:
    catalogue = shipped()
    counts = Counter(model.category for model in catalogue.models.values())
    assert counts == {"image": 24, "video": 21, "audio": 6, "chat": 6}
    assert catalogue.source == "shipped"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", catalogue.date)


@pytest.mark.parametrize(
    ("model_id", "price", "billing", "longest"),
    [
        ("z-image", 1, "FIXED", 1000),
        ("4o-image", 3, "FIXED", None),
        ("veo3-1-lite", 10, "FIXED", 5000),
        ("seedance-2", 175, "FIXED", 2500),
        ("elevenlabs-dialogue-v3", 14, "METERED", 5000),
        ("gpt-5.4-codex-chat", 4, "TOKEN_BASED", 20000),
    ],
)
def test_snapshot_keeps_credits_billing_and_prompt_limit(
    model_id: str, price: int, billing: str, longest: int | None
) -> None:
    model = shipped().models[model_id]
    assert (model.base_credits, model.billing_type) == (price, billing)
    assert model.max_prompt_length == longest


def test_every_default_of_a_select_is_one_of_its_options() -> None:
    for model in shipped().models.values():
        for param in model.params:
            if param.type == "select" and param.default is not None:
                assert param.default in param.options, (model.id, param.key)


def test_wire_form_of_the_snapshot_has_every_documented_field() -> None:
    documented = {
        "id", "display_name", "category", "runtime", "base_credits", "billing_type",
        "supported_modes", "max_prompt_length", "reference_media", "params", "api_status",
        "api_input_status", "supported_api_inputs", "requires_files_api",
        "requires_upload_for_modes", "url_input_supported", "file_kinds", "chat_capabilities",
        "notices",
    }  # fmt: skip
    wire = shipped().wire
    assert wire["object"] == "list"
    assert all(set(model) == documented for model in wire["data"])


def test_notes_name_only_models_and_parameters_that_exist() -> None:
    catalogue = shipped()
    path = Path(__file__).parents[2] / "src/rivya_client/catalogue/data/notes.json"
    notes = json.loads(path.read_text("utf-8"))
    everywhere = {param.key for model in catalogue.models.values() for param in model.params}
    assert set(notes["price_params"]["everywhere"]) <= everywhere
    for table in (notes["price_params"]["also"], notes["price_params"]["except"]):
        for model_id, keys in table.items():
            assert all(catalogue.models[model_id].param(key) for key in keys)
    for name in ("prompt_optional", "params_incomplete", "array_items", "reference_combinations"):
        assert set(notes[name]) <= set(catalogue.models)


def test_reference_limits_differ_by_kind_and_an_unknown_count_is_none() -> None:
    some, several = (shipped().models[name].references for name in ("qwen-image", "happyhorse-1-0"))
    assert some is not None
    assert (some.kinds, some.max_files) == (("image",), None)
    assert several is not None
    assert several.limits["image"].max_bytes == 10 * MB
    assert several.limits["video"] == FileLimit(95 * MB, ("video/mp4", "video/quicktime"))


def test_chat_models_tell_what_they_can_do() -> None:
    names = ("gemini-2-5-flash-chat", "claude-sonnet-4-6-chat", "z-image")
    chats = [shipped().models[name].chat for name in names]
    assert [chat and chat.image_attachments for chat in chats] == [True, False, None]


def test_size_bears_a_price_only_where_it_is_a_tier() -> None:
    sizes = [shipped().models[name].param("size") for name in ("4o-image", "sora-2-pro")]
    assert [size and size.bears_price for size in sizes] == [False, True]


def test_unknown_fields_are_ignored_and_missing_ones_tolerated() -> None:
    wire = wire_model(surprise={"a": 1}, params=[{"key": "seed", "colour": "red"}, {"nokey": 1}, 7])
    model = live(wire).models["m"]
    assert (model.display_name, model.base_credits, model.references) == ("m", None, None)
    assert [param.key for param in model.params] == ["seed"]


@pytest.mark.parametrize("payload", [{}, {"data": None}, {"data": [None, 3, {"id": 4}]}])
def test_a_payload_without_models_gives_an_empty_catalogue(payload: dict[str, Any]) -> None:
    assert live(payload).models == {}


def test_a_switch_listed_with_its_default_alone_has_both_options() -> None:
    wire = wire_model(params=[{"key": "sound", "type": "select", "default": False, "options": []}])
    param = live(wire).models["m"].params[0]
    assert param.options == ("false", "true")


@pytest.mark.parametrize(
    "told", [math.nan, math.inf, -math.inf, -1, 10**9 + 1, int("9" * 4000), "7", None, True]
)
def test_an_impossible_price_is_unknown(told: Any) -> None:
    model = live(wire_model(base_credits=told)).models["m"]
    assert model.base_credits is None
    assert price(model, {}) == Price(0, None, "the service lists no price for this model")


@pytest.mark.parametrize("told", [math.nan, math.inf, -math.inf, int("9" * 4000)], ids=range(4))
def test_an_impossible_bound_is_ignored(told: Any) -> None:
    param = {"key": "seed", "type": "number", "min": told, "max": told, "step": told}
    wire = wire_model(params=[param], max_prompt_length=told)
    model = live(wire).models["m"]
    assert (model.params[0].min, model.params[0].max, model.params[0].step) == (None, None, None)
    assert model.max_prompt_length is None


def test_an_id_that_none_can_be_is_left_out() -> None:
    entries = [{"id": told} for told in ("good", "x" * 513, "a\0b", "a\nb", 7)]
    assert list(live({"data": entries}).models) == ["good"]


def test_a_fractional_price_is_rounded_up() -> None:
    wire = wire_model(base_credits=1.5)
    assert live(wire).models["m"].base_credits == 2
