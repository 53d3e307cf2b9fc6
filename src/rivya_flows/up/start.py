"""Starts the missing parts of `up`, each after those that it needs.

Importing this module does not import Prefect: another one must be able to say first how quiet it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows import process_identity
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.flows.server.local_api import Loopback, left_running
from rivya_flows.flows.server.local_server import LOCK, start_alone
from rivya_flows.money.live_guard import account, source
from rivya_flows.processes import registry, supervisor
from rivya_flows.processes.locks import with_server
from rivya_flows.processes.ports import RECEIVER_PORT, answers, choose_port, holder
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.processes.supervisor import (
    MARK,
    READY_SECONDS,
    Output,
    StartedProcess,
    former,
    start,
    wait_until,
)
from rivya_flows.runs.connect import LOCAL_WEBHOOKS, last_port, sandbox_arguments, serving
from rivya_flows.store.shared_store_checks import this_machine
from rivya_flows.up.end import GRACE_SECONDS, end_parts, requeue_unfinished
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
_Begin = Callable[[Mapping[str, str], Path], StartedProcess]
"""Starts a part with an environment and a log."""


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


@dataclass(frozen=True)
class _Part:
    """A part to start.

    Attributes:
        port: Where it answers; None: it does not listen.
        compared: The settings that the next `up` compares with its own; None: those of the environment.
    """

    name: str
    begin: _Begin
    environment: Mapping[str, str]
    ready: Callable[[], object] = lambda: True
    port: int | None = None
    compared: Mapping[str, str] | None = None
    registered: bool = False


@dataclass
class _Starter:
    options: UpOptions
    tell: Callable[[str], None]
    run_wait_seconds: float
    status: UpStatus
    starting: list[tuple[StartedProcess, Callable[[], object]]] = field(default_factory=list)
    """What was started and is not yet waited for, and whether it is ready."""

    def start_all(self) -> None:
        options, home = self.options, self.options.prefect_home
        with pointed_at(_QUIET):
            from rivya_flows.up.provisioning import Checked, check, provision
        checked = Checked() if options.restarts else check(options, self.tell)
        if options.sandbox:
            need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
        self._forget_dead()
        if self._living("receiver") is None:
            _ = self._receiver_port  # refused before anything ends or starts
        home.mkdir(parents=True, exist_ok=True)
        self._server()
        self._sandbox()
        self._await_started()
        # An `up` that was killed may have started it just before.
        server = wait_until(self._left_server, READY_SECONDS)
        if server is None:
            raise UsageError(
                f"the server at {self.status.url('server')} does not answer as the one of"
                " this data folder",
                "end it with `rivya-flows down`, then run `up` again",
            )
        client = client_environment(server.api_url, home, variables(), auth=server.auth)
        with pointed_at(_QUIET | client):
            self._receiver(client)  # first: the forms name its address
            self.status.deployments = asyncio.run(provision(options, checked, self.tell))
            self._worker(client, server)
            self._await_started()
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
        environment = server_environment(
            *(home, port, variables()),
            database_url=options.postgres,
            redis_url=options.redis,
            keep_flow_runs_days=days,
        )
        begin = partial(self._begin_server, port)
        self._start(_Part("server", begin, environment, self._left_server, port, wanted))

    def _begin_server(self, port: int, environment: Mapping[str, str], log: Path) -> StartedProcess:
        """Start it, unless a run has a server of its own, which ends if it is idle."""
        begin = partial(start_alone, self.options.prefect_home, port, environment, log)
        started = begin()
        if started is None:
            self.tell("waiting until the Prefect server of a run ends")
            started = wait_until(begin, self.run_wait_seconds)
        if started is None:
            raise UsageError(
                "a run in this data folder uses its own Prefect server",
                "wait until it ends, then run `up` again",
            )
        return started

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
        # It prints its new key, once; nobody needs it.
        begin = self._module("sandbox", *command, output="discard")
        serves = partial(serving, folder)
        self._start(_Part("sandbox", begin, environment, serves, port))

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
        begin = self._client_module("receiver", "rivya_flows.cli.main", *listen, *register)
        healthy = partial(answers, f"http://127.0.0.1:{port}/healthz")
        self._start(_Part("receiver", begin, environment, healthy, port, registered=registers))

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

    def _worker(self, client: Mapping[str, str], server: Loopback) -> None:
        from rivya_flows.flows.deployment.work_pools import runs_at_once, workers_online
        from rivya_flows.preparation.deploy_blocks import OWNER_TAG, WORK_POOL

        url, webhooks = self.status.url("receiver") or "", self.status.webhooks
        environment = working_environment(self.options, client, public_url=url, webhooks=webhooks)
        if self._runs("worker", environment):
            return
        # It has the machine, so that others can tell where runs are executed.
        worker = f"up@{this_machine()}"
        others = set(asyncio.run(workers_online(WORK_POOL))) - {worker}
        # `_forget_dead` has ended everything of an earlier worker.
        if not others and (left := requeue_unfinished(server, WORK_POOL, OWNER_TAG)):
            self.tell(f"{left} {'run continues' if left == 1 else 'runs continue'}")
        limit = self.options.settings.rivya_flows_worker_limit
        limit = limit or asyncio.run(runs_at_once(WORK_POOL))
        # Of the type that its work pool has.
        named = ("--pool", WORK_POOL, "--limit", str(limit), "--name", worker)
        begin = self._client_module("worker", "prefect", "worker", "start", *named)
        since = datetime.now(UTC)

        def is_online() -> bool:
            return worker in asyncio.run(workers_online(WORK_POOL, since=since))

        self._start(_Part("worker", begin, environment, is_online))

    def _watcher(self) -> None:
        environment, found = watcher_environment(self.options), self._living("watcher")
        if found is not None and self.options.foreground and found.pid != os.getpid():
            supervisor.end(found.process, found.mark, grace_seconds=GRACE_SECONDS["watcher"])
        if self._runs("watcher", environment):
            return
        if self.options.foreground:
            myself = process_identity.known(os.getpid())
            assert myself is not None
            part = ManagedProcess(name="watcher", pid=myself.pid, birth=myself.birth, mark="")
            registry.add(self.options.data, part)
            self.status.parts["watcher"] = part
            return
        begin = self._module("watcher", "rivya_flows.up.watcher")
        self._start(_Part("watcher", begin, environment))

    def _left_server(self) -> Loopback | None:
        return left_running(self.options.data)

    def _module(self, name: str, *command: str, output: Output = "log") -> _Begin:
        # Programs read .env and prefect.toml of the current folder.
        return partial(start, name, command, folder=self.options.prefect_home, output=output)

    def _client_module(self, name: str, *command: str) -> _Begin:
        """As `_module`, of a part that ends with the server."""
        return self._module(name, *with_server(self.options.prefect_home / LOCK, *command))

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

    def _start(self, part: _Part) -> None:
        """Start a part, and record it before anything else happens to it, so that `down` finds it."""
        mark, settings = uuid.uuid4().hex, self.options.settings
        started = part.begin({**part.environment, MARK: mark}, self._log(part.name))
        process = process_identity.known(started.handle.pid)
        if process is None:
            raise started.failed("ended at once")
        recorded = self.status.parts[part.name] = ManagedProcess(
            name=part.name,
            pid=process.pid,
            birth=process.birth,
            mark=mark,
            url=f"http://127.0.0.1:{part.port}" if part.port else "",
            log=str(started.log),
            settings=hashed_settings(part.compared or part.environment, mark),
            registered=part.registered,
            rehearses=self.options.rehearses,
            account=account(settings, mark),
            source=source(settings),
        )
        registry.add(self.options.data, recorded)
        self.status.started.append(part.name)
        self.starting.append((started, part.ready))
        self.tell(f"starting {part.name}")

    def _await_started(self) -> None:
        """Wait until what was started serves."""
        for started, ready in self.starting:
            try:
                started.await_ready(ready)
            except UsageError as error:
                if started.name == "receiver" and self.status.webhooks and not self.options.sandbox:
                    hint = f"{error.hint}; or unset RIVYA_FLOWS_PUBLIC_URL to do without webhooks"
                    raise UsageError(error.message, hint) from error
                raise
        self.starting.clear()

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
