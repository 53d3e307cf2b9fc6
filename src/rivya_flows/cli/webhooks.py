"""`webhooks`: the receiver of signed events, and the endpoints that the service sends them to."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli.groups import Group
from rivya_flows.cli.listen import listen
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import SecretStr
    from sqlalchemy import Engine

    from rivya_flows.client.client import RivyaClient
    from rivya_flows.client.types import WebhookEndpoint

ENDPOINT = click.argument("endpoint_id", metavar="ID")
EVENTS = click.option(
    "--event",
    "events",
    multiple=True,
    metavar="TYPE",
    help="What to send, such as generation.succeeded; may be given more than once.",
)
PRINT_SECRET = click.option(
    "--print-secret",
    is_flag=True,
    help="Print the signing secret, this once, for a receiver that is not `webhooks listen`.",
)


@dataclass(frozen=True)
class Call:
    """What a command of `webhooks endpoints` works with.

    Attributes:
        client: Of the service.
        engine: Of the store that keeps signing secrets.
        as_json: Print JSON.
    """

    client: RivyaClient
    engine: Engine
    as_json: bool

    def print(self, document: Any, *lines: str) -> None:
        """Print a JSON document, or these lines for people."""
        if self.as_json:
            print_json(document)
        else:
            show(*lines)

    def print_endpoint(self, endpoint: WebhookEndpoint, secret: SecretStr | None = None) -> None:
        """Print an endpoint, with its secret if there is one."""
        document = _document(endpoint)
        if secret is not None:
            document["signing_secret"] = secret.get_secret_value()
        shown = {name: one for name, one in document.items() if one not in (None, "", [], ())}
        self.print(document, *(f"{name}: {_cell(value)}" for name, value in shown.items()))


@click.group(cls=Group)
def webhooks() -> None:
    """Receive the service's events, which wake runs, and manage where it sends them."""


webhooks.add_command(listen)


@webhooks.group()
def endpoints() -> None:
    """Manage the URLs that the service sends events to.

    The store keeps their signing secrets for `webhooks listen`.
    """


def command(
    name: str | None = None, *, check: Callable[..., None] = lambda **_: None
) -> Callable[[Callable[..., Awaitable[None]]], click.Command]:
    """Make a function a command of `endpoints` that gets a `Call`; the first Ctrl-C cancels it.

    Args:
        name: Of the command; None: that of the function.
        check: Gets the arguments before the service is used, and raises if they are wrong.
    """

    def decorate(function: Callable[..., Awaitable[None]]) -> click.Command:
        @endpoints.command(name or function.__name__)
        @click.option("--sandbox", is_flag=True, help="Use the local sandbox.")
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
        @functools.wraps(function)
        def run(sandbox: bool, as_json: bool, **arguments: Any) -> None:
            from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
            from rivya_flows.cli.service import at_home

            check(**arguments)

            async def work(_: Interrupts) -> None:
                async with (
                    at_home(sandbox=sandbox) as context,
                    context.first_client(tell) as client,
                ):
                    await function(Call(client, context.journal.engine, as_json), **arguments)

            run_interruptibly(work)

        return run

    return decorate


@command("list")
async def list_endpoints(call: Call) -> None:
    """List the endpoints of the account."""
    found = (await call.client.webhooks.list()).data
    if call.as_json:
        print_json([_document(endpoint) for endpoint in found])
    elif found:
        rows = [
            [one.id, one.status or "–", one.url or "–", ", ".join(one.event_types), one.name or ""]
            for one in found
        ]
        print_table(["endpoint", "status", "address", "events", "name"], rows)
    else:
        show("there are no endpoints; create one with `rivya-flows webhooks endpoints create URL`")


