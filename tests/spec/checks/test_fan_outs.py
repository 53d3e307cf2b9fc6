"""Wrong fan-outs: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import HEAD, assert_one_diagnostic, diagnostics_of
from support.wrong_specs.steps import FAN_OUTS


@pytest.mark.parametrize(("code", "marked", "hint"), FAN_OUTS.values(), ids=FAN_OUTS)
def test_a_wrong_fan_out_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


def test_an_empty_fan_out_is_reported_once_though_its_items_are_used() -> None:
    empty = "  s:\n    uses: generate\n    foreach: []\n    with: {model: z-image, prompt: x}\n"
    text = HEAD + "steps:\n" + empty + "outputs:\n  a: ${{ steps.s.items[0].asset }}\n"
    assert [one.code for one in diagnostics_of(text)] == ["empty-list"]
