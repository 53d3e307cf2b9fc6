"""The decoder of this process: started on demand, kept warm, ended with it.

One process forks for each medium, see `decoder_process`. Each kind of work has a pool of threads here,
so that a probe never waits for a composition or a poster; a thread makes one call at a time. Nobody
joins these threads: what still decodes when this process ends, ends with it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from rivya_cut.bounds import beyond
from rivya_flows.environment import program_environment
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import LIMITS, MAX_ANSWER_BYTES, MAX_DECODINGS

_GRACE_SECONDS = 15  # for a medium to be ended, beyond its own limit
_START_SECONDS = 60  # includes loading FFmpeg and Pillow
_NOT_STARTED = "the process that decodes media could not be started"
_PERCENT = re.compile(rb"[0-9]{1,2}")
_MAX_MESSAGE = 2_000  # characters
T = TypeVar("T")
_STARTS = "import sys; sys.path[:] = sys.argv[1:]; from rivya_flows.media.decoder_process import main; main()"


class Decoder:
    """A running decoder process."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._killed = False
        self._control, theirs = socket.socketpair()
        # Isolated: neither variables nor the current folder decide what is imported.
        command = [sys.executable, "-I", "-c", _STARTS, *filter(None, sys.path)]
        try:
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # FFmpeg writes text of untrusted files there
                    env=program_environment(),
                    start_new_session=True,  # Ctrl-C reaches the parent alone; killable as a group
                )
        except OSError as error:
            raise MediaError(f"{_NOT_STARTED}: {error.strerror}", "free memory or files") from error
        self._control.settimeout(_START_SECONDS)
        ready = b""
        with contextlib.suppress(OSError):
            ready = self._control.recv(1)
        if not ready:
            self.kill()
            hint = "check that PyAV and Pillow can be imported: python -c 'import av, PIL'"
            raise MediaError(_NOT_STARTED, hint)

    @property
    def lives(self) -> bool:
        """Whether it takes calls."""
        return self._process.poll() is None

    def connect(self) -> tuple[socket.socket, socket.socket]:
        """The connections of one call: to its worker, and to the decoder about it; OSError if that has died."""
        answers, worker = socket.socketpair()
        about, theirs = socket.socketpair()
        try:
            with worker, theirs, self._turn:
                socket.send_fds(self._control, [b"\n"], [worker.fileno(), theirs.fileno()])
                # They stay open here until they have arrived: macOS loses one that is under way.
                if not self._control.recv(1):
                    raise ConnectionResetError
        except OSError:
            answers.close()
            about.close()
            raise
        return answers, about

    def kill(self) -> None:
        """End it at once, with all that it decodes, which outlives one that has died."""
        if not self._killed:
            self._killed = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._control.close()

    def close(self) -> None:
        """Let it end what it decodes, then itself."""
        self.forget()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()

    def forget(self) -> None:
        """Leave it; it ends once the process that started it does too."""
        self._control.close()


class _Talk:
    """One call to a decoder: the lines of its worker, and how that ended.

    Attributes:
        number: The signal that ended the worker, 0 for none; None until the decoder says it.
    """

    def __init__(self, decoder: Decoder) -> None:
        self.number: int | None = None
        self._answers, self._about = decoder.connect()

    def __enter__(self) -> _Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._about.close()

    def send(self, request: bytes) -> None:
        with contextlib.suppress(BrokenPipeError):  # hung up before it; what ends it says `lines`
            self._about.sendall(request)

    def hang_up(self) -> None:
        """Let the decoder end the worker."""
        with contextlib.suppress(OSError):  # it has ended
            self._about.shutdown(socket.SHUT_WR)

    def lines(self, seconds: float) -> Iterator[bytes]:
        """The lines that the worker sends, until the decoder has ended it.

        Raises:
            TimeoutError: It did not end in so many seconds.
            ConnectionError: The decoder has died.
            ValueError: A line is too long.
        """
        deadline, data, ended = time.monotonic() + seconds, b"", b""
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._answers, selectors.EVENT_READ)
            waiting.register(self._about, selectors.EVENT_READ)
            while waiting.get_map():
                if (left := deadline - time.monotonic()) <= 0:
                    raise TimeoutError
                for ready, _ in waiting.select(left):
                    connection = self._answers if ready.fileobj is self._answers else self._about
                    if not (piece := connection.recv(65536)):
                        waiting.unregister(connection)
                        if connection is self._about and not ended:
                            raise ConnectionResetError
                    elif connection is self._about:
                        ended += piece
                    else:
                        *whole, data = (data + piece).split(b"\n")
                        if len(data) > MAX_ANSWER_BYTES:
                            raise ValueError("the answer is too long")
                        yield from whole
        self.number = int(ended)


