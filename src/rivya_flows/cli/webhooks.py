"""`webhooks`: the receiver of signed events, and the endpoints that the service sends them to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rivya_flows.cli.listen import listen
from rivya_flows.cli.output import print_json, print_table, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import SecretStr

    from rivya_flows.app.run_context import RunContext
    from rivya_flows.client.client import RivyaClient
    from rivya_flows.client.wire.webhooks import WebhookEndpoint

T = TypeVar("T")

ENDPOINT = click.argument("endpoint_id", metavar="ID")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
SANDBOX = click.option("--sandbox", is_flag=True, help="Use the local sandbox.")
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


@click.group()
def webhooks() -> None:
    """Receive the service's events, which wake runs, and manage where it sends them."""


webhooks.add_command(listen)


@webhooks.group()
def endpoints() -> None:
    """Manage the URLs that the service sends events to.

    The store keeps their signing secrets for `webhooks listen`.
    """


@endpoints.command("list")
@SANDBOX
@JSON
def list_endpoints(sandbox: bool, as_json: bool) -> None:
    """List the endpoints of the account."""

    async def call(_: RunContext, client: RivyaClient) -> list[WebhookEndpoint]:
        return list((await client.webhooks.list()).data)

    found = _call(sandbox, call)
    if as_json:
        print_json([_document(endpoint) for endpoint in found])
    elif found:
        rows = [
            [one.id, one.status or "–", one.url or "–", ", ".join(one.event_types), one.name or ""]
            for one in found
        ]
        print_table(["endpoint", "status", "address", "events", "name"], rows)
    else:
        show("there are no endpoints; create one with `rivya-flows webhooks endpoints create URL`")


