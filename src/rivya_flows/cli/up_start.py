"""Starts what is missing of `up`, in the order in which one part needs the other."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rivya_flows.app.local_sandbox import remember, serving
from rivya_flows.app.processes import process_tree, registry
from rivya_flows.app.processes.registry import LeftRunning, ManagedProcess
from rivya_flows.cli import up_parts
from rivya_flows.cli.up_end import end_parts
from rivya_flows.cli.up_parts import Launched
from rivya_flows.cli.up_standing import UpStatus
from rivya_flows.cli.up_wish import HEARTBEAT_SECONDS, UpOptions, fingerprint, working_environment
from rivya_flows.errors import UsageError
from rivya_flows.extras import need
from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.flows.server.environment import client_environment
from rivya_flows.flows.server.local_api import Loopback
from rivya_flows.flows.server.password import server_auth
from rivya_flows.flows.server.select_server import pointed_at

_LOOK_SECONDS = 0.2
_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_LOGGING_LEVEL": "ERROR"}


def bring_up(wish: UpOptions, tell: Callable[[str], None]) -> UpStatus:
    """Starts the parts that do not run; what runs is left alone.

    Raises:
        UsageError: A part does not start; what this call had started is ended again.
        SpecError: A spec cannot be deployed; the same.
    """
    with registry.guarded(wish.data):
        start = _Start(wish, tell)
        try:
            start.all()
        except BaseException:
            with _undisturbed():
                start.undo()
            raise
        return start.standing


class _Start:
    def __init__(self, wish: UpOptions, tell: Callable[[str], None]) -> None:
        self._wish = wish
        self._tell = tell
        self._new: list[ManagedProcess] = []
        self.standing = UpStatus()

    def all(self) -> None:
        wish = self._wish
        check(wish.specs)  # what is wrong is said before anything is started
        if wish.sandbox:
            need("sandbox", "the local sandbox", otherwise="set RIVYA_API_KEY")
        self._forget_dead()
        wish.prefect_home.mkdir(parents=True, exist_ok=True)
        server, sandbox = self._server(), self._sandbox()
        # While they come up: importing Prefect takes about as long.
        with pointed_at(_QUIET):
            importlib.import_module("rivya_flows.flows.deployment.provisioning")
        auth = self._await_server(server)
        if sandbox is not None:
            sandbox.await_ready(lambda: serving(wish.data / "sandbox") is not None)
        url = self.standing.urls["server"]
        client = client_environment(f"{url}/api", wish.prefect_home, os.environ, auth=auth)
        with pointed_at({**_QUIET, **client}):
            from rivya_flows.flows.deployment import provisioning

            made = asyncio.run(
                provisioning.set_up(wish.specs, wish.settings, heartbeat_seconds=HEARTBEAT_SECONDS)
            )
            self.standing.deployments = made.deployments
            receiver = self._receiver(client)
            worker = self._worker(client)
            if receiver is not None:
                self._await_receiver(receiver)
            if worker is not None:
                worker()

    def undo(self) -> None:
        """Ends what was started here."""
        end_parts(self._wish.data, self._new, lambda _: None)

    # --- the parts -----------------------------------------------------------------------------

    def _server(self) -> Launched | None:
        """The Prefect server, not ready yet; None for one that runs."""
        wish = self._wish
        there = self._there("server")
        mark = there.mark if there else _new_mark()
        wanted = fingerprint(
            {"PREFECT_DB": wish.postgres or "", "PREFECT_R": wish.redis or ""}, mark
        )
        if there is not None:
            port = urlsplit(there.url).port
            self._found(there, wanted, same=wish.port in (None, 0, port))
            return None
        last = registry.read(wish.data).ports.get("server")
        port = up_parts.chosen_port(wish.port, last, up_parts.PREFECT_PORT)
        # They know neither the address nor the password of the new one.
        found = [self._there(name) for name in ("worker", "receiver")]
        end_parts(wish.data, [part for part in found if part is not None], self._tell)
        launched = up_parts.launch_server(wish, mark, port, self._tell)
        self._record(launched, mark, wanted)
        return launched

    def _await_server(self, launched: Launched | None) -> str:
        """Its password, once it answers and proves that it knows it."""
        url, home = self.standing.urls["server"], self._wish.prefect_home

        def asked() -> Loopback:
            return Loopback(urlsplit(url).port or 0, server_auth(home))

        if launched is not None:
            launched.await_ready(lambda: asked().healthy())
        # An `up` that was killed may have started it a moment ago.
        give_up = time.monotonic() + up_parts.READY_SECONDS
        while not (server := asked()).healthy():
            if time.monotonic() > give_up:
                raise UsageError(
                    f"the server at {url} runs and does not answer as the one of this data folder",
                    "end it with `rivya-flows down`, then call `up` again",
                )
            time.sleep(_LOOK_SECONDS)
        self.standing.server = server
        return server.auth

    def _sandbox(self) -> Launched | None:
        """The sandbox, not ready yet; None for one that runs, or is not needed."""
        wish = self._wish
        if not wish.sandbox:
            return None
        there = self._there("sandbox")
        if there is not None:
            self._found(there, there.wish)
            return None
        folder = wish.data / "sandbox"
        if url := serving(folder):
            # Started by hand, or by a run: it may end at any time, and is not ours to end.
            self._tell(f"sandbox: uses the one that serves already at {url}")
            self.standing.urls["sandbox"] = url
            return None
        mark = _new_mark()
        launched = up_parts.launch_sandbox(wish, mark)
        self._record(launched, mark, "")
        remember(folder, launched.url)
        return launched

    def _receiver(self, client: dict[str, str]) -> Launched | None:
        """The receiver, not ready yet; None for one that runs."""
        wish = self._wish
        there = self._there("receiver")
        mark = there.mark if there else _new_mark()
        environment = working_environment(wish, mark, client, public_url="", webhooks=False)
        wanted = fingerprint(environment, mark)
        if there is not None:
            self._found(there, wanted)
            self.standing.webhooks = there.registered
            return None
        last = registry.read(wish.data).ports.get("receiver")
        port = up_parts.chosen_port(None, last, up_parts.RECEIVER_PORT)
        self.standing.webhooks = self._can_register()
        launched = up_parts.launch_receiver(
            wish, environment, port, register=self.standing.webhooks
        )
        self._record(launched, mark, wanted, registered=self.standing.webhooks)
        return launched

    def _await_receiver(self, launched: Launched) -> None:
        try:
            launched.await_ready(lambda: up_parts.answers(launched.url, "/healthz"))
        except UsageError as error:
            if self.standing.webhooks and not self._wish.sandbox:
                hint = f"{error.hint}; or do without webhooks: take RIVYA_FLOWS_PUBLIC_URL out"
                raise UsageError(error.message, hint) from error
            raise

    def _can_register(self) -> bool:
        """Whether the service would send its events here."""
        if self._wish.sandbox:
            # One that somebody else has started may refuse to send to this machine.
            return self._there("sandbox") is not None
        return (self._wish.settings.rivya_flows_public_url or "").startswith("https://")

    def _worker(self, client: dict[str, str]) -> Callable[[], None] | None:
        """Waits for the worker, which has been started; None for one that runs."""
        wish = self._wish
        there = self._there("worker")
        mark = there.mark if there else _new_mark()
        environment = working_environment(
            wish,
            mark,
            client,
            public_url=self.standing.urls.get("receiver", ""),
            webhooks=self.standing.webhooks,
        )
        wanted = fingerprint(environment, mark)
        if there is not None:
            self._found(there, wanted)
            return None
        from rivya_flows.flows.deployment.provisioning import put_back

        # What an earlier worker left has ended by now: `_forget_dead` has seen to it.
        if left := asyncio.run(put_back(WORK_POOL, up_parts.worker_name())):
            self._tell(f"{left} {'run goes' if left == 1 else 'runs go'} on")
        since = datetime.now(UTC)
        launched = up_parts.launch_worker(wish, environment)
        self._record(launched, mark, wanted)
        return lambda: launched.await_ready(lambda: _polls(since))

    # --- the record ----------------------------------------------------------------------------

    def _there(self, name: str) -> ManagedProcess | None:
        return registry.read(self._wish.data).part(name)

    def _found(self, part: ManagedProcess, wanted: str, *, same: bool = True) -> None:
        self.standing.running.append(part.name)
        if part.wish != wanted or not same:
            self.standing.differing.append(part.name)
        self._note(part)

    def _record(
        self, launched: Launched, mark: str, wish: str, *, registered: bool = False
    ) -> None:
        """Writes a part down before anything else is done with it, so that `down` finds it."""
        process = process_tree.known(launched.process.pid)
        if process is None:
            raise launched.failed("ended at once")
        part = ManagedProcess(
            launched.name, process, mark, launched.url, str(launched.log), wish, registered
        )
        self._new.append(part)
        registry.write(self._wish.data, registry.read(self._wish.data).with_part(part))
        self.standing.started.append(part.name)
        self._tell(f"starting {part.name}")
        self._note(part)

    def _note(self, part: ManagedProcess) -> None:
        self.standing.logs[part.name] = part.log
        if part.url:
            self.standing.urls[part.name] = part.url

    def _forget_dead(self) -> None:
        """Takes parts out of the record that have died, with what they left of themselves."""
        left: LeftRunning = registry.read(self._wish.data)
        dead = [part for part in left.parts if not part.lives]
        for part in dead:
            self._tell(f"{part.name}: died, and is started again")
        end_parts(self._wish.data, dead, lambda _: None)


def _polls(since: datetime) -> bool:
    from rivya_flows.flows.deployment.provisioning import workers_online

    return up_parts.worker_name() in asyncio.run(workers_online(WORK_POOL, since=since))


def _new_mark() -> str:
    return uuid.uuid4().hex


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Lets no second Ctrl-C leave processes behind."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check(specs: Sequence[Path]) -> None:
    """Refuses specs that could not be deployed.

    Raises:
        SpecError: One is wrong.
    """
    from rivya_flows.catalogue.snapshot import shipped
    from rivya_flows.flows.deployment.desired import read_sources

    if specs:
        read_sources(specs, shipped())
