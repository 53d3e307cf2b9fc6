"""The Prefect side of `up` and `down`: the server that stays, its worker, and its unfinished runs."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import importlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rivya_flows.app.live_guard import refuse_unknown_names
from rivya_flows.app.processes import registry
from rivya_flows.app.processes.locks import try_lock
from rivya_flows.app.processes.supervisor import MARK, StartedProcess
from rivya_flows.app.shared_store_checks import this_machine
from rivya_flows.app.up.options import HEARTBEAT_SECONDS, PrefectBackend, UpOptions, buys_elsewhere
from rivya_flows.environment import variables
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.flows.server.follower import followed
from rivya_flows.flows.server.local_api import left_running, server_auth
from rivya_flows.flows.server.server_process import LOCK, USERS, end_idle, is_idle, start_server

if TYPE_CHECKING:
    from rivya_flows.flows.deployment.desired import GivenSpecs

_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "ERROR"}
_CONTINUES = {
    "type": "SCHEDULED",
    "name": "AwaitingRetry",
    "message": "ended by `rivya-flows down`; it continues from its journal",
}
# The state of a run whose process was ended -> its new state.
_INSTEAD = {
    "RUNNING": _CONTINUES,
    "PENDING": _CONTINUES,
    "CRASHED": _CONTINUES,
    "CANCELLING": {"type": "CANCELLED", "message": "ended by `rivya-flows down`"},
}
_UNANSWERED = (OSError, http.client.HTTPException, ValueError)


class BackgroundServer(PrefectBackend):
    """The server of a data folder; see the protocol for its methods."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._home = data / "prefect"
        # The name contains the machine, so that others can tell where runs are executed.
        self._worker = f"up@{this_machine()}"
        self._sources: GivenSpecs | None = None  # that were checked
        self._named_service = False

    def check(self, options: UpOptions, tell: Callable[[str], None]) -> None:
        from rivya_flows.app.live_guard import agree_to_spending
        from rivya_flows.catalogue.snapshot import shipped
        from rivya_flows.flows.deployment.desired import read_specs
        from rivya_flows.flows.deployment.spending import deployed_spending

        worker = None if options.restarts else registry.read(self._data).part("worker")
        if worker and worker.account != options.account(worker.mark):
            raise buys_elsewhere(worker, options.source, "up")
        if not (options.restarts or options.rehearses):
            refuse_unknown_names()
        if not options.specs:
            return
        sources, settings = read_specs(options.specs, shipped()), options.settings
        self._sources = sources

        async def agree() -> None:
            found = await deployed_spending(sources, datetime.now(UTC))
            self._named_service = await agree_to_spending(
                found, settings, tell, options.confirm, rehearses=options.rehearses
            )

        asyncio.run(agree())

    def start(self, options: UpOptions, port: int, mark: str, log: Path) -> StartedProcess | None:
        environment = server_environment(
            self._home,
            port,
            variables(),
            database_url=options.postgres,
            redis_url=options.redis,
            keep_flow_runs_days=options.settings.rivya_flows_keep_flow_runs_days,
        )
        with (self._home / "start.lock").open("a") as starting:
            if not try_lock(starting) or is_idle(self._home, end=True):
                return None
            marked = environment | {MARK: mark}
            return start_server(self._home, port, marked, log, ends_with_users=False)

    def answers(self) -> bool:
        return left_running(self._data) is not None

    def end_idle(self) -> bool:
        return end_idle(self._home)

    def is_used(self) -> bool:
        users = self._home / USERS
        if not users.exists():
            return False
        with users.open("a") as file:
            return not try_lock(file)

    def load(self) -> None:
        with pointed_at(_QUIET):
            importlib.import_module("rivya_flows.flows.deployment.provisioning")

    @contextlib.contextmanager
    def connected(self) -> Iterator[dict[str, str]]:
        part = registry.read(self._data).part("server")
        port = urlsplit(part.url).port if part else 0
        client = client_environment(
            f"http://127.0.0.1:{port}/api", self._home, variables(), auth=server_auth(self._home)
        )
        with pointed_at({**_QUIET, **client}):
            yield client

    def provision(self, options: UpOptions, tell: Callable[[str], None]) -> tuple[str, ...]:
        from rivya_flows.flows.deployment.provisioning import agree_to_others, provision

        if not options.restarts and not options.rehearses:
            others = agree_to_others(
                *(self._sources, options.settings, tell, options.confirm),
                names_service=not self._named_service,
            )
            asyncio.run(others)
        specs, settings = options.specs, options.settings
        return asyncio.run(
            provision(specs, self._sources, settings, heartbeat_seconds=HEARTBEAT_SECONDS)
        )

    def followed(self, *command: str) -> tuple[str, ...]:
        return followed(self._home / LOCK, *command)

    def watcher_command(self) -> tuple[str, ...]:
        return ("rivya_flows.flows.deployment.watcher",)

    def worker_command(self, limit: int | None) -> tuple[str, ...]:
        from rivya_flows.flows.deployment.work_pools import runs_at_once

        at_once = limit or asyncio.run(runs_at_once(WORK_POOL))
        # Of the type that its work pool has.
        command = ("worker", "start", "--pool", WORK_POOL, "--limit", str(at_once))
        return self.followed("prefect", *command, "--name", self._worker)

    def worker_is_online(self, since: datetime) -> bool:
        from rivya_flows.flows.deployment.work_pools import workers_online

        return self._worker in asyncio.run(workers_online(WORK_POOL, since=since))

    def requeue_left(self) -> int:
        from rivya_flows.flows.deployment.provisioning import requeue_unfinished

        return asyncio.run(requeue_unfinished(WORK_POOL, self._worker))

    def requeue(self, flow_run_ids: Iterable[str]) -> int:
        server = left_running(self._data)
        if server is None:
            return 0
        requeued = 0
        for flow_run_id in flow_run_ids:
            with contextlib.suppress(*_UNANSWERED):
                path = f"/api/flow_runs/{flow_run_id}"
                state = _INSTEAD.get(server.ask("GET", path)["state"]["type"])
                if state is not None:
                    server.ask("POST", f"{path}/set_state", {"state": state, "force": True})
                requeued += state is _CONTINUES
        return requeued

    def settle(self) -> None:
        if server := left_running(self._data):
            with contextlib.suppress(*_UNANSWERED):
                server.settle(datetime.now(UTC) - timedelta(hours=1))

    def link(self) -> str:
        server = left_running(self._data)
        if server is None:
            raise ConnectionError("the Prefect server does not answer")
        return server.entrance()
