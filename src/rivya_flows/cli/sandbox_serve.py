"""`sandbox serve`: the local server in the foreground."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rivya_flows.cli.numbers import AtLeastZero
from rivya_flows.cli.sandbox_folder import DATA, folder_of, sandbox_errors
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_sandbox.service.startup import Sandbox


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0: a free one."
)
@DATA
@click.option(
    "--credits",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Granted to a new data folder, once.",
)
@click.option(
    "--time-scale",
    type=AtLeastZero(),
    default=1.0,
    show_default=True,
    help="Multiplies how long jobs take; 0.02 is fast.",
)
@click.option(
    "--rate-limit",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Requests a minute for each key; 0: no limit.",
)
@click.option(
    "--media",
    type=click.Choice(["real", "plain"]),
    default="real",
    show_default=True,
    help="Plain: one colour, at once.",
)
@click.option(
    "--profile",
    type=click.Choice(["friendly", "hostile"]),
    default="friendly",
    show_default=True,
    help="Hostile: whatever the contract leaves open goes the other way.",
)
@click.option(
    "--key-life",
    type=AtLeastZero(),
    help="Seconds an Idempotency-Key is known; default: the profile's.",
)
@click.option(
    "--url-life",
    type=AtLeastZero(),
    help="Seconds a result URL works; default: the profile's.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults to order.")
@click.option("--public-url", help="Where clients reach it, if not on host and port.")
@click.option(
    "--allow-local-webhooks",
    is_flag=True,
    help="Send webhooks to http:// and to this machine too, which Rivya refuses.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def serve(
    data: Path | None,
    profile: str,
    key_life: float | None,
    url_life: float | None,
    faults: Path | None,
    public_url: str | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Serve until Ctrl-C; prints the address and a new key."""
    if public_url is not None and not public_url.startswith(("http://", "https://")):
        raise UsageError(
            f"--public-url: {public_url!r} is not an address", "write it like http://192.0.2.7:8700"
        )
    folder = folder_of(data)
    with sandbox_errors():
        from rivya_flows.app.local_sandbox import last_port, remember
        from rivya_sandbox.service import serve as server
        from rivya_sandbox.service.options import PROFILES, Options

        chosen = PROFILES[profile]
        if key_life is not None:
            chosen = replace(chosen, key_life_seconds=key_life)
        if url_life is not None:
            chosen = replace(chosen, url_life_seconds=url_life)
        text = None if faults is None else server.read_faults(faults)
        # `run` has its sandbox in this folder, and then joins this one.
        joined = folder.resolve() == folder_of(None).resolve()
        if joined and rest["port"] == 0:
            rest["port"] = last_port(folder)
        options = Options(data=folder, profile=chosen, faults=text, public_url=public_url, **rest)

        def ready(site: Sandbox) -> None:
            if joined:
                remember(folder, site.base_url)

        server.serve(options, as_json=as_json, ready=ready)
