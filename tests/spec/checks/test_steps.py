"""Wrong keys of steps: fan-outs, cycles, unknown needs, and steps that refer to later ones."""

from __future__ import annotations

import pytest

from support.wrong_specs import HEAD, assert_one_diagnostic, diagnostics_of
from support.wrong_specs.steps import ENDINGS, FAN_OUTS, ORDER


@pytest.mark.parametrize(("code", "marked", "hint"), FAN_OUTS.values(), ids=FAN_OUTS)
def test_a_wrong_fan_out_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


def test_an_empty_fan_out_is_reported_once_though_its_items_are_used() -> None:
    empty = "  s:\n    uses: generate\n    foreach: []\n    with: {model: z-image, prompt: x}\n"
    text = HEAD + "steps:\n" + empty + "outputs:\n  a: ${{ steps.s.items[0].asset }}\n"
    assert [one.code for one in diagnostics_of(text)] == ["empty-list"]


@pytest.mark.parametrize(("code", "marked", "hint"), ORDER.values(), ids=ORDER)
def test_steps_without_an_order_have_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


@pytest.mark.parametrize(("code", "marked", "hint"), ENDINGS.values(), ids=ENDINGS)
def test_a_wrong_step_of_on_failure_or_finally_has_one_diagnostic(
    code: str, marked: str, hint: str
) -> None:
    assert_one_diagnostic(code, marked, hint)
