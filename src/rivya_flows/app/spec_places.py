"""Locate steps and outputs in the text of a spec, for failures that the plan finds."""

from __future__ import annotations

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.tree import Mapping


class Located:
    """The places in the text of a spec that has been checked."""

    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff")
        self._root = source.read(self._text)[0]

    def of_step(self, name: str) -> tuple[str, str]:
        """Part and id of a step by its name in the plan; those of its `include` step if included."""
        words = name.split("__")
        for end in range(len(words), 0, -1):
            step_id = "__".join(words[:end])
            for part in PARTS:
                held = self._root.get(part) if isinstance(self._root, Mapping) else None
                if isinstance(held, Mapping) and step_id in held.pairs:
                    return part, step_id
        return "steps", name

    def problem(self, file: str, place: tuple[str, str], message: str) -> Diagnostic:
        """A failure at the key of a step or an output."""
        report = DiagnosticCollector(file, self._text)
        report.root = self._root
        report.add(place, "bad-arguments", message, key=True)
        return report.diagnostics[0]
