"""`deploy`: the `deploy:` entries of specs as deployments on a Prefect server."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli import completion
from rivya_flows.cli.groups import examples
from rivya_flows.cli.input_options import PLAN_OPTION, YES_OPTION
from rivya_flows.cli.output import print_json, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.flows.deployment.deploy import Deployed
    from rivya_flows.settings import Settings


@click.command(epilog=examples("deploy specs", "deploy specs --prune --plan"))
@click.argument(
    "specs", metavar="SPEC...", nargs=-1, required=True, type=Path, shell_complete=completion.specs
)
@click.option(
    "--prune",
    is_flag=True,
    help="Remove schedules, triggers and deployments that the given specs no longer have, and "
    "deployments of specs that were deleted from a given folder.",
)
@PLAN_OPTION
@click.option(
    "--work-pool",
    metavar="NAME",
    help="Work pool for deployments that name none; created if missing. [default: campaigns]",
)
@click.option(
    "--collection",
    metavar="NAME",
    help="Name the given specs as one collection, so that --prune finds deleted specs even if the "
    "folder changes, as a checkout in CI does.",
)
@click.option(
    "--single-machine",
    is_flag=True,
    help="All workers run on this machine, so files on it are shared.",
)
@click.option(
    "--job-variable",
    "job_variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a job variable of the deployments, such as image or env.NAME; VALUE is JSON or text.",
)
@YES_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def deploy(
    specs: tuple[Path, ...],
    prune: bool,
    only_plan: bool,
    work_pool: str | None,
    collection: str | None,
    single_machine: bool,
    job_variables: tuple[str, ...],
    yes: bool,
    as_json: bool,
) -> None:
    """Make one Prefect deployment for each `deploy:` entry of specs.

    SPEC is a file, or a folder whose *.yaml files are specs. All are checked first; nothing is
    deployed if any is wrong. Workers run the deployed spec until you deploy it again.

    With --prune a folder is given as a whole if it is named, or if each of its specs is. Nothing is
    ever removed that this command has not made.
    """
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.terminal import confirmer

    chosen, variables = settings(), _job_variables(job_variables)
    with on_server(chosen):
        from rivya_flows.flows.deployment.deploy import DeployOptions, deploy as deployed

        order = DeployOptions(
            specs, work_pool, collection, prune, only_plan, single_machine, variables
        )
        confirm = confirmer(yes=yes, as_json=as_json)
        done = asyncio.run(deployed(order, chosen, tell, confirm))
    for name, block in done.without.items():
        tell(f"{name}: has no `deploy:` entry; add to the spec:", "", *block.split("\n"), "")
    if not prune and not done.changes:
        raise UsageError(
            f"{', '.join(done.without)}: nothing to deploy: no `deploy:` entry",
            "add the lines above to the spec, or remove what it had with --prune",
        )
    for pool in done.process_pools:
        tell(
            f"work pool {pool} is of type process; warm workers need campaign: docs/how-to/workers.md"
        )
    if done.moved_waker:
        tell(done.moved_waker)
    if as_json:
        print_json({"plan": only_plan, **_document(done)})
    else:
        _tell(done, prune=prune, only_plan=only_plan)


def _job_variables(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Job variables by name; ``env.NAME=VALUE`` is text in the map `env`.

    Raises:
        UsageError: One has no name or no value.
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name in ("", "env", "env."):
            hint = "write NAME=VALUE, or env.NAME=VALUE for a variable of the environment"
            raise UsageError(f"--job-variable {assignment!r:.80}: no name and value", hint)
        if name.startswith("env."):
            found.setdefault("env", {})[name.removeprefix("env.")] = text
            continue
        try:
            found[name] = json.loads(text)
        except ValueError:
            found[name] = text
    return found


@contextlib.contextmanager
def on_server(chosen: Settings) -> Iterator[None]:
    """Lets Prefect in this process speak to the server that is meant.

    Raises:
        UsageError: There is none.
    """
    from rivya_flows.flows.execution.local_runner import required_server
    from rivya_flows.flows.server.environment import pointed_at

    server = required_server(chosen)
    with pointed_at({"PREFECT_LOGGING_LEVEL": "ERROR", **server}):
        yield


def _document(done: Deployed) -> dict[str, Any]:
    return {
        "deployments": [
            {**asdict(one), "id": str(one.id) if one.id else None} for one in done.changes
        ],
        "left": list(done.left),
        "without": list(done.without),
        "work_pools": list(done.pools),
    }


def _tell(done: Deployed, *, prune: bool, only_plan: bool) -> None:
    would = "would be " if only_plan else ""
    for pool in done.pools:
        show(f"work pool {pool}: {would}made")
    for change in done.changes:
        show(f"{change.name}: {_would(change.done, only_plan)}")
        if change.job_variables and change.done != "unchanged":
            show(f"  set by its spec: {', '.join(change.job_variables)}")
        for what, of in (("schedule", change.schedules), ("trigger", change.triggers)):
            for name, became in of.items():
                if became != "unchanged" and change.done != "made":
                    named = name.rpartition(": ")[2] if what == "trigger" else name
                    show(f"  {named}: {_would(became, only_plan)}")
    # Without --prune, do not list the other specs of a folder if only some of it was given.
    for name in done.left if prune else done.stale:
        why = "its folder was not given as a whole" if prune else "--prune removes it"
        tell(f"{name}: kept, although no given spec has it; {why}")


def _would(done: str, only_plan: bool) -> str:
    return f"would be {done}" if only_plan and done != "unchanged" else done
