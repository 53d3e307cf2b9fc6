"""A `Runner` without Prefect, for tests that stop before a flow begins or bring their own execution."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rivya_flows.app.batch.summary import BatchResult
from rivya_flows.app.run_context import RunContext, WalletCredentials
from rivya_flows.settings import Settings


class BareRunner:
    """What all of them share: no key of a secret block, nothing to start, nothing to wake.

    A subclass has `execute`.
    """

    async def wallet(self, settings: Settings, name: str) -> WalletCredentials:
        raise AssertionError(f"no run of this test buys with the wallet {name}")

    async def with_key(self, settings: Settings) -> Settings:
        return settings

    @asynccontextmanager
    async def started(
        self, settings: Settings, notify: Callable[[str], object] = lambda _: None
    ) -> AsyncIterator[None]:
        yield

    async def batch_ended(self, context: RunContext, result: BatchResult) -> None:
        """Nobody listens here."""

    async def wake(self, settings: Settings, run_id: str, notify: Callable[[str], object]) -> None:
        """No flow run is suspended here."""
