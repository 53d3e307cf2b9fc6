"""The decoder processes of this process: started on demand, kept warm, ended with it."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rivya_flows.environment import program_environment
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import GATHER_SECONDS, MAX_DECODINGS, Limits

_GRACE_SECONDS = 15  # for a process to end itself
_START_SECONDS = 60  # includes loading FFmpeg and Pillow
_NOT_STARTED = "the process that decodes media could not be started"
_PERCENT = re.compile(rb"[0-9]{1,2}\n")
_STARTS = "import sys; sys.path[:] = sys.argv[1:]; from rivya_flows.media.decoder_process import main; main()"


class Decoder:
    """A running decoder."""

    def __init__(self) -> None:
        self._read = b""
        # Isolated: neither variables nor the current folder decide what is imported.
        command = [sys.executable, "-I", "-c", _STARTS, *filter(None, sys.path)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg writes text of untrusted files there
                env=program_environment(),
                start_new_session=True,  # Ctrl-C reaches the parent alone; killable as a group
                bufsize=0,
            )
        except OSError as error:
            raise MediaError(f"{_NOT_STARTED}: {error.strerror}", "free memory or files") from error
        if self._line(time.monotonic() + _START_SECONDS) != b"ready\n":
            self.end()
            hint = "check that PyAV and Pillow can be imported: python -c 'import av, PIL'"
            raise MediaError(_NOT_STARTED, hint)

    @property
    def lives(self) -> bool:
        """Whether it accepts requests."""
        return self._process.poll() is None

    def ask(
        self, request: bytes, limits: Limits, hears: Callable[[float], object] | None = None
    ) -> bytes | None:
        """The response line; empty if the decoder died, None after its time limit.

        `hears` is called with the share that is done, 0 to 1, at most 99 times and growing.
        """
        deadline = time.monotonic() + limits.seconds + _GRACE_SECONDS
        line: bytes | None = b""
        told = 0
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(request)
            line = self._line(deadline)
            while line and _PERCENT.fullmatch(line) and int(line) > told:
                told = int(line)
                if hears is not None:
                    hears(told / 100)
                line = self._line(deadline)
        except OSError:
            line = b""
        if not line or not line.endswith(b"\n"):
            self.end()
        return line

    def end(self) -> None:
        """Kill it and its children."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Let it end by itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.end()

    def _line(self, deadline: float) -> bytes | None:
        """Read to the end of the line or the pipe; None at the deadline."""
        assert self._process.stdout is not None
        pieces, piece = [], self._read
        waiting = select.poll()  # unlike `select` it takes descriptors of any number
        waiting.register(self._process.stdout, select.POLLIN)
        while b"\n" not in piece:
            pieces.append(piece)
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                return None
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                break
        # A percentage and what follows it may come together.
        end, feed, self._read = piece.partition(b"\n")
        return b"".join([*pieces, end, feed])


class Decoders:
    """Threads of this process that wait for decoders, each with one warm decoder.

    Each kind of work has a pool of its own, so that a probe never waits for a composition or a poster.

    Attributes:
        lock: Held while it is decided whether a decoder ends, or which probes share one.
        waiting: Probes that no thread has taken yet.
        posters: Those that were drawn or are being drawn, by hash of the film.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Reset in a forked process: threads and decoders belong to its parent."""
        self.lock = threading.Lock()
        self.waiting: deque[Any] = deque()
        self.posters: dict[str, Future[Any]] = {}
        self._gathered_at = 0.0
        self._lock = threading.Lock()
        self._pools: dict[str, ThreadPoolExecutor] = {}
        self._started: list[Decoder] = []
        self._here = threading.local()

    def threads(self, name: str) -> ThreadPoolExecutor:
        """The pool for calls of a name; each of its threads has one request at a time."""
        with self._lock:
            if name not in self._pools:
                self._pools[name] = ThreadPoolExecutor(MAX_DECODINGS, f"rivya-flows-{name}")
            return self._pools[name]

    def gather(self) -> None:
        """Wait, in a thread, until `GATHER_SECONDS` have passed since the last time."""
        with self._lock:
            begins = max(time.monotonic(), self._gathered_at + GATHER_SECONDS)
            self._gathered_at = begins
        time.sleep(max(0.0, begins - time.monotonic()))

    def own(self) -> Decoder:
        """The decoder of the calling thread."""
        decoder: Decoder | None = getattr(self._here, "decoder", None)
        if decoder is None or not decoder.lives:
            if decoder is not None:
                self._here.decoder = None
                self._started.remove(decoder)
                decoder.close()
            decoder = self._here.decoder = Decoder()
            self._started.append(decoder)
        return decoder

    def close(self) -> None:
        """End all decoders."""
        for decoder in self._started:
            decoder.close()


DECODERS = Decoders()
"""Of this process."""

atexit.register(DECODERS.close)
os.register_at_fork(after_in_child=DECODERS.forget)
