"""Starts local processes: the Prefect server, the sandbox, the receiver and the worker.

Each is a `ProcessSpec`. `registry` records those that outlive this process, and `process_tree`
finds them again and ends them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rivya_flows.app.processes.process_tree import wait_until
from rivya_flows.errors import UsageError
from rivya_flows.private import UMASK

Output = Literal["log", "pipe", "discard"]

READY_SECONDS = 180.0

# Holding the handles keeps Python from warning about children that outlive this process.
_handles: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True)
class ProcessSpec:
    """A local process to start.

    Attributes:
        log: Receives standard error; an older log is overwritten.
        folder: Its current folder; None is that of this process.
        output: Where standard output goes. ``pipe`` is for `StartedProcess.first_line`.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    folder: Path | None = None
    output: Output = "log"
    descriptors: tuple[int, ...] = ()


@dataclass(frozen=True)
class StartedProcess:
    """A child process, the leader of a process group of its own."""

    spec: ProcessSpec
    handle: subprocess.Popen[bytes]

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.handle.poll()

    def first_line(self) -> str:
        """Its first line of output; "" if it ended without one."""
        assert self.handle.stdout is not None
        return self.handle.stdout.readline().decode(errors="replace").strip()

    def await_ready(
        self, ready: Callable[[], bool], *, timeout_seconds: float = READY_SECONDS
    ) -> None:
        """Wait until `ready` returns true."""
        # The exit code first: another program may have taken the port, and would answer.
        in_time = wait_until(lambda: self.exit_code is not None or ready(), timeout_seconds)
        if self.exit_code is not None:
            raise self.failed(f"ended with code {self.exit_code}")
        if not in_time:
            raise self.failed(f"was not ready within {timeout_seconds:g} s")

    def failed(self, what: str) -> UsageError:
        """The error of a process that did not start."""
        return start_error(self.spec.name, what, self.spec.log)

    def end(self, *, grace_seconds: float) -> None:
        """End its process group: SIGTERM, then SIGKILL after `grace_seconds`."""
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, None)):
            if self.exit_code is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.handle.pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.handle.wait(seconds)


def start(spec: ProcessSpec) -> StartedProcess:
    """Start a process."""
    outputs = {"pipe": subprocess.PIPE, "discard": subprocess.DEVNULL}
    spec.log.open("wb").close()
    with spec.log.open("ab") as log:  # appends: `part_log.keep_small` empties it meanwhile
        handle = subprocess.Popen(
            # -P: no modules from the current folder, which may be a stranger's.
            [sys.executable, "-P", "-m", *spec.command],
            cwd=spec.folder,
            env=dict(spec.environment),
            stdin=subprocess.DEVNULL,
            stdout=outputs.get(spec.output, log),
            stderr=log,
            pass_fds=spec.descriptors,
            umask=UMASK,  # its files hold what runs were given
            start_new_session=True,  # Ctrl-C is for the command, which ends the process if it may
        )
    _handles.append(handle)
    return StartedProcess(spec, handle)


def last_lines(log: Path, count: int = 12) -> str:
    """The last lines of a log; "" if there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").strip().splitlines()[-count:])
    return ""


def start_error(name: str, what: str, log: Path, hint: str = "") -> UsageError:
    """The error of a process that did not start, with the end of its log.

    Args:
        what: What happened, such as ``ended with code 1``.
    """
    words = last_lines(log)
    return UsageError(
        f"{name}: {what}" + (f"; it last said:\n{words}" if words else ""),
        f"read {log}{hint}",
    )
