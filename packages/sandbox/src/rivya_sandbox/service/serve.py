"""Runs the server: in this process until a signal, or in a thread of a test."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from rivya_sandbox.service import app, catalogue
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.http_server import Server
from rivya_sandbox.service.limits import RateLimit
from rivya_sandbox.service.links import Links
from rivya_sandbox.service.options import FRIENDLY, PROFILES, Media, Options, ServiceProfile
from rivya_sandbox.service.request_log import logging_requests
from rivya_sandbox.service.service import Service
from rivya_sandbox.service.startup import Sandbox, ServerResources, acquire
from rivya_sandbox.service.turns import Turns
from rivya_sandbox.service.worker import THREADS, Worker
from rivya_sandbox.webhooks.sender import WebhookSender

_IDLE = 0.5  # seconds for an idle thread to end
_READY = 240  # seconds; a busy machine needs many


def serve(options: Options, *, as_json: bool) -> None:
    """Serve until SIGTERM or Ctrl-C; needs the main thread.

    Once it accepts requests, writes one line of JSON ``{"base_url", "api_key", "data"}``, or text
    for people. A rendering still busy at the end is abandoned with the process: `serve` then does
    not return, and the next start renders it again.

    Raises:
        SandboxError: It cannot start.
    """

    def announce(sandbox: Sandbox) -> None:
        print(_announcement(sandbox, as_json=as_json), flush=True)

    with acquire(options) as site:
        asyncio.run(_serve(site, options, announce, _stop_on_signals))
    sys.stdout.flush()
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
    answers: str | None = None,
    profile: str | ServiceProfile | None = None,
    port: int = 0,
    rate_limit: int = 0,
    allow_local_webhooks: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[Sandbox]:
    """A sandbox in a thread of this process, for tests.

    Args:
        data: Its folder; created if missing.
        credits: Granted to the default account of a new folder.
        time_scale: 0 skips simulated durations.
        media: ``plain`` or ``real``.
        faults: YAML text.
        answers: YAML text of rehearsed chat answers.
        profile: ``hostile``, or a custom one; None is friendly.
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
        answers=answers,
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
            ready.set()  # also after a failure, so that no caller waits

    with acquire(options) as site:
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
    async with application(site, options) as served:
        server = Server(served, lambda: announce(site.sandbox))
        hand_over(server.stop)
        await server.serve(sockets=[site.listener])


@asynccontextmanager
async def application(site: ServerResources, options: Options) -> AsyncIterator[ASGIApp]:
    """The application and what works behind it, for a server, or for a client of the same process."""
    links = Links(
        site.sandbox.base_url, site.secret, options.profile.url_life_seconds, options.clock
    )
    sender = WebhookSender(site.database, options, site.secret)
    worker = Worker(site.database, options, links, sender)
    turns = Turns(site.database, options)
    service = Service(
        database=site.database,
        catalogue=catalogue.packaged_catalogue(),
        options=options,
        worker=worker,
        turns=turns,
        sender=sender,
        limit=RateLimit(options.rate_limit),
        links=links,
    )
    with logging_requests(app.build(service), options.request_log, options.clock) as served:
        worker.start()
        sender.start()
        try:
            yield served
        finally:
            await turns.stop()
            await worker.stop()
            await sender.stop()


def _stop_on_signals(stop: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _announcement(sandbox: Sandbox, *, as_json: bool) -> str:
    if as_json:
        address = {
            "base_url": sandbox.base_url,
            "api_key": sandbox.api_key,
            "data": str(sandbox.data),
        }
        return json.dumps(address)
    return (
        f"Rivya sandbox: {sandbox.base_url}  (data in {sandbox.data}; Ctrl-C ends it)\n"
        f"RIVYA_BASE_URL={sandbox.base_url}\nRIVYA_API_KEY={sandbox.api_key}  (shown once)"
    )
