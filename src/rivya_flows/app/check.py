"""Check a spec: every mistake at its place, before anything is sent."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.app.spec_file import NO_SPEC, SpecFile, read_spec
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, UsageError
from rivya_flows.language import load
from rivya_flows.language.workflow import Workflow


def check_file(path: Path, catalogue: Catalogue) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    """The workflow in a file, or None and what is wrong with it.

    A file that cannot be read is a diagnostic at its beginning; without a line if it is missing.
    """
    if path.is_dir():  # one without specs: `check` names those of the others
        return None, (Diagnostic("unreadable", NO_SPEC, file=str(path)),)
    try:
        return check_spec(read_spec(path), catalogue)
    except UsageError as error:
        # The diagnostic names the path already.
        message = error.message.removeprefix(f"{path}: ")
        start = 1 if path.is_file() else 0  # editors count from 1
        found = Diagnostic(
            "unreadable", message, error.hint, file=str(path), line=start, column=start
        )
        return None, (found,)


def check_spec(
    spec: SpecFile, catalogue: Catalogue
) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    """The workflow of a spec, or None and what is wrong with it."""
    return load.check(
        spec.text,
        file=spec.name,
        catalogue=catalogue,
        folder=spec.folder,
        includes=spec.includes,
    )
