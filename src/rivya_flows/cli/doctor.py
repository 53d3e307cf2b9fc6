"""`doctor`: what is installed, reachable and configured, and what to do about what is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import click

from rivya_flows.cli.output import print_json, show

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.cli.doctor_checks import Check
    from rivya_flows.settings import Settings

_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def doctor(as_json: bool) -> int:
    """Say what is installed, reachable and set, and what to do about what is not.

    Exit code 1 if anything is a problem. No key is shown, and nothing is bought.
    """
    from rivya_flows.cli.configuration import settings

    checks = examined(settings(uses_data=False))
    healthy = not any(check.status == "problem" for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [check.as_json() for check in checks]})
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            show(f"{_SIGNS[check.status]}  {check.name:<{width}}  {check.message}")
            if check.hint:
                show(f"{'':<{len(_SIGNS['ok']) + width + 4}}{check.hint}")
    return 0 if healthy else 1


def examined(settings: Settings) -> list[Check]:
    """All checks, in the order of what needs what."""
    from rivya_flows.cli import doctor_machine as machine, doctor_places as places
    from rivya_flows.cli.doctor_checks import looked_at

    checks = looked_at("python", machine.python)
    checks += looked_at("extras", lambda: machine.extras(settings))
    checks += looked_at("settings", lambda: machine.environment(machine.here()))
    checks += looked_at("data folder", lambda: machine.data_folder(settings))
    checks += looked_at("privacy", lambda: machine.privacy(settings))
    checks += looked_at("store", lambda: places.store(settings))
    checks += looked_at("assets", lambda: places.assets(settings))
    checks += looked_at("service", lambda: _service(settings))
    checks += looked_at("clock", lambda: machine.clock(settings))
    checks += looked_at("public url", lambda: places.public_url(settings))
    checks += looked_at("up", lambda: machine.left_running(settings))
    checks += looked_at("prefect server", lambda: _prefect(settings))
    return checks


def _service(settings: Settings) -> list[Check]:
    """The checks on the service that commands and runs would use."""
    from rivya_flows.cli import doctor_places as places
    from rivya_flows.cli.service import with_key_of_block
    from rivya_flows.flows.server.select_server import pointed_at

    url = settings.prefect_api_url
    with pointed_at({"PREFECT_API_URL": url} if url else {}), _quiet():
        found = asyncio.run(with_key_of_block(settings))
    if found.rivya_api_key is None:
        return list(places.sandbox(found))
    return asyncio.run(_all(places.service(found)))


def _prefect(settings: Settings) -> list[Check]:
    """The checks on the server that commands would use; nothing is started for it."""
    from rivya_flows.cli.doctor_checks import warning
    from rivya_flows.flows.execution.local_runner import standing_server
    from rivya_flows.flows.server.select_server import pointed_at

    server = standing_server(settings)
    if server is None:
        return [
            warning(
                "prefect server",
                "none runs; `run` starts one for itself",
                "for deployments, schedules and the UI: `rivya-flows up`, or the variable"
                " PREFECT_API_URL (profiles of Prefect do not count)",
            )
        ]
    with pointed_at({"PREFECT_LOGGING_LEVEL": "CRITICAL", **server}), _quiet():
        from rivya_flows.cli.doctor_prefect import prefect

        return asyncio.run(_all(prefect(settings)))


async def _all(checks: AsyncIterator[Check]) -> list[Check]:
    return [check async for check in checks]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Prefect's own words off the terminal: what matters is said by the checks."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
