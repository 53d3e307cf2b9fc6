"""Wire form -> Catalogue: the shipped snapshot, and the body of ``GET /api/v1/models``."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import resources
from typing import Any

from rivya_client.catalogue.catalogue import (
    MAX_CREDITS,
    MAX_ID_LENGTH,
    Catalogue,
    ChatCapabilities,
    FileLimit,
    Model,
    Param,
    ReferenceRule,
    Source,
    Voice,
)

_MAX_NUMBER = 2**64  # a larger one is ignored: the largest of a catalogue are bounds of seeds


@functools.cache
def shipped() -> Catalogue:
    """The catalogue that comes with this package, for work without a network.

    Source: contract, section 3.5.
    """
    return from_wire(_data("models.json"), date=_notes()["snapshot_date"], source="shipped")


def from_wire(payload: Mapping[str, Any], *, date: str, source: Source) -> Catalogue:
    """The catalogue in the body of ``GET /api/v1/models``, read on that ISO date.

    Unknown fields are ignored and missing ones are allowed, since the service may add fields and
    the contents of `params` and `reference_media` are not documented. An entry without a valid id
    is left out.
    """
    known = {
        model_id: entry
        for entry in _list(payload.get("data"))
        if isinstance(entry, Mapping) and isinstance(model_id := entry.get("id"), str)
        if len(model_id) <= MAX_ID_LENGTH and model_id.isprintable()
    }
    return Catalogue(_Models(known, source), date, source, payload)


class _Models(Mapping[str, Model]):
    """Models, parsed on demand: most work names few of many."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]], source: Source) -> None:
        self._entries, self._source = entries, source
        self._read: dict[str, Model] = {}

    def __getitem__(self, model_id: str) -> Model:
        if model_id not in self._read:
            self._read[model_id] = _model(self._entries[model_id], self._source)
        return self._read[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _model(wire: Mapping[str, Any], source: Source) -> Model:
    notes, model_id = _notes(), wire["id"]
    price = _number(wire.get("base_credits"))
    if price is not None and not 0 <= price <= MAX_CREDITS:
        price = None
    category = str(wire.get("category") or "")
    return Model(
        id=model_id,
        display_name=str(wire.get("display_name") or model_id),
        category=category,
        base_credits=None if price is None else math.ceil(price),  # never shown too low
        billing_type=str(wire.get("billing_type") or ""),
        runtime=str(wire.get("runtime") or ""),
        supported_modes=_strings(wire.get("supported_modes")),
        max_prompt_length=_whole(wire.get("max_prompt_length")),
        api_status=str(wire.get("api_status") or "available"),
        api_input_status=str(wire.get("api_input_status") or ""),
        supported_api_inputs=_strings(wire.get("supported_api_inputs")),
        requires_files_api=wire.get("requires_files_api") is True,
        requires_upload_for_modes=_strings(wire.get("requires_upload_for_modes")),
        url_input_supported=wire.get("url_input_supported") is True,
        file_kinds=_strings(wire.get("file_kinds")),
        notices=_strings(wire.get("notices")),
        prompt_required=model_id not in notes["prompt_optional"],
        params=tuple(
            _param(param, model_id)
            for param in _list(wire.get("params"))
            if isinstance(param, Mapping) and isinstance(param.get("key"), str)
        ),
        params_may_go_on=source == "shipped" and model_id in notes["params_incomplete"],
        references=None if category == "chat" else _references(wire),
        chat=_chat(wire) if category == "chat" else None,
    )


def _param(wire: Mapping[str, Any], model_id: str) -> Param:
    key, default = wire["key"], wire.get("default")
    options = _strings(wire.get("options"))
    if set(options) <= {"true", "false"} and _spell(default) in ("true", "false"):
        # The model pages list only the default of such a switch; both are options.
        options = ("false", "true")
    voices: tuple[Voice, ...] = ()
    if key in ("voice", "default_voice"):  # whose options are ids or names of voices
        named = {name: one for one in _known_voices() for name in (one["id"], one["name"])}
        voices = tuple(
            Voice(one["name"], option, one["sex"], one["accent"], one["character"])
            for option in options
            if (one := named.get(option)) is not None
        )
    prices = _notes()["price_params"]
    priced = {*prices["everywhere"], *prices["also"].get(model_id, ())}
    members = _notes()["array_items"].get(model_id, {}).get(key, {})
    return Param(
        key=key,
        type=str(wire.get("type") or "text"),
        required=wire.get("required") is True,
        default=default,
        min=_number(wire.get("min")),
        max=_number(wire.get("max")),
        step=_number(wire.get("step")),
        options=options,
        voices=voices,
        description=str(wire.get("description") or ""),
        bears_price=key in priced and key not in prices["except"].get(model_id, ()),
        item_required=_strings(members.get("required")),
        item_optional=_strings(members.get("optional")),
    )


def voice_name(value: str) -> str:
    """The name of a voice by its id; another value as it is."""
    return next((one["name"] for one in _known_voices() if one["id"] == value), value)


def _references(wire: Mapping[str, Any]) -> ReferenceRule | None:
    """The reference rule; from `file_kinds` if the service has no rule."""
    rule = wire.get("reference_media")
    if not isinstance(rule, Mapping):
        kinds = _strings(wire.get("file_kinds"))
        return ReferenceRule(kinds) if kinds else None
    limits = {
        str(limit["kind"]): FileLimit(
            _whole(limit.get("max_bytes")), _strings(limit.get("mime_types"))
        )
        for limit in _list(rule.get("limits"))
        if isinstance(limit, Mapping) and "kind" in limit
    }
    return ReferenceRule(
        kinds=_strings(rule.get("kinds")) or _strings(wire.get("file_kinds")) or tuple(limits),
        max_files=_whole(rule.get("max_files")),
        limits=limits,
        combinations=tuple(_notes()["reference_combinations"].get(wire["id"], ())),
        rule=str(rule.get("rule") or ""),
    )


def _chat(wire: Mapping[str, Any]) -> ChatCapabilities:
    given = wire.get("chat_capabilities")
    known = given if isinstance(given, Mapping) else {}
    known = {"image_attachments": "image" in _list(wire.get("file_kinds")), **known}
    return ChatCapabilities(
        **{one.name: known.get(one.name) is True for one in fields(ChatCapabilities)}
    )


@functools.cache
def _notes() -> dict[str, Any]:
    return _data("notes.json")


@functools.cache
def _known_voices() -> list[dict[str, str]]:
    voices: list[dict[str, str]] = _data("voices.json")["voices"]
    return voices


def _data(name: str) -> dict[str, Any]:
    text = resources.files("rivya_client.catalogue").joinpath("data", name).read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(_spell(member) for member in _list(value) if not isinstance(member, dict | list))


def _spell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) <= _MAX_NUMBER else None  # false for NaN too


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else int(number)
