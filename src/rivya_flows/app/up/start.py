"""Starts the missing parts of `up`, each after those that it needs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.connect import LOCAL_WEBHOOKS, last_port, sandbox_arguments, serving
from rivya_flows.app.processes import registry, supervisor
from rivya_flows.app.processes.ports import RECEIVER_PORT, answers, choose_port, holder
from rivya_flows.app.processes.registry import ManagedProcess
from rivya_flows.app.processes.supervisor import (
    READY_SECONDS,
    Output,
    ProcessSpec,
    StartedProcess,
    former,
    start,
)
from rivya_flows.app.up.options import (
    PrefectBackend,
    UpOptions,
    UpStatus,
    hashed_settings,
    marked_environment,
    watcher_environment,
    working_environment,
)
from rivya_flows.app.up.parts import GRACE_SECONDS, end_parts
from rivya_flows.errors import UsageError
from rivya_flows.extras import need

PREFECT_PORT = 4200  # where people look for a Prefect server
RUN_WAIT_SECONDS = 20.0
_LOOK_SECONDS = 0.2


def bring_up(
    options: UpOptions,
    prefect: PrefectBackend,
    tell: Callable[[str], None],
    *,
    run_wait_seconds: float = RUN_WAIT_SECONDS,
) -> UpStatus:
    """Start the parts that do not run; parts that run stay as they are."""
    with registry.guarded(options.data):
        starter = _Starter(options, prefect, tell, run_wait_seconds, UpStatus(options.data))
        try:
            starter.start_all()
        except BaseException:
            new = [starter.status.parts[name] for name in starter.status.started]
            with _undisturbed():
                end_parts(options.data, new, prefect, lambda _: None)
            raise
        return starter.status


@dataclass
class _Starter:
    options: UpOptions
    prefect: PrefectBackend
    tell: Callable[[str], None]
    run_wait_seconds: float
    status: UpStatus

    def start_all(self) -> None:
        options, prefect = self.options, self.prefect
        prefect.check(options, self.tell)
        if options.sandbox:
            need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
        self._forget_dead()
        if self._find("receiver")[0] is None:
            _ = self._receiver_port  # refused before anything ends or starts
        options.prefect_home.mkdir(parents=True, exist_ok=True)
        server, sandbox = self._server(), self._sandbox()
        prefect.load()  # while they start
        self._await_server(server)
        if sandbox is not None:
            sandbox.await_ready(lambda: serving(options.sandbox_folder) is not None)
        with prefect.connected() as client:
            receiver = self._receiver(client)  # first: the forms name its address
            self.status.deployments = prefect.provision(options, self.tell)
            since = datetime.now(UTC)
            worker = self._worker(client)
            if receiver is not None:
                self._await_receiver(receiver)
            if worker is not None:
                worker.await_ready(lambda: prefect.worker_is_online(since))
        self._watcher()

    # --- the parts: each returns the process if it has just been started, else None ---

    def _server(self) -> StartedProcess | None:
        options = self.options
        found, mark = self._find("server")
        wanted = {"--postgres": options.postgres or "", "--redis": options.redis or ""}
        days = f"{options.settings.rivya_flows_keep_flow_runs_days:g}"
        wanted["RIVYA_FLOWS_KEEP_FLOW_RUNS_DAYS"] = days
        if found is not None:
            same_port = options.port in (None, 0, urlsplit(found.url).port)
            self._keep(found, wanted, () if same_port else ("--port",))
            return None
        port = choose_port(options.port, self._last_port("server"), PREFECT_PORT)
        # They know neither the URL nor the password of the new server.
        clients = [self._find(name)[0] for name in ("worker", "receiver")]
        living = [one for one in clients if one is not None]
        end_parts(options.data, living, self.prefect, self.tell)
        log = self._log("server")
        deadline = time.monotonic() + self.run_wait_seconds
        started = self.prefect.start(options, port, mark, log)
        if started is None:
            self.tell("waiting until the Prefect server of a run ends")
        while started is None:
            if time.monotonic() > deadline:
                raise UsageError(
                    "a run in this data folder uses its own Prefect server",
                    "wait until it ends, then run `up` again",
                )
            time.sleep(_LOOK_SECONDS)
            started = self.prefect.start(options, port, mark, log)
        return self._record("server", started, mark, wanted, port)

    def _await_server(self, started: StartedProcess | None) -> None:
        if started is not None:
            started.await_ready(self.prefect.answers)
        # An `up` that was killed may have started it just before.
        if not supervisor.wait_until(self.prefect.answers, READY_SECONDS):
            raise UsageError(
                f"the server at {self.status.url('server')} does not answer as the one of"
                " this data folder",
                "end it with `rivya-flows down`, then run `up` again",
            )

    def _sandbox(self) -> StartedProcess | None:
        if not self.options.sandbox:
            return None
        found, mark = self._find("sandbox")
        environment = marked_environment(self.options.variables, mark)
        if found is not None:
            self._keep(found, environment)
            return None
        folder = self.options.sandbox_folder
        if url := serving(folder):
            # A person or a run started it: it may end at any time, and `down` must not end it.
            self.tell(f"sandbox: uses the one that serves already at {url}")
            self.status.other_sandbox = url
            return None
        folder.mkdir(parents=True, exist_ok=True)
        port = choose_port(None, last_port(folder))
        options = ("--port", str(port), *LOCAL_WEBHOOKS)  # the receiver is on this machine
        command = ("rivya_sandbox", *sandbox_arguments(folder), *options)
        return self._start("sandbox", command, environment, mark, port)

    def _receiver(self, client: Mapping[str, str]) -> StartedProcess | None:
        options = self.options
        found, mark = self._find("receiver")
        environment = working_environment(options, mark, client, public_url="", webhooks=False)
        if found is not None:
            same_port = options.receiver_port in (None, 0, urlsplit(found.url).port)
            self._keep(found, environment, () if same_port else ("--receiver-port",))
            return None
        if options.sandbox:
            # A sandbox that somebody else started may refuse to send to this machine.
            registers = "sandbox" in self.status.parts
        else:
            url = options.settings.rivya_flows_public_url or ""
            registers = url.startswith("https://")
        port = self._receiver_port
        listen = ("webhooks", "listen", "--host", "127.0.0.1", "--port", str(port))
        register = ("--register",) if registers else ()
        command = self.prefect.followed("rivya_flows.cli.main", *listen, *register)
        return self._start("receiver", command, environment, mark, port, registers=registers)

    @cached_property
    def _receiver_port(self) -> int:
        """The port of the option; else the last or the usual one, or a free one if no proxy, worker or restart needs that.

        A proxy forwards to the old one, a worker that runs already names it, and a restart deploys no
        forms with the new one.
        """
        options, last = self.options, self._last_port("receiver")
        others = ("server", "worker")
        is_named = options.restarts or all(self._find(name)[0] is not None for name in others)
        moves = not (is_named or options.settings.rivya_flows_public_url)
        port = choose_port(
            options.receiver_port, last, RECEIVER_PORT, option="--receiver-port", moves=moves
        )
        if options.receiver_port is None and port != (wanted := last or RECEIVER_PORT):
            old = "; addresses on older pages are no longer valid" if last else ""
            self.tell(f"receiver: port {wanted} is taken{holder(wanted)}; it uses {port}{old}")
        return port

    def _await_receiver(self, started: StartedProcess) -> None:
        try:
            started.await_ready(lambda: answers(f"{self.status.url('receiver')}/healthz"))
        except UsageError as error:
            if self.status.webhooks and not self.options.sandbox:
                hint = f"{error.hint}; or unset RIVYA_FLOWS_PUBLIC_URL to do without webhooks"
                raise UsageError(error.message, hint) from error
            raise

    def _worker(self, client: Mapping[str, str]) -> StartedProcess | None:
        found, mark = self._find("worker")
        url, webhooks = self.status.url("receiver") or "", self.status.webhooks
        environment = working_environment(
            self.options, mark, client, public_url=url, webhooks=webhooks
        )
        if found is not None:
            self._keep(found, environment)
            return None
        # `_forget_dead` has ended everything of an earlier worker.
        if left := self.prefect.requeue_left():
            self.tell(f"{left} {'run continues' if left == 1 else 'runs continue'}")
        command = self.prefect.worker_command(self.options.settings.rivya_flows_worker_limit)
        return self._start("worker", command, environment, mark)

    def _watcher(self) -> None:
        options = self.options
        found, mark = self._find("watcher")
        # What it cannot read in its environment.
        wanted = {"sandbox": options.sandbox, "postgres": options.postgres, "redis": options.redis}
        environment = watcher_environment(options, mark)
        compared = environment | {f"--{name}": str(value) for name, value in wanted.items()}
        if found is not None and (found.pid == os.getpid() or not options.foreground):
            self._keep(found, compared)
            return
        if options.foreground:
            if found is not None:
                supervisor.end(found.process, found.mark, grace_seconds=GRACE_SECONDS["watcher"])
            myself = supervisor.known(os.getpid())
            assert myself is not None
            part = ManagedProcess(name="watcher", pid=myself.pid, birth=myself.birth, mark=mark)
            registry.add(options.data, part)
            self.status.parts["watcher"] = part
            return
        read, write = os.pipe()
        with os.fdopen(write, "w") as pipe:
            json.dump(wanted, pipe)
        try:
            spec = ProcessSpec(
                "watcher",
                (*self.prefect.watcher_command(), str(read)),
                environment,
                self._log("watcher"),
                options.prefect_home,
                descriptors=(read,),
            )
            started = start(spec)
        finally:
            os.close(read)
        self._record("watcher", started, mark, compared, None)

    # --- the record ---

    def _find(self, name: str) -> tuple[ManagedProcess | None, str]:
        """The living part of this name and its mark, or None and a new mark."""
        found = registry.read(self.options.data).part(name)
        return found, found.mark if found else uuid.uuid4().hex

    def _last_port(self, name: str) -> int | None:
        return registry.read(self.options.data).ports.get(name)

    def _keep(
        self, part: ManagedProcess, environment: Mapping[str, str], others: tuple[str, ...] = ()
    ) -> None:
        """Note a part that runs, and which settings are wanted otherwise; `others` are."""
        self.status.parts[part.name] = part
        differing = part.settings.items() ^ hashed_settings(environment, part.mark).items()
        if names := sorted({*others, *(name for name, _ in differing)}):
            self.status.differing[part.name] = names

    def _start(
        self,
        name: str,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        mark: str,
        port: int | None = None,
        *,
        registers: bool = False,
    ) -> StartedProcess:
        # The sandbox prints its new key, once; nobody needs it.
        output: Output = "discard" if name == "sandbox" else "log"
        # Programs read .env and prefect.toml of the current folder.
        folder = self.options.prefect_home
        started = start(ProcessSpec(name, command, environment, self._log(name), folder, output))
        return self._record(name, started, mark, environment, port, registers=registers)

    def _record(
        self,
        name: str,
        started: StartedProcess,
        mark: str,
        wanted: Mapping[str, str],
        port: int | None,
        *,
        registers: bool = False,
    ) -> StartedProcess:
        """Record a part before anything else happens to it, so that `down` finds it."""
        process = supervisor.known(started.handle.pid)
        if process is None:
            raise started.failed("ended at once")
        part = ManagedProcess(
            name=name,
            pid=process.pid,
            birth=process.birth,
            mark=mark,
            url=f"http://127.0.0.1:{port}" if port else "",
            log=str(started.spec.log),
            settings=hashed_settings(wanted, mark),
            registered=registers,
            rehearses=self.options.rehearses,
            account=self.options.account(mark),
            source=self.options.source,
        )
        registry.add(self.options.data, part)
        self.status.parts[name] = part
        self.status.started.append(name)
        self.tell(f"starting {name}")
        return started

    def _forget_dead(self) -> None:
        """Remove dead parts from the record, and end what they started."""
        dead = [part for part in registry.read(self.options.data).parts if not part.lives]
        for part in dead:
            self.tell(f"{part.name}: died; restarting")
        end_parts(self.options.data, dead, self.prefect, lambda _: None)

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
