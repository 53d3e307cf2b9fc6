"""The service that a command uses: the real one, or the local sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rivya_flows.cli.configuration import settings
from rivya_flows.cli.interrupts import Interrupts, run_interruptibly
from rivya_flows.cli.output import tell

if TYPE_CHECKING:  # heavy, and needed only when a command works
    from rivya_flows.app.run_context import RunContext
    from rivya_flows.catalogue.catalogue import Catalogue
    from rivya_flows.settings import Settings


@asynccontextmanager
async def at_home(*, sandbox: bool) -> AsyncIterator[RunContext]:
    """As `app.connect.connect`, with the settings and the runner of the command line."""
    from rivya_flows.app.connect import connect

    chosen = settings() if sandbox else await with_key_of_block(settings())
    async with connect(chosen, sandbox=sandbox, notify=tell) as context:
        yield context


async def with_key_of_block(settings: Settings) -> Settings:
    """As `LocalRunner.with_key`."""
    from rivya_flows.flows.execution.local_runner import LocalRunner

    return await LocalRunner().with_key(settings)


def catalogue_of(*, live: bool, sandbox: bool = False) -> Catalogue:
    """The models that the service has now if `live`; else those that are known.

    Raises:
        APIError: The service did not answer.
    """
    from rivya_flows.app.catalogue_cache import known_catalogue, read_catalogue

    if not live:
        return known_catalogue(settings())

    async def read(_: Interrupts) -> Catalogue:
        async with at_home(sandbox=sandbox) as context, context.first_client(tell) as client:
            return await read_catalogue(client, context)

    return run_interruptibly(read)


def balance(*, sandbox: bool) -> tuple[int, str]:
    """The credits of the account, and the service's address.

    Raises:
        APIError: The service did not answer, or refused the key.
    """

    async def read(_: Interrupts) -> tuple[int, str]:
        async with at_home(sandbox=sandbox) as context, context.first_client(tell) as client:
            return (await client.credits.retrieve()).current_credits, context.service.base_url

    return run_interruptibly(read)
