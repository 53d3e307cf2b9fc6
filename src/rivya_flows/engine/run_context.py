"""The open things that a run needs on this machine: service, journal, media, scratch folder."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pydantic import SecretStr

from rivya_client.client import RivyaClient
from rivya_client.hosts import one_spelling
from rivya_client.retries import RetryPolicy
from rivya_client.runtime import Runtime
from rivya_client.types import File
from rivya_flows.engine.cache import Reuse
from rivya_flows.errors import StoreError, UsageError
from rivya_flows.private import private_folder
from rivya_flows.queue.events import PoolTotal
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.receiver.addresses import SECRET_NAME
from rivya_flows.scratch import scratch
from rivya_flows.settings import REQUESTS_PER_SECOND, Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import make_patient
from rivya_flows.store.journal import Journal, RunRow
from rivya_flows.store.leases import Leases
from rivya_flows.store.outcomes import usual_rounds
from rivya_flows.store.pools import Pools
from rivya_flows.store.run_list import recent_durations
from rivya_flows.store.secrets import shared_secret

SILENT_SECONDS = 3.0  # a person hears of a service that has not answered for so long
WAITING_SECONDS = 10.0  # a person waits so long for one answer, before anything is bought
IMPATIENT = RetryPolicy(attempts=3, patience_seconds=6.0)  # of requests for which a person waits


@dataclass(frozen=True)
class WalletCredentials:
    """A wallet that a run buys with by name, instead of that of the process's key."""

    name: str
    api_key: SecretStr
    base_url: str


@dataclass(frozen=True)
class ServiceConnection:
    """The service that a run buys from.

    Attributes:
        identity: Stays the same when a sandbox comes back on another port, and however a base URL
            is spelled: pools and runs are of an identity.
    """

    base_url: str
    api_key: SecretStr | None
    identity: str
    poll_seconds: float
    requests_per_second: float = REQUESTS_PER_SECOND
    wallet: str | None = None


def real_service(settings: Settings, wallet: WalletCredentials | None = None) -> ServiceConnection:
    """The service of a wallet; without one, that of the settings."""
    key, base_url = settings.rivya_api_key, settings.rivya_base_url
    if wallet is not None:
        key, base_url = wallet.api_key, wallet.base_url
    if key is None:
        raise UsageError("RIVYA_API_KEY is not set", "set it, or use --sandbox")
    base_url = base_url.rstrip("/")
    return ServiceConnection(
        base_url,
        key,
        one_spelling(base_url),
        settings.rivya_poll_seconds,
        settings.rivya_flows_requests_per_second,
        None if wallet is None else wallet.name,
    )


class SharedUploads:
    """Uploads that the runs of one context share: rows of a batch name the same files."""

    def __init__(self) -> None:
        self._turns = defaultdict[Hashable, asyncio.Lock](asyncio.Lock)
        self._sent: dict[Hashable, tuple[File, set[str]]] = {}

    async def once(self, run_id: str, name: Hashable, send: Callable[[], Awaitable[File]]) -> File:
        """The file of that name; a run that asks again sends it again, as it may have expired."""
        async with self._turns[name]:
            file, users = self._sent.get(name, (None, set[str]()))
            if file is None or run_id in users:
                file, users = await send(), set()
            self._sent[name] = file, users | {run_id}
            return file


