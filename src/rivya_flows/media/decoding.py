"""Decodes untrusted media in a separate process, within bounds.

`probe`, `poster` and `compose` do what their namesakes in this package do, in a process without
secrets in its environment, which ends with its bounds, with Ctrl-C, with a cancelled task, and with
this process. Its answers are validated as untrusted input.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import glob
import json
import math
import signal
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rivya_flows.assets import Probe
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import LIMITS, Limits, beyond
from rivya_flows.media.decoder_pool import DECODERS, Decoder
from rivya_flows.mime_types import suffix_of

Fit = Literal["hold", "loop", "cut"]

_MAX_WORDS = 2_000


class _Response(BaseModel):
    """The response of the decoder: the signal that ended the worker, and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    signal: int | None
    answer: str


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    found: Any = None
    error: tuple[str, str | None] | None = Field(None)


_PROBE = TypeAdapter(Probe)


def probe(path: Path) -> Probe:
    """Probe a file by its bytes, not its name.

    Raises:
        MediaError: It is missing, empty, of an unknown type, too large, broken or truncated.
    """
    return _probed(path, _call(_probe_of(path)))


async def probed(path: Path) -> Probe:
    """Probe a file from an event loop; cancelling ends the decoding."""
    return _probed(path, await _call_async(_probe_of(path)))


def poster(path: Path) -> bytes | None:
    """A small JPEG from inside a film; None if none can be made."""
    with contextlib.suppress(MediaError, binascii.Error):
        found = _call(_Call("poster", path, {"path": str(path)}))
        if isinstance(found, str):
            return base64.b64decode(found, validate=True)
    return None


async def compose(
    destination: Path,
    *,
    video: Path | None = None,
    images: Sequence[Path] = (),
    audio: Sequence[Path] = (),
    loudness: float = -16.0,
    fit: Fit = "hold",
) -> Probe:
    """Write one MP4 with picture and sound, see `media.compose`, and probe it.

    Cancelling ends the work and leaves no partial file.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind, or the result cannot be written.
    """
    arguments = {
        "destination": str(destination),
        "video": None if video is None else str(video),
        "images": [str(one) for one in images],
        "audio": [str(one) for one in audio],
        "loudness": loudness,
        "fit": fit,
    }
    try:
        return _probed(destination, await _call_async(_Call("compose", destination, arguments)))
    finally:
        for part in destination.parent.glob(f".{glob.escape(destination.name)}.*.part"):
            part.unlink(missing_ok=True)


def _probe_of(path: Path) -> _Call:
    return _Call("probe", path, {"path": str(path)})


def _probed(path: Path, found: Any) -> Probe:
    try:
        probe = _PROBE.validate_python(found)
    except ValidationError as error:
        raise _crashed(path) from error
    # File names are made from the type, and JSON has no infinity.
    if not suffix_of(probe.mime_type) or not math.isfinite(probe.duration_seconds or 0):
        raise _crashed(path)
    return probe


def _call(call: _Call) -> Any:
    waiting = DECODERS.threads(call.name).submit(call)
    try:
        return waiting.result()
    except BaseException:  # Ctrl-C above all
        waiting.cancel()
        call.end()
        raise


async def _call_async(call: _Call) -> Any:
    try:
        return await asyncio.wrap_future(DECODERS.threads(call.name).submit(call))
    except BaseException:
        call.end()
        raise


@dataclass
class _Call:
    """One request; called in a thread that waits for its response.

    Attributes:
        about: The file that errors name: the input, or the output.
    """

    name: str
    about: Path
    arguments: Mapping[str, Any]
    _ended: bool = field(default=False, init=False)
    _decoder: Decoder | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __call__(self) -> Any:
        limits = LIMITS[self.name]
        decoder = DECODERS.own()
        with self._lock:
            if self._ended:
                raise CancelledError
            self._decoder = decoder
        try:
            return _found(self.about, limits, decoder.ask(self._request(limits), limits))
        finally:
            with self._lock:
                self._decoder = None

    def end(self) -> None:
        """End the decoding if it runs."""
        with self._lock:
            self._ended = True
            if self._decoder is not None:
                self._decoder.end()

    def _request(self, limits: Limits) -> bytes:
        request = {
            "call": self.name,
            "about": str(self.about),
            "limits": asdict(limits),
            "arguments": dict(self.arguments),
        }
        return json.dumps(request).encode() + b"\n"


def _found(about: Path, limits: Limits, line: bytes | None) -> Any:
    """The result in a response.

    Raises:
        MediaError: The response is an error, late, or missing.
    """
    if line is None:
        raise beyond(about, f"{limits.seconds:g} s of work", f"MAX_{limits.kind}_SECONDS")
    try:
        response = _Response.model_validate_json(line)
        if response.answer:
            answer = _Answer.model_validate_json(response.answer)
            if answer.error is not None:
                message, hint = answer.error
                raise MediaError(message[:_MAX_WORDS], hint and hint[:_MAX_WORDS])
            return answer.found
    except ValidationError as error:
        raise _crashed(about) from error
    if response.signal == signal.SIGALRM:
        raise beyond(about, f"{limits.seconds:g} s of work", f"MAX_{limits.kind}_SECONDS")
    if response.signal == signal.SIGXCPU:
        what = f"{limits.cpu_seconds} s of the processor"
        raise beyond(about, what, f"MAX_{limits.kind}_CPU_SECONDS")
    raise _crashed(about, response.signal)


def _crashed(about: Path, number: int | None = None) -> MediaError:
    reason = "the decoder crashed on it"
    if number is not None:
        reason += f" ({signal.Signals(number).name})"
    if number == signal.SIGKILL:
        reason += "; the machine may lack memory"
    return MediaError(f"{about}: cannot be decoded: {reason}", "make it again, or convert it")
