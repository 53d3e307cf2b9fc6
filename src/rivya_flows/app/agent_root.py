"""What an agent may name: specs, files and runs inside one folder, the root."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rivya_flows.app.spec_file import SpecFile, read_spec
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.inputs import hint_for
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.language.workflow import Workflow
from rivya_flows.store.journal import Journal, RunRow

AS_TEXT = "spec"
"""Name of a spec that was given as text."""


def spec_inside(root: Path, given: str) -> SpecFile:
    """The spec at a path inside the root, or the one that the text is."""
    if "\n" in given or "\r" in given:
        return SpecFile(given, AS_TEXT, root)
    path = path_inside(root, given)
    if path.exists() and not path.is_file():  # a pipe would hold the server until somebody writes
        raise UsageError(f"{given!r:.200} is not a file", "name a spec; `list_specs` shows them")
    return read_spec(path)


def path_inside(root: Path, given: str) -> Path:
    """The path that is meant, its links followed."""
    try:
        path = (root / given).resolve()
        inside = path.is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
        inside = False
    if not inside:
        raise UsageError(f"{given!r:.200} is outside the root {root}", "name a path inside it")
    return path


def inputs_inside(root: Path, workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs, files at their paths inside the root."""
    found, problems = dict(given), []
    for name, declared in workflow.inputs.items():
        if name not in given or "file" not in (declared.type, declared.of):
            continue
        try:
            found[name] = _files(root, given[name])
        except ValueError as error:
            words = f"{name}: {str(error).replace('the folder of the spec', 'the root')}"
            problems.append(Diagnostic("wrong-input", words, hint_for(declared), file="<inputs>"))
    if problems:
        raise SpecError(tuple(problems))
    return found


def _files(root: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_files(root, one) for one in value]
    return value and resolve(value, kind=None, root=root, inside=True)


def run_inside(root: Path, journal: Journal, run: str) -> RunRow:
    """A run that was made in the root; other runs do not exist for an agent."""
    row = journal.run(run)
    if row is None or not row.folder.resolve().is_relative_to(root):
        raise UsageError(f"there is no run {run!r:.200} in {root}", "`run` gives its id")
    return row
