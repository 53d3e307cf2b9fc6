"""`check`: print every mistake of a spec, at its place."""

from __future__ import annotations

from pathlib import Path

import click

from rivya_flows.cli import completion
from rivya_flows.cli.failures import WRONG, counted
from rivya_flows.cli.groups import examples
from rivya_flows.cli.output import print_json, show, tell_problem, tell_styled


@click.command(
    epilog=examples(
        "check specs",
        "check specs/product-launch.yaml --live",
    )
)
@click.argument(
    "specs", metavar="SPEC...", nargs=-1, required=True, type=Path, shell_complete=completion.specs
)
@click.option("--live", is_flag=True, help="Check against the models of the service as it is now.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def check(specs: tuple[Path, ...], live: bool, as_json: bool) -> int:
    """Find every mistake in one or more specs; of a folder, in all of its *.yaml files.

    Sends and spends nothing; --live reads the list of models.
    """
    from rivya_flows.app.check import check_file
    from rivya_flows.app.spec_file import specs_at
    from rivya_flows.cli.service import catalogue_of

    catalogue = catalogue_of(live=live)
    paths = [one for path in specs for one in specs_at(path) or [path]]
    found = [(path, *check_file(path, catalogue)) for path in paths]
    problems = tuple(problem for _, _, own in found for problem in own)
    if as_json:
        print_json({"ok": not problems, "problems": [one.as_json() for one in problems]})
        return WRONG if problems else 0
    for path, workflow, own in found:
        for problem in own:
            tell_problem(problem)
        if workflow is not None:
            count = len(workflow.all_steps)
            steps = f"{count} step{'' if count == 1 else 's'}"
            show(f"{path}: ok ({steps}, catalogue of {catalogue.date}, {catalogue.source})")
    if problems:
        tell_styled(f"error: {counted(len(problems))}", fg="red")
    return WRONG if problems else 0
