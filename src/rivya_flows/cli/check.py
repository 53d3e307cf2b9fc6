"""`check` and `test`: every mistake of specs at its place, or fixed, and their test cases.

Sources: GitHub's docs, "Workflow commands"; SARIF 2.1.0 (OASIS), sections 3.4, 3.19, 3.27, 3.55.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

import click

from rivya_client.printable import one_line
from rivya_flows.cli import options
from rivya_flows.cli.failures import FAILED, WRONG, fix_command, problems_found
from rivya_flows.cli.options import argument, command, option
from rivya_flows.cli.output import print_json, show, show_verbatim, tell, tell_problem
from rivya_flows.cli.session import Interrupts, catalogue_of, run_interruptibly, settings
from rivya_flows.diagnostics import CODES, Diagnostic
from rivya_flows.errors import UsageError
from rivya_flows.language.wording import count_noun

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_client.catalogue.catalogue import Catalogue
    from rivya_flows.preparation.check import CheckedFile
    from rivya_flows.spec_tests import CaseResult

Level = Literal["error", "warning"]


@command(
    "check",
    "check specs --fix",
    "check specs/product-launch.yaml --live --format sarif",
    "check --deployed",
)
def check(
    specs: tuple[Path, ...] = argument(metavar="[SPEC...]"),
    live: bool = option("Check against the models of the service as it is now."),
    deployed: bool = option(
        "Check what is deployed on the Prefect server, instead of SPEC, against models and prices of "
        "the service as they are now."
    ),
    fix: bool = option("Fix what is certain, and report what is left."),
    diff: bool = option("Print what --fix would change, and write nothing."),
    strict: bool = option("Take warnings for mistakes."),
    form: str | None = option(
        "How to print what was found: for people, as one JSON document, as annotations of GitHub "
        "Actions, or as SARIF 2.1.0.  [default: text]",
        "--format",
        type=click.Choice(["text", "json", "github", "sarif"]),
    ),
    as_json: bool = option("The same as --format json.", "--json"),
) -> int:
    """Find every mistake in specs and their tests; of a folder, in all of its *.yaml files.

    A warning, such as of a step that nothing uses, is no mistake unless you say --strict.

    Without SPEC it checks RIVYA_FLOWS_SPECS, else the folder specs. A folder that has a folder
    specs stands for that alone. Sends and spends nothing; --live reads the list of models.

    With --deployed the exit code is 2 if a deployed spec no longer works, and 3 if one works, but
    costs more than it did when it was deployed and than its budget.
    """
    from rivya_flows.preparation.check import check_file
    from rivya_flows.preparation.spec_file import project_specs, specs_at, tests_at

    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other", "remove one of them")
    form = "json" if as_json else form or "text"
    if deployed:
        if specs or fix or diff or strict or form not in ("text", "json"):
            message = "--deployed checks deployments, which --live and --json alone go with"
            raise UsageError(message, "leave out SPEC and the other options")
        from rivya_flows.cli.deploy import check_deployed

        return check_deployed(as_json=form == "json")
    if diff and form != "text":
        raise UsageError("--diff prints a diff and no other format", "remove --format or --diff")
    specs = tuple(map(project_specs, specs or (specs_folder(),)))
    catalogue = catalogue_of(live=live)
    paths = dict.fromkeys(one for path in specs for one in specs_at(path) or [path])
    paths |= dict.fromkeys(one for path in specs if path.is_dir() for one in tests_at(path))
    fixing = fix or diff
    files = [check_file(path, catalogue, fix=fixing, write=not diff) for path in paths]
    lints = [file.warnings(catalogue) for file in files]
    if strict:
        found = zip(files, lints, strict=True)
        files = [replace(one, diagnostics=(*one.diagnostics, *more)) for one, more in found]
        lints = []
    warnings = [one for more in lints for one in more]
    problems = [problem for file in files for problem in file.diagnostics]
    wrong = bool(problems) or (diff and any(file.fixed for file in files))
    if form == "json":
        document = {"ok": not wrong, "problems": [one.as_json() for one in problems]}
        document["warnings"] = [one.as_json() for one in warnings]
        document["next"] = None if fixing else fix_command(problems)
        if fix:
            fixed = [one for file in files for one in file.fixed]
            document["fixed"] = [
                {**one.as_json(), "wrote": one.fix and one.fix.summary} for one in fixed
            ]
        print_json(document)
    elif form == "sarif":
        for file in files:
            tell(*_fixes(file))
        print_json(sarif(problems, warnings))
    else:
        _show(files, warnings, catalogue, for_github=form == "github", diff=diff, fixing=fixing)
    return WRONG if wrong else 0


def specs_folder() -> Path:
    """The folder of specs that is checked if no SPEC is given."""
    folder = (settings().rivya_flows_specs or Path("specs")).expanduser()
    if not folder.exists():
        raise UsageError(
            f"there is no folder {folder}", "name a spec, or write one with `rivya-flows init`"
        )
    return folder


def _show(
    files: Sequence[CheckedFile],
    warnings: Sequence[Diagnostic],
    catalogue: Catalogue,
    *,
    for_github: bool,
    diff: bool,
    fixing: bool,
) -> None:
    def show_problem(problem: Diagnostic, level: Level = "error") -> None:
        if for_github:
            show_verbatim([github_command(problem, level)])
        else:
            tell_problem(problem)

    for file in files:
        show_verbatim(file.diff) if diff else show(*_fixes(file))
        for problem in file.diagnostics:
            show_problem(problem)
        if not file.diagnostics and not diff:
            tests = getattr(file.checked, "tests", None)
            count = len(tests.cases if tests else getattr(file.checked, "all_steps", ()))
            size = (
                count_noun(count, "test case" if tests else "step")
                if file.checked is not None
                else "a brand"
            )
            show(f"{file.path}: ok ({size}, catalogue of {catalogue.date}, {catalogue.source})")
    if problems := [problem for file in files for problem in file.diagnostics]:
        tell(f"error: {problems_found(len(problems))}", fg="red")
        if not for_github:
            tell(f"hint: `rivya-flows explain {problems[0].code}` says more, with an example")
        if any(problem.fix for problem in problems) and not fixing:
            tell("hint: `rivya-flows check --fix` fixes what is certain")
    for warning in () if diff else warnings:
        show_problem(warning, "warning")


def _fixes(file: CheckedFile) -> list[str]:
    """A line for each fix, with its place in the file."""
    return [
        f"{one.file}:{one.line}:{one.fix.column}: fixed: {one.fix.summary} [{one.code}]"
        for one in file.fixed
        if one.fix
    ]


def github_command(problem: Diagnostic, level: Level = "error") -> str:
    """A mistake as a workflow command, which GitHub shows at its line."""
    place = {"file": _from_here(problem.file)}
    if problem.line:
        place |= {"line": str(problem.line), "col": str(problem.column)}
    place["title"] = problem.code
    properties = ",".join(
        f"{key}={_in_data(value).replace(':', '%3A').replace(',', '%2C')}"
        for key, value in place.items()
    )
    message = f"{problem.message}\nhint: {problem.hint}" if problem.hint else problem.message
    return f"::{level} {properties}::{_in_data(message)}"


def _in_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def sarif(problems: Sequence[Diagnostic], warnings: Sequence[Diagnostic] = ()) -> dict[str, Any]:
    """The mistakes as one SARIF 2.1.0 log; paths are relative to the current folder."""
    from rivya_flows.version import __version__  # takes a while, and is needed only here

    codes = list(dict.fromkeys(one.code for one in (*problems, *warnings)))
    about = [(code, *CODES.get(code, (code, "See the message."))[:2]) for code in codes]
    rules = [
        {"id": code, "shortDescription": {"text": means}, "help": {"text": fix}}
        for code, means, fix in about
    ]
    results = [_result(one, codes.index(one.code), "error") for one in problems]
    results += [_result(one, codes.index(one.code), "warning") for one in warnings]
    driver = {"name": "rivya-flows", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return {"$schema": schema, "version": "2.1.0", "runs": [run]}


def _result(problem: Diagnostic, index: int, level: Level) -> dict[str, Any]:
    message = f"{problem.message} ({problem.hint})" if problem.hint else problem.message
    path = Path(_from_here(problem.file))
    near = {"uri": quote(path.as_posix()), "uriBaseId": "%SRCROOT%"}
    where = {"artifactLocation": {"uri": path.as_uri()} if path.is_absolute() else near}
    place = where | ({"region": _region(problem.line, problem.column)} if problem.line else {})
    result = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": level,
        "message": {"text": one_line(message)},
        "locations": [{"physicalLocation": place}],
    }
    if fix := problem.fix:
        region = _region(problem.line, fix.column) | {"endColumn": fix.column + fix.end - fix.start}
        change = {"deletedRegion": region, "insertedContent": {"text": fix.text}}
        changes = [where | {"replacements": [change]}]
        description = {"text": f"Write {fix.summary}."}
        result["fixes"] = [{"description": description, "artifactChanges": changes}]
    return result


def _region(line: int, column: int) -> dict[str, int]:
    return {"startLine": line, "startColumn": max(column, 1)}


def _from_here(file: str) -> str:
    """The path from the current folder, without `..`; an absolute one outside of it."""
    path = Path.cwd() / file
    normal = Path(os.path.normpath(path))
    return str(normal.relative_to(Path.cwd()) if normal.is_relative_to(Path.cwd()) else normal)


_OF_A_RUN = {
    # A case buys from its own sandbox; functions of the user must not reach another service.
    "RIVYA_API_KEY": None,
    "RIVYA_BASE_URL": None,
    "PREFECT_API_URL": None,
    "PREFECT_PROFILE": "ephemeral",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
}


@command("test", "test specs/product-launch.yaml -k street", "test --junit tests.xml")
def test(
    paths: tuple[Path, ...] = argument(metavar="[SPEC|TEST|FOLDER]..."),
    text: str | None = option(
        "Run only cases whose file or name contains TEXT.", "-k", metavar="TEXT"
    ),
    junit: Path | None = option(
        "Write the results as JUnit XML too.",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
    ),
    keep: Path | None = option(
        "Write the folder of each run into DIR, a new folder: its media, receipt and contact sheet.",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
    ),
    as_json: bool = options.JSON,
) -> int:
    """Run the test cases of specs, each on a sandbox of its own.

    SPEC is a spec with NAME.test.yaml beside it, TEST such a file, FOLDER one with such files; by
    default `specs`. No key, journal or Prefect server of yours is used.
    """
    from rivya_flows.environment import set_variables

    replaced = set_variables(_OF_A_RUN)
    try:
        settings(uses_data=False)  # refuses a folder that would configure Prefect
        if keep is not None and keep.exists() and any(keep.iterdir()):
            raise UsageError(f"{keep} is not empty", "name a new folder in --keep")
        began = time.monotonic()
        results, problems = _run_cases(
            paths or (specs_folder(),), text or "", keep, as_json=as_json
        )
        seconds = time.monotonic() - began
    finally:
        set_variables(replaced)
    if junit is not None and not problems:
        from rivya_flows.spec_tests import write_junit

        write_junit(junit, results)
    failed = [one for one in results if not one.passed]
    passed = len(results) - len(failed)
    if as_json:
        counts = {"passed": passed, "failed": len(failed), "seconds": round(seconds, 3)}
        cases = [{**vars(one), "ok": one.passed} for one in results]
        wrong = [one.as_json() for one in problems]
        ok = not failed and not problems
        print_json({"ok": ok, **counts, "cases": cases, "problems": wrong})
    elif problems:
        for problem in problems:
            tell_problem(problem)
        tell(f"error: {problems_found(len(problems))}", fg="red")
    else:
        for one in failed:
            show("", f"{one.file}: {one.name}", *(f"  {line}" for line in one.lines))
            show(*(f"  run: {line}" for line in one.problems), f"  by hand: {one.command}")
            show(
                f"  kept: {one.folder}" if one.folder else "  its media: test again with --keep DIR"
            )
        total = f"{len(failed)} failed, {passed} passed" if failed else f"{passed} passed"
        show("")
        show(f"{total} in {seconds:.1f} s", fg="red" if failed else "green", bold=True)
    return WRONG if problems else FAILED if failed else 0


def _run_cases(
    paths: Sequence[Path], text: str, keep: Path | None, *, as_json: bool
) -> tuple[list[CaseResult], list[Diagnostic]]:
    """The results of the cases; none if there are mistakes in their files."""
    from rivya_flows.extras import need
    from rivya_flows.spec_tests import find_cases, run_cases

    need("sandbox", "`rivya-flows test`")
    chosen, problems = find_cases(paths, text)
    if problems:
        return [], problems
    if not chosen:
        raise UsageError(f"no case has {text!r} in its name", "leave out -k to run all")
    from rivya_flows.engine.loop import PlainRunner

    def hear(case: CaseResult) -> None:
        if not as_json:
            word, colour = ("ok    ", None) if case.passed else ("FAILED", "red")
            show(f"{word} {case.file}: {case.name} ({case.seconds:.2f} s)", fg=colour)

    async def work(interrupts: Interrupts) -> list[CaseResult]:
        interrupts.say = lambda _: tell("stopping (Ctrl-C again: stop at once)")
        return await run_cases(chosen, PlainRunner(), hear, keep)

    return run_interruptibly(work), []
