"""`webhooks`: the receiver of signed events, and the endpoints that the service sends them to."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli import options
from rivya_flows.cli.options import Group, argument, option
from rivya_flows.cli.output import log_handler, print_json, print_table, show, show_result, tell
from rivya_flows.cli.session import call_service, caller, settings
from rivya_flows.errors import UsageError
from rivya_flows.processes.ports import RECEIVER_PORT
from rivya_flows.processes.supervisor import JsonLines, is_json

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import JsonValue, SecretStr
    from sqlalchemy import Engine

    from rivya_client.client import RivyaClient
    from rivya_client.types import WebhookEndpoint
    from rivya_flows.engine.run_context import RunContext
    from rivya_flows.receiver.notification import Emit
    from rivya_flows.settings import Settings
    from rivya_flows.webhook_receiver import Ready

_EMPTY: tuple[JsonValue, ...] = (None, "", [])
_ENDPOINT = argument(metavar="ID")
_EVENTS = option(
    "What to send, such as generation.succeeded; may be given more than once.",
    "--event",
    metavar="TYPE",
)
_PRINT_SECRET = option(
    "Print the signing secret, this once, for a receiver that is not `webhooks listen`."
)


@click.group(cls=Group)
def webhooks() -> None:
    """Receive the service's events, which wake runs, and manage where it sends them."""


@webhooks.command()
def listen(
    host: str = option("Address to listen on.", default="127.0.0.1", show_default=True),
    port: int = option(
        "Port to listen on; 0: a free one.",
        type=click.IntRange(0, 65535),
        default=RECEIVER_PORT,
        show_default=True,
    ),
    named: tuple[str, ...] = option(
        "A signing secret in the environment, in addition to those in the store; may be given"
        " more than once.",
        "--secret",
        metavar="env:NAME",
    ),
    registers: bool = option(
        "Make the service send its events here: to RIVYA_FLOWS_PUBLIC_URL, or to this machine"
        " if the sandbox allows that.",
        "--register",
    ),
    sandbox: bool = option("Register with the local sandbox."),
    as_json: bool = option("One line of JSON when it is ready.", "--json"),
) -> None:
    """Serve media to browsers and receive the service's events, until Ctrl-C.

    Each new event goes to Prefect, where it wakes the run that waits for the job. Set
    RIVYA_FLOWS_WEBHOOKS=true for the runs, so that they rely on it.
    """
    from rivya_flows.flows.current_run import flow_run_of
    from rivya_flows.runs.resume import continue_here
    from rivya_flows.webhook_receiver import serve_receiver

    if sandbox and not registers:
        raise UsageError("--sandbox says where to register", "give --register too")

    def announce(ready: Ready) -> None:
        if as_json:
            print_json(asdict(ready), indent=None)
        else:
            show(f"receiver: {ready.base_url}  (Ctrl-C ends it)")
            show(
                f"webhooks: {ready.webhooks}" + (f"  ({ready.endpoint})" if ready.endpoint else "")
            )
            show(f"media:    RIVYA_FLOWS_PUBLIC_URL={ready.public_url}")
            show(f"events:   {ready.prefect_api_url}")
        sys.stdout.flush()
        if not ready.has_secret:
            tell(
                "no signing secret is known, so events cannot be verified: register this receiver with",
                "--register or `webhooks endpoints create`, or give --secret",
            )

    found, log = settings(), logging.getLogger("rivya_flows.receiver")
    runner = caller().runner

    async def wake(run_id: str) -> bool:
        if flow_run_of(run_id) is None:
            return await asyncio.to_thread(continue_here, found, run_id)
        return await runner.wake(found, run_id, log.info)

    serving = serve_receiver(
        found,
        host,
        port,
        announce,
        more_secrets=tuple(_read_secret(name) for name in named),
        registers=registers,
        events=lambda: _events(found),
        service=lambda: caller(sandbox=sandbox).connect(),
        wake=wake,
    )
    handler = log_handler("%(asctime)s %(levelname)s %(message)s")
    if is_json():
        handler.setFormatter(JsonLines())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    asyncio.run(serving)


@contextlib.asynccontextmanager
async def _events(settings: Settings) -> AsyncIterator[tuple[str, Emit]]:
    from rivya_flows.flows.server.local_server import local_server

    async with local_server(settings.data, api_url=settings.prefect_api_url) as api_url:
        # Not earlier: importing Prefect takes longer than a server needs to start.
        from rivya_flows.flows.execution.job_notifications import prefect_events

        async with prefect_events() as emit:
            yield api_url, emit


def _read_secret(named: str) -> SecretStr:
    """The secret that an option names; a wrong option is not shown, because it may be the secret."""
    from rivya_flows.settings import read_secret

    kind, _, name = named.partition(":")
    if kind != "env" or not name:
        hint = "write --secret env:NAME and set NAME: others can read the arguments of a process"
        raise UsageError("--secret: not the name of a variable", hint)
    if (secret := read_secret(name)) is None:
        raise UsageError(f"--secret: {name} is not set", "set it, or remove the option")
    return secret


@webhooks.group(cls=Group)
def endpoints() -> None:
    """Manage the URLs that the service sends events to.

    The store keeps their signing secrets for `webhooks listen`.
    """


@dataclass(frozen=True)
class EndpointCall:
    """What a command of `webhooks endpoints` works with; the store keeps signing secrets."""

    client: RivyaClient
    store: Engine
    as_json: bool

    def print(self, document: object, *lines: str) -> None:
        show_result(*lines, document=document, as_json=self.as_json)

    def print_rows(self, found: list[dict[str, JsonValue]], columns: Mapping[str, str]) -> None:
        """Print documents as a table; columns: their titles by the names of fields."""
        if self.as_json:
            print_json(found)
        else:
            rows = [[_cell(one[name]) for name in columns] for one in found]
            print_table([*columns.values()], rows)

    def print_endpoint(self, endpoint: WebhookEndpoint, secret: SecretStr | None = None) -> None:
        document = _document(endpoint)
        if secret is not None:
            document["signing_secret"] = secret.get_secret_value()
        lines = [f"{name}: {_cell(one)}" for name, one in document.items() if one not in _EMPTY]
        self.print(document, *lines)


