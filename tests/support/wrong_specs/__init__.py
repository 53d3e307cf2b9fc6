"""Wrong specs by topic, each with one mistake: code, text, and the hint with the fix.

The ☞ in a text is where the diagnostic must point.
"""

from __future__ import annotations

from pathlib import Path

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.spec.load import check
from support.wrong_specs.arguments import ARGUMENTS, TYPES
from support.wrong_specs.document import DOCUMENT
from support.wrong_specs.expressions import EXPRESSIONS
from support.wrong_specs.fallbacks import FALLBACKS
from support.wrong_specs.final_cut import FINAL_CUT
from support.wrong_specs.inputs import DECLARATIONS, DEPLOYMENTS
from support.wrong_specs.picks import PICKS
from support.wrong_specs.pieces import HEAD, STILL
from support.wrong_specs.requests import REQUESTS
from support.wrong_specs.steps import ENDINGS, FAN_OUTS, ORDER, STEPS

__all__ = ["HEAD", "STILL", "WRONG", "assert_one_diagnostic", "diagnostics_of"]

WRONG = {
    **DOCUMENT, **STEPS, **ORDER, **FAN_OUTS, **ENDINGS, **EXPRESSIONS, **ARGUMENTS, **TYPES,
    **REQUESTS, **DECLARATIONS, **DEPLOYMENTS, **FINAL_CUT, **PICKS, **FALLBACKS,
}  # fmt: skip


def diagnostics_of(text: str, folder: Path | None = None) -> tuple[Diagnostic, ...]:
    """What `check` finds in a spec."""
    return check(text, file="spec.yaml", catalogue=shipped(), folder=folder)[1]


def assert_one_diagnostic(code: str, marked: str, hint: str) -> None:
    """Checks that a wrong spec has one diagnostic, at its mark, with the fix."""
    before, _, after = marked.partition("☞")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = diagnostics_of(before + after)
    shown = "\n".join(map(str, found))
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], shown
    assert found[0].hint == hint
    assert found[0].message[0].islower() or not found[0].message[0].isalpha()
