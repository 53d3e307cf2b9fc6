"""The process that decodes untrusted media; `decoding` starts it and talks to it.

It loads FFmpeg and Pillow once and forks for each request. The fork decodes one medium under kernel
limits, answers and exits, and with it whatever a hostile file did to it. The process itself never parses
media or answers. Requests, responses and the answers in them are JSON lines. While something is rendered,
lines with its percentage alone precede the response. When its pipe closes, as when its parent died,
everything ends at once.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image

from rivya_cut.bounds import beyond
from rivya_cut.reading import poster, probe
from rivya_flows.errors import MediaError
from rivya_flows.media.bounds import MAX_STILL_BYTES, Limits
from rivya_flows.media.content_credentials import read_credentials
from rivya_flows.private import UMASK

MAX_ANSWER_BYTES = 2 * MAX_STILL_BYTES
"""Of the answer of one decoding; a longer one is discarded."""

_OPEN_FILES = 64

Tell = Callable[[float], None]
"""Takes the share that is done, 0 to 1."""


def main() -> None:
    """Answer requests until the pipe closes."""
    os.umask(UMASK)
    Image.init()  # load the formats once, not in every fork
    os.write(1, b"ready\n")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        pid, answers, shares = _forked(request)
        text = _awaited(pid, answers, shares, request)
        os.close(answers)
        os.close(shares)
        _, status = os.waitpid(pid, 0)
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        response = {"signal": number, "answer": text.decode("ascii", "replace")}
        os.write(1, json.dumps(response).encode() + b"\n")


def _forked(request: Mapping[str, Any]) -> tuple[int, int, int]:
    """Fork a worker for the request; gives its pid, and the pipes of its answer and its progress."""
    answers, shares = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _work(request, answers[1], shares[1])
    for _, writes in (answers, shares):
        os.close(writes)
    return pid, answers[0], shares[0]


def _awaited(pid: int, answers: int, shares: int, request: Mapping[str, Any]) -> bytes:
    """Read the answer, and pass on the progress; exit, with nothing half-made, if the parent is gone."""
    text, told, pipes = b"", 0, [0, answers, shares]
    while len(text) <= MAX_ANSWER_BYTES:
        ready, _, _ = select.select(pipes, [], [])
        if 0 in ready:  # the parent never sends a second request early: the pipe has closed
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            if folder := request["arguments"].get("folder"):
                shutil.rmtree(folder, ignore_errors=True)
            os._exit(0)
        if shares in ready:  # a byte is a percentage
            percents = os.read(shares, 4096)
            if not percents:
                pipes.remove(shares)
            # Whatever the worker writes, it grows with each line: there are 99 at most.
            elif (percent := min(max(percents), 99)) > told:
                told = percent
                os.write(1, b"%d\n" % percent)
        if answers not in ready:
            continue
        piece = os.read(answers, 65536)
        if not piece:
            break
        text += piece
    if text:
        os.kill(pid, signal.SIGKILL)
    return text


def _work(request: Mapping[str, Any], writes: int, shares: int) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):  # the worker talks through its own pipe alone
            os.dup2(nothing, number)
        with contextlib.suppress(OSError):  # it may be gone, and whole paths do not need it
            os.chdir(request.get("here", "/"))  # paths may be relative
        _limit(Limits(**request["limits"]))
        answer = json.dumps(_answer(request, _teller(shares))).encode()
        while answer:
            answer = answer[os.write(writes, answer) :]
    finally:
        os._exit(0)


def _teller(shares: int) -> Tell:
    told = 0

    def tell(share: float) -> None:
        nonlocal told
        percent = int(100 * min(max(share, 0.0), 1.0))
        if percent > told:
            told = percent
            os.write(shares, bytes([percent]))

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