@endpoints.command()
@click.argument("url")
@click.option("--name", help="For people.")
@EVENTS
@PRINT_SECRET
@SANDBOX
@JSON
def create(
    url: str,
    name: str | None,
    events: tuple[str, ...],
    print_secret: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """Make the service send events to URL: https, public, such as
    https://hooks.example.org/webhooks/rivya.

    The store keeps its signing secret.
    """
    from rivya_flows.client.wire.webhooks import EVENT_TYPES
    from rivya_flows.receiver.registration import create_endpoint

    async def call(context: RunContext, client: RivyaClient) -> WebhookEndpoint:
        return await create_endpoint(
            client, context.journal.engine, url, name=name, event_types=events or EVENT_TYPES
        )

    made = _call(sandbox, call)
    secret = made.signing_secret if print_secret else None
    _print_endpoint(made, as_json=as_json, secret=secret)
    if not as_json:
        tell("its signing secret is in the store; `webhooks listen` on this store uses it")


@endpoints.command("show")
@ENDPOINT
@SANDBOX
@JSON
def show_endpoint(endpoint_id: str, sandbox: bool, as_json: bool) -> None:
    """Show one endpoint."""

    async def call(_: RunContext, client: RivyaClient) -> WebhookEndpoint:
        return await client.webhooks.retrieve(endpoint_id)

    _print_endpoint(_call(sandbox, call), as_json=as_json)


@endpoints.command()
@ENDPOINT
@click.option("--url", help="Another URL.")
@click.option("--name", help="Another name.")
@EVENTS
@click.option("--enable", is_flag=True, help="Enable an endpoint that the service disabled.")
@SANDBOX
@JSON
def update(
    endpoint_id: str,
    url: str | None,
    name: str | None,
    events: tuple[str, ...],
    enable: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """Change an endpoint; what is not given stays as it is."""
    if not (url or name or events or enable):
        raise UsageError("nothing to change", "give --url, --name, --event or --enable")

    async def call(_: RunContext, client: RivyaClient) -> WebhookEndpoint:
        status = "active" if enable else None
        return await client.webhooks.update(
            endpoint_id, url=url, name=name, event_types=events or None, status=status
        )

    _print_endpoint(_call(sandbox, call), as_json=as_json)


@endpoints.command()
@ENDPOINT
@SANDBOX
@JSON
def delete(endpoint_id: str, sandbox: bool, as_json: bool) -> None:
    """Remove an endpoint, and its secrets from the store."""
    from rivya_flows.store.signing_secrets import forget_signing_secrets

    async def call(context: RunContext, client: RivyaClient) -> None:
        await client.webhooks.delete(endpoint_id)
        forget_signing_secrets(context.journal.engine, endpoint_id)

    _call(sandbox, call)
    if as_json:
        print_json({"id": endpoint_id, "deleted": True})
    else:
        show(f"{endpoint_id} is removed")


@endpoints.command()
@ENDPOINT
@click.option("--at-once", is_flag=True, help="Invalidate the old secret now, as after a leak.")
@PRINT_SECRET
@SANDBOX
@JSON
def rotate(
    endpoint_id: str, at_once: bool, print_secret: bool, sandbox: bool, as_json: bool
) -> None:
    """Put a new signing secret into the store; the old one stays valid for a day.

    A running receiver needs no restart.
    """
    from rivya_flows.store.signing_secrets import OVERLAP_SECONDS, rotate_signing_secret

    async def call(context: RunContext, client: RivyaClient) -> SecretStr:
        rotated = await client.webhooks.rotate_secret(endpoint_id)
        overlap = 0 if at_once else OVERLAP_SECONDS
        rotate_signing_secret(
            context.journal.engine, endpoint_id, rotated.signing_secret, overlap_seconds=overlap
        )
        return rotated.signing_secret

    secret = _call(sandbox, call)
    shown = {"signing_secret": secret.get_secret_value()} if print_secret else {}
    if as_json:
        print_json({"id": endpoint_id, "rotated": True, **shown})
        return
    show(f"{endpoint_id} has a new signing secret, which is in the store", *shown.values())


@endpoints.command()
@ENDPOINT
@SANDBOX
@JSON
def test(endpoint_id: str, sandbox: bool, as_json: bool) -> None:
    """Make the service send a test event; `deliveries` shows the result."""

    async def call(_: RunContext, client: RivyaClient) -> dict[str, Any]:
        return (await client.webhooks.test(endpoint_id)).model_dump(mode="json")

    answer = _call(sandbox, call)
    if as_json:
        print_json(answer)
    else:
        event = answer.get("event_id") or answer.get("id")
        show(f"a test event is on its way{f' ({event})' if event else ''}")


@endpoints.command()
@ENDPOINT
@SANDBOX
@JSON
def deliveries(endpoint_id: str, sandbox: bool, as_json: bool) -> None:
    """List the deliveries to an endpoint, in the service's order."""

    async def call(_: RunContext, client: RivyaClient) -> list[dict[str, Any]]:
        found = (await client.webhooks.deliveries(endpoint_id)).data
        return [one.model_dump(mode="json") for one in found]

    found = _call(sandbox, call)
    if as_json:
        print_json(found)
        return
    names = ("created_at", "event_type", "status", "attempt", "response_status", "error")
    rows = [[_cell(one[name]) for name in names] for one in found]
    print_table(["at", "event", "status", ">attempt", ">answer", "error"], rows)


def _call(sandbox: bool, call: Callable[[RunContext, RivyaClient], Awaitable[T]]) -> T:
    """Call the service; the first Ctrl-C cancels it."""
    from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
    from rivya_flows.cli.service import at_home

    async def work(_: Interrupts) -> T:
        async with at_home(sandbox=sandbox) as context, context.client() as client:
            return await call(context, client)

    return run_interruptibly(work)


def _document(endpoint: WebhookEndpoint, secret: SecretStr | None = None) -> dict[str, Any]:
    shown: dict[str, Any] = endpoint.model_dump(mode="json", exclude={"signing_secret"})
    return shown if secret is None else {**shown, "signing_secret": secret.get_secret_value()}


def _print_endpoint(
    endpoint: WebhookEndpoint, *, as_json: bool, secret: SecretStr | None = None
) -> None:
    document = _document(endpoint, secret)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if value not in (None, "", [], ()):
            show(f"{name}: {_cell(value)}")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
