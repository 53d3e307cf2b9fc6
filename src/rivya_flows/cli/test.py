"""`test`: run the test cases of specs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli import completion
from rivya_flows.cli.check import specs_folder
from rivya_flows.cli.failures import FAILED, WRONG, counted
from rivya_flows.cli.groups import examples
from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
from rivya_flows.cli.output import print_json, show, tell, tell_problem, tell_styled
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.check import SpecWithTests
    from rivya_flows.app.spec_tests import CaseResult
    from rivya_flows.diagnostics import Diagnostic
    from rivya_flows.language.spec_tests import Case

_OF_A_RUN = {
    # A case buys from its own sandbox; functions of the user must not reach another service.
    "RIVYA_API_KEY": None,
    "RIVYA_BASE_URL": None,
    "PREFECT_API_URL": None,
    "PREFECT_PROFILE": "ephemeral",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
}


@click.command(
    epilog=examples("test", "test specs/product-launch.yaml -k street", "test --junit tests.xml")
)
@click.argument(
    "paths",
    metavar="[SPEC|TEST|FOLDER]...",
    nargs=-1,
    type=Path,
    shell_complete=completion.specs_and_tests,
)
@click.option("-k", "text", metavar="TEXT", help="Run only cases whose file or name contains TEXT.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the results as JUnit XML too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def test(paths: tuple[Path, ...], text: str | None, junit: Path | None, as_json: bool) -> int:
    """Run the test cases of specs, each on a sandbox of its own.

    SPEC is a spec with NAME.test.yaml beside it, TEST such a file, FOLDER one with such files; by
    default `specs`. No key, journal or Prefect server of yours is used.
    """
    from rivya_flows.cli.configuration import settings
    from rivya_flows.environment import set_variables

    replaced = set_variables(_OF_A_RUN)
    try:
        settings(uses_data=False)  # refuses a folder that would configure Prefect
        return _run(paths or (specs_folder(),), text or "", junit, as_json=as_json)
    finally:
        set_variables(replaced)


def _run(paths: Sequence[Path], text: str, junit: Path | None, *, as_json: bool) -> int:
    from rivya_flows.app.spec_tests import named_tests, run_cases, write_junit
    from rivya_flows.extras import need

    need("sandbox", "`rivya-flows test`")
    chosen, problems = _chosen(named_tests(paths), text.casefold())
    if problems:
        return _tell_problems(problems, as_json=as_json)
    if not chosen:
        raise UsageError(f"no case has {text!r} in its name", "leave out -k to run all")
    from rivya_flows.flows.execution.plain_runner import PlainRunner

    began = time.monotonic()
    hear = (lambda _: None) if as_json else _show

    async def work(interrupts: Interrupts) -> list[CaseResult]:
        interrupts.say = lambda _: tell("stopping (Ctrl-C again: stop at once)")
        return await run_cases(chosen, PlainRunner(), hear)

    results = run_interruptibly(work)
    seconds = time.monotonic() - began
    if junit is not None:
        write_junit(junit, results)
    failed = [one for one in results if not one.passed]
    passed = len(results) - len(failed)
    if as_json:
        cases = [one.as_json() for one in results]
        counts = {"passed": passed, "failed": len(failed), "seconds": round(seconds, 3)}
        print_json({"ok": not failed, **counts, "cases": cases, "problems": []})
        return FAILED if failed else 0
    for one in failed:
        _show_failure(one)
    words = f"{len(failed)} failed, {passed} passed" if failed else f"{passed} passed"
    show("")
    show(f"{words} in {seconds:.1f} s", fg="red" if failed else "green", bold=True)
    return FAILED if failed else 0


def _chosen(
    files: Sequence[Path], text: str
) -> tuple[list[tuple[SpecWithTests, Case]], list[Diagnostic]]:
    """The cases of files that have a text in their name, and all that is wrong with the files."""
    from rivya_flows.app.check import SpecWithTests, check_file
    from rivya_flows.catalogue.snapshot import shipped

    cases: list[tuple[SpecWithTests, Case]] = []
    problems: list[Diagnostic] = []
    for path in files:
        tested, own = check_file(path, shipped())
        problems += own
        if isinstance(tested, SpecWithTests):
            named = f"{path.name} ".casefold()
            cases += [
                (tested, one) for one in tested.tests.cases if text in named + one.name.casefold()
            ]
    return cases, problems


def _tell_problems(problems: Sequence[Diagnostic], *, as_json: bool) -> int:
    if as_json:
        counts = {"ok": False, "passed": 0, "failed": 0, "seconds": 0.0, "cases": []}
        print_json({**counts, "problems": [one.as_json() for one in problems]})
        return WRONG
    for one in problems:
        tell_problem(one)
    tell_styled(f"error: {counted(len(problems))}", fg="red")
    return WRONG


def _show(result: CaseResult) -> None:
    """One line of a case."""
    word = "ok    " if result.passed else "FAILED"
    show(
        f"{word} {result.file}: {result.name} ({result.seconds:.2f} s)",
        fg=None if result.passed else "red",
    )


def _show_failure(result: CaseResult) -> None:
    show("", f"{result.file}: {result.name}")
    for line in result.lines:
        show(f"  {line}")
    for line in result.problems:
        show(f"  run: {line}")
    show(f"  by hand: {result.command}")
