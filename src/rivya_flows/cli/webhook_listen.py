"""`webhooks listen`: the receiver in the foreground."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rivya_flows.cli.output import log_handler, print_json, show, tell
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from pydantic import SecretStr

    from rivya_flows.cli.webhook_serving import Ready

PORT = 8710
"""Where the receiver listens unless told otherwise: addresses in pages should stay good."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--secret",
    "named",
    multiple=True,
    metavar="env:NAME",
    help="A signing secret in the environment, beside those in the store; may be given more"
    " than once.",
)
@click.option(
    "--register",
    "registers",
    is_flag=True,
    help="Let the service send its events here: to RIVYA_FLOWS_PUBLIC_URL, or to this machine"
    " where the sandbox allows that.",
)
@click.option("--sandbox", is_flag=True, help="Register with the local sandbox.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def listen(
    host: str, port: int, named: tuple[str, ...], registers: bool, sandbox: bool, as_json: bool
) -> None:
    """Serve media to browsers, and take the service's events, until Ctrl-C.

    Each new event goes to Prefect, where it wakes the run that waits for the job. Set
    RIVYA_FLOWS_WEBHOOKS=true for the runs, so that they rely on it.
    """
    import asyncio

    from rivya_flows.cli.configuration import settings
    from rivya_flows.cli.webhook_serving import ListenOptions, serve_here

    if sandbox and not registers:
        raise UsageError("--sandbox says where to register", "give --register too")
    wish = ListenOptions(host, port, tuple(_read(name) for name in named), registers, sandbox)
    with _telling():
        asyncio.run(serve_here(settings(), wish, lambda ready: _announce(ready, as_json=as_json)))


def _read(named: str) -> SecretStr:
    """The secret that an option names; what it says instead is not shown, it may be the secret."""
    from rivya_flows.settings import read_secret

    kind, _, name = named.partition(":")
    if kind != "env" or not name:
        raise UsageError(
            "--secret: is not the name of a variable",
            "write --secret env:NAME and set NAME; the secret itself would be seen in lists"
            " of processes",
        )
    secret = read_secret(name)
    if secret is None:
        raise UsageError(f"--secret: {name} is not set", "set it, or take the option out")
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
        tell("no signing secret is known yet, so no event can be verified: let the service send")
        tell("its events here with --register or `webhooks endpoints create`, or give --secret")


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    """What the receiver logs, on stderr, each with its time."""
    log = logging.getLogger("rivya_flows.receiver")
    handler = log_handler("%(asctime)s %(levelname)s %(message)s")
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
