"""Starts the missing parts of `up`, each after those that it needs.

Prefect is imported while its server starts: importing this module does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows import process_identity
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.flows.server.local_api import left_running, server_auth
from rivya_flows.flows.server.server_process import LOCK, is_idle, start_server
from rivya_flows.money.live_guard import account, source
from rivya_flows.processes import registry, supervisor
from rivya_flows.processes.bound import with_server
from rivya_flows.processes.locks import try_lock
from rivya_flows.processes.ports import RECEIVER_PORT, answers, choose_port, holder
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.processes.supervisor import (
    MARK,
    READY_SECONDS,
    StartedProcess,
    former,
    start,
    wait_until,
)
from rivya_flows.runs.connect import LOCAL_WEBHOOKS, last_port, sandbox_arguments, serving
from rivya_flows.store.shared_store_checks import this_machine
from rivya_flows.up.end import GRACE_SECONDS, end_parts
from rivya_flows.up.options import (
    UpOptions,
    UpStatus,
    hashed_settings,
    keyless_environment,
    watcher_environment,
    working_environment,
)

PREFECT_PORT = 4200  # where people look for a Prefect server
RUN_WAIT_SECONDS = 20.0
_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "ERROR"}


def bring_up(
    options: UpOptions, tell: Callable[[str], None], *, run_wait_seconds: float = RUN_WAIT_SECONDS
) -> UpStatus:
    """Start the parts that do not run; parts that run stay as they are."""
    with registry.guarded(options.data):
        starter = _Starter(options, tell, run_wait_seconds, UpStatus(options.data))
        try:
            starter.start_all()
        except BaseException:
            new = [starter.status.parts[name] for name in starter.status.started]
            with _undisturbed():
                end_parts(options.data, new, lambda _: None)
            raise
        return starter.status


@dataclass
class _Starter:
    options: UpOptions
    tell: Callable[[str], None]
    run_wait_seconds: float
    status: UpStatus
    worker: str = field(default_factory=lambda: f"up@{this_machine()}")
    """Its name has the machine, so that others can tell where runs are executed."""
    starting: list[tuple[StartedProcess, Callable[[], bool]]] = field(default_factory=list)
    """What was started and is not yet waited for, and whether it is ready."""

    def start_all(self) -> None:
        options, home = self.options, self.options.prefect_home
        checked = None
        if not options.restarts:
            with pointed_at(_QUIET):
                from rivya_flows.up.provisioning import check
            checked = check(options, self.tell)
        if options.sandbox:
            need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
        self._forget_dead()
        if self._living("receiver") is None:
            _ = self._receiver_port  # refused before anything ends or starts
        home.mkdir(parents=True, exist_ok=True)
        self._server()
        self._sandbox()
        with pointed_at(_QUIET):  # while they start
            from rivya_flows.up.provisioning import Checked, provision
        self._await_server()
        client = client_environment(
            f"{self.status.url('server')}/api", home, variables(), auth=server_auth(home)
        )
        with pointed_at(_QUIET | client):
            self._receiver(client)  # first: the forms name its address
            made = asyncio.run(provision(options, checked or Checked(), self.tell))
            self.status.deployments = made
            self._worker(client)
            self._await_clients()
        self._watcher()

    # --- the parts, each started unless it runs ---

    def _server(self) -> None:
        options, home = self.options, self.options.prefect_home
        days = options.settings.rivya_flows_keep_flow_runs_days
        wanted = {"--postgres": options.postgres or "", "--redis": options.redis or ""}
        wanted["RIVYA_FLOWS_KEEP_FLOW_RUNS_DAYS"] = f"{days:g}"
        if self._runs("server", wanted, "--port", options.port):
            return
        port = choose_port(options.port, self._last_port("server"), PREFECT_PORT)
        # They know neither the URL nor the password of the new server.
        clients = [self._living(name) for name in ("worker", "receiver")]
        end_parts(options.data, [one for one in clients if one is not None], self.tell)
        mark = uuid.uuid4().hex
        environment = {MARK: mark} | server_environment(
            *(home, port, variables()),
            database_url=options.postgres,
            redis_url=options.redis,
            keep_flow_runs_days=days,
        )
        log, begun = self._log("server"), list[StartedProcess]()

        def begins() -> bool:
            """Start it, unless a run has a server of its own, which ends if it is idle."""
            with (home / "start.lock").open("a") as starting:
                if try_lock(starting) and not is_idle(home, end=True):
                    started = start_server(home, port, environment, log, ends_with_users=False)
                    begun.extend([started] if started else [])
            return bool(begun)

        if not begins():
            self.tell("waiting until the Prefect server of a run ends")
            if not wait_until(begins, self.run_wait_seconds):
                raise UsageError(
                    "a run in this data folder uses its own Prefect server",
                    "wait until it ends, then run `up` again",
                )
        self._record("server", begun[0], mark, self._serves, wanted, port)

    @property
    def _lock(self) -> Path:
        """What the server holds while it lives."""
        return self.options.prefect_home / LOCK

    def _serves(self) -> bool:
        return left_running(self.options.data) is not None

    def _await_server(self) -> None:
        """Wait until server and sandbox serve."""
        self._await_started()
        # An `up` that was killed may have started it just before.
        if not wait_until(self._serves, READY_SECONDS):
            raise UsageError(
                f"the server at {self.status.url('server')} does not answer as the one of"
                " this data folder",
                "end it with `rivya-flows down`, then run `up` again",
            )

    def _sandbox(self) -> None:
        environment = keyless_environment(self.options.variables)
        folder = self.options.data / "sandbox"
        if not self.options.sandbox or self._runs("sandbox", environment):
            return
        if url := serving(folder):
            # A person or a run started it: it may end at any time, and `down` must not end it.
            self.tell(f"sandbox: uses the one that serves already at {url}")
            self.status.other_sandbox = url
            return
        folder.mkdir(parents=True, exist_ok=True)
        port = choose_port(None, last_port(folder))
        options = ("--port", str(port), *LOCAL_WEBHOOKS)  # the receiver is on this machine
        command = ("rivya_sandbox", *sandbox_arguments(folder), *options)
        self._start("sandbox", command, environment, lambda: serving(folder) is not None, port)

    def _receiver(self, client: Mapping[str, str]) -> None:
        options = self.options
        environment = working_environment(options, client, public_url="", webhooks=False)
        if self._runs("receiver", environment, "--receiver-port", options.receiver_port):
            return
        if options.sandbox:
            # A sandbox that somebody else started may refuse to send to this machine.
            registers = "sandbox" in self.status.parts
        else:
            registers = (options.settings.rivya_flows_public_url or "").startswith("https://")
        port = self._receiver_port
        listen = ("webhooks", "listen", "--host", "127.0.0.1", "--port", str(port))
        register = ("--register",) if registers else ()
        command = with_server(self._lock, "rivya_flows.cli.main", *listen, *register)
        healthy = f"http://127.0.0.1:{port}/healthz"
        self._start(
            *("receiver", command, environment, lambda: answers(healthy), port), registers=registers
        )

    @cached_property
    def _receiver_port(self) -> int:
        """The port of the option; else the last or the usual one, or a free one if no proxy, worker or restart needs that.

        A proxy forwards to the old one, a worker that runs already names it, and a restart deploys no
        forms with the new one.
        """
        options, last = self.options, self._last_port("receiver")
        is_named = options.restarts or all(map(self._living, ("server", "worker")))
        moves = not (is_named or options.settings.rivya_flows_public_url)
        port = choose_port(
            options.receiver_port, last, RECEIVER_PORT, option="--receiver-port", moves=moves
        )
        if options.receiver_port is None and port != (wanted := last or RECEIVER_PORT):
            old = "; addresses on older pages are no longer valid" if last else ""
            self.tell(f"receiver: port {wanted} is taken{holder(wanted)}; it uses {port}{old}")
        return port

    def _worker(self, client: Mapping[str, str]) -> None:
        from rivya_flows.flows.deploy_blocks import WORK_POOL
        from rivya_flows.flows.deployment.work_pools import runs_at_once, workers_online
        from rivya_flows.up.provisioning import requeue_unfinished

        url, webhooks = self.status.url("receiver") or "", self.status.webhooks
        environment = working_environment(self.options, client, public_url=url, webhooks=webhooks)
        if self._runs("worker", environment):
            return
        # `_forget_dead` has ended everything of an earlier worker.
        if left := asyncio.run(requeue_unfinished(WORK_POOL, self.worker)):
            self.tell(f"{left} {'run continues' if left == 1 else 'runs continue'}")
        limit = self.options.settings.rivya_flows_worker_limit
        limit = limit or asyncio.run(runs_at_once(WORK_POOL))
        # Of the type that its work pool has.
        named = ("--pool", WORK_POOL, "--limit", str(limit), "--name", self.worker)
        command = with_server(self._lock, "prefect", "worker", "start", *named)
        since = datetime.now(UTC)

        def is_online() -> bool:
            return self.worker in asyncio.run(workers_online(WORK_POOL, since=since))

        self._start("worker", command, environment, is_online)

    def _await_clients(self) -> None:
        try:
            self._await_started()
        except UsageError as error:
            receiver, _ = self.starting[0]
            if receiver.name == "receiver" and self.status.webhooks and not self.options.sandbox:
                hint = f"{error.hint}; or unset RIVYA_FLOWS_PUBLIC_URL to do without webhooks"
                raise UsageError(error.message, hint) from error
            raise

    def _watcher(self) -> None:
        options, data = self.options, self.options.data
        # What it cannot read in its environment.
        wanted = {"sandbox": options.sandbox, "postgres": options.postgres, "redis": options.redis}
        environment = watcher_environment(options)
        compared = environment | {f"--{name}": str(value) for name, value in wanted.items()}
        found = self._living("watcher")
        if found is not None and options.foreground and found.pid != os.getpid():
            supervisor.end(found.process, found.mark, grace_seconds=GRACE_SECONDS["watcher"])
        if self._runs("watcher", compared):
            return
        if options.foreground:
            myself = process_identity.known(os.getpid())
            assert myself is not None
            part = ManagedProcess(name="watcher", pid=myself.pid, birth=myself.birth, mark="")
            registry.add(data, part)
            self.status.parts["watcher"] = part
            return
        read, write = os.pipe()
        with os.fdopen(write, "w") as pipe:
            json.dump(wanted, pipe)
        try:
            command = ("rivya_flows.up.watcher", str(read))
            self._start("watcher", command, environment, compared=compared, descriptors=(read,))
        finally:
            os.close(read)

    # --- the record ---

    def _living(self, name: str) -> ManagedProcess | None:
        return registry.read(self.options.data).part(name)

    def _last_port(self, name: str) -> int | None:
        return registry.read(self.options.data).ports.get(name)

    def _runs(
        self, name: str, wanted: Mapping[str, str], option: str = "", port: int | None = None
    ) -> bool:
        """Whether a part runs; notes it, and which settings are wanted otherwise, also the port of an option."""
        part = self._living(name)
        if part is None:
            return False
        self.status.parts[name] = part
        differing = part.settings.items() ^ hashed_settings(wanted, part.mark).items()
        names = {name for name, _ in differing}
        if port and port != urlsplit(part.url).port:
            names.add(option)
        if names:
            self.status.differing[name] = sorted(names)
        return True

    def _start(
        self,
        name: str,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        ready: Callable[[], bool] = lambda: True,
        port: int | None = None,
        *,
        registers: bool = False,
        compared: Mapping[str, str] | None = None,
        descriptors: tuple[int, ...] = (),
    ) -> None:
        mark = uuid.uuid4().hex
        started = start(
            *(name, command, {**environment, MARK: mark}, self._log(name)),
            # Programs read .env and prefect.toml of the current folder.
            folder=self.options.prefect_home,
            # The sandbox prints its new key, once; nobody needs it.
            output="discard" if name == "sandbox" else "log",
            descriptors=descriptors,
        )
        self._record(name, started, mark, ready, compared or environment, port, registers=registers)

    def _record(
        self,
        name: str,
        started: StartedProcess,
        mark: str,
        ready: Callable[[], bool],
        wanted: Mapping[str, str],
        port: int | None,
        *,
        registers: bool = False,
    ) -> None:
        """Record a part before anything else happens to it, so that `down` finds it."""
        process = process_identity.known(started.handle.pid)
        if process is None:
            raise started.failed("ended at once")
        part = ManagedProcess(
            name=name,
            pid=process.pid,
            birth=process.birth,
            mark=mark,
            url=f"http://127.0.0.1:{port}" if port else "",
            log=str(started.log),
            settings=hashed_settings(wanted, mark),
            registered=registers,
            rehearses=self.options.rehearses,
            account=account(self.options.settings, mark),
            source=source(self.options.settings),
        )
        registry.add(self.options.data, part)
        self.status.parts[name] = part
        self.status.started.append(name)
        self.starting.append((started, ready))
        self.tell(f"starting {name}")

    def _await_started(self) -> None:
        """Wait for what was started; one that does not start is left as the first of `starting`."""
        while self.starting:
            started, ready = self.starting[0]
            started.await_ready(ready)
            del self.starting[0]

    def _forget_dead(self) -> None:
        """Remove dead parts from the record, and end what they started."""
        dead = [part for part in registry.read(self.options.data).parts if not part.lives]
        for part in dead:
            self.tell(f"{part.name}: died; restarting")
        end_parts(self.options.data, dead, lambda _: None)

    def _log(self, name: str) -> Path:
        """The log of a part; that of its last process is kept beside it."""
        log = self.options.data / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists():
            log.replace(former(log))
        return log


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore further signals, so that no second Ctrl-C leaves processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
