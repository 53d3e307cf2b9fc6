"""Check a spec, or its tests: every mistake at its place, before anything is sent; and fix what is certain."""

from __future__ import annotations

import difflib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.errors import Diagnostic, RivyaError, StoreError, UsageError
from rivya_flows.extras import missing
from rivya_flows.language.diagnostic_report import DiagnosticCollector, apply_fixes
from rivya_flows.language.syntax import source
from rivya_flows.language.workflow import Workflow
from rivya_flows.preparation.spec_file import (
    NO_SPEC,
    TEST_SUFFIX,
    SpecFile,
    is_tests,
    read_file,
    read_spec,
)
from rivya_flows.receipt.phrases import credits_of
from rivya_flows.spec import load
from rivya_flows.spec.brand_files import check_brand
from rivya_flows.spec.spec_tests import SpecTests, check_against, read_tests


@dataclass(frozen=True)
class SpecWithTests:
    """A spec and its tests; `workflow` is None if the spec is wrong."""

    path: Path
    tests: SpecTests
    spec: SpecFile
    workflow: Workflow | None
    refused: tuple[Diagnostic, ...]


def check_spec(
    spec: SpecFile, catalogue: Catalogue
) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    """The workflow of a spec, or None and what is wrong with it."""
    return load.check(
        spec.text, file=spec.name, catalogue=catalogue, folder=spec.folder, includes=spec.includes
    )


def check_text(
    spec: SpecFile, catalogue: Catalogue
) -> tuple[Workflow | None, tuple[Diagnostic, ...]]:
    """As `check_spec`, of a text that may be that of a brand file."""
    brand = check_brand(spec.text, spec.name, spec.folder)
    return check_spec(spec, catalogue) if brand is None else (None, brand)


def lint_spec(spec: SpecFile, workflow: Workflow, catalogue: Catalogue) -> tuple[Diagnostic, ...]:
    """Warnings about a spec without mistakes: see `LINTS` of `diagnostics`."""
    found = load.lint(spec.text, file=spec.name, workflow=workflow, catalogue=catalogue)
    return tuple(sorted((*found, *_small_budget(spec, workflow, catalogue))))


def _small_budget(spec: SpecFile, workflow: Workflow, catalogue: Catalogue) -> Iterator[Diagnostic]:
    """A warning if the budget of a spec does not cover the least that its run costs as it stands."""
    declared = workflow.inputs.values()
    if workflow.budget is None or any(one.required and one.default is None for one in declared):
        return
    # It imports the store, which a check without a budget does not need.
    from rivya_flows.preparation.prepare import RunRequest, prepare_offline

    try:
        found = prepare_offline(RunRequest(spec, lambda _: {}), catalogue).estimate
    except RivyaError:
        return  # a plan says why
    if found.is_over_cap:
        message = f"a run costs at least {credits_of(found.min)}, so the budget refuses all of them"
        hint = f"write at least {found.min}, or remove steps"
        text = spec.text.removeprefix("\ufeff")
        report = DiagnosticCollector(spec.name, text)
        report.root = source.read(text)[0]
        report.add(("budget", "credits"), "budget-too-small", message, hint)
        yield from report.diagnostics


def unreadable(path: Path, error: UsageError) -> Diagnostic:
    """The diagnostic of a file that cannot be read."""
    message = error.message.removeprefix(f"{path}: ")
    start = 1 if path.is_file() else 0  # editors count from 1
    return Diagnostic("unreadable", message, error.hint, file=str(path), line=start, column=start)


def load_tests(
    path: Path, catalogue: Catalogue
) -> tuple[SpecWithTests | None, tuple[Diagnostic, ...]]:
    """The tests in a file, with their spec, which they may expect to be wrong; or None and what is wrong with the file."""
    file = read_file(path)
    text = file.text.removeprefix("\ufeff")
    report = DiagnosticCollector(file.name, text)
    tests = read_tests(text, report)
    if tests is None:
        return None, report.diagnostics
    assert file.folder is not None  # it was read from one
    _check_rehearsals(tests, report)
    named = tests.spec or path.name.removesuffix(TEST_SUFFIX) + ".yaml"
    where = path.parent / named
    try:
        if PurePath(named).is_absolute() or ".." in PurePath(named).parts or is_tests(where):
            message = f"{named!r:.60} is not the path of a spec inside this folder"
            raise UsageError(message, "write `spec: NAME.yaml`")
        spec = read_spec(where)
    except UsageError as error:
        report.add(("spec",), "bad-file", error.message, error.hint)
        return None, report.diagnostics
    workflow, refused = check_spec(spec, catalogue)
    if workflow is not None:
        check_against(tests, workflow, file.folder, report)
    if report.diagnostics:
        return None, report.diagnostics
    return SpecWithTests(path, tests, spec, workflow, refused), ()