@dataclass(frozen=True)
class RunContext:
    """Open things of one process."""

    settings: Settings
    service: ServiceConnection
    journal: Journal
    leases: Leases
    assets: AssetStore
    scratch: Path
    uploads: SharedUploads = field(default_factory=SharedUploads)
    runtime: Runtime = field(default_factory=Runtime)

    def client(self) -> RivyaClient:
        key = self.service.api_key
        return RivyaClient(
            None if key is None else key.get_secret_value(),
            self.service.base_url,
            poll_seconds=self.service.poll_seconds,
            requests_per_second=self.service.requests_per_second,
            runtime=self.runtime,
        )

    @asynccontextmanager
    async def first_client(self, notify: Callable[[str], object]) -> AsyncIterator[RivyaClient]:
        """A client for requests for which a person waits: it tells of silence and gives up soon."""
        loop, address = asyncio.get_running_loop(), self.service.base_url
        message = f"no answer from {address} within {SILENT_SECONDS:g} s; waiting a little longer"
        timer = loop.call_later(SILENT_SECONDS, notify, message)
        try:
            async with self.client() as client:
                if self.service.identity.startswith("sandbox:"):
                    yield client
                else:
                    yield client.with_options(timeout=WAITING_SECONDS, retry=IMPATIENT)
        finally:
            timer.cancel()

    async def recall_durations(self, client: RivyaClient) -> None:
        """Tells a client how long jobs took in earlier runs, if the store can be read."""
        engine, service = self.journal.engine, self.service.identity
        with suppress(StoreError):
            found = await asyncio.to_thread(recent_durations, engine, service)
            client.durations.note_all(found)

    @cached_property
    def look_up(self) -> Reuse:
        return Reuse(self.assets, self.journal)

    @cached_property
    def address_secret(self) -> str:
        return shared_secret(self.journal.engine, SECRET_NAME)

    def usual_rounds(self, spec: str) -> Mapping[str, int]:
        with suppress(StoreError):
            return usual_rounds(self.journal.engine, self.service.identity, spec)
        return {}

    def pools(self, labels: Mapping[str, str]) -> tuple[PoolTotal, ...]:
        return Pools(self.journal.engine).matching(labels, self.service.identity)


@contextmanager
def open_context(settings: Settings, service: ServiceConnection) -> Iterator[RunContext]:
    with scratch() as folder:
        private_folder(settings.data)
        if settings.rivya_flows_assets is None:
            private_folder(settings.data / "assets", "RIVYA_FLOWS_ASSETS")
        journal = Journal(settings.store_url)
        # A campaign of hours survives an upgrade of the database server.
        make_patient(journal.engine)
        try:
            yield RunContext(
                settings=settings,
                service=service,
                journal=journal,
                leases=Leases(journal.engine),
                assets=AssetStore(settings.assets_url, folder / "assets"),
                scratch=folder,
            )
        finally:
            journal.close()


def wallet_words(wallet: str | None) -> str:
    return "the key of the process" if wallet is None else f"the wallet {wallet}"


def known_run(context: RunContext, run_id: str) -> RunRow:
    """The row of a run of this service and wallet, with a folder that this machine can write."""
    row = context.journal.run(run_id)
    if row is None:
        raise UsageError(f"there is no run {run_id!r} in the store", "see the ids in ./runs")
    return continuable(context, row)


def continuable(context: RunContext, row: RunRow) -> RunRow:
    """The same row with a folder that this machine can write; the folder may be missing still."""
    run_id = row.run_id
    if one_spelling(row.service) != context.service.identity:
        if is_sandbox(row.service) and is_sandbox(context.service.identity):
            raise UsageError(
                f"the sandbox of {run_id} is not in the data folder {context.settings.data}",
                "set RIVYA_FLOWS_DATA to the folder that has it; if it was deleted, its credits were"
                f" pretend ones: rivya-flows store remove {run_id}",
            )
        raise UsageError(
            f"{run_id} belongs to {row.service}, not to {context.service.identity}",
            "use the key and RIVYA_BASE_URL of that service",
        )
    if row.wallet != context.service.wallet:
        # Its jobs are unknown to any other key.
        raise UsageError(
            f"{run_id} buys with {wallet_words(row.wallet)}, not with"
            f" {wallet_words(context.service.wallet)}",
            "continue it with that one",
        )
    # It may have begun on another machine, or as another user.
    nearest = next(one for one in (row.folder, *row.folder.parents) if os.path.lexists(one))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return row
    # Rows of two batches may have equal names.
    return replace(row, folder=context.settings.data / "runs" / run_id)