@dataclass(eq=False)
class DecoderCall(Generic[T]):
    """What is asked about one medium.

    Attributes:
        about: The file that errors name: the input, or the output.
        read: The result for what was found, which is untrusted; a `ValueError` or `OSError` refuses it.
        hears: Is called with the share that is done, 0 to 1, at most 99 times and growing.
    """

    name: str
    about: Path
    arguments: Mapping[str, object]
    read: Callable[[Any], T]
    hears: Callable[[float], object] = lambda _: None
    result: Future[T] = field(default_factory=Future, init=False)
    ended: bool = field(default=False, init=False)
    _talk: _Talk | None = field(default=None, init=False)
    _answered: threading.Event = field(default_factory=threading.Event, init=False)

    def submit(self) -> Future[T]:
        return _POOLS.setdefault(LIMITS[self.name].kind, DecoderPool()).submit(self)

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
        """Nobody waits for it any more: end its decoding, and wait until nothing works on it."""
        self.ended = True
        if self._talk is not None:
            self._talk.hang_up()
            self._answered.wait(_GRACE_SECONDS)

    def answer(self) -> T:
        """The result, from the decoder; MediaError if the medium is broken, or exceeds a bound."""
        limits = LIMITS[self.name]
        wanted = {"call": self.name, "limits": asdict(limits)}
        wanted |= {"about": str(self.about), "arguments": dict(self.arguments)}
        with contextlib.suppress(OSError):  # it was deleted, and only whole paths lead anywhere
            wanted["here"] = os.getcwd()  # noqa: PTH109  # the decoder began in another one, perhaps
        try:
            number, answer = self._ask(json.dumps(wanted).encode() + b"\n", limits.seconds)
            if answer:
                message = _Answer.model_validate_json(answer)
                if message.error is None:
                    return self.read(message.found)
                error, hint = message.error
                raise MediaError(error[:_MAX_MESSAGE], hint and hint[:_MAX_MESSAGE])
        except TimeoutError:
            number = signal.SIGALRM
        except (ValueError, OSError):
            raise crash_error(self.about) from None
        if number == signal.SIGALRM:
            raise beyond(self.about, f"{limits.seconds:g} s of work", f"MAX_{limits.kind}_SECONDS")
        if number == signal.SIGXCPU:
            what = f"{limits.cpu_seconds} s of the processor"
            raise beyond(self.about, what, f"MAX_{limits.kind}_CPU_SECONDS")
        raise crash_error(self.about, number)

    def _ask(self, request: bytes, seconds: float) -> tuple[int, bytes]:
        """The signal that ended the worker, 0 for none, and its answer.

        ValueError if that is nonsense; otherwise as `_Talk.lines`.
        """
        decoder = running()
        try:
            with _Talk(decoder) as talk:
                self._talk = talk
                if self.ended:  # before anything could hang up
                    raise CancelledError
                talk.send(request)
                try:
                    answer = self._read_answer(talk.lines(seconds + _GRACE_SECONDS))
                except (TimeoutError, ValueError):  # what the kernel did not end is killed
                    talk.hang_up()
                    for _ in talk.lines(_GRACE_SECONDS):
                        pass
                    raise
                assert talk.number is not None  # the lines have ended
                return talk.number, answer
        except (TimeoutError, ConnectionError):
            if self._talk is None or self._talk.number is None:
                decoder.kill()  # with what it left; the next call starts another one
            raise
        finally:
            self._answered.set()

    def _read_answer(self, lines: Iterator[bytes]) -> bytes:
        """The answer of a worker, or nothing; one that lies fails its own medium."""
        percent, answer = 0, b""
        for line in lines:
            if answer:
                raise ValueError("a line after the answer")
            if not _PERCENT.fullmatch(line):
                answer = line
            elif int(line) > percent:
                percent = int(line)
                self.hears(percent / 100)
        return answer

    def fail(self, error: BaseException) -> None:
        """Set the error as the result; a poster that cannot be drawn is None."""
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            if self.name == "poster" and isinstance(error, MediaError):
                self.result.set_result(None)  # type: ignore[arg-type]  # which a poster may be
            else:
                self.result.set_exception(error)


class DecoderPool:
    """Threads for one kind of work."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[DecoderCall[Any]] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._free = 0  # those that wait, less the calls that wait for them

    def submit(self, call: DecoderCall[T]) -> Future[T]:
        with self._lock:
            self._free -= 1
            if self._free < 0 and self._threads < MAX_DECODINGS:
                threading.Thread(target=self._serve, daemon=True).start()
                self._threads += 1
        self._waiting.put(call)
        return call.result

    def _serve(self) -> None:
        while True:
            with self._lock:
                self._free += 1
            call = self._waiting.get()
            if call.result.done():
                continue
            try:
                found = call.answer()
            except BaseException as error:
                call.fail(error)
            else:
                with contextlib.suppress(InvalidStateError):  # it was cancelled
                    call.result.set_result(found)


_POOLS: dict[str, DecoderPool] = {}
_RUNNING: list[Decoder] = []
_STARTING = threading.Lock()


def running() -> Decoder:
    """The decoder of this process; starts one if there is none."""
    with _STARTING:
        while _RUNNING and not _RUNNING[0].lives:
            _RUNNING.pop().kill()
        if not _RUNNING:
            _RUNNING.append(Decoder())
        return _RUNNING[0]


@atexit.register
def close() -> None:
    """End the decoder, with what it decodes."""
    while _RUNNING:
        _RUNNING.pop().close()


def _forget() -> None:
    """Threads and decoder belong to the parent of a forked process."""
    global _STARTING
    _STARTING = threading.Lock()
    _POOLS.clear()
    while _RUNNING:
        _RUNNING.pop().forget()


os.register_at_fork(after_in_child=_forget)


class _Answer(BaseModel):
    """What the worker found, or the message and the hint of its error."""

    model_config = ConfigDict(extra="forbid")
    found: Any = None
    error: tuple[str, str | None] | None = None


def crash_error(about: Path, number: int = 0) -> MediaError:
    """The error of a medium whose decoder was ended by a signal, or gave nonsense."""
    reason = "the decoder crashed on it"
    if number:
        names = {one.value: one.name for one in signal.Signals}  # a real-time signal has none
        reason += f" ({names.get(number, f'signal {number}')})"
    if number == signal.SIGKILL:
        reason += "; the machine may lack memory"
    return MediaError(f"{about}: cannot be decoded: {reason}", "make it again, or convert it")
