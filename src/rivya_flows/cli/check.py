"""`check`: every mistake of a spec, at its place, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rivya_flows.cli.failures import WRONG, counted
from rivya_flows.cli.output import print_json, show, tell
from rivya_flows.errors import Diagnostic, UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.catalogue.catalogue import Catalogue


@click.command()
@click.argument("specs", metavar="SPEC...", nargs=-1, required=True, type=Path)
@click.option("--live", is_flag=True, help="Check against the models of the service as it is now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(specs: tuple[Path, ...], live: bool, as_json: bool) -> int:
    """Find every mistake in one or more specs.

    Nothing is sent and nothing is spent; with --live the list of models is read.
    """
    catalogue = _catalogue(live)
    found = [(path, *_checked(path, catalogue)) for path in specs]
    problems = tuple(problem for _, _, own in found for problem in own)
    if as_json:
        print_json({"ok": not problems, "problems": [one.as_json() for one in problems]})
        return WRONG if problems else 0
    for path, steps, own in found:
        for problem in own:
            tell(*problem.lines)
        if not own:
            told = f"{steps} step{'' if steps == 1 else 's'}"
            show(f"{path}: ok ({told}, catalogue of {catalogue.date}, {catalogue.source})")
    if problems:
        tell(f"error: {counted(len(problems))}")
    return WRONG if problems else 0


def _catalogue(live: bool) -> Catalogue:
    if live:
        from rivya_flows.cli.service import live_catalogue

        return live_catalogue(sandbox=False)
    from rivya_flows.app.catalogue_cache import known_catalogue
    from rivya_flows.cli.configuration import settings

    return known_catalogue(settings())


def _checked(path: Path, catalogue: Catalogue) -> tuple[int, tuple[Diagnostic, ...]]:
    """How many steps the spec has, and what is wrong with it."""
    from rivya_flows.app.spec_file import read_spec
    from rivya_flows.language import load

    try:
        spec = read_spec(path)
    except UsageError as error:
        start = 1 if path.is_file() else 0  # editors count from 1
        message = error.message.removeprefix(f"{path}: ")
        found = Diagnostic(
            "unreadable", message, error.hint, file=str(path), line=start, column=start
        )
        return 0, (found,)
    workflow, problems = load.check(
        spec.text, file=spec.name, catalogue=catalogue, folder=spec.folder
    )
    return (len(workflow.all_steps) if workflow else 0), problems
