"""The decoder processes of this process: started on demand, kept warm, ended with it.

Each kind of work has a pool of threads, so that a probe never waits for a composition or a poster.
A thread has one decoder and gives it one request at a time. Nobody joins these threads: what still
decodes when this process ends, ends with it.
"""

from __future__ import annotations

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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any
from weakref import WeakSet

from pydantic import BaseModel, ConfigDict, ValidationError

from rivya_flows.environment import program_environment
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import (
    GATHER_SECONDS,
    LIMITS,
    MAX_DECODINGS,
    MAX_GROUP,
    Limits,
    beyond,
)

_GRACE_SECONDS = 15  # for a process to end itself
_START_SECONDS = 60  # includes loading FFmpeg and Pillow
_NOT_STARTED = "the process that decodes media could not be started"
_PERCENT = re.compile(rb"[0-9]{1,2}\n")
_MAX_WORDS = 2_000
_STARTS = "import sys; sys.path[:] = sys.argv[1:]; from rivya_flows.media.decoder_process import main; main()"


class Decoder:
    """A running decoder.

    Attributes:
        lock: Held while `calls` change, and while it is decided whether to end them.
        calls: Those that it answers now.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: Sequence[Call] = ()
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
class Call:
    """What is asked about one medium.

    Attributes:
        about: The file that errors name: the input, or the output.
        read: The result for what was found, which is untrusted; a `ValueError` refuses it.
        gathers: It may wait for others to share its process.
        decoder: The one that answered it last, or answers it now.
    """

    name: str
    about: Path
    arguments: Mapping[str, Any]
    read: Callable[[Any], Any]
    gathers: bool = False
    hears: Callable[[float], object] | None = None
    result: Future[Any] = field(default_factory=Future, init=False)
    ended: bool = field(default=False, init=False)
    decoder: Decoder | None = field(default=None, init=False)

    def end(self) -> None:
        """Nobody waits for it any more: end its decoding unless that is for another medium too."""
        self.ended = True
        if (decoder := self.decoder) is not None:
            with decoder.lock:
                if self in decoder.calls and all(one.ended for one in decoder.calls):
                    decoder.end()

    def fail(self, error: BaseException) -> None:
        """Set the error as the result; a poster that cannot be drawn is None."""
        with contextlib.suppress(InvalidStateError):  # it was cancelled
            if self.name == "poster" and isinstance(error, MediaError):
                self.result.set_result(None)
            else:
                self.result.set_exception(error)


class Pool:
    """Threads for one kind of work."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Call] = deque()
        self._threads = self._idle = 0
        self._gathered_at = 0.0

    def submit(self, call: Call) -> Future[Any]:
        with self._changed:
            self._waiting.append(call)
            if len(self._waiting) > self._idle and self._threads < MAX_DECODINGS:
                threading.Thread(target=self._serve, daemon=True).start()
                self._threads += 1
            self._changed.notify_all()
        return call.result

    def _serve(self) -> None:
        decoder: Decoder | None = None
        while True:
            calls = self._taken()
            for some in (calls, *([call] for call in calls if len(calls) > 1)):
                some = [call for call in some if not call.result.done()]
                try:
                    if some:
                        if decoder is not None and not decoder.lives:
                            decoder.close()
                            decoder = None
                        decoder = decoder or Decoder()
                        _answer(some, decoder)
                except BaseException as error:
                    for call in some:
                        call.fail(error)

    def _taken(self) -> list[Call]:
        """Wait for calls; several are of probes that share a process."""
        with self._changed:
            while True:
                self._idle += 1
                self._changed.wait_for(lambda: self._waiting)
                self._idle -= 1
                if self._waiting[0].gathers:
                    now = time.monotonic()
                    self._gathered_at = max(now, self._gathered_at + GATHER_SECONDS)
                    self._changed.wait_for(lambda: False, self._gathered_at - now)
                if self._waiting:
                    break
            count = 1
            if self._waiting[0].name == "probe":
                # A few take less time together than a second process.
                share = max(4, -(-len(self._waiting) // MAX_DECODINGS))
                count = min(MAX_GROUP, share, len(self._waiting))
            return [self._waiting.popleft() for _ in range(count)]


_POOLS: dict[str, Pool] = {}
_ALIVE: WeakSet[Decoder] = WeakSet()


def submit(call: Call) -> Future[Any]:
    """Give a call to the pool of its kind; the future is done when it is answered."""
    return _POOLS.setdefault(LIMITS[call.name].kind, Pool()).submit(call)


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
    signal: int | None
    answer: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    found: Any = None
    error: tuple[str, str | None] | None = None


def _answer(calls: list[Call], decoder: Decoder) -> None:
    """Answer calls of one name with one decoding; of several, those that fail are left."""
    with decoder.lock:
        decoder.calls = calls
        for call in calls:
            call.decoder = decoder
    if all(call.ended for call in calls):  # before their decoder was known
        raise CancelledError
    limits = LIMITS[calls[0].name]
    media = [{"about": str(call.about), "arguments": dict(call.arguments)} for call in calls]
    wanted = {"call": calls[0].name, "limits": asdict(limits), "media": media}
    try:
        line = decoder.ask(json.dumps(wanted).encode() + b"\n", limits, calls[0].hears)
    finally:
        with decoder.lock:
            decoder.calls = ()
    number, texts = _parts(line)
    for call, text in zip_longest(calls, texts[: len(calls)]):
        try:
            found = call.read(_found(call.about, limits, line, number, text))
        except (MediaError, ValueError) as error:
            # In a group it may be the fault of one before it, which took memory or files.
            if len(calls) == 1:
                call.fail(error if isinstance(error, MediaError) else crashed(call.about))
        else:
            with contextlib.suppress(InvalidStateError):  # it was cancelled
                call.result.set_result(found)


def _parts(line: bytes | None) -> tuple[int | None, list[str]]:
    """The signal that ended the worker, and its answers, as far as there are any."""
    with contextlib.suppress(ValidationError):
        response = _Response.model_validate_json(line or b"")
        return response.signal, response.answer.splitlines()
    return None, []


def _found(
    about: Path, limits: Limits, line: bytes | None, number: int | None, text: str | None
) -> Any:
    if text:
        answer = _Answer.model_validate_json(text)
        if answer.error is not None:
            message, hint = answer.error
            raise MediaError(message[:_MAX_WORDS], hint and hint[:_MAX_WORDS])
        return answer.found
    if line is None or number == signal.SIGALRM:
        raise beyond(about, f"{limits.seconds:g} s of work", f"MAX_{limits.kind}_SECONDS")
    if number == signal.SIGXCPU:
        what = f"{limits.cpu_seconds} s of the processor"
        raise beyond(about, what, f"MAX_{limits.kind}_CPU_SECONDS")
    raise crashed(about, number)


def crashed(about: Path, number: int | None = None) -> MediaError:
    """The error of a medium whose decoder was ended by a signal, or gave nonsense."""
    reason = "the decoder crashed on it"
    if number is not None:
        reason += f" ({signal.Signals(number).name})"
    if number == signal.SIGKILL:
        reason += "; the machine may lack memory"
    return MediaError(f"{about}: cannot be decoded: {reason}", "make it again, or convert it")
