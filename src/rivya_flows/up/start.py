"""Starts the missing parts of `up`, each after those that it needs, and again those that die: in a
watcher, a process that `down` ends first, or in `up --foreground`.

Importing this module does not import Prefect: another one must be able to say first how quiet it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rivya_flows import process_identity
from rivya_flows.environment import variables
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.flows.server.environment import client_environment, pointed_at, server_environment
from rivya_flows.flows.server.local_server import LOCK, start_alone
from rivya_flows.money.live_guard import account, source
from rivya_flows.processes import registry, supervisor
from rivya_flows.processes.local_api import Loopback, left_running
from rivya_flows.processes.ports import RECEIVER_PORT, answers, choose_port, holder
from rivya_flows.processes.registry import ManagedProcess
from rivya_flows.processes.supervisor import (
    MARK,
    READY_SECONDS,
    Output,
    StartedProcess,
    former,
    start,
    start_error,
    wait_until,
    with_server,
)
from rivya_flows.runs.connect import (
    LOCAL_WEBHOOKS,
    last_port,
    sandbox_arguments,
    serving,
    starting_sandbox,
)
from rivya_flows.store.shared_store_checks import this_machine
from rivya_flows.up.end import GRACE_SECONDS, end_parts, requeue_unfinished
from rivya_flows.up.options import (
    UpOptions,
    UpStatus,
    hashed_settings,
    keyless_environment,
    watcher_environment,
    watcher_options,
    working_environment,
)

PREFECT_PORT = 4200  # where people look for a Prefect server
RUN_WAIT_SECONDS = 20.0
_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "ERROR"}
_Begin = Callable[[Mapping[str, str], Path], StartedProcess]  # with an environment and a log


def bring_up(options: UpOptions, tell: Callable[[str], None]) -> UpStatus:
    """Start the parts that do not run; parts that run stay as they are."""
    with registry.lock_registry(options.data):
        starter = _Starter(options, tell, UpStatus(options.data))
        try:
            starter.start_all()
        except BaseException:
            new = [starter.status.parts[name] for name in starter.status.started]
            # No second Ctrl-C leaves processes behind.
            with _handle_signals(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
                end_parts(options.data, new, lambda _: None)
            raise
        return starter.status


@dataclass
class _Starter:
    options: UpOptions
    tell: Callable[[str], None]
    status: UpStatus
    starting: list[tuple[StartedProcess, Callable[[], object]]] = field(default_factory=list)

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
        server = wait_until(partial(left_running, options.data), READY_SECONDS)
        if server is None:
            raise UsageError(
                f"the server at {self.status.url('server')} is not the one of this data folder",
                "end it with `rivya-flows down`, then run `up` again",
            )
        client = client_environment(server.api_url, home, variables(), auth=server.auth)
        with pointed_at(_QUIET | client):
            self._receiver(client)  # first: the forms name its address
            self.status.deployments = asyncio.run(provision(options, checked, self.tell))
            self._worker(client, server)
            self._await_started()
        self._watcher()

    def _server(self) -> None:
        options, home = self.options, self.options.prefect_home
        days = options.settings.rivya_flows_keep_flow_runs_days
        wanted = {"--postgres": options.postgres or "", "--redis": options.redis or ""}
        wanted["RIVYA_FLOWS_KEEP_FLOW_RUNS_DAYS"] = f"{days:g}"
        wanted |= options.settings.store_variables
        if self._runs("server", wanted, "--port", options.port):
            return
        last = registry.last_port(options.data, "server")
        port = choose_port(options.port, last, PREFECT_PORT)
        self._say_if_taken("server", options.port, last or PREFECT_PORT, port)
        # They know neither the URL nor the password of the new server.
        clients = [self._living(name) for name in ("worker", "receiver")]
        end_parts(options.data, [one for one in clients if one is not None], self.tell)
        environment = server_environment(
            *(home, port, variables()),
            database_url=options.postgres,
            redis_url=options.redis,
            keep_flow_runs_days=days,
            store=options.settings.store_variables,
        )

        def begin(environment: Mapping[str, str], log: Path) -> StartedProcess:
            alone = partial(start_alone, home, port, environment, log)
            if (started := alone()) is None:
                self.tell("waiting until the Prefect server of a run ends")
                started = wait_until(alone, RUN_WAIT_SECONDS)
            if started is None:
                raise UsageError(
                    "a run in this data folder uses its own Prefect server",
                    "wait until it ends, then run `up` again",
                )
            return started

        ready = partial(left_running, options.data)
        self._start("server", begin, environment, ready, port, compared=wanted)

    def _sandbox(self) -> None:
        environment = keyless_environment(self.options.variables)
        folder = self.options.data / "sandbox"
        if not self.options.sandbox or self._runs("sandbox", environment):
            return
        with starting_sandbox(folder):
            if url := serving(folder):
                # A person or a run started it, and `down` must not end it.
                self.tell(f"sandbox: uses the one that serves already at {url}")
                self.status.other_sandbox = url
                return
            port = choose_port(None, last_port(folder))
            options = ("--port", str(port), *LOCAL_WEBHOOKS)  # the receiver is on this machine
            command = ("rivya_sandbox", *sandbox_arguments(folder), *options)
            # It prints its new key, once; no process needs it.
            begin = self._module("sandbox", *command, output="discard")
            self._start("sandbox", begin, environment, partial(serving, folder), port)
            started, ready = self.starting.pop()
            started.await_ready(ready)

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
        listen = ["webhooks", "listen", "--host", "127.0.0.1", "--port", str(port)]
        listen += ["--register"] if registers else []
        begin = self._module("receiver", *self._with_server("rivya_flows.cli.main", *listen))
        healthy = partial(answers, f"http://127.0.0.1:{port}/healthz")
        self._start("receiver", begin, environment, healthy, port, registered=registers)

    @cached_property
    def _receiver_port(self) -> int:
        """The port of the option; else the last or the usual one, or a free one if nothing names that.

        A proxy forwards to it, a living worker names it, and a restart deploys no forms with a new one.
        """
        options, last = self.options, registry.last_port(self.options.data, "receiver")
        is_named = options.restarts or all(map(self._living, ("server", "worker")))
        moves = not (is_named or options.settings.rivya_flows_public_url)
        port = choose_port(
            options.receiver_port, last, RECEIVER_PORT, option="--receiver-port", moves=moves
        )
        old = "; addresses on older pages are no longer valid" if last else ""
        self._say_if_taken("receiver", options.receiver_port, last or RECEIVER_PORT, port, old)
        return port

    def _say_if_taken(
        self, name: str, given: int | None, usual: int, port: int, more: str = ""
    ) -> None:
        if given is None and port != usual:
            self.tell(f"{name}: port {usual} is taken{holder(usual)}; it uses {port}{more}")

    def _worker(self, client: Mapping[str, str], server: Loopback) -> None:
        from rivya_flows.flows.deployment.infrastructure import runs_at_once, workers_online
        from rivya_flows.preparation.deploy_blocks import OWNER_TAG, WORK_POOL

        url, webhooks = self.status.url("receiver") or "", self.status.webhooks
        environment = working_environment(self.options, client, public_url=url, webhooks=webhooks)
        if self._runs("worker", environment):
            return
        worker = f"up@{this_machine()}"
        is_alone = set(asyncio.run(workers_online(WORK_POOL))) <= {worker}
        # `_forget_dead` has ended everything of an earlier worker.
        if is_alone and (left := requeue_unfinished(server, WORK_POOL, OWNER_TAG)):
            self.tell(f"{left} {'run continues' if left == 1 else 'runs continue'}")
        limit = self.options.settings.rivya_flows_worker_limit
        limit = limit or asyncio.run(runs_at_once(WORK_POOL))
        # Of the type that its work pool has.
        named = ("--pool", WORK_POOL, "--limit", str(limit), "--name", worker)
        begin = self._module("worker", *self._with_server("prefect", "worker", "start", *named))
        since = datetime.now(UTC)

        def is_online() -> bool:
            return worker in asyncio.run(workers_online(WORK_POOL, since=since))

        self._start("worker", begin, environment, is_online)

    def _watcher(self) -> None:
        environment, found = watcher_environment(self.options), self._living("watcher")
        if found is not None and self.options.foreground and found.pid != os.getpid():
            supervisor.end(found.process, found.mark, grace_seconds=GRACE_SECONDS["watcher"])
        if self._runs("watcher", environment):
            return
        if self.options.foreground:
            myself = process_identity.find_process(os.getpid())
            assert myself is not None
            part = ManagedProcess(name="watcher", pid=myself.pid, birth=myself.birth, mark="")
            registry.add(self.options.data, part)
            self.status.parts["watcher"] = part
            return
        self._start("watcher", self._module("watcher", "rivya_flows.up.start"), environment)

    def _module(self, name: str, *command: str, output: Output = "log") -> _Begin:
        # Programs read .env and prefect.toml of the current folder.
        return partial(start, name, command, folder=self.options.prefect_home, output=output)

    def _with_server(self, *command: str) -> tuple[str, ...]:
        return with_server(self.options.prefect_home / LOCK, *command)

    def _living(self, name: str) -> ManagedProcess | None:
        return registry.read(self.options.data).part(name)

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
        begin: _Begin,
        environment: Mapping[str, str],
        ready: Callable[[], object] = lambda: True,
        port: int | None = None,
        *,
        compared: Mapping[str, str] | None = None,
        registered: bool = False,
    ) -> None:
        """Start a part, and record it before anything else happens to it, so that `down` finds it.

        `compared`: the settings that the next `up` compares with its own; None: those of the environment.
        """
        mark, settings = uuid.uuid4().hex, self.options.settings
        started = begin({**environment, MARK: mark}, self._log(name))
        process = process_identity.find_process(started.handle.pid)
        if process is None:
            raise start_error(started.name, "ended at once", started.log)
        part = self.status.parts[name] = ManagedProcess(
            name=name,
            pid=process.pid,
            birth=process.birth,
            mark=mark,
            url=f"http://127.0.0.1:{port}" if port else "",
            log=str(started.log),
            settings=hashed_settings(compared or environment, mark),
            registered=registered,
            rehearses=self.options.rehearses,
            account=account(settings, mark),
            source=source(settings),
        )
        registry.add(self.options.data, part)
        self.status.started.append(name)
        self.starting.append((started, ready))
        self.tell(f"starting {name}")

    def _await_started(self) -> None:
        for started, ready in self.starting:
            started.await_ready(ready)
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
def _handle_signals(handler: signal.Handlers | Callable[..., Any], *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former_handler in before.items():
            signal.signal(number, former_handler)


# --- The watcher ---

LONGEST_PAUSE_SECONDS = 60.0
_LOOK_SECONDS = 1.0
_RECENT_SECONDS = 600.0
_log = logging.getLogger("rivya_flows.watcher")


def pause_before(restarts: list[float], now: float) -> float:
    """Seconds to wait before the next restart: 1, 2, 4 … 60, by those of the last ten minutes."""
    recent = sum(now - one < _RECENT_SECONDS for one in restarts)
    return min(LONGEST_PAUSE_SECONDS, 2.0**recent)


def watch(data: Path, start: Callable[[], UpStatus], tell: Callable[[str], None]) -> None:
    """Restart parts that died, until `down` or another watcher removes this process from the record."""
    begun: list[float] = []
    counts: Counter[str] = Counter()
    expected: set[str] = set()
    while True:
        parts = registry.read(data).parts
        if not any(part.name == "watcher" and part.pid == os.getpid() for part in parts):
            return
        # Not only what the record names: a restart that failed leaves nothing of it there.
        expected.update(part.name for part in parts)
        if not (missing := sorted(expected - {part.name for part in parts if part.lives})):
            for part in parts:
                if part.log:
                    supervisor.keep_small(Path(part.log))
            time.sleep(_LOOK_SECONDS)
            continue
        pause = pause_before(begun, time.monotonic())
        tell(f"{', '.join(missing)} died; restarting in {pause:g} s")
        time.sleep(pause)
        begun.append(time.monotonic())
        try:
            status = start()
        except Exception as error:  # any: the server may die again while Prefect's client asks it
            hint = f"; {error.hint}" if isinstance(error, UsageError) else ""
            tell(f"not restarted: {str(error) or type(error).__name__}{hint}")
            continue
        if status.other_sandbox:
            expected.discard("sandbox")  # a run has started one, and so will the next run
        if status.started:
            counts.update(status.started)
            # Not if the disk is full, or `up` at work.
            with contextlib.suppress(UsageError, OSError), registry.lock_registry(data):
                for part in registry.read(data).parts:
                    if part.name in status.started:
                        restarts = {"restarts": counts[part.name]}
                        registry.add(data, part.model_copy(update=restarts))
            tell(f"restarted {', '.join(status.started)}")


def terminable() -> contextlib.AbstractContextManager[None]:
    return _handle_signals(signal.default_int_handler, signal.SIGTERM)


def main() -> None:
    options = watcher_options()
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(message)s")
    handler.setFormatter(supervisor.JsonLines() if supervisor.is_json() else plain)
    _log.addHandler(handler)
    _log.propagate = False  # else Prefect's handler, once it is imported, writes each line again
    with terminable(), contextlib.suppress(KeyboardInterrupt):
        watch(options.data, lambda: bring_up(options, _tell), _tell)


def _tell(line: str) -> None:
    _log.warning("%s", line)


if __name__ == "__main__":
    main()
