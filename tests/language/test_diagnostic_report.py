"""How `check` collects and shows the mistakes of a spec."""

from __future__ import annotations

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.spec.load import load
from support.wrong_specs import HEAD, STILL, diagnostics_of


def test_all_mistakes_come_in_one_pass_and_in_the_order_of_the_file() -> None:
    text = (
        HEAD.replace("test", "Test")
        + "titel: x\nsteps:\n"
        + STILL.replace("z-image", "zz")
        + ("outputs: {a: '${{ steps.x.y }}'}\n")
    )
    found = diagnostics_of(text)
    assert [(p.line, p.code) for p in found] == [
        (2, "bad-name"),
        (3, "unknown-key"),
        (7, "unknown-model"),
        (8, "unknown-step"),
    ]


def test_diagnostic_is_shown_with_line_caret_and_hint() -> None:
    with pytest.raises(SpecError) as caught:
        load(HEAD + "titel: x\nsteps:\n" + STILL, file="a.yaml", catalogue=shipped())
    assert str(caught.value) == (
        "a.yaml:3:1: unknown key 'titel' [unknown-key]\n"
        "  titel: x\n  ^\n  hint: did you mean 'title'?"
    )


def test_very_many_mistakes_are_cut_off() -> None:
    text = HEAD + "".join(f"k{n}: 1\n" for n in range(20_000)) + "steps:\n" + STILL
    found = diagnostics_of(text)
    assert len(found) == 101
    assert found[-1].code == "too-many-problems"
