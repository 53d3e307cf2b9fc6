"""Each kind of step says the same of its outputs to `check`, to a run and to the reference."""

from __future__ import annotations

from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.names import NamesInScope, WrittenSpec
from rivya_flows.steps.registry import BUILT_IN

EXPECT: dict[str, Any] = {
    "expect": {"line": "string"},
    "captions": {"text": "Hello"},
    "extras": ["poster", "gif"],
}


@pytest.mark.parametrize("uses", BUILT_IN)
def test_each_kind_has_the_same_output_fields_in_check_and_in_a_run(uses: str) -> None:
    kind = BUILT_IN[uses]
    shape = kind.gives(EXPECT, NamesInScope(WrittenSpec({}), shipped()))
    assert set(shape.fields or ()) == {*kind.outputs, "status", "credits"}
