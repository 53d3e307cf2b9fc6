"""The inputs of a run as the command line gives them: a file of values, then `-i` over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.language.workflow import Workflow


def with_inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of inputs to a command: `assignments` and `file`."""
    named = click.option(
        "-i",
        "--input",
        "assignments",
        metavar="NAME=VALUE",
        multiple=True,
        help="Give an input; read as YAML against its type.",
    )
    filed = click.option(
        "--inputs",
        "file",
        metavar="FILE",
        type=Path,
        help="YAML or JSON file of inputs; -i wins over it.",
    )
    return named(filed(command))


@dataclass(frozen=True)
class InputValues:
    """What was given, to be read once the workflow is known.

    Attributes:
        text: Of the inputs file; None where there is none.
        file: Its name, for problems.
    """

    assignments: Sequence[str]
    text: str | None
    file: str

    def __call__(self, workflow: Workflow) -> Mapping[str, Any]:
        """The values by name.

        Raises:
            SpecError: A text or the file cannot be read; each problem of the file at its place.
        """
        from rivya_flows.language.syntax.input_parsing import parse_assignments

        values = {} if self.text is None else _from_file(self.text, self.file, workflow)
        return {**values, **parse_assignments(self.assignments, workflow)}


def read_given(assignments: Sequence[str], file: Path | None) -> InputValues:
    """What was given, with the file read.

    Raises:
        UsageError: There is no such file, or it is not text.
    """
    if file is None:
        return InputValues(assignments, None, "")
    from rivya_flows.app.prepare import read_spec

    return InputValues(assignments, read_spec(file).text, str(file))


def _from_file(text: str, file: str, workflow: Workflow) -> dict[str, Any]:
    from rivya_flows.errors import SpecError
    from rivya_flows.language.diagnostic_report import DiagnosticCollector
    from rivya_flows.language.inputs import fit, hint_for
    from rivya_flows.language.syntax import source
    from rivya_flows.language.syntax.input_parsing import read_values

    values = read_values(text, file=file)
    report = DiagnosticCollector(file, text)
    report.root, _ = source.read(text.removeprefix("\ufeff"))
    for name, value in values.items():
        declared = workflow.inputs.get(name)
        if declared is None:
            report.unknown((name,), "unknown-input", "input", workflow.inputs)
        elif value is not None:
            try:
                fit(declared, value, root=Path())
            except ValueError as error:
                report.add((name,), "wrong-input", f"{name}: {error}", hint_for(declared))
    if report.diagnostics:
        raise SpecError(report.diagnostics)
    return values
