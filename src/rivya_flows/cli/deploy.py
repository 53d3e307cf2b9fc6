"""`deploy` and `automations`: what a Prefect server runs, and does by itself about runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli import options
from rivya_flows.cli.failures import CREDITS, FAILED, WRONG
from rivya_flows.cli.options import Group, argument, command, option
from rivya_flows.cli.output import print_json, print_table, show, show_result, tell, tell_problem
from rivya_flows.cli.session import call_service, confirmer, settings
from rivya_flows.errors import StoreError, UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_client.client import RivyaClient
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.preparation.drift import Drift
    from rivya_flows.settings import Settings

_MOST_WAITING = 20


@command("deploy specs", "deploy specs --prune --plan")
def deploy(
    specs: tuple[Path, ...] = argument(metavar="SPEC...", required=True),
    prune: bool = option(
        "Remove schedules, triggers and deployments that the given specs no longer have, and "
        "deployments of specs that were deleted from a given folder."
    ),
    only_plan: bool = options.PLAN,
    work_pool: str | None = option(
        "Work pool for deployments that name none; created if missing. [default: campaigns]",
        metavar="NAME",
    ),
    collection: str | None = option(
        "Name the given specs as one collection, so that --prune finds deleted specs even if the "
        "folder changes, as a checkout in CI does.",
        metavar="NAME",
    ),
    single_machine: bool = option("All workers run on this machine, so files on it are shared."),
    job_variables: tuple[str, ...] = option(
        "Set a job variable of the deployments, such as image or env.NAME; VALUE is JSON or text.",
        "--job-variable",
        metavar="NAME=VALUE",
    ),
    yes: bool = options.YES,
    as_json: bool = options.JSON,
) -> None:
    """Make one Prefect deployment for each `deploy:` entry of specs.

    SPEC is a file, or a folder whose *.yaml files are specs. All are checked first; nothing is
    deployed if any is wrong. Workers run the deployed spec until you deploy it again.

    With --prune a folder is given as a whole if it is named, or if each of its specs is. Nothing is
    ever removed that this command has not made.
    """
    chosen, variables = settings(), _job_variables(job_variables)
    with _on_server(chosen):
        from rivya_flows.flows.deployment.deploy import deploy as deployed
        from rivya_flows.flows.deployment.desired import DeployOptions

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
    for note in done.notes:
        tell(note)
    if as_json:
        left = sorted({*done.stale, *done.unsure})
        document = {"plan": only_plan, "deployments": done.changes, "left": left}
        print_json(document | {"without": list(done.without), "work_pools": done.pools})
        return
    would = "would be " if only_plan else ""
    for pool in done.pools:
        show(f"work pool {pool}: {would}made")
    for change in done.changes:
        if change.done == "unchanged":
            show(f"{change.name}: unchanged")
            continue
        show(f"{change.name}: {would}{change.done}")
        if change.job_variables:
            show(f"  set by its spec: {', '.join(change.job_variables)}")
        for name, became in {**change.schedules, **change.triggers}.items():
            if became != "unchanged" and change.done != "made":
                show(f"  {name.rpartition(': ')[2]}: {would}{became}")
    # Without --prune, do not list the other specs of a folder if only some of it was given.
    for name in done.unsure if prune else done.stale:
        why = "its folder was not given as a whole" if prune else "--prune removes it"
        tell(f"{name}: kept, although no given spec has it; {why}")


def check_deployed(*, as_json: bool) -> int:
    """Prints what has become of each deployment; gives the exit code of ``check --deployed``."""

    async def look(client: RivyaClient, context: RunContext) -> Collection[Drift]:
        from rivya_flows.flows.deployment.drift import drifts
        from rivya_flows.preparation.catalogue_cache import read_catalogue

        return (await drifts(context, await read_catalogue(client, context))).values()

    with _on_server(settings()):
        found = call_service(look, sandbox=False)
    status = {one.status for one in found}
    if as_json:
        document = {"ok": status <= {"ok"}, "deployments": [one.as_json() for one in found]}
        print_json(document)
    for one in () if as_json else found:
        show(f"{one.deployment}: {one.status}: {one.sentence}", fg=_COLOURS[one.status])
        show(*(f"  {line}" for line in one.models))
        for problem in one.problems:
            tell_problem(problem)
    if not found:
        tell("nothing is deployed on this server")
    return WRONG if "broken" in status else CREDITS if "dearer" in status else 0


_COLOURS = {"ok": None, "broken": "red", "dearer": "yellow"}


def _job_variables(assignments: tuple[str, ...]) -> dict[str, Any]:
    """Job variables by name; those of the environment, ``env.NAME=VALUE``, are texts."""
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name in ("", "env", "env."):
            hint = "write NAME=VALUE, or env.NAME=VALUE for a variable of the environment"
            raise UsageError(f"--job-variable {assignment!r:.80}: no name and value", hint)
        if name.startswith("env."):
            found.setdefault("env", {})[name.removeprefix("env.")] = text
            continue
        found[name] = text
        with contextlib.suppress(ValueError):
            found[name] = json.loads(text)
    return found


@contextlib.contextmanager
def _on_server(chosen: Settings) -> Iterator[None]:
    """Points Prefect in this process at the server that commands use, which must run."""
    from rivya_flows.flows.execution.local_runner import required_server
    from rivya_flows.flows.server.environment import pointed_at

    with pointed_at({"PREFECT_LOGGING_LEVEL": "ERROR", **required_server(chosen)}):
        yield


@click.group(cls=Group)
def automations() -> None:
    """Restart runs whose worker died, and notify people of how runs end.

    They are automations of the Prefect server; only those whose names begin with `rivya-flows: ` are
    ever changed or removed.
    """


@automations.command()
def apply(
    block: str | None = option(
        "Send how runs end through this notification block, such as slack-webhook/team.",
        "--notify",
        metavar="TYPE/NAME",
    ),
    ends: str | None = option(
        "What is sent: completed, failed, cancelled, suspended, crashed, late, waker-silent, drifted.  "
        "[default: all but cancelled]",
        "--on",
        metavar="END,...",
    ),
    spec: str | None = option("Send runs of this spec only.", metavar="NAME"),
    as_json: bool = options.JSON,
) -> None:
    """Make the automations that restart lost runs, or with --notify one that sends messages.

    `deploy` and `up` make the first ones too. One that you switched off stays off.
    """
    if block is None and (ends or spec):
        raise UsageError("--on and --spec belong to --notify", "name a block: --notify TYPE/NAME")
    with _on_server(settings()):
        from rivya_flows.flows.recovery.automations import NEWS, apply as applied

        wanted = [one for one in NEWS if one != "cancelled"]
        wanted = wanted if ends is None else [one.strip() for one in ends.split(",")]
        if unknown := [one for one in wanted if one not in NEWS]:
            hint = f"choose of {', '.join(NEWS)}"
            raise UsageError(f"--on: {unknown[0]!r:.80} is not an end of a run", hint)
        done = asyncio.run(applied(block, wanted, spec))
    lines = [f"{name}: {what}" for name, what in done.items()]
    document = [{"name": name, "done": what} for name, what in done.items()]
    show_result(*lines, document=document, as_json=as_json)
    if block is None or as_json:
        return
    tell(f"try it with: rivya-flows automations test {block}")
    from rivya_flows.runs.lookup import open_journal
    from rivya_flows.store.run_list import listed_runs

    with contextlib.suppress(StoreError), open_journal(settings()) as journal:
        waiting = listed_runs(journal.engine, name=spec, status="suspended", limit=_MOST_WAITING)
        if found := len(waiting):
            number = f"{found}{' or more' * (found == _MOST_WAITING)}"
            tell(
                f"{number} run{'s wait' if found > 1 else ' waits'} for an answer already, and no message"
                " is sent of that: rivya-flows runs --status suspended"
            )


@automations.command()
def test(
    blocks: tuple[str, ...] = argument(metavar="[TYPE/NAME]...", nargs=-1),
    as_json: bool = options.JSON,
) -> int:
    """Send a test message through notification blocks, and say whether it was taken.

    Without TYPE/NAME: through each block of `apply --notify`. It is sent from this machine. Exit code 1: a
    message was not taken.
    """
    with _on_server(settings()):
        from rivya_flows.flows.recovery.automations import try_notifications

        done = asyncio.run(try_notifications(blocks))
    lines = [f"{name}: {f'not sent: {why}' if why else 'sent'}" for name, why in done.items()]
    document = [{"block": name, "problem": why} for name, why in done.items()]
    show_result(*lines, document=document, as_json=as_json)
    return FAILED if any(done.values()) else 0


@automations.command("list")
def list_automations(as_json: bool = options.JSON) -> None:
    """List the automations of this package on the server."""
    with _on_server(settings()):
        from rivya_flows.flows.recovery.automations import automations_of_ours

        found = asyncio.run(automations_of_ours())
    if as_json:
        fields = {"id", "name", "description", "enabled"}
        print_json([one.model_dump(mode="json", include=fields) for one in found])
    elif found:
        rows = [[one.name, "on" if one.enabled else "off", one.description] for one in found]
        print_table(["automation", "", "what it does"], rows)
    else:
        show("no automations; make them with `rivya-flows automations apply`")


@automations.command()
def remove(name: str = argument()) -> None:
    """Remove an automation of this package by its name.

    `deploy` and `up` make those that restart runs again; to be without one, switch it off.
    """
    with _on_server(settings()):
        from rivya_flows.flows.recovery.automations import remove_automation

        asyncio.run(remove_automation(name))
    show(f"{name} removed")
