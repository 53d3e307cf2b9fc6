"""A campaign, however it ends, leaves none of its secrets anywhere: canaries stand for them."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from rivya_sandbox.service import admin
from support.cli_calls import started, stopped
from support.prefect_workers import Place, Server, deploy_specs, opened, undisturbed, worker
from support.secret_search import Search, files, prefect_rows
from support.small_server import Answer, Request, answering

SPEC = """\
version: 1
name: quiet
inputs:
  prompt: {type: text, default: a lamp}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.prompt }}"}}
  tell:
    uses: notify
    needs: [still]
    retry: {attempts: 1}
    with: {url: env:HOOK, secret: env:SIGN}
outputs:
  still: ${{ steps.still.asset }}
deploy:
  - {name: here, work_pool: canaries}
"""
PATH = "c4n4ry-hook~1+2"
TOKEN = "c4n4ry/token="
SIGN = 'c4n4ry-"sign"\\+/'


class Backend:
    """A receiver whose answer quotes the address that it was called at.

    Attributes:
        host: Its address and port.
        status: What it answers with.
        called: Paths of requests so far.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.status = 204
        self.called: list[str] = []

    @property
    def url(self) -> str:
        return f"http://{self.host}/services/{PATH}?token={quote(TOKEN, safe='')}"


@contextmanager
def receiving() -> Iterator[Backend]:
    def answer(request: Request) -> Answer:
        backend.called.append(request.path)
        asked = backend.host + request.path
        body = b"" if backend.status == 204 else f"no hook at http://{asked}".encode()
        return Answer(body, backend.status, {"Location": backend.url}, reason=asked)

    with answering(answer) as url:
        backend = Backend(url.removeprefix("http://"))
        yield backend


@contextmanager
def watched() -> Iterator[set[bytes]]:
    """The command lines of all processes while the block runs, sampled."""
    seen: set[bytes] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    seen.add(process.read_bytes())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("canary", [PATH, TOKEN, SIGN])
def test_the_search_finds_a_canary_in_every_form(canary: str) -> None:
    search = Search({"it": canary})
    for text in (canary, quote(canary, safe=""), json.dumps({"a": canary})):
        assert search.of([("here", text.encode())])
    for ahead in ("", "a", "ab", "abc"):
        assert search.of([("here", base64.b64encode(f"{ahead}{canary}|behind".encode()))])
    assert search.of([("here", b"c4n4ry, hook and token")]) == []


def on_a_worker(place: Place, server: Server, backend: Backend) -> None:
    """One run that completes and one that fails, in the log of a worker that says all it can."""
    deploy_specs(place, server, [SPEC])
    with worker(place, "canaries"):
        for status, ended in ((204, "COMPLETED"), (404, "FAILED")):
            backend.status = status
            run = server.start("quiet/here", {"prompt": f"a lamp {status}"})
            server.end(run, ended)
            server.let_go(run)
            assert place.receipt(run)["status"] == ended.lower()


def on_the_command_line(place: Place, backend: Backend, out: Path) -> str:
    """One run of each end with ``--verbose``; gives all that was said."""
    command = ("--verbose", "run", "specs/quiet.yaml", "--out", out)
    said = ""
    for status, code, prompt in ((204, 0, "one"), (404, 1, "two")):
        backend.status = status
        process = started(*command, "-i", f"prompt={prompt}", **place.environment)
        words = process.communicate(timeout=240)
        said += "".join(words)
        assert process.returncode == code, said
    admin.set_faults(place.sandbox, "faults: [{on: generation, do: stall, seconds: 600}]")
    process = started(*command, "-i", "prompt=three", **place.environment)
    said += "".join(stopped(process, "still bought", signal.SIGINT))
    assert process.returncode == 130, said
    return said


@pytest.mark.prefect
def test_no_canary_is_left_anywhere_however_a_campaign_ends(
    server: Server, prefect_data: Path, tmp_path: Path
) -> None:
    with receiving() as backend, watched() as command_lines:
        settings = {
            "HOOK": backend.url,
            "SIGN": SIGN,
            "PREFECT_LOGGING_LEVEL": "DEBUG",
            "RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY": "true",
        }
        with undisturbed(server), opened(tmp_path, server, time_scale=0.02, **settings) as place:
            on_a_worker(place, server, backend)
            said = on_the_command_line(place, backend, tmp_path / "runs")
            key = place.api_key
            search = Search(
                {"path": PATH, "token": TOKEN, "host": backend.host, "signing": SIGN, "key": key}
            )
            assert len(backend.called) == 4
            assert all(PATH in path for path in backend.called)
            assert "env:HOOK: answered 404" in said
            found = search.of([("the terminal", said.encode())])
            found += search.of(prefect_rows(server))
        found += search.of(files(tmp_path, prefect_data))
    found += search.of(("a list of processes", one) for one in command_lines)
    assert found == []
