"""Processor time and memory of processes; Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.1
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Usage:
    """Of one process with its children that have ended.

    Attributes:
        seconds: Processor time.
        peak_mb: Most memory of the process itself, resident.
    """

    seconds: float
    peak_mb: float


def usage_of(pid: int) -> Usage:
    """Of a process that runs."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, fields[11:15]))  # own and awaited children's, user and system
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), _peak_mb(pid))


@dataclass
class Execution:
    """A command that ended.

    Attributes:
        began: Unix seconds.
        ended: Unix seconds.
        code: Exit code; None if it was killed because it took too long.
        processor: Seconds of it and all its children.
        peak_mb: Most memory of the command itself.
        together_mb: Most memory of it and its children at one moment, by samples.
    """

    began: float
    ended: float
    code: int | None
    processor: float
    peak_mb: float
    together_mb: float

    @property
    def seconds(self) -> float:
        """Wall time."""
        return self.ended - self.began


@dataclass
class _Sampler:
    """Follows the memory of a process and its children."""

    pid: int
    peak_mb: float = 0.0
    together_mb: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        root = psutil.Process(self.pid)
        while not self.over.wait(SAMPLE_SECONDS):
            now = 0.0
            with contextlib.suppress(psutil.Error, OSError):
                self.peak_mb = _peak_mb(self.pid)
                for process in (root, *root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        now += process.memory_info().rss / 2**20
            self.together_mb = max(self.together_mb, now)


def execute(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    out: Path,
    timeout: float,
) -> Execution:
    """Run a command to its end, or kill it and its children after so many seconds."""
    with out.open("wb") as file, out.with_suffix(".err").open("wb") as errors:
        began = time.time()
        process = subprocess.Popen(
            command,
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=errors,
            start_new_session=True,
        )
    sampler = _Sampler(process.pid)
    sampling = threading.Thread(target=sampler, daemon=True)
    sampling.start()
    late = threading.Event()

    def kill() -> None:
        late.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout, kill)
    timer.start()
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        kill()
        raise
    finally:
        ended = time.time()
        timer.cancel()
        sampler.over.set()
    sampling.join()
    process.returncode = os.waitstatus_to_exitcode(status)  # it is no longer ours to wait for
    return Execution(
        began=began,
        ended=ended,
        code=None if late.is_set() else process.returncode,
        processor=used.ru_utime + used.ru_stime,
        # Not `ru_maxrss`, which starts with the memory of the process that started it.
        peak_mb=sampler.peak_mb,
        together_mb=sampler.together_mb,
    )


def _peak_mb(pid: int) -> float:
    found = _PEAK.search(Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0
