"""Decodes untrusted media in a separate process, within bounds.

`probe`, `poster`, `render` and `lay_out` do what their namesakes in this package do, in a process
without secrets in its environment, which ends with its bounds, with Ctrl-C, with a cancelled task, and
with this process. Its answers are validated as untrusted input.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from rivya_cut.composition import Composition, Layout
from rivya_cut.results import POSTER_SIDE, Probe, Rendered
from rivya_flows.media.bounds import MAX_POSTERS
from rivya_flows.media.content_credentials import Credentials
from rivya_flows.media.decoder_pool import Call
from rivya_flows.media.rendered import checked_probe, checked_rendered

_COMPOSITION, _LAYOUT = Path("the composition"), Path("the layout")  # as errors name them
_PROBE = TypeAdapter(Probe)
_CREDENTIALS = TypeAdapter(Credentials | None)

_POSTERS: dict[str, Future[bytes | None]] = {}
os.register_at_fork(after_in_child=_POSTERS.clear)

_Form = Literal["jpeg", "webp"]


def probe(path: Path) -> Probe:
    """Probe a file by its bytes, not its name.

    Raises:
        MediaError: It is missing, empty, of an unknown type, too large, broken or truncated.
    """
    return _probe_of(path).wait()


async def probed(path: Path) -> Probe:
    """Probe a file from an event loop; cancelling ends the decoding."""
    return await _probe_of(path).wait_async()


def _probe_of(path: Path) -> Call[Probe]:
    def read(found: Any) -> Probe:
        return checked_probe(_PROBE.validate_python(found))

    return Call("probe", path, {"path": str(path)}, read)


def poster(path: Path, side: int = POSTER_SIDE, form: _Form = "jpeg") -> bytes | None:
    """A small picture of a picture, or from inside a film; None if none can be made.

    `side` is the most pixels of its longer side.
    """
    return _poster_of(path, side, form).wait()


def draw_poster(sha256: str, path: Path) -> Future[bytes | None]:
    """Start to draw the poster of a film or picture as WebP in the background, once in a process."""
    drawn = _POSTERS.get(sha256)
    if drawn is None:
        drawn = _POSTERS[sha256] = _poster_of(path, POSTER_SIDE, "webp").submit()
        if len(_POSTERS) > MAX_POSTERS:
            _POSTERS.pop(next(iter(_POSTERS)), None)
    return drawn


def _poster_of(path: Path, side: int, form: _Form) -> Call[bytes | None]:
    def read(found: Any) -> bytes | None:
        return base64.b64decode(found, validate=True) if isinstance(found, str) else None

    return Call("poster", path, {"path": str(path), "side": side, "form": form}, read)


def credentials(path: Path) -> Credentials | None:
    """The content credentials of a file; None if it has none. Needs the extra ``c2pa``.

    Raises:
        MediaError: It cannot be read, or is of an unknown kind.
    """
    return Call("credentials", path, {"path": str(path)}, _CREDENTIALS.validate_python).wait()


async def render(
    composition: Composition, folder: Path, progress: Callable[[float], object] = lambda _: None
) -> Rendered:
    """Render a film once for each format, with its extras, see `media.final_cut`.

    The folder must not exist. On success it has exactly the files of the result, and is gone after an
    error or a cancellation. `progress` is called in the event loop with the share that is done, 0 to 1,
    at most 99 times.

    Raises:
        MediaError: A file is missing, broken or of the wrong kind, or the result cannot be written.
    """
    return await _rendered("render", composition, folder, _COMPOSITION, progress)


async def lay_out(layout: Layout, folder: Path) -> Rendered:
    """Render a still once for each format; as `render`."""
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

    arguments = {"work": work.model_dump_json(), "folder": str(folder)}
    call = Call(name, about, arguments, lambda found: checked_rendered(found, work, folder), heard)
    folder.mkdir(parents=True)
    with contextlib.ExitStack() as unless_rendered:
        unless_rendered.callback(shutil.rmtree, folder, ignore_errors=True)
        rendered = await call.wait_async()
        unless_rendered.pop_all()
    return rendered