def _command(name: str | None = None) -> Callable[[Callable[..., Awaitable[None]]], click.Command]:
    """Make a function a command of `endpoints` that gets a `EndpointCall`."""

    def decorate(function: Callable[..., Awaitable[None]]) -> click.Command:
        @functools.wraps(function)
        def run(sandbox: bool, as_json: bool, **arguments: Any) -> None:
            async def work(client: RivyaClient, context: RunContext) -> None:
                await function(EndpointCall(client, context.journal.engine, as_json), **arguments)

            call_service(work, sandbox=sandbox)

        shared = [options.SANDBOX("sandbox", "bool"), options.JSON("as_json", "bool")]
        made: click.Command = endpoints.command(name or function.__name__, params=shared)(run)
        return made

    return decorate


@_command("list")
async def list_endpoints(call: EndpointCall) -> None:
    """List the endpoints of the account."""
    found = [_document(one) for one in (await call.client.webhooks.list()).data]
    if found or call.as_json:
        columns = {"id": "endpoint", "status": "status", "url": "address", "event_types": "events"}
        call.print_rows(found, columns | {"name": "name"})
    else:
        show("there are no endpoints; create one with `rivya-flows webhooks endpoints create URL`")


@_command()
async def create(
    call: EndpointCall,
    url: str = argument(),
    name: str | None = option("For people."),
    events: tuple[str, ...] = _EVENTS,
    print_secret: bool = _PRINT_SECRET,
) -> None:
    """Make the service send events to URL: https, public, such as
    https://hooks.example.org/webhooks/rivya.

    The store keeps its signing secret.
    """
    from rivya_client.types import EVENT_TYPES
    from rivya_flows.webhook_receiver import create_endpoint

    types = events or EVENT_TYPES
    made = await create_endpoint(call.client, call.store, url, name=name, event_types=types)
    call.print_endpoint(made, made.signing_secret if print_secret else None)
    if not call.as_json:
        tell("its signing secret is in the store; `webhooks listen` on this store uses it")


@_command("show")
async def show_endpoint(call: EndpointCall, endpoint_id: str = _ENDPOINT) -> None:
    """Show one endpoint."""
    call.print_endpoint(await call.client.webhooks.retrieve(endpoint_id))


@_command()
async def update(
    call: EndpointCall,
    endpoint_id: str = _ENDPOINT,
    url: str | None = option("Another URL."),
    name: str | None = option("Another name."),
    events: tuple[str, ...] = _EVENTS,
    enable: bool = option("Enable an endpoint that the service disabled."),
) -> None:
    """Change an endpoint; options that you omit stay as they are."""
    if not (url or name or events or enable):
        raise UsageError("nothing to change", "give --url, --name, --event or --enable")
    status = "active" if enable else None
    changed = await call.client.webhooks.update(
        endpoint_id, url=url, name=name, event_types=events or None, status=status
    )
    call.print_endpoint(changed)


@_command()
async def remove(call: EndpointCall, endpoint_id: str = _ENDPOINT) -> None:
    """Remove an endpoint, and its secrets from the store."""
    from rivya_flows.store.secrets import forget_signing_secrets

    await call.client.webhooks.delete(endpoint_id)
    forget_signing_secrets(call.store, endpoint_id)
    call.print({"id": endpoint_id, "deleted": True}, f"{endpoint_id} is removed")


@_command()
async def rotate(
    call: EndpointCall,
    endpoint_id: str = _ENDPOINT,
    at_once: bool = option("Invalidate the old secret now, as after a leak."),
    print_secret: bool = _PRINT_SECRET,
) -> None:
    """Put a new signing secret into the store; the old one stays valid for a day.

    A running receiver needs no restart.
    """
    from rivya_flows.store.secrets import OVERLAP_SECONDS, rotate_signing_secret

    secret = (await call.client.webhooks.rotate_secret(endpoint_id)).signing_secret
    overlap = 0 if at_once else OVERLAP_SECONDS
    rotate_signing_secret(call.store, endpoint_id, secret, overlap_seconds=overlap)
    printed = {"signing_secret": secret.get_secret_value()} if print_secret else {}
    document = {"id": endpoint_id, "rotated": True, **printed}
    message = f"{endpoint_id} has a new signing secret, which is in the store"
    call.print(document, message, *printed.values())


@_command()
async def test(call: EndpointCall, endpoint_id: str = _ENDPOINT) -> None:
    """Make the service send a test event; `deliveries` shows the result."""
    answer = (await call.client.webhooks.test(endpoint_id)).model_dump(mode="json")
    event = answer.get("event_id") or answer.get("id")
    call.print(answer, f"test event requested{f' ({event})' if event else ''}")


@_command()
async def deliveries(call: EndpointCall, endpoint_id: str = _ENDPOINT) -> None:
    """List the deliveries to an endpoint, in the service's order."""
    answer = await call.client.webhooks.deliveries(endpoint_id)
    found = [one.model_dump(mode="json") for one in answer.data]
    columns = {"created_at": "at", "event_type": "event", "status": "status", "attempt": ">attempt"}
    call.print_rows(found, columns | {"response_status": ">answer", "error": "error"})


def _document(endpoint: WebhookEndpoint) -> dict[str, JsonValue]:
    return endpoint.model_dump(mode="json", exclude={"signing_secret"})


def _cell(value: JsonValue) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
