"""Wrong keys, values and steps: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from support.wrong_specs import HEAD, STILL, assert_one_diagnostic, diagnostics_of
from support.wrong_specs.document import DOCUMENT
from support.wrong_specs.steps import STEPS


@pytest.mark.parametrize(("code", "marked", "hint"), DOCUMENT.values(), ids=DOCUMENT)
def test_a_wrong_document_has_one_diagnostic_at_its_place_with_the_fix(
    code: str, marked: str, hint: str
) -> None:
    assert_one_diagnostic(code, marked, hint)


@pytest.mark.parametrize(("code", "marked", "hint"), STEPS.values(), ids=STEPS)
def test_a_wrong_step_has_one_diagnostic_at_its_place_with_the_fix(
    code: str, marked: str, hint: str
) -> None:
    assert_one_diagnostic(code, marked, hint)


def test_a_mistake_in_defaults_is_reported_once() -> None:
    text = HEAD + "defaults: {generate: {timeout: x}}\nsteps:\n" + STILL
    text += STILL.replace("still:", "other:")
    assert len(diagnostics_of(text)) == 1


def test_arguments_that_are_indented_as_a_step_are_told_to_be_indented() -> None:
    found = diagnostics_of(HEAD + "steps:\n" + STILL + "  with: {prompt: a chair}\n")
    [unknown] = [one for one in found if one.code == "unknown-key"]
    assert unknown.hint == "indent `with:`: it belongs to the step above"
