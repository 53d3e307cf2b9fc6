"""Which server Prefect in this process speaks to.

Set through the environment, not `temporary_settings`: neither Prefect's threads for events and
logs nor child processes inherit a context variable.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from rivya_flows.environment import set_variables

if TYPE_CHECKING:  # heavy
    from prefect.client.orchestration import PrefectClient

HEALTH_SECONDS = 60.0
"""A server of a busy machine may take so long; one that is gone refuses at once."""


def point(wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Set variables, or remove them (None); returns the replaced values, to restore them with.

    Raises:
        pydantic.ValidationError: Another variable of Prefect has an invalid value; nothing is set.
    """
    replaced = set_variables(wanted)
    try:
        _reread_settings()
    except Exception:
        set_variables(replaced)
        raise
    return replaced


@contextmanager
def pointed_at(wanted: Mapping[str, str]) -> Iterator[None]:
    """Set the variables inside the block."""
    replaced = point(wanted)
    try:
        yield
    finally:
        restore(replaced)


def restore(replaced: Mapping[str, str | None]) -> None:
    """Undo `point`."""
    set_variables(replaced)
    _reread_settings()


async def health_problem(client: PrefectClient) -> Exception | None:
    """Why a server does not serve, or None; waits `HEALTH_SECONDS` for its answer."""
    try:
        async with asyncio.timeout(HEALTH_SECONDS):
            return await client.api_healthcheck()
    except TimeoutError as error:
        return error


def password_hint(status: int) -> str:
    """What to do about an answer with an error of a server that somebody named."""
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return (
            "set PREFECT_API_AUTH_STRING to the name:password of that server, or PREFECT_API_KEY, in the"
            " environment or in its Prefect profile"
        )
    return "check its address, which ends in /api, and see the log of that server"


def _reread_settings() -> None:
    """Let a Prefect that is imported already see the environment as it is now."""
    if "prefect" in sys.modules:
        import prefect.context

        prefect.context.refresh_global_settings_context()
