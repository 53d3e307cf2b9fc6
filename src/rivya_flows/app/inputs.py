"""Values of inputs: those that a user writes, and those that were frozen before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.app.asset_ingest import each_found
from rivya_flows.app.spec_file import read_file
from rivya_flows.assets import as_asset
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.inputs import fit, hint_for
from rivya_flows.language.syntax import source
from rivya_flows.language.syntax.input_parsing import parse_assignments, read_values
from rivya_flows.language.workflow import Workflow
from rivya_flows.store.assets import AssetStore


@dataclass(frozen=True)
class InputValues:
    """Values of inputs as texts, to be read once the workflow is known.

    Attributes:
        assignments: ``NAME=VALUE`` texts; they win over the file.
        text: Of a YAML or JSON file of values; None where there is none.
    """

    assignments: Sequence[str]
    text: str | None
    file: str

    def __call__(self, workflow: Workflow) -> Mapping[str, Any]:
        """The values by name."""
        values = {} if self.text is None else _from_file(self.text, self.file, workflow)
        return {**values, **parse_assignments(self.assignments, workflow)}


@dataclass(frozen=True)
class FrozenInputs:
    """Values as an earlier plan or run froze them; their files come from the asset store."""

    values: Mapping[str, Any]
    assets: AssetStore

    def __call__(self, workflow: Workflow) -> Mapping[str, Any]:
        """The values by name, their files as assets of this machine.

        Raises:
            LostMediumError: Files are not in the store; names their inputs.
        """
        declared = workflow.inputs.items()
        names = {name for name, one in declared if "file" in (one.type, one.of)}
        files = {name: value for name, value in self.values.items() if name in names}
        hint = "give these inputs again, with their files"
        return {**self.values, **each_found(files, self._here, hint)}

    def _here(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._here(one) for one in value]
        asset = as_asset(value)
        if asset is None:
            return value  # a URL, or the id of an upload
        return asset.model_copy(update={"path": self.assets.local_path(asset.sha256)})


def read_inputs(assignments: Sequence[str], file: Path | None) -> InputValues:
    """The values, with the file read."""
    if file is None:
        return InputValues(assignments, None, "")
    return InputValues(assignments, read_file(file).text, str(file))


def _from_file(text: str, file: str, workflow: Workflow) -> dict[str, Any]:
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
                report.add((name,), "wrong-input", f"{name}: {error}", hint_for(declared, value))
    if report.diagnostics:
        raise SpecError(report.diagnostics)
    return values
