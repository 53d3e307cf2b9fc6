"""`check`: print every mistake of a spec, at its place, or fix it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import completion
from rivya_flows.cli.failures import WRONG, counted
from rivya_flows.cli.groups import examples
from rivya_flows.cli.output import print_json, show, show_verbatim, tell, tell_problem, tell_styled
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.check import CheckedFile, SpecWithTests
    from rivya_flows.catalogue.catalogue import Catalogue
    from rivya_flows.language.workflow import Workflow


@click.command(
    epilog=examples(
        "check", "check specs --fix", "check specs/product-launch.yaml --live --format sarif"
    )
)
@click.argument(
    "specs",
    metavar="[SPEC...]",
    nargs=-1,
    type=Path,
    shell_complete=completion.specs_and_tests,
)
@click.option("--live", is_flag=True, help="Check against the models of the service as it is now.")
@click.option("--fix", is_flag=True, help="Fix what is certain, and report what is left.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and write nothing.")
@click.option("--strict", is_flag=True, help="Take warnings for mistakes.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    help="How to print what was found: for people, as one JSON document, as annotations of GitHub "
    "Actions, or as SARIF 2.1.0.  [default: text]",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def check(
    specs: tuple[Path, ...],
    live: bool,
    fix: bool,
    diff: bool,
    strict: bool,
    form: str | None,
    as_json: bool,
) -> int:
    """Find every mistake in specs and their tests; of a folder, in all of its *.yaml files.

    A warning, such as of a step that nothing uses, is no mistake unless you say --strict.

    Without SPEC it checks RIVYA_FLOWS_SPECS, else the folder specs. A folder that has a folder
    specs stands for that alone. Sends and spends nothing; --live reads the list of models.
    """
    from rivya_flows.app.check import CheckedFile, check_file, fix_file
    from rivya_flows.app.spec_file import project_specs, specs_at, tests_at
    from rivya_flows.cli.check_formats import github_command
    from rivya_flows.cli.service import catalogue_of

    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other", "remove one of them")
    form = "json" if as_json else form or "text"
    if diff and form != "text":
        raise UsageError("--diff prints a diff and no other format", "remove --format or --diff")
    specs = tuple(map(project_specs, specs or (specs_folder(),)))
    catalogue = catalogue_of(live=live)
    paths = dict.fromkeys(one for path in specs for one in specs_at(path) or [path])
    paths |= dict.fromkeys(one for path in specs if path.is_dir() for one in tests_at(path))
    files = [
        fix_file(path, catalogue, write=not diff)
        if fix or diff
        else CheckedFile(path, *check_file(path, catalogue))
        for path in paths
    ]
    if strict:
        files = [
            replace(one, diagnostics=(*one.diagnostics, *one.warnings(catalogue))) for one in files
        ]
    problems = tuple(problem for file in files for problem in file.diagnostics)
    warnings = () if strict else tuple(one for file in files for one in file.warnings(catalogue))
    wrong = bool(problems) or (diff and any(file.fixed for file in files))
    if form == "json":
        document = {"ok": not wrong, "problems": [one.as_json() for one in problems]}
        document["warnings"] = [one.as_json() for one in warnings]
        if fix:
            fixed = [(one, one.fix) for file in files for one in file.fixed]
            document["fixed"] = [one.as_json() | {"wrote": of and of.words} for one, of in fixed]
        print_json(document)
    elif form == "sarif":
        from rivya_flows.cli.check_formats import sarif

        for file in files:
            tell(*_fixes(file))
        print_json(sarif(problems, warnings))
    else:
        _show(files, catalogue, form, diff, fixing=fix or diff)
        for one in warnings if form == "github" else ():
            show_verbatim([github_command(one, "warning")])
        for one in warnings if form == "text" and not diff else ():
            tell_problem(one)
    return WRONG if wrong else 0


def specs_folder() -> Path:
    """The folder that stands for no SPEC.

    Raises:
        UsageError: It is not there.
    """
    from rivya_flows.cli.configuration import settings

    folder = (settings().rivya_flows_specs or Path("specs")).expanduser()
    if not folder.exists():
        raise UsageError(
            f"there is no folder {folder}", "name a spec, or write one with `rivya-flows init`"
        )
    return folder


def _show(
    files: list[CheckedFile], catalogue: Catalogue, form: str, diff: bool, *, fixing: bool
) -> None:
    from rivya_flows.cli.check_formats import github_command

    for file in files:
        if diff:
            show_verbatim(file.diff)
        else:
            show(*_fixes(file))
        for problem in file.diagnostics:
            if form == "github":
                show_verbatim([github_command(problem)])
            else:
                tell_problem(problem)
        if not file.diagnostics and not diff:
            of = f"{_size(file.checked)}, catalogue of {catalogue.date}, {catalogue.source}"
            show(f"{file.path}: ok ({of})")
    problems = [problem for file in files for problem in file.diagnostics]
    if problems:
        tell_styled(f"error: {counted(len(problems))}", fg="red")
        if any(problem.fix for problem in problems) and not fixing:
            tell("hint: `rivya-flows check --fix` fixes what is certain")


def _fixes(file: CheckedFile) -> list[str]:
    """A line for each fix, with the place of what was written."""
    return [
        f"{one.file}:{one.line}:{one.fix.column}: fixed: {one.fix.words} [{one.code}]"
        for one in file.fixed
        if one.fix
    ]


def _size(checked: Workflow | SpecWithTests | None) -> str:
    """``3 steps``, ``2 test cases``, or ``a brand``."""
    if checked is None:
        return "a brand"
    tests = getattr(checked, "tests", None)
    count = len(tests.cases) if tests else len(getattr(checked, "all_steps", ()))
    return f"{count} {'test case' if tests else 'step'}{'' if count == 1 else 's'}"
