"""The shape of a chat answer: what `expect` may say.

Source: design 3.1, row "expect".
"""

from __future__ import annotations

from typing import Any

from rivya_flows.language.diagnostic_report import DiagnosticCollector, meant
from rivya_flows.language.syntax.tree import Path

TYPES = ("string", "integer", "number", "boolean")
_FORM = "write a name with string, integer, number or boolean, [string], or a nested map"


def check_expect(expect: Any, path: Path, report: DiagnosticCollector) -> None:
    """Tells of what is no shape of an answer."""
    if not isinstance(expect, dict):
        return  # told by the model of the step
    if not expect:
        report.add(path, "bad-expect", "'expect' names nothing", "write {name: string}")
    for name, part in expect.items():
        place: Path = (*path, name)
        if not name.isidentifier() or len(name) > 64:
            message = f"{name!r:.60} cannot be the name of a field of the answer"
            report.add(
                place, "bad-name", message, "letters, digits and _, a letter first", key=True
            )
        if isinstance(part, dict):
            check_expect(part, place, report)
        elif isinstance(part, list):
            if len(part) != 1 or not isinstance(part[0], str):
                report.add(place, "bad-expect", "a list has one type of member", "write [string]")
            else:
                _check_type(part[0], (*place, 0), report)
        else:
            _check_type(part, place, report)


def _check_type(written: Any, path: Path, report: DiagnosticCollector) -> None:
    if not isinstance(written, str) or written not in TYPES:
        hint = meant(written, TYPES) if isinstance(written, str) else _FORM
        shown = "nothing" if written is None else f"{written!r:.60}"
        report.add(path, "bad-expect", f"unknown type {shown} of an answer", hint)
