"""The decoding processes of this process: started when one is needed, kept warm, ended with it."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from rivya_flows.environment import program_environment
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_DECODINGS, Limits

_GRACE_SECONDS = 15  # for a process that was to end itself
_START_SECONDS = 60  # FFmpeg and Pillow are loaded then
_NOT_STARTED = "the process that decodes media could not be started"
_STARTS = "import sys; sys.path[:] = sys.argv[1:]; from rivya_flows.media.decoder_process import main; main()"


class Decoder:
    """A running decoder."""

    def __init__(self) -> None:
        # Isolated: neither variables nor the folder that we are in decide what is loaded.
        command = [sys.executable, "-I", "-c", _STARTS, *filter(None, sys.path)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # FFmpeg repeats there what foreign files say
                env=program_environment(),
                start_new_session=True,  # Ctrl-C reaches us alone; and it can be killed as a whole
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
        """Whether it takes requests."""
        return self._process.poll() is None

    def ask(self, request: bytes, limits: Limits) -> bytes | None:
        """The line that answers; empty where the decoder died, None after its time."""
        deadline = time.monotonic() + limits.seconds + _GRACE_SECONDS
        line: bytes | None = b""
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(request)
            line = self._line(deadline)
        except OSError:
            line = b""
        if not line or not line.endswith(b"\n"):
            self.end()
        return line

    def end(self) -> None:
        """Kills it and what it started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        """Lets it end by itself, since nothing more is asked."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.end()

    def _line(self, deadline: float) -> bytes | None:
        """Up to the end of the line, or of the pipe; None where the time is over."""
        assert self._process.stdout is not None
        read = b""
        waiting = select.poll()  # unlike `select` it takes descriptors of any number
        waiting.register(self._process.stdout, select.POLLIN)
        while not read.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                return None
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                break
            read += piece
        return read


class Decoders:
    """The threads of this process that wait for decoders, one decoder each, kept warm.

    Compositions have their own, so that a short look never waits behind a long work.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """As in a process that was forked: threads and decoders are its parent's."""
        self._lock = threading.Lock()
        self._pools: dict[bool, ThreadPoolExecutor] = {}
        self._started: list[Decoder] = []
        self._here = threading.local()

    def threads(self, name: str) -> ThreadPoolExecutor:
        """Where calls of that name wait."""
        with self._lock:
            long = name == "compose"
            if long not in self._pools:
                self._pools[long] = ThreadPoolExecutor(MAX_DECODINGS, "rivya-flows-decoding")
            return self._pools[long]

    def own(self) -> Decoder:
        """The decoder of the thread that asks."""
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
        """Ends all decoders with this process."""
        for decoder in self._started:
            decoder.close()


DECODERS = Decoders()
"""Of this process."""

atexit.register(DECODERS.close)
os.register_at_fork(after_in_child=DECODERS.forget)
