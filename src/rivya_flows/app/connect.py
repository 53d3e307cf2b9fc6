"""Connect to the service that a run buys from, and open the store and the media of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pydantic import SecretStr

from rivya_flows.app.local_sandbox import chosen_service
from rivya_flows.app.publishing import receiver_url
from rivya_flows.app.run_context import RunContext, WalletCredentials, open_context
from rivya_flows.app.runner import Runner
from rivya_flows.errors import UsageError
from rivya_flows.language.syntax.secret_names import KEY_BLOCK
from rivya_flows.settings import Settings

BlockReader = Callable[[str], Awaitable[SecretStr | None]]
"""Gives what a secret block holds, or None where there is no block of that name."""


@asynccontextmanager
async def connect(
    settings: Settings,
    *,
    sandbox: bool = False,
    wallet: WalletCredentials | None = None,
    notify: Callable[[str], Any] = lambda _: None,
) -> AsyncIterator[RunContext]:
    """The open things of this machine, with the local sandbox started where it is used, as without a key.

    Its settings name the receiver of `up` where that runs: pages and messages have its addresses.
    """
    async with chosen_service(settings, sandbox=sandbox, wallet=wallet, tell=notify) as service:
        url = receiver_url(settings, settings.prefect_api_url)
        public = settings.model_copy(update={"rivya_flows_public_url": url})
        with open_context(public, service) as context:
            yield context


@asynccontextmanager
async def connect_with(
    runner: Runner,
    settings: Settings,
    *,
    sandbox: bool = False,
    wallet: str | None = None,
    notify: Callable[[str], Any] = lambda _: None,
) -> AsyncIterator[RunContext]:
    """As `connect`, with the wallet of that name, or the key of a secret block where there is none."""
    credentials = None if wallet is None else await runner.wallet(settings, wallet)
    chosen = settings if sandbox or credentials else await runner.with_key(settings)
    async with connect(chosen, sandbox=sandbox, wallet=credentials, notify=notify) as context:
        yield context


async def with_key(settings: Settings, read_block: BlockReader) -> Settings:
    """The settings, with the key of the secret block where they have none."""
    if settings.rivya_api_key is not None or settings.rivya_flows_sandbox:
        return settings
    found = await read_block(KEY_BLOCK)
    return settings if found is None else settings.model_copy(update={"rivya_api_key": found})


async def for_worker(settings: Settings, read_block: BlockReader) -> Settings:
    """As `with_key`, for a run that nobody watches: it never takes the sandbox by itself."""
    found = await with_key(settings, read_block)
    if found.rivya_api_key is None and not found.rivya_flows_sandbox:
        raise UsageError(
            "this worker has no key of the service: RIVYA_API_KEY is not set, and Prefect has no"
            f" Secret block {KEY_BLOCK}; nothing was bought",
            "set one of them, then Retry; RIVYA_FLOWS_SANDBOX=true in the worker's environment"
            " takes the local sandbox, with pretend credits",
        )
    return found
