"""Reads the services of `compose.yaml`, with their variables filled in; needs no Docker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPOSE = Path(__file__).parent.parent / "compose.yaml"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\}")


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        command: Of its container; empty for the image's own.
        environment: Of that command.
        rest: Everything else, as written.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    rest: Mapping[str, Any]


def services(values: Mapping[str, str], path: Path = COMPOSE) -> dict[str, Service]:
    """The services by name.

    Args:
        values: For ``${NAME}``, as in an ``.env`` file.
        path: The file.

    Raises:
        KeyError: A variable that the file requires has no value.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    found = {}
    for name, node in document["services"].items():
        filled = _fill(node, values)
        found[name] = Service(
            name=name,
            command=tuple(filled.pop("command", ())),
            environment=filled.pop("environment", {}),
            rest=filled,
        )
    return found


def _fill(node: Any, values: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {name: _fill(one, values) for name, one in node.items()}
    if isinstance(node, list):
        return [_fill(one, values) for one in node]
    if not isinstance(node, str):
        return node

    def value(found: re.Match[str]) -> str:
        given = values.get(found["name"], "")
        if given or found["kind"] is None:
            return given
        if found["kind"] == "?":
            raise KeyError(found["name"])
        return found["text"]

    return _VARIABLE.sub(value, node)
