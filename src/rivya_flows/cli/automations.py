"""`automations`: what a Prefect server does by itself about the runs of this package."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import click

from rivya_flows.cli.deploy import on_server
from rivya_flows.cli.failures import FAILED
from rivya_flows.cli.groups import Group
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.errors import StoreError, UsageError

T = TypeVar("T")
_MOST_WAITING = 20
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(cls=Group)
def automations() -> None:
    """Restart runs whose worker died, and notify people of how runs end.

    They are automations of the Prefect server; only those whose names begin with `rivya-flows: ` are
    ever changed or removed.
    """


@automations.command()
@click.option(
    "--notify",
    "block",
    metavar="TYPE/NAME",
    help="Send how runs end through this notification block, such as slack-webhook/team.",
)
@click.option(
    "--on",
    "ends",
    metavar="END,...",
    help="What is sent: completed, failed, cancelled, suspended, crashed, late, waker-silent.  "
    "[default: all but cancelled]",
)
@click.option("--spec", metavar="NAME", help="Send runs of this spec only.")
@AS_JSON
def apply(block: str | None, ends: str | None, spec: str | None, as_json: bool) -> None:
    """Make the automations that restart lost runs, or with --notify one that sends messages.

    `deploy` and `up` make the first ones too. One that you switched off stays off.
    """
    if block is None and (ends or spec):
        raise UsageError("--on and --spec belong to --notify", "name a block: --notify TYPE/NAME")

    async def work() -> dict[str, str]:
        from rivya_flows.flows.notifications import NEWS, apply_notification, apply_recovery

        every = (one for one in NEWS if one != "cancelled")
        wanted = list(every) if ends is None else [one.strip() for one in ends.split(",")]
        if unknown := [one for one in wanted if one not in NEWS]:
            raise UsageError(
                f"--on: {unknown[0]!r:.80} is not an end of a run", f"choose of {', '.join(NEWS)}"
            )
        if block is None:
            return await apply_recovery()
        return await apply_notification(block, wanted, spec)

    done = _called(work)
    if as_json:
        print_json([{"name": name, "done": what} for name, what in done.items()])
    else:
        show(*(f"{name}: {what}" for name, what in done.items()))
        if block is not None:
            tell(f"try it with: rivya-flows automations test {block}")
            _tell_waiting(spec)


@automations.command()
@click.argument("blocks", metavar="[TYPE/NAME]...", nargs=-1)
@AS_JSON
def test(blocks: tuple[str, ...], as_json: bool) -> None:
    """Send a test message through notification blocks, and say whether it was taken.

    Without TYPE/NAME: through each block of `apply --notify`. It is sent from this machine. Exit code 1: a
    message was not taken.
    """

    async def work() -> dict[str, str | None]:
        from rivya_flows.flows.notifications import try_notifications

        return await try_notifications(blocks)

    done = _called(work)
    if as_json:
        print_json([{"block": name, "problem": problem} for name, problem in done.items()])
    else:
        sent = (
            (name, f"not sent: {problem}" if problem else "sent") for name, problem in done.items()
        )
        show(*(f"{name}: {words}" for name, words in sent))
    if any(done.values()):
        click.get_current_context().exit(FAILED)


@automations.command("list")
@AS_JSON
def list_automations(as_json: bool) -> None:
    """List the automations of this package on the server."""

    async def work() -> list[dict[str, Any]]:
        from rivya_flows.flows.notifications import automations_of_ours

        return [
            one.model_dump(mode="json", include={"id", "name", "description", "enabled"})
            for one in await automations_of_ours()
        ]

    found = _called(work)
    if as_json:
        print_json(found)
    elif found:
        columns = ["automation", "", "what it does"]
        print_table(
            columns,
            [[one["name"], "on" if one["enabled"] else "off", one["description"]] for one in found],
        )
    else:
        show("no automations; make them with `rivya-flows automations apply`")


@automations.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove an automation of this package by its name.

    `deploy` and `up` make those that restart runs again; to be without one, switch it off.
    """

    async def work() -> None:
        from rivya_flows.flows.notifications import remove_automation

        await remove_automation(name)

    _called(work)
    show(f"{name} removed")


def _tell_waiting(spec: str | None) -> None:
    """Says how many runs wait already: no message tells of them."""
    from rivya_flows.app.runs import open_journal
    from rivya_flows.cli.configuration import settings
    from rivya_flows.store.run_list import listed_runs

    with suppress(StoreError), open_journal(settings()) as journal:
        found = listed_runs(
            journal.engine, labels={}, name=spec, status="suspended", limit=_MOST_WAITING
        )
        if found:
            number = f"{len(found)}{' or more' * (len(found) == _MOST_WAITING)}"
            waits = "run waits" if len(found) == 1 else "runs wait"
            tell(
                f"{number} {waits} for an answer already, and no message is sent of that:"
                " rivya-flows runs --status suspended"
            )


def _called(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    from rivya_flows.cli.configuration import settings

    with on_server(settings()):
        return asyncio.run(work())
