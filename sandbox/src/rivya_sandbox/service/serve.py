"""Runs the server: as a process of its own, or in a thread of a test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import click

from rivya_flows.printable import one_line
from rivya_sandbox.service import app, catalogue
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.http_server import Server
from rivya_sandbox.service.limits import RateLimit
from rivya_sandbox.service.links import Links
from rivya_sandbox.service.options import FRIENDLY, PROFILES, Media, Options, ServiceProfile
from rivya_sandbox.service.service import Service
from rivya_sandbox.service.startup import Sandbox, ServerResources, occupied
from rivya_sandbox.service.turns import Turns
from rivya_sandbox.service.worker import THREADS, Worker
from rivya_sandbox.webhooks.sender import Courier

_IDLE = 0.5  # seconds in which a thread with nothing to do has ended
_READY = 30  # seconds


def serve(
    options: Options,
    *,
    as_json: bool,
    out: TextIO | None = None,
    ready: Callable[[Sandbox], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; needs the main thread.

    When requests can come, writes one line of JSON ``{"base_url", "api_key", "data"}``, or text
    for people; `ready` is told just before.
    A rendering that is still busy at the end is given up with the process: `serve` then does not
    return, and the next one renders it anew.

    Raises:
        SandboxError: It cannot start.
    """
    target = sys.stdout if out is None else out

    def announce(sandbox: Sandbox) -> None:
        ready(sandbox)
        print(_announcement(sandbox, as_json=as_json), file=target, flush=True)

    with occupied(options) as site:
        asyncio.run(_serve(site, options, announce, _stop_on_signals))
    target.flush()
    for thread in threading.enumerate():
        if thread.name.startswith(THREADS):
            thread.join(_IDLE)
            if thread.is_alive():
                os._exit(0)


@contextmanager
def running(
    data: Path,
    *,
    credits: int = 1000,
    time_scale: float = 0.0,
    media: Media = "plain",
    faults: str | None = None,
    profile: str | ServiceProfile | None = None,
    port: int = 0,
    rate_limit: int = 0,
    allow_local_webhooks: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[Sandbox]:
    """A sandbox in a thread of this process, for tests.

    Args:
        data: Its folder; made if it is not there.
        credits: Granted to the default account of a new folder.
        time_scale: 0 makes simulated durations nothing.
        media: ``plain`` or ``real``.
        faults: YAML text.
        profile: ``hostile``, or one made for the test; None is friendly.
        port: 0 takes a free one.
        rate_limit: Requests a minute for each key; 0 means no limit.
        allow_local_webhooks: Whether webhooks may go to ``http://`` and loopback.
        clock: Unix seconds now.

    Raises:
        SandboxError: It cannot start.
    """
    chosen = PROFILES[profile] if isinstance(profile, str) else profile or FRIENDLY
    options = Options(
        data=data,
        port=port,
        credits=credits,
        time_scale=time_scale,
        rate_limit=rate_limit,
        media=media,
        profile=chosen,
        faults=faults,
        allow_local_webhooks=allow_local_webhooks,
        clock=clock,
    )
    ready = threading.Event()
    stops: list[Callable[[], object]] = []

    def hand_over(stop: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        stops.append(lambda: loop.call_soon_threadsafe(stop))

    def run(site: ServerResources) -> None:
        try:
            asyncio.run(_serve(site, options, lambda _: ready.set(), hand_over))
        finally:
            ready.set()  # also when it failed, so that nobody waits for it

    with occupied(options) as site:
        thread = threading.Thread(target=run, args=(site,), name="sandbox", daemon=True)
        thread.start()
        try:
            if not ready.wait(_READY) or not thread.is_alive():
                raise SandboxError("the sandbox did not start")
            yield site.sandbox
        finally:
            for stop in stops:
                stop()
            thread.join(_READY)


async def _serve(
    site: ServerResources,
    options: Options,
    announce: Callable[[Sandbox], None],
    hand_over: Callable[[Callable[[], None]], None],
) -> None:
    links = Links(
        site.sandbox.base_url, site.secret, options.profile.url_life_seconds, options.clock
    )
    courier = Courier(site.database, options, site.secret)
    worker = Worker(site.database, options, links, courier)
    turns = Turns(site.database, options)
    service = Service(
        database=site.database,
        catalogue=catalogue.shipped(),
        options=options,
        worker=worker,
        turns=turns,
        courier=courier,
        limit=RateLimit(options.rate_limit),
        links=links,
    )
    server = Server(app.build(service), lambda: announce(site.sandbox))
    hand_over(server.stop)
    worker.start()
    courier.start()
    try:
        await server.serve(sockets=[site.listener])
    finally:
        await turns.stop()
        await worker.stop()
        await courier.stop()


def _stop_on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _announcement(sandbox: Sandbox, *, as_json: bool) -> str:
    if as_json:
        shown = {
            "base_url": sandbox.base_url,
            "api_key": sandbox.api_key,
            "data": str(sandbox.data),
        }
        return json.dumps(shown)
    return (
        f"Rivya sandbox: {sandbox.base_url}  (data in {sandbox.data}; Ctrl-C ends it)\n"
        f"RIVYA_BASE_URL={sandbox.base_url}\nRIVYA_API_KEY={sandbox.api_key}  (shown once)"
    )


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--credits", type=click.IntRange(0), default=1000, show_default=True)
@click.option("--time-scale", type=click.FloatRange(0), default=1.0, show_default=True)
@click.option("--rate-limit", type=click.IntRange(0), default=0, help="Requests a minute a key.")
@click.option("--media", type=click.Choice(["real", "plain"]), default="real", show_default=True)
@click.option("--profile", type=click.Choice(sorted(PROFILES)), default="friendly")
@click.option("--key-life", type=click.FloatRange(0), help="Seconds an Idempotency-Key is known.")
@click.option("--url-life", type=click.FloatRange(0), help="Seconds a result URL works.")
@click.option("--faults", type=click.Path(path_type=Path), help="YAML file of faults.")
@click.option("--public-url", help="Where clients reach it, if not on host and port.")
@click.option(
    "--allow-local-webhooks",
    is_flag=True,
    help="Send webhooks to http:// and to this machine too, which Rivya refuses.",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it is ready.")
def command(
    profile: str,
    key_life: float | None,
    url_life: float | None,
    faults: Path | None,
    as_json: bool,
    **rest: Any,
) -> None:
    """Run a local Rivya-compatible server."""
    chosen = PROFILES[profile]
    if key_life is not None:
        chosen = replace(chosen, key_life_seconds=key_life)
    if url_life is not None:
        chosen = replace(chosen, url_life_seconds=url_life)
    text = None if faults is None else read_faults(faults)
    serve(Options(profile=chosen, faults=text, **rest), as_json=as_json)


def read_faults(path: Path) -> str:
    """The text of a file of faults.

    Raises:
        SandboxError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise SandboxError(f"{path}: cannot be read: {problem}") from problem


def main(argv: Sequence[str] | None = None) -> int:
    """Run `command` and give its exit code; what is wrong goes to stderr in one line."""
    try:
        command.main(argv, prog_name="python -m rivya_sandbox.service.serve", standalone_mode=False)
    except SandboxError as problem:
        hint = f" (hint: {problem.hint})" if problem.hint else ""
        print(one_line(f"error: {problem}{hint}"), file=sys.stderr)
        return 2
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    return 0


if __name__ == "__main__":
    os.umask(0o077)  # keys, prompts and media of its customers
    sys.exit(main())
