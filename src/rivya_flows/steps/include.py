"""`include`: runs another spec as part of this one. Its steps are planned as those of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from rivya_flows.language.expressions.output_types import Shape, of_include
from rivya_flows.language.field_types import Name, SpecModel, Value
from rivya_flows.language.matrix import LOOPS
from rivya_flows.steps.kind import Kind, Names


class IncludeWith(SpecModel):
    """What `include` takes.

    Attributes:
        spec: Path of the other spec, from the folder of this one.
        inputs: Values of the other spec's inputs.
    """

    spec: str
    inputs: dict[Name, Value] = Field(default_factory=dict)


class Include(Kind):
    uses = "include"
    says = "Runs another spec as part of this one."
    takes = IncludeWith
    outputs = ("outputs",)
    idle = ("matrix", "foreach", "as", "zip", "key", "max_items", "allow_failures", "retry",
            "regenerate", "fallback", "timeout", "max_parallel", "cache")  # fmt: skip
    buys = True
    is_for_results = False
    passes_on = True

    @property
    def name(self) -> str:
        return "an included spec"

    def idle_hint(self, key: str) -> str:
        if key in LOOPS:
            return "an include runs once: write one step for each, or fan out inside it"
        return "set it on the steps of that spec"

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        return of_include(None)