def _check_rehearsals(tests: SpecTests, report: DiagnosticCollector) -> None:
    """Reports faults and rehearsed answers that the sandbox, if it is installed, does not take."""
    if missing("sandbox"):
        return
    from rivya_sandbox.service import answers, faults
    from rivya_sandbox.service.errors import SandboxError

    readers: Mapping[str, Callable[[Any], object]] = {
        "faults": lambda one: faults.parse(as_yaml({"faults": [one]}), source=""),
        "chat": lambda one: answers.parse(as_yaml([one]), source=""),
    }
    given = (
        (("cases", index, key, number), one)
        for index, case in enumerate(tests.cases)
        for key in readers
        for number, one in enumerate(getattr(case, key))
    )
    hint = "docs/reference/sandbox.md shows faults and rehearsed answers"
    for place, one in given:
        try:
            readers[str(place[2])](one)
        except SandboxError as error:
            # Such as ": faults.0.do: Input should be …" or ": 0: Value …".
            problem = re.sub(r"^(: )?(faults\.)?0?[.: ]*", "", error.message)
            message = f"the sandbox does not take this: {problem}"
            report.add((*place, problem.partition(":")[0]), "bad-rehearsal", message, hint)


def as_yaml(value: Any) -> str:
    """JSON, which is YAML; with the characters as they are, since an escape may be half of one."""
    return json.dumps(value, ensure_ascii=False)


_MARK = "\ufeff"  # the byte order mark that some editors start a file with


@dataclass(frozen=True)
class CheckedFile:
    """A file after its check; `checked` is None of a brand or with mistakes that were not fixed."""

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


def check_file(
    path: Path, catalogue: Catalogue, *, fix: bool = False, write: bool = True
) -> CheckedFile:
    """Checks a spec, a brand or tests; with `fix` writes what is certain, with its line breaks and mode kept."""
    if path.is_dir():  # one without specs: `check` names those of the others
        return CheckedFile(path, None, (Diagnostic("unreadable", NO_SPEC, file=str(path)),))
    try:
        if is_tests(path):
            return CheckedFile(path, *load_tests(path, catalogue))
        spec = read_spec(path, newline="" if fix else None)
    except UsageError as error:
        return CheckedFile(path, None, (unreadable(path, error),))
    if not fix:
        return CheckedFile(path, *check_text(spec, catalogue))

    def check(text: str) -> tuple[Diagnostic, ...]:
        return check_text(replace(spec, text=text), catalogue)[1]

    body = spec.text.lstrip(_MARK)  # of several marks all but the first are mistakes
    found = apply_fixes(body, spec.name, check)
    after = spec.text.removesuffix(body) + found.text
    try:
        if write and found.applied:
            _overwrite(path, spec.text, after)
    except UsageError as error:
        return CheckedFile(path, None, (unreadable(path, error), *check(spec.text)))
    workflow, left = check_text(replace(spec, text=after), catalogue)
    return CheckedFile(path, workflow, left, found.applied, spec.text, after)


def _overwrite(path: Path, before: str, text: str) -> None:
    from rivya_flows.receipt.report import write_whole  # imports the store

    real = path.resolve()
    if not real.is_relative_to(path.parent.resolve()):
        raise UsageError(f"{path}: is a link to another folder, so nothing is fixed", f"fix {real}")
    try:
        mode = stat.S_IMODE(real.stat().st_mode)
        if not mode & 0o222 or not os.access(real, os.W_OK):
            hint = "make it writable, then fix it again"
            raise UsageError(f"{path}: is read-only, so nothing is fixed", hint)
        if real.read_bytes() != before.encode():
            message = f"{path}: changed while it was checked, so nothing is fixed"
            raise UsageError(message, "fix it again")
        write_whole(real, text, mode)
    except (OSError, StoreError) as error:
        hint = "check the folder, then fix it again"
        raise UsageError(f"{path}: cannot be written: {error}", hint) from error
