"""Decodes untrusted media in a separate process, within bounds.

`probe`, `poster`, `render` and `lay_out` do what their namesakes in this package do, in a process
without secrets in its environment, which ends with its bounds, with Ctrl-C, with a cancelled task, and
with this process. Its answers are validated as untrusted input.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import contextvars
import itertools
import json
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rivya_flows.assets import Probe
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import (
    LIMITS,
    MAX_DECODINGS,
    MAX_GROUP,
    MAX_GROUP_BYTES,
    MAX_POSTERS,
    POSTER_SIDE,
    Limits,
    beyond,
)
from rivya_flows.media.content_credentials import Credentials
from rivya_flows.media.decoder_pool import DECODERS, Decoder
from rivya_flows.media.edit import Composition, Layout, Rendered
from rivya_flows.media.rendered import checked_probe, checked_rendered

_MAX_WORDS = 2_000
_COMPOSITION, _LAYOUT = Path("the composition"), Path("the layout")  # as errors name them


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
_CREDENTIALS = TypeAdapter(Credentials | None)


def probe(path: Path) -> Probe:
    """Probe a file by its bytes, not its name.

    Raises:
        MediaError: It is missing, empty, of an unknown type, too large, broken or truncated.
    """
    return _probed(path, _call(_probe_of(path)))


async def probed(path: Path) -> Probe:
    """Probe a file from an event loop, with others of the moment; cancelling ends the decoding."""
    return _probed(path, await _call_async(_probe_of(path, gathers=True)))


def poster(
    path: Path, side: int = POSTER_SIDE, form: Literal["jpeg", "webp"] = "jpeg"
) -> bytes | None:
    """A small picture of a picture, or from inside a film; None if none can be made.

    `side` is the most pixels of its longer side.
    """
    with contextlib.suppress(MediaError, binascii.Error):
        found = _call(_Call("poster", path, {"path": str(path), "side": side, "form": form}))
        if isinstance(found, str):
            return base64.b64decode(found, validate=True)
    return None


def credentials(path: Path) -> Credentials | None:
    """The content credentials of a file; None if it has none. Needs the extra ``c2pa``.

    Raises:
        MediaError: It cannot be read, or is of an unknown kind.
    """
    found = _call(_Call("credentials", path, {"path": str(path)}))
    try:
        return _CREDENTIALS.validate_python(found)
    except ValidationError as error:
        raise _crashed(path) from error


def draw_poster(sha256: str, path: Path) -> Future[Any]:
    """Start to draw the poster of a film or picture as WebP in the background, once in a process."""
    drawn: Future[Any] | None = DECODERS.posters.get(sha256)
    if drawn is None:
        # Threads of their own: they wait for those that answer.
        drawn = DECODERS.posters[sha256] = DECODERS.threads("drawing").submit(
            poster, path, form="webp"
        )
        if len(DECODERS.posters) > MAX_POSTERS:
            DECODERS.posters.pop(next(iter(DECODERS.posters)), None)
    return drawn


async def render(
    composition: Composition, folder: Path, progress: Callable[[float], object] = lambda _: None
) -> Rendered:
    """Render a film once for each format, with its extras, see `media.final_cut`.

    Args:
        composition: What to render.
        folder: Where to; it must not exist. On success it has exactly the files of the result, and
            is gone after an error or a cancellation.
        progress: Called in the event loop with the share that is done, 0 to 1, at most 99 times.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind, or the result cannot be written.
    """
    return await _rendered("render", composition, folder, _COMPOSITION, progress)


async def lay_out(layout: Layout, folder: Path) -> Rendered:
    """Render a still once for each format; as `render`.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind, or the result cannot be written.
    """
    return await _rendered("lay_out", layout, folder, _LAYOUT)


async def _rendered(
    name: str,
    work: Composition | Layout,
    folder: Path,
    about: Path,
    progress: Callable[[float], object] = lambda _: None,
) -> Rendered:
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def heard(share: float) -> None:  # in a thread, which has no context of its own
        if not call.ended:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(progress, share, context=context)

    text = json.dumps(asdict(work), default=str)
    call = _Call(name, about, {"work": text, "folder": str(folder)}, hears=heard)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as unless_rendered:
        unless_rendered.callback(shutil.rmtree, folder, ignore_errors=True)
        found = await _call_async(call)
        try:
            rendered = checked_rendered(found, work, folder)
        except (ValueError, OSError) as error:
            raise _crashed(about) from error
        unless_rendered.pop_all()
    return rendered


def _probe_of(path: Path, *, gathers: bool = False) -> _Call:
    return _Call("probe", path, {"path": str(path)}, gathers)


def _probed(path: Path, found: Any) -> Probe:
    try:
        return checked_probe(_PROBE.validate_python(found))
    except ValueError as error:
        raise _crashed(path) from error


def _call(call: _Call) -> Any:
    try:
        return _submit(call).result()
    except BaseException:  # Ctrl-C above all
        call.end()
        raise


async def _call_async(call: _Call) -> Any:
    try:
        return await asyncio.wrap_future(_submit(call))
    except BaseException:
        call.end()
        raise


@dataclass(eq=False)
class _Call:
    """What is asked about one medium.

    Attributes:
        about: The file that errors name: the input, or the output.
        gathers: It may wait for others to share its process.
        hears: Is told its progress, in a thread.
        result: What was found, or the error.
        ended: Nobody waits for it any more.
        request: The request that it is a part of, while that runs.
    """

    name: str
    about: Path
    arguments: Mapping[str, Any]
    gathers: bool = False
    hears: Callable[[float], object] | None = None
    result: Future[Any] = field(default_factory=Future, init=False)
    ended: bool = field(default=False, init=False)
    request: _Request | None = field(default=None, init=False)

    def end(self) -> None:
        """End the decoding if it runs for no other medium."""
        with DECODERS.lock:
            self.ended = True
            if self.request is not None and all(one.ended for one in self.request.calls):
                self.request.decoder.end()

    def finish(self, work: Callable[[], Any]) -> None:
        """Set the result to what `work` gives or raises, unless the call was cancelled."""
        with contextlib.suppress(InvalidStateError):
            try:
                self.result.set_result(work())
            except BaseException as error:
                self.result.set_exception(error)


@dataclass
class _Request:
    """Calls that one decoding answers."""

    calls: Sequence[_Call]
    decoder: Decoder


def _submit(call: _Call) -> Future[Any]:
    threads = DECODERS.threads(LIMITS[call.name].kind.lower())
    if call.name == "probe":
        DECODERS.waiting.append(call)
        threads.submit(_answer_some)
    else:
        threads.submit(_answer, [call])
    return call.result


def _answer_some() -> None:
    """Answer some of the waiting probes; there are as many turns as probes, so none is left."""
    calls: list[_Call] = []
    waiting, size_bytes = DECODERS.waiting, 0
    with contextlib.suppress(IndexError):  # another thread took them
        # A large one shares its process with hardly another, so it does not wait for them.
        if waiting[0].gathers and 2 * _size(waiting[0].about) <= MAX_GROUP_BYTES:
            DECODERS.gather()
    # One thread at a time: the turn of another must not pass while a probe is looked at.
    with DECODERS.lock:
        # A few take less time together than a second process.
        share = min(MAX_GROUP, max(4, -(-len(waiting) // MAX_DECODINGS)))
        while waiting and len(calls) < share:
            size_bytes += _size(waiting[0].about)
            if calls and size_bytes > MAX_GROUP_BYTES:
                break
            calls.append(waiting.popleft())
    if calls:
        _answer(calls)


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):  # the decoder tells it
        return path.stat().st_size
    return 0


def _answer(calls: Sequence[_Call]) -> None:
    """Answer calls of one name with one decoding, and those that it fails with one each."""
    limits = LIMITS[calls[0].name]
    try:
        line = _asked(calls, limits)
    except BaseException as error:
        for call in calls:
            call.finish(partial(_raise, error))
        return
    if len(calls) == 1:
        calls[0].finish(lambda: _found(calls[0].about, limits, line))
        return
    for call, text in itertools.zip_longest(calls, _texts(line)[: len(calls)]):
        answer = _Answer(error=("", None))
        with contextlib.suppress(ValidationError):
            answer = _Answer.model_validate_json(text or "")
        if answer.error is None:
            call.finish(partial(_value, answer))
        else:
            _answer([call])  # its own fault, or of one before it, which took memory or files


def _asked(calls: Sequence[_Call], limits: Limits) -> bytes | None:
    """The response of this thread's decoder, as `Decoder.ask`."""
    decoder = DECODERS.own()
    request = _Request(calls, decoder)
    with DECODERS.lock:
        if all(call.ended for call in calls):
            raise CancelledError
        for call in calls:
            call.request = request
    media = [{"about": str(call.about), "arguments": dict(call.arguments)} for call in calls]
    wanted = {"call": calls[0].name, "limits": asdict(limits), "media": media}
    try:
        return decoder.ask(json.dumps(wanted).encode() + b"\n", limits, calls[0].hears)
    finally:
        with DECODERS.lock:
            for call in calls:
                call.request = None


def _raise(error: BaseException) -> Any:
    raise error


def _texts(line: bytes | None) -> list[str]:
    """The answers in a response, as far as there are any."""
    with contextlib.suppress(ValidationError):
        return _Response.model_validate_json(line or b"").answer.splitlines()
    return []


def _value(answer: _Answer) -> Any:
    if answer.error is not None:
        message, hint = answer.error
        raise MediaError(message[:_MAX_WORDS], hint and hint[:_MAX_WORDS])
    return answer.found


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
            return _value(_Answer.model_validate_json(response.answer))
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
