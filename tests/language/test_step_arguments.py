"""Kinds of step: each has a row in every table that needs one, see CONTRIBUTING.md."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_flows.language.expressions.output_types import ANY, of_include, of_single
from rivya_flows.language.schema import rules
from rivya_flows.planning.expansion.run_scope import FIELDS
from rivya_flows.steps.registry import BUILT_IN

EXPECT: dict[str, Any] = {
    "expect": {"line": "string"},
    "captions": {"text": "Hello"},
    "extras": ["poster", "gif"],
}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_an_editor_describes_each_kind(kind: str) -> None:
    assert kind in rules._SAYS


@pytest.mark.parametrize("kind", BUILT_IN)
def test_each_kind_has_the_same_output_fields_in_check_and_in_a_run(kind: str) -> None:
    shape = of_include(None) if kind == "include" else of_single(kind, EXPECT, "image", ANY)
    assert set(shape.fields or ()) == {*FIELDS[kind], "status", "credits"}
