"""Wrong declarations of inputs: each mistake at its place, with the fix."""

from __future__ import annotations

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check
from support.wrong_specs import assert_one_diagnostic
from support.wrong_specs.inputs import DECLARATIONS


@pytest.mark.parametrize(("code", "marked", "hint"), DECLARATIONS.values(), ids=DECLARATIONS)
def test_a_wrong_declaration_has_one_diagnostic(code: str, marked: str, hint: str) -> None:
    assert_one_diagnostic(code, marked, hint)


@pytest.mark.parametrize(
    ("declared", "is_wrong"),
    [
        ("{type: file, default: a.png}", False),
        ("{type: file, default: true}", True),
        ("{type: list, of: file, default: [a.png]}", False),
        ("{type: list, of: file, default: a.png}", True),
    ],
)
def test_a_default_that_names_no_file_is_wrong_also_where_the_folder_is_unknown(
    declared: str, is_wrong: bool
) -> None:
    text = f"version: 1\nname: lamp\ninputs:\n  photo: {declared}\nsteps: {{}}\n"
    _, problems = check(text, file="lamp.yaml", catalogue=shipped(), folder=None)
    assert ("wrong-default" in {one.code for one in problems}) is is_wrong
