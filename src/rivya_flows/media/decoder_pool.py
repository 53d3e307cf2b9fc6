"""The decoder processes of this process: started on demand, kept warm, ended with it.

Each kind of work has a pool of threads, so that a probe never waits for a composition or a poster.
A thread has one decoder and gives it one request at a time. Nobody joins these threads: what still
decodes when this process ends, ends with it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from pydantic import BaseModel, ConfigDict

from rivya_cut.bounds import beyond
from rivya_flows.environment import program_environment
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import LIMITS, MAX_DECODINGS, Limits

_GRACE_SECONDS = 15  # for a process to end itself
_START_SECONDS = 60  # includes loading FFmpeg and Pillow
_NOT_STARTED = "the process that decodes media could not be started"
_PERCENT = re.compile(rb"[0-9]{1,2}\n")
_MAX_WORDS = 2_000
T = TypeVar("T")
_STARTS = "import sys; sys.path[:] = sys.argv[1:]; from rivya_flows.media.decoder_process import main; main()"


class Decoder:
    """A running decoder.

    Attributes:
        lock: Held while `call` changes, and while it is decided whether to end it.
        call: The one that it answers now.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.call: Call[Any] | None = None
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
        _ALIVE.add(self)

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
        """Let it end by itself, with what it decodes, and close its pipes."""
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


@dataclass(eq=False)
class Call(Generic[T]):
    """What is asked about one medium.

    Attributes:
        about: The file that errors name: the input, or the output.
        read: The result for what was found, which is untrusted; a `ValueError` or `OSError` refuses it.
        decoder: The one that answered it last, or answers it now.
    """

    name: str
    about: Path
    arguments: Mapping[str, object]
    read: Callable[[Any], T]
    hears: Callable[[float], object] | None = None
    result: Future[T] = field(default_factory=Future, init=False)
    ended: bool = field(default=False, init=False)
    decoder: Decoder | None = field(default=None, init=False)

    def submit(self) -> Future[T]:
        """Give it to the pool of its kind; the future is done when it is answered."""
        return _POOLS.setdefault(LIMITS[self.name].kind, Pool()).submit(self)

    def wait(self) -> T:
        """The result; an interrupted wait ends the decoding."""
        try:
            return self.submit().result()
        except BaseException:  # Ctrl-C above all
            self.end()
            raise

    async def wait_async(self) -> T:
        """As `wait`, without blocking the event loop."""
        try:
            return await asyncio.wrap_future(self.submit())
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Nobody waits for it any more: end its decoding."""
        self.ended = True
        if (decoder := self.decoder) is not None:
            with decoder.lock:
                if decoder.call is self:
                    decoder.end()

    def answer(self, decoder: Decoder) -> T:
        """The result, from a decoder.

        Raises:
            MediaError: The medium is broken, or exceeds a bound.
        """
        with decoder.lock:
            decoder.call = self
            self.decoder = decoder
        limits = LIMITS[self.name]
        wanted = {"call": self.name, "limits": asdict(limits)}
        wanted |= {"about": str(self.about), "arguments": dict(self.arguments)}
        with contextlib.suppress(OSError):  # it was deleted, and only whole paths lead anywhere
            wanted["here"] = os.getcwd()  # noqa: PTH109  # the decoder began in another one, perhaps
        try:
            if self.ended:  # before its decoder was known
                raise CancelledError
            line = decoder.ask(json.dumps(wanted).encode() + b"\n", limits, self.hears)
        finally:
            with decoder.lock:
                decoder.call = None
        try:
            response = _Response.model_validate_json(line or b"{}")
            if response.answer:
                return self.read(_Answer.model_validate_json(response.answer).found_or_raised())
        except (ValueError, OSError):
            raise crashed(self.about) from None
        if line is None or response.signal == signal.SIGALRM:
            raise beyond(self.about, f"{limits.seconds:g} s of work", f"MAX_{limits.kind}_SECONDS")
        if response.signal == signal.SIGXCPU:
            what = f"{limits.cpu_seconds} s of the processor"
            raise beyond(self.about, what, f"MAX_{limits.kind}_CPU_SECONDS")
        raise crashed(self.about, response.signal)

    def fail(self, error: BaseException) -> None:
        """Set the error as the result; a poster that cannot be drawn is None."""
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            if self.name == "poster" and isinstance(error, MediaError):
                self.result.set_result(None)  # type: ignore[arg-type]  # which a poster may be
            else:
                self.result.set_exception(error)


class Pool:
    """Threads for one kind of work."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Call[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._free = 0  # those that wait, less the calls that wait for them

    def submit(self, call: Call[T]) -> Future[T]:
        with self._lock:
            self._free -= 1
            if self._free < 0 and self._threads < MAX_DECODINGS:
                threading.Thread(target=self._serve, daemon=True).start()
                self._threads += 1
        self._waiting.put(call)
        return call.result

    def _serve(self) -> None:
        decoder: Decoder | None = None
        while True:
            with self._lock:
                self._free += 1
            call = self._waiting.get()
            if call.result.done():
                continue
            try:
                if decoder is not None and not decoder.lives:
                    decoder.close()
                    decoder = None
                decoder = decoder or Decoder()
                found = call.answer(decoder)
            except BaseException as error:
                call.fail(error)
            else:
                with contextlib.suppress(InvalidStateError):  # it was cancelled
                    call.result.set_result(found)


_POOLS: dict[str, Pool] = {}
_ALIVE: WeakSet[Decoder] = WeakSet()


@atexit.register
def close() -> None:
    """End all decoders, with what they decode."""
    for decoder in [*_ALIVE]:
        decoder.close()


def _forget() -> None:
    """Threads and decoders belong to the parent of a forked process."""
    _POOLS.clear()
    _ALIVE.clear()


os.register_at_fork(after_in_child=_forget)


class _Response(BaseModel):
    """The response of the decoder: the signal that ended the worker, and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    signal: int | None = None
    answer: str = ""


class _Answer(BaseModel):
    """What the worker found, or the message and the hint of its error."""

    model_config = ConfigDict(extra="forbid")
    found: Any = None
    error: tuple[str, str | None] | None = None

    def found_or_raised(self) -> Any:
        if self.error is not None:
            message, hint = self.error
            raise MediaError(message[:_MAX_WORDS], hint and hint[:_MAX_WORDS])
        return self.found


def crashed(about: Path, number: int | None = None) -> MediaError:
    """The error of a medium whose decoder was ended by a signal, or gave nonsense."""
    reason = "the decoder crashed on it"
    if number is not None:
        reason += f" ({signal.Signals(number).name})"
    if number == signal.SIGKILL:
        reason += "; the machine may lack memory"
    return MediaError(f"{about}: cannot be decoded: {reason}", "make it again, or convert it")
