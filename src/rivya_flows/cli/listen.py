"""`webhooks listen`: the receiver in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rivya_flows.app.processes.part_log import JsonLines, is_json
from rivya_flows.app.processes.ports import RECEIVER_PORT
from rivya_flows.cli.output import log_handler, print_json, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import SecretStr

    from rivya_flows.app.webhook_receiver import Ready
    from rivya_flows.receiver.notification import Emit
    from rivya_flows.settings import Settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=RECEIVER_PORT,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--secret",
    "named",
    multiple=True,
    metavar="env:NAME",
    help="A signing secret in the environment, in addition to those in the store; may be given"
    " more than once.",
)
@click.option(
    "--register",
    "registers",
    is_flag=True,
    help="Make the service send its events here: to RIVYA_FLOWS_PUBLIC_URL, or to this machine"
    " if the sandbox allows that.",
)
@click.option("--sandbox", is_flag=True, help="Register with the local sandbox.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def listen(
    host: str, port: int, named: tuple[str, ...], registers: bool, sandbox: bool, as_json: bool
) -> None:
    """Serve media to browsers and receive the service's events, until Ctrl-C.

    Each new event goes to Prefect, where it wakes the run that waits for the job. Set
    RIVYA_FLOWS_WEBHOOKS=true for the runs, so that they rely on it.
    """
    from rivya_flows.app.webhook_receiver import ListenOptions, serve_receiver
    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.service import at_home

    if sandbox and not registers:
        raise UsageError("--sandbox says where to register", "give --register too")
    secrets = tuple(_read_secret(name) for name in named)
    options = ListenOptions(host, port, secrets, registers, sandbox)
    found = settings()
    with _log_to_stderr():
        asyncio.run(
            serve_receiver(
                found,
                options,
                lambda ready: _announce(ready, as_json=as_json),
                events=lambda: _events(found),
                service=lambda: at_home(sandbox=sandbox),
            )
        )


@asynccontextmanager
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
        raise UsageError(
            "--secret: not the name of a variable",
            "write --secret env:NAME and set NAME; lists of processes would show the secret itself",
        )
    secret = read_secret(name)
    if secret is None:
        raise UsageError(f"--secret: {name} is not set", "set it, or remove the option")
    return secret


def _announce(ready: Ready, *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(ready), indent=None)
    else:
        show(f"receiver: {ready.base_url}  (Ctrl-C ends it)")
        show(f"webhooks: {ready.webhooks}" + (f"  ({ready.endpoint})" if ready.endpoint else ""))
        show(f"media:    RIVYA_FLOWS_PUBLIC_URL={ready.public_url}")
        show(f"events:   {ready.prefect_api_url}")
    sys.stdout.flush()
    if not ready.has_secret:
        tell(
            "no signing secret is known, so events cannot be verified: register this receiver with"
        )
        tell("--register or `webhooks endpoints create`, or give --secret")


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Show the receiver's log on stderr, with times."""
    log = logging.getLogger("rivya_flows.receiver")
    handler = log_handler("%(asctime)s %(levelname)s %(message)s")
    if is_json():
        handler.setFormatter(JsonLines())
    level, propagates = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)
        log.propagate = propagates
