"""Cycles, unknown needs, and steps that refer to later ones."""

from __future__ import annotations

import pytest

from support.wrong_specs import assert_one_diagnostic
from support.wrong_specs.steps import ENDINGS, ORDER


@pytest.mark.parametrize(("code", "marked", "hint"), ORDER.values(), ids=ORDER)
def test_steps_without_an_order_have_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


@pytest.mark.parametrize(("code", "marked", "hint"), ENDINGS.values(), ids=ENDINGS)
def test_a_wrong_step_of_on_failure_or_finally_has_one_diagnostic(
    code: str, marked: str, hint: str
) -> None:
    assert_one_diagnostic(code, marked, hint)
