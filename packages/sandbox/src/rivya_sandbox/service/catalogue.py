"""The models of the shipped catalogue, parsed for this server.

Only the data file is shared with the client, not its parser.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class ServedParam:
    """One parameter of a model.

    Attributes:
        type: ``select``, ``number``, ``text`` or ``array``.
        options: Of a select; empty when none are listed.
    """

    key: str
    type: str
    required: bool
    default: Any
    min: float | None
    max: float | None
    step: float | None
    options: tuple[str, ...]


@dataclass(frozen=True)
class ServedFileLimit:
    """Limits of files of one kind.

    Attributes:
        max_bytes: Maximum size.
        mime_types: Accepted types.
    """

    max_bytes: int
    mime_types: tuple[str, ...]


@dataclass(frozen=True)
class ServedModel:
    """One model.

    Attributes:
        max_prompt_length: In characters; None means no limit.
        file_kinds: Kinds of media it accepts as a reference or attachment.
        max_files: Maximum number of references; None means no limit is known.
        limits: Its own file limits by kind, if any.
        chat: Capabilities of a chat model; empty for others.
    """

    id: str
    category: str
    base_credits: int
    billing_type: str
    available: bool
    max_prompt_length: int | None
    url_input: bool
    file_kinds: tuple[str, ...]
    max_files: int | None
    limits: Mapping[str, ServedFileLimit]
    params: Mapping[str, ServedParam]
    chat: Mapping[str, bool]


@dataclass(frozen=True)
class ServedCatalogue:
    """All models, and the body of ``GET /api/v1/models`` as in the data file."""

    models: Mapping[str, ServedModel]
    body: bytes


def packaged_catalogue() -> ServedCatalogue:
    """The catalogue in this package."""
    body = resources.files("rivya_client.catalogue").joinpath("data/models.json").read_bytes()
    return parse(body)


def parse(body: bytes) -> ServedCatalogue:
    """Parse a body of ``GET /api/v1/models``."""
    listed = [_model(entry) for entry in json.loads(body)["data"]]
    return ServedCatalogue({model.id: model for model in listed}, body)


def _model(entry: Mapping[str, Any]) -> ServedModel:
    rule = entry["reference_media"] or {}
    return ServedModel(
        id=entry["id"],
        category=entry["category"],
        base_credits=entry["base_credits"],
        billing_type=entry["billing_type"],
        available=entry["api_status"] == "available",
        max_prompt_length=entry["max_prompt_length"],
        url_input=entry["url_input_supported"],
        file_kinds=tuple(entry["file_kinds"]),
        max_files=rule.get("max_files"),
        limits={
            limit["kind"]: ServedFileLimit(limit["max_bytes"], tuple(limit["mime_types"]))
            for limit in rule.get("limits", ())
        },
        params={param["key"]: _param(param) for param in entry["params"]},
        chat=entry["chat_capabilities"] or {},
    )


def _param(entry: Mapping[str, Any]) -> ServedParam:
    return ServedParam(
        key=entry["key"],
        type=entry["type"],
        required=entry["required"],
        default=entry["default"],
        min=entry["min"],
        max=entry["max"],
        step=entry["step"],
        options=tuple(entry["options"]),
    )