@command()
@click.argument("url")
@click.option("--name", help="For people.")
@EVENTS
@PRINT_SECRET
async def create(
    call: Call, url: str, name: str | None, events: tuple[str, ...], print_secret: bool
) -> None:
    """Make the service send events to URL: https, public, such as
    https://hooks.example.org/webhooks/rivya.

    The store keeps its signing secret.
    """
    from rivya_flows.client.types import EVENT_TYPES
    from rivya_flows.receiver.registration import create_endpoint

    types = events or EVENT_TYPES
    made = await create_endpoint(call.client, call.engine, url, name=name, event_types=types)
    call.print_endpoint(made, made.signing_secret if print_secret else None)
    if not call.as_json:
        tell("its signing secret is in the store; `webhooks listen` on this store uses it")


@command("show")
@ENDPOINT
async def show_endpoint(call: Call, endpoint_id: str) -> None:
    """Show one endpoint."""
    call.print_endpoint(await call.client.webhooks.retrieve(endpoint_id))


def _changes_something(endpoint_id: str, **changes: object) -> None:
    if not any(changes.values()):
        raise UsageError("nothing to change", "give --url, --name, --event or --enable")


@command(check=_changes_something)
@ENDPOINT
@click.option("--url", help="Another URL.")
@click.option("--name", help="Another name.")
@EVENTS
@click.option("--enable", is_flag=True, help="Enable an endpoint that the service disabled.")
async def update(
    call: Call,
    endpoint_id: str,
    url: str | None,
    name: str | None,
    events: tuple[str, ...],
    enable: bool,
) -> None:
    """Change an endpoint; options that you omit stay as they are."""
    status = "active" if enable else None
    changed = await call.client.webhooks.update(
        endpoint_id, url=url, name=name, event_types=events or None, status=status
    )
    call.print_endpoint(changed)


@command()
@ENDPOINT
async def remove(call: Call, endpoint_id: str) -> None:
    """Remove an endpoint, and its secrets from the store."""
    from rivya_flows.store.secrets import forget_signing_secrets

    await call.client.webhooks.delete(endpoint_id)
    forget_signing_secrets(call.engine, endpoint_id)
    call.print({"id": endpoint_id, "deleted": True}, f"{endpoint_id} is removed")


@command()
@ENDPOINT
@click.option("--at-once", is_flag=True, help="Invalidate the old secret now, as after a leak.")
@PRINT_SECRET
async def rotate(call: Call, endpoint_id: str, at_once: bool, print_secret: bool) -> None:
    """Put a new signing secret into the store; the old one stays valid for a day.

    A running receiver needs no restart.
    """
    from rivya_flows.store.secrets import OVERLAP_SECONDS, rotate_signing_secret

    secret = (await call.client.webhooks.rotate_secret(endpoint_id)).signing_secret
    overlap = 0 if at_once else OVERLAP_SECONDS
    rotate_signing_secret(call.engine, endpoint_id, secret, overlap_seconds=overlap)
    shown = {"signing_secret": secret.get_secret_value()} if print_secret else {}
    document = {"id": endpoint_id, "rotated": True, **shown}
    words = f"{endpoint_id} has a new signing secret, which is in the store"
    call.print(document, words, *shown.values())


@command()
@ENDPOINT
async def test(call: Call, endpoint_id: str) -> None:
    """Make the service send a test event; `deliveries` shows the result."""
    answer = (await call.client.webhooks.test(endpoint_id)).model_dump(mode="json")
    event = answer.get("event_id") or answer.get("id")
    call.print(answer, f"test event requested{f' ({event})' if event else ''}")


@command()
@ENDPOINT
async def deliveries(call: Call, endpoint_id: str) -> None:
    """List the deliveries to an endpoint, in the service's order."""
    answer = await call.client.webhooks.deliveries(endpoint_id)
    found = [one.model_dump(mode="json") for one in answer.data]
    if call.as_json:
        print_json(found)
        return
    names = ("created_at", "event_type", "status", "attempt", "response_status", "error")
    rows = [[_cell(one[name]) for name in names] for one in found]
    print_table(["at", "event", "status", ">attempt", ">answer", "error"], rows)


def _document(endpoint: WebhookEndpoint) -> dict[str, Any]:
    shown: dict[str, Any] = endpoint.model_dump(mode="json", exclude={"signing_secret"})
    return shown


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
