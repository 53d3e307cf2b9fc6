"""The process that decodes untrusted media; `decoder` starts it and talks to it.

It loads FFmpeg and Pillow once and forks for each call, which has two connections of its own. The fork
decodes one medium under kernel limits, answers on one of them and exits, and with it whatever a hostile
file did to it: lines with the percentage that is done, then a line of JSON. The process itself never parses
media or answers. It has the other connection, which no fork holds: the request, a line of JSON, comes in,
and the signal that ended the fork, 0 for none, goes out. When that closes, the fork is killed; when the
connection to the parent does, as when it died, everything ends at once.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gc
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from PIL import Image

from rivya_cut.bounds import beyond
from rivya_cut.reading import poster, probe
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import Limits
from rivya_flows.private import UMASK

_OPEN_FILES = 64
_ANSWERS = 3  # the connection of a worker
_DEATH_SIGNAL = 1  # of prctl(2): sent to a process when its parent dies
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None

Tell = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""


class _Worker(NamedTuple):
    """A fork at work, the connection that it answers on, that about it, and the folder that it fills."""

    pid: int
    answers: socket.socket
    about: socket.socket
    folder: str | None


def main() -> None:
    """Answer calls until the control connection closes, which is the standard input."""
    os.umask(UMASK)
    Image.init()  # load the formats once, not in every fork
    gc.freeze()  # a fork that collects garbage would copy all of it
    workers = dict[int, _Worker]()
    try:
        _serve(socket.socket(fileno=0), workers)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        for pid, worker in workers.items():
            os.waitpid(pid, 0)
            _remove_folder(worker)  # no process is left that would
        os._exit(0)


def _serve(control: socket.socket, workers: dict[int, _Worker]) -> None:
    """Fork for each call, until the caller is gone; nothing in here waits for a worker."""
    died, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    waiting.register(died, selectors.EVENT_READ)
    control.sendall(b"\n")
    while True:
        for ready, _ in waiting.select():
            if ready.fileobj is control:
                data, fds, _, _ = socket.recv_fds(control, 1, 2)
                if not data:
                    return
                control.sendall(b"\n")  # they have arrived
                if begun := _fork_worker(*(socket.socket(fileno=one) for one in fds)):
                    workers[begun.pid] = begun
                    waiting.register(begun.about, selectors.EVENT_READ, begun.pid)
            elif ready.fileobj == died:
                os.read(died, 4096)
                for pid, worker in [*workers.items()]:
                    ended, status = os.waitpid(pid, os.WNOHANG)
                    if ended:
                        del workers[pid]
                        with contextlib.suppress(KeyError):  # no caller waits for it any more
                            waiting.unregister(worker.about)
                        _end(worker, os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
            # Nothing is sent after a request: the caller has closed it.
            elif ready.data in workers:
                waiting.unregister(ready.fileobj)
                os.kill(ready.data, signal.SIGKILL)


def _fork_worker(answers: socket.socket, about: socket.socket) -> _Worker | None:
    """Fork a worker for a request; None if it was not sent to its end, or nothing can be forked."""
    line, parent = about.makefile("rb").readline(), os.getpid()
    worker = _Worker(0, answers, about, None)
    if not line.endswith(b"\n"):
        _end(worker, signal.SIGKILL)
        return None
    request = json.loads(line)
    try:
        pid = os.fork()
    except OSError:  # no process or no memory is left
        _end(worker, signal.SIGKILL)
        return None
    if pid == 0:
        _work(request, answers.fileno(), parent)
    return worker._replace(pid=pid, folder=request["arguments"].get("folder"))


def _end(worker: _Worker, number: int) -> None:
    """Say which signal ended a worker, and close its connections, also for what it may have left running.

    A caller that is gone cannot remove what is half-made: the connections of a killed process close one
    after the other, that to this process perhaps last.
    """
    with worker.answers as answers, contextlib.suppress(OSError):
        answers.shutdown(socket.SHUT_RDWR)
    with worker.about as about:
        try:
            about.sendall(b"%d\n" % number)
        except OSError:
            _remove_folder(worker)


def _remove_folder(worker: _Worker) -> None:
    if worker.folder:
        shutil.rmtree(worker.folder, ignore_errors=True)


def _work(request: Mapping[str, Any], connection: int, parent: int) -> NoReturn:
    try:
        if _LIBC is not None:
            _LIBC.prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.dup2(connection, _ANSWERS)  # the worker talks through its own connection alone
        most = os.sysconf("SC_OPEN_MAX")
        os.closerange(_ANSWERS + 1, most if most > 0 else 65_536)
        with contextlib.suppress(OSError):  # it may be gone, and whole paths do not need it
            os.chdir(request.get("here", "/"))  # paths may be relative
        _limit(Limits(**request["limits"]))
        answer = json.dumps(_answer(request, _teller())).encode() + b"\n"
        while answer:
            answer = answer[os.write(_ANSWERS, answer) :]
    finally:
        os._exit(0)


def _teller() -> Tell:
    last = 0

    def tell(share: float) -> None:
        nonlocal last
        percent = int(100 * min(max(share, 0.0), 0.99))
        if percent > last:
            last = percent
            os.write(_ANSWERS, b"%d\n" % percent)

    return tell


def _limit(limits: Limits) -> None:
    """Let the kernel end this process beyond its limits."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    cpu = limits.cpu_seconds
    wanted = {
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
        resource.RLIMIT_NOFILE: (_OPEN_FILES, _OPEN_FILES),
        resource.RLIMIT_CORE: (0, 0),
    }
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        memory = pages * resource.getpagesize() + limits.memory_bytes
        wanted[resource.RLIMIT_AS] = (memory, memory)
    for name, (soft, hard) in wanted.items():
        _, most = resource.getrlimit(name)
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(name, (soft, hard))


def _answer(request: Mapping[str, Any], tell: Tell) -> dict[str, object]:
    """The result for a medium, or its error; catches all exceptions of decoders."""
    where = request["about"]
    try:
        return {"found": _decode(request["call"], request["arguments"], tell)}
    except MemoryError:
        most = request["limits"]["memory_bytes"]
        error = beyond(where, f"{most:,} bytes of memory", "MAX_MEMORY_BYTES")
    except MediaError as raised:
        error = raised
    except Exception as raised:  # decoders raise anything on broken files
        error = MediaError(
            f"{where}: cannot be decoded ({type(raised).__name__})",
            "make it again, or convert it to another format",
        )
    return {"error": [error.message, error.hint]}


def _decode(call: str, given: Mapping[str, Any], tell: Tell) -> Any:
    # What draws and renders is imported by the worker that needs it: most decoders only probe.
    match call:
        case "probe":
            return asdict(probe(Path(given["path"])))
        case "poster":
            still = poster(Path(given["path"]), given["side"], given["form"])
            return None if still is None else base64.b64encode(still).decode()
        case "measure":
            from rivya_cut.measuring import measure

            return asdict(measure(Path(given["path"])))
        case "frames":
            from rivya_cut.frames import extract_frames

            return extract_frames(Path(given["path"]), Path(given["folder"]), given["count"])
        case "credentials":
            from rivya_flows.media.content_credentials import read_credentials

            found = read_credentials(Path(given["path"]))
            return None if found is None else asdict(found)
        case "render" | "lay_out":
            from rivya_cut import composition, final_cut, stills

            work, folder = given["work"], Path(given["folder"])
            if call == "lay_out":
                layout = composition.Layout.model_validate_json(work)
                return asdict(stills.lay_out(layout, folder))
            film = composition.Composition.model_validate_json(work)
            return asdict(final_cut.render(film, folder, tell))
    raise ValueError(call)
