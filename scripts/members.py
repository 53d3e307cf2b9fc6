"""The processes of an experiment, by name: started, killed with all their children, started again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rivya_flows.processes.ports import choose_port

START_SECONDS = 240  # a busy machine needs many
STOP_SECONDS = 15
LOOK_SECONDS = 0.2


class MissingError(Exception):
    """A program that an experiment needs is not installed."""


@dataclass(frozen=True)
class _Program:
    command: Sequence[str]
    environment: Mapping[str, str]
    ready: Callable[[], bool]
    user: str | None
    cwd: Path


class Members:
    """Processes that end with the experiment.

    Args:
        folder: Each has a log here, with what it writes, and works here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark = f"member_{uuid.uuid4().hex}"
        self._programs: dict[str, _Program] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._written: dict[str, int] = {}

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        ready: Callable[[], bool] = lambda: True,
        user: str | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start a process; returns when it is ready.

        Raises:
            SystemExit: It ended, or took too long; the exit code is 3.
        """
        program = _Program(command, dict(environment), ready, user, cwd or self._folder)
        self._programs[name] = program
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start a process that has ended, or was killed, as it was started before."""
        if name in self._running:
            self._running.pop(name).wait()
        program, log = self._programs[name], self._log(name)
        self._written[name] = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._running[name] = subprocess.Popen(
                program.command,
                env={**program.environment, self.variable(name): "1"},
                cwd=program.cwd,
                user=program.user,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        for _ in until(START_SECONDS, LOOK_SECONDS):
            if program.ready():
                return
            if self._running[name].poll() is not None:
                break
        print(f"error: {name} did not start: {self.output(name)[-1500:]}", file=sys.stderr)
        sys.exit(3)

    def output(self, name: str) -> str:
        """What a process has written since it was started the last time."""
        with self._log(name).open("rb") as log:
            log.seek(self._written[name])
            return log.read().decode(errors="replace")

    def pids(self) -> dict[str, int]:
        """Process ids by name."""
        return {name: process.pid for name, process in self._running.items()}

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all that it started."""
        for pid in [self._running[name].pid, *_children(self._running[name].pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self, name: str) -> None:
        """Kill a process and all that it started, as the kernel does when memory runs out."""
        # A stopped process starts no other while these are looked for.
        os.kill(self._running[name].pid, signal.SIGSTOP)
        process = self._running.pop(name)
        kill_all([process.pid, *_children(process.pid)])
        process.wait()

    def kill_machine(self, name: str) -> int:
        """Kill a process and all below it, in whatever session; returns their number."""
        killed = kill_all(self.below(name))
        self._running.pop(name).wait()
        return killed

    def below(self, name: str) -> list[int]:
        """A process and all that has its environment."""
        return find_marked(f"{self.variable(name)}=1")

    def find_ended(self) -> list[str]:
        """Names of processes that have ended by themselves."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def variable(self, name: str) -> str:
        """A variable that only a process and all below it have."""
        return f"{self._mark}_{name}"

    def stop(self, name: str) -> None:
        """End a process by SIGTERM, and by SIGKILL if that takes too long."""
        process = self._running.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _free_clock(process.pid)

    def end(self) -> None:
        """Stop everything, the youngest first."""
        for name in reversed(list(self._running)):
            self.stop(name)
        kill_all(find_marked(self._mark))

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def start_sandbox(
    members: Members, data: Path, credits: int, options: Sequence[str]
) -> tuple[str, str]:
    """Start a sandbox as the member `sandbox`; gives its address and a key, which outlive its kills."""
    port = choose_port(0, None)
    command = [sys.executable, "-m", "rivya_sandbox", "serve", "--json", "--port", str(port)]
    command += ["--data", str(data), "--credits", str(credits), "--media", "plain", *options]

    def says() -> dict[str, Any] | None:
        lines = members.output("sandbox").splitlines(keepends=True)
        found = [line for line in lines if line.startswith("{") and line.endswith("\n")]
        return json.loads(found[0]) if found else None

    members.start("sandbox", command, os.environ, ready=lambda: says() is not None)
    ready = says()
    assert ready is not None
    return ready["base_url"], ready["api_key"]


def until(seconds: float, pause: float) -> Iterator[None]:
    """Iterate at intervals, for at most so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(pause)


def find_marked(variable: str) -> list[int]:
    """Processes with this variable in their environment; the beginning of its name is enough."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if variable.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
    return found


def kill_all(pids: Sequence[int]) -> int:
    """Kill these; returns how many there were."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _free_clock(pid)
    return len(pids)


def _free_clock(pid: int) -> None:
    """Remove the shared memory that libfaketime leaves of a process which is killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def listens(port: int) -> bool:
    """Whether a program of this machine listens there."""
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    return False


def _children(pid: int) -> list[int]:
    """All processes below one; PostgreSQL's have sessions of their own."""
    with contextlib.suppress(OSError):
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [below for one in map(int, own) for below in (one, *_children(one))]
    return []
