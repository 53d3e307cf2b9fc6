"""A spec as its author wrote it: its plain normalized values, right or wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rivya_flows.language.matrix import LOOPS
from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.language.syntax.tree import Path
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.registry import known_kind


@dataclass(frozen=True)
class WrittenStep:
    """One step.

    Attributes:
        keys: Of its map, with `defaults` merged in.
    """

    part: Part
    id: str
    keys: dict[str, Any]

    @property
    def path(self) -> Path:
        """Its place in the spec."""
        return (self.part, self.id)

    def get(self, key: str) -> Any:
        """The value of a key; None if there is none."""
        return self.keys.get(key)

    @cached_property
    def kind(self) -> Kind | None:
        """Its kind; None if there is no such one, or if it is broken."""
        return known_kind(self.keys.get("uses"))

    @cached_property
    def arguments(self) -> dict[str, Any] | None:
        """Its `with`; None if that is no map."""
        return _map_or_none(self.keys.get("with"))

    @property
    def loops(self) -> list[str]:
        """The keys that make it fan out; one of them, if it is right."""
        return [loop for loop in LOOPS if self.keys.get(loop) is not None]

    @property
    def variable(self) -> Any:
        """The name of the loop variable of its `foreach`."""
        return self.keys.get("as", "item")

    @property
    def needs(self) -> list[tuple[int, str]]:
        """The steps that it waits for, with their places in `needs`."""
        return [one for one in _members(self.keys.get("needs")) if isinstance(one[1], str)]

    @property
    def fallbacks(self) -> list[tuple[int, dict[str, Any]]]:
        """Its alternatives, with their places in `fallback`; none if its kind has none."""
        listed = () if self.kind and "fallback" in self.kind.idle else self.keys.get("fallback")
        return [one for one in _members(listed) if isinstance(one[1], dict)]


class WrittenSpec:
    """The values of a spec.

    Attributes:
        values: By key.
        steps: All that are maps, those of `steps` first.
        inputs: The declared inputs by name; a wrong declaration is empty.
        outputs: The outputs by name.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.steps = tuple(self._steps())
        self.inputs = {
            name: one if isinstance(one, dict) else {} for name, one in self.items("inputs")
        }
        self.outputs = dict(self.items("outputs"))

    def items(self, key: str) -> list[tuple[str, Any]]:
        """The names and values in the map at a key; none if it is no map."""
        return list((_map_or_none(self.values.get(key)) or {}).items())

    def _steps(self) -> Iterator[WrittenStep]:
        for part in PARTS:
            for step_id, keys in self.items(part):
                if isinstance(keys, dict):
                    yield WrittenStep(part, step_id, keys)


def _map_or_none(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _members(value: Any) -> list[tuple[int, Any]]:
    return list(enumerate(value)) if isinstance(value, list) else []
