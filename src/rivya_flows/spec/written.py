"""A spec as its author wrote it: its plain normalized values, right or wrong."""

from __future__ import annotations

from typing import Any

from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.steps.kind import WrittenStep
from rivya_flows.steps.registry import known_kind


class WrittenSpec:
    """The values of a spec.

    Attributes:
        values: By key.
        parts: The steps of each part that are maps, by id.
        steps: All of them, those of `steps` first.
        inputs: The declared inputs by name; a wrong declaration is empty.
        outputs: The outputs by name.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.parts: dict[Part, dict[str, WrittenStep]] = {
            part: {
                step_id: WrittenStep(part, step_id, keys, known_kind(keys.get("uses")))
                for step_id, keys in self.items(part)
                if isinstance(keys, dict)
            }
            for part in PARTS
        }
        self.steps = tuple(step for steps in self.parts.values() for step in steps.values())
        inputs = self.items("inputs")
        self.inputs = {name: one if isinstance(one, dict) else {} for name, one in inputs}
        self.outputs = dict(self.items("outputs"))

    def items(self, key: str) -> list[tuple[str, Any]]:
        """The names and values in the map at a key; none if it is no map."""
        held = self.values.get(key)
        return list(held.items()) if isinstance(held, dict) else []
