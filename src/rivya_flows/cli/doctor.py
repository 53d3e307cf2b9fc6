"""`doctor`: what is installed, reachable and configured, and how to fix what is not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

from rivya_flows.cli import options
from rivya_flows.cli.declaration import command
from rivya_flows.cli.options import option
from rivya_flows.cli.output import show_result
from rivya_flows.cli.session import settings
from rivya_flows.errors import UsageError

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.doctor.checks import Check
    from rivya_flows.settings import Settings

_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}


@command()
def doctor(
    live: bool = option("Compare models and routes of the service with the expected."),
    as_json: bool = options.JSON,
) -> int:
    """Show what is installed, reachable and configured, and how to fix what is not.

    Exit code 1 if anything is a problem. Shows no key, and buys nothing, also with --live.
    """
    from rivya_flows.doctor.examine import examine
    from rivya_flows.settings import usable_settings

    wrong: list[UsageError] = []
    try:
        found = settings(uses_data=False)
    except UsageError as error:
        found, wrong = usable_settings()
        wrong = wrong or [error]  # of a file that configures Prefect
    checks = examine(
        found, with_key=_with_key, prefect_checks=_prefect_checks, live=live, wrong=wrong
    )
    healthy = not any(check.status == "problem" for check in checks)
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{_SIGNS[check.status]}  {check.name:<{width}}  {check.message}")
        lines += [f"{'':<{len(_SIGNS['ok']) + width + 4}}{check.hint}"] if check.hint else []
    document = {"ok": healthy, "checks": [vars(check) for check in checks]}
    show_result(*lines, document=document, as_json=as_json)
    return 0 if healthy else 1


async def _with_key(settings: Settings) -> Settings:
    from rivya_flows.flows.execution.local_runner import LocalRunner
    from rivya_flows.flows.server.environment import pointed_at

    url = settings.prefect_api_url
    with pointed_at({"PREFECT_API_URL": url} if url else {}), _quiet():
        return await LocalRunner().with_key(settings)


async def _prefect_checks(settings: Settings) -> AsyncIterator[Check]:
    """Check the server that commands would use; starts none."""
    from rivya_flows.doctor.checks import ok
    from rivya_flows.flows.execution.local_runner import running_server
    from rivya_flows.flows.server.environment import pointed_at
    from rivya_flows.flows.server.local_server import is_idle

    server = running_server(settings)
    if server is None:
        idle = f"at most {settings.rivya_flows_server_idle:g} s; `rivya-flows down` ends it now"
        if is_idle(settings.data / "prefect"):
            yield ok(f"the server of the last run waits for the next one, {idle}")
        else:
            own = "`run` starts one for itself, `rivya-flows up` one with schedules and the UI"
            yield ok(f"none runs; {own}")
        return
    with pointed_at({"PREFECT_LOGGING_LEVEL": "CRITICAL", **server}), _quiet():
        from rivya_flows.flows.deployment.infrastructure import server_checks

        async for check in server_checks(settings):
            yield check


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Prefect's own log: the checks say what matters."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
