"""The process that decodes untrusted media; `decoder` starts it and talks to it.

It loads FFmpeg and Pillow once and forks for each call, which has a connection of its own. The fork
decodes one medium under kernel limits, answers and exits, and with it whatever a hostile file did to it.
The process itself never parses media or answers. A request is a line of JSON; the answer is lines with the
percentage that is done, a line of JSON, and a last one with the signal that ended the fork. When a
connection closes, its fork is killed; when that to the parent does, as when it died, everything ends at once.
"""

from __future__ import annotations

import base64
import contextlib
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
from rivya_flows.media.bounds import ENDED, Limits
from rivya_flows.private import UMASK

_OPEN_FILES = 64
_ANSWERS = 3  # the connection of a worker

Tell = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""


class _Worker(NamedTuple):
    """A fork at work, the connection that it answers on, and the folder that it fills."""

    pid: int
    connection: socket.socket
    folder: str | None


def main() -> None:
    """Answer calls until the control connection closes, which is the standard input."""
    os.umask(UMASK)
    Image.init()  # load the formats once, not in every fork
    gc.freeze()  # a fork that collects garbage would copy all of it
    control, workers = socket.socket(fileno=0), dict[int, _Worker]()
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
                _, fds, _, _ = socket.recv_fds(control, 1, 1)
                if not fds:  # whoever asked is gone
                    for worker in workers.values():
                        _kill(worker)
                    os._exit(0)
                if begun := _forked(socket.socket(fileno=fds[0])):
                    workers[begun.pid] = begun
                    waiting.register(begun.connection, selectors.EVENT_READ, begun.pid)
            elif ready.fileobj == died:
                os.read(died, 4096)
                for pid in [*workers]:
                    ended, status = os.waitpid(pid, os.WNOHANG)
                    if ended:
                        waiting.unregister(workers[pid].connection)
                        _end(workers.pop(pid), status)
            # Nothing is sent after a request: the connection has closed.
            elif ready.data in workers:
                waiting.unregister(ready.fileobj)
                worker = workers.pop(ready.data)
                _end(worker, _kill(worker))


def _forked(connection: socket.socket) -> _Worker | None:
    """Fork a worker for the request of a connection; None if the request was not sent to its end."""
    line = connection.makefile("rb").readline()
    if not line.endswith(b"\n"):
        connection.close()
        return None
    request = json.loads(line)
    pid = os.fork()
    if pid == 0:
        _work(request, connection.fileno())
    return _Worker(pid, connection, request["arguments"].get("folder"))


def _kill(worker: _Worker) -> int:
    """End a worker, with nothing half-made; its status."""
    os.kill(worker.pid, signal.SIGKILL)
    _, status = os.waitpid(worker.pid, 0)
    if worker.folder:
        shutil.rmtree(worker.folder, ignore_errors=True)
    return status


def _end(worker: _Worker, status: int) -> None:
    """Say how a worker ended, and close its connection, also for what it may have left running."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    with worker.connection as connection, contextlib.suppress(OSError):
        connection.setblocking(False)  # nobody reads any more if there is no room
        connection.sendall(b"%b%d\n" % (ENDED, number))
        connection.shutdown(socket.SHUT_RDWR)


def _work(request: Mapping[str, Any], connection: int) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.dup2(connection, _ANSWERS)  # the worker talks through its own connection alone
        os.closerange(_ANSWERS + 1, os.sysconf("SC_OPEN_MAX"))
        with contextlib.suppress(OSError):  # it may be gone, and whole paths do not need it
            os.chdir(request.get("here", "/"))  # paths may be relative
        _limit(Limits(**request["limits"]))
        answer = json.dumps(_answer(request, _teller())).encode() + b"\n"
        while answer:
            answer = answer[os.write(_ANSWERS, answer) :]
    finally:
        os._exit(0)


def _teller() -> Tell:
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        percent = int(100 * min(max(share, 0.0), 0.99))
        if percent > told:
            told = percent
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
        return {"found": _found(request["call"], request["arguments"], tell)}
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


def _found(call: str, given: Mapping[str, Any], tell: Tell) -> Any:
    # What draws and renders is imported by the worker that needs it: most decoders only probe.
    match call:
        case "probe":
            return asdict(probe(Path(given["path"])))
        case "poster":
            still = poster(Path(given["path"]), given["side"], given["form"])
            return None if still is None else base64.b64encode(still).decode()
        case "credentials":
            from rivya_flows.media.content_credentials import read_credentials

            found = read_credentials(Path(given["path"]))
            return None if found is None else asdict(found)
        case "render" | "lay_out":
            from rivya_cut import composition, final_cut

            work, folder = given["work"], Path(given["folder"])
            if call == "lay_out":
                layout = composition.Layout.model_validate_json(work)
                return asdict(final_cut.lay_out(layout, folder))
            film = composition.Composition.model_validate_json(work)
            return asdict(final_cut.render(film, folder, tell))
    raise ValueError(call)
