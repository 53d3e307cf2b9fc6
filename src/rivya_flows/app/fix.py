"""Fix what is certain in the file of a spec or of a brand."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rivya_flows.app.check import SpecWithTests, check_file, check_text, lint_spec, unreadable
from rivya_flows.app.spec_file import is_tests, read_spec
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, UsageError
from rivya_flows.language import fixes
from rivya_flows.language.workflow import Workflow

_MARK = "\ufeff"
"""The byte order mark that some editors start a file with."""


@dataclass(frozen=True)
class CheckedFile:
    """A file after its check.

    Attributes:
        checked: None if it has mistakes, or is a brand.
        diagnostics: Its mistakes, without those that were fixed.
    """

    path: Path
    checked: Workflow | SpecWithTests | None
    diagnostics: tuple[Diagnostic, ...]
    fixed: tuple[Diagnostic, ...] = ()
    before: str = ""
    after: str = ""

    def warnings(self, catalogue: Catalogue) -> tuple[Diagnostic, ...]:
        """What is no mistake, and does less than it seems to; of a spec without mistakes."""
        if not isinstance(self.checked, Workflow) or self.diagnostics:
            return ()
        return lint_spec(read_spec(self.path), self.checked, catalogue)

    @property
    def diff(self) -> Iterator[str]:
        """The lines of a unified diff of the fixes."""
        # Of the line breaks of YAML only those of `diff`.
        was, now = (text.removesuffix("\n").split("\n") for text in (self.before, self.after))
        name = str(self.path)
        yield from difflib.unified_diff(was, now, name, name, lineterm="")


def fix_file(path: Path, catalogue: Catalogue, *, write: bool) -> CheckedFile:
    """Checks a file and fixes what is certain, in this file alone.

    Args:
        path: A spec or a brand file; tests are only checked.
        write: Whether to write the file; its line breaks, mode and byte order mark are kept.
    """
    if path.is_dir() or is_tests(path):
        return CheckedFile(path, *check_file(path, catalogue))
    try:
        spec = read_spec(path, newline="")
    except UsageError as error:
        return CheckedFile(path, None, (unreadable(path, error),))

    def check(text: str) -> tuple[Diagnostic, ...]:
        return check_text(replace(spec, text=text), catalogue)[1]

    body = spec.text.lstrip(_MARK)  # of several marks all but the first are mistakes
    found = fixes.fixed(body, spec.name, check)
    after = spec.text.removesuffix(body) + found.text
    try:
        if write and found.applied:
            _overwrite(path, spec.text, after)
    except UsageError as error:
        left = (unreadable(path, error), *check(spec.text))
        return CheckedFile(path, None, left)
    workflow, left = check_text(replace(spec, text=after), catalogue)
    return CheckedFile(path, workflow, left, found.applied, spec.text, after)


def _overwrite(path: Path, before: str, text: str) -> None:
    """Writes a file atomically, with its mode."""
    real = path.resolve()
    if not real.is_relative_to(path.parent.resolve()):
        raise UsageError(f"{path}: is a link to another folder, so nothing is fixed", f"fix {real}")
    partial = None
    try:
        mode = stat.S_IMODE(real.stat().st_mode)
        if not mode & 0o222 or not os.access(real, os.W_OK):
            hint = "make it writable, then fix it again"
            raise UsageError(f"{path}: is read-only, so nothing is fixed", hint)
        with tempfile.NamedTemporaryFile(dir=real.parent, prefix=".", delete=False) as file:
            partial = Path(file.name)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(mode)
        if real.read_bytes() != before.encode():
            raise UsageError(
                f"{path}: changed while it was checked, so nothing is fixed", "fix it again"
            )
        partial.replace(real)
    except OSError as error:
        message = f"{path}: cannot be written: {error.strerror or error}"
        raise UsageError(message, "check the folder, then fix it again") from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
