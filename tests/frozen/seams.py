"""The only doors through which the frozen tests enter: all that may follow a renamed module.

* the command line in this process (`support.cli_calls`), and `rivya_flows.check`
* the sandbox over HTTP, with a recorder in front of it (`rivya_sandbox.service`)
* `support.wrong_specs`, whose table of wrong specs is read, and nothing else of it

What a run did is read from what commands print: `receipt --json` and `store export`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_sandbox.renderers import frame
from rivya_sandbox.service import admin, generations, serve
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.startup import Sandbox, ServerResources
from support.cli_calls import Said, Terminal

SPECS = Path(__file__).parents[2] / "specs"
OWN = Path(__file__).parent / "specs" / "own"
DOCS = Path(__file__).parent / "specs" / "docs"
WORDS = '''
from pydantic import BaseModel


class Words(BaseModel):
    words: list[str]


def split_words(text: str, most: int | None = None) -> Words:
    """The words of a text."""
    return Words(words=text.split()[:most])
'''
"""A function that is a step."""


BASE_URL = "http://127.0.0.1:1"
"""Where the sandbox seems to be, since what is cached is cached for an address."""


@dataclass
class Wire:
    """A sandbox that records what is asked of it, and makes equal media for equal runs.

    Attributes:
        posts: Of each POST: path, idempotency key, body. A form is its fields and file names.
        asked: Method and path of each request, in order; repetitions of a GET are one.
        runs: Ids of runs, in the order in which they bought something.
        names: What each job is called in its run, by its id.
    """

    sandbox: Sandbox = field(init=False)
    posts: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application with the recorder in front; it answers callbacks to /hook itself."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            line = f"{scope['method']} {scope['path']}"
            if not (self.asked and self.asked[-1] == line and line.startswith("GET")):
                self.asked.append(line)
            if scope["method"] != "POST":
                await app(scope, receive, send)
                return
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            parts = [await receive()]
            while parts[-1].get("more_body"):
                parts.append(await receive())
            body = _read(b"".join(part["body"] for part in parts), headers["content-type"])
            key = headers.get("idempotency-key")
            self.posts.append({"path": scope["path"], "key": key, "body": body})
            if scope["path"] == "/hook":
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body"})
                return
            if isinstance(body, dict):
                run_id, _, rest = str(body.get("client_request_id")).partition("/")
                if run_id not in self.runs:
                    self.runs.append(run_id)
                _JOB.set(f"{self.runs.index(run_id)}/{rest}")

            async def given() -> Message:
                return parts.pop(0) if parts else await receive()

            await app(scope, given, send)

        return recorded

    def new_id(self, prefix: str) -> str:
        """The random id of a job, whose name is remembered."""
        made = f"{prefix}_{secrets.token_hex(12)}"
        self.names[made] = _JOB.get()
        return made

    def seed(self, job: Any) -> int:
        """The seed of a job's media: from its name in the run, where the sandbox takes the id."""
        return int.from_bytes(hashlib.sha256(self.names[job.id].encode()).digest()[:4])

    def clear(self) -> None:
        """Forget what was asked."""
        self.posts.clear()
        self.asked.clear()
        self.runs.clear()


_JOB: ContextVar[str] = ContextVar("frozen_job", default="")


def _read(body: bytes, kind: str) -> Any:
    if kind.startswith("application/json"):
        return json.loads(body)
    fields = re.findall(rb'name="([^"]+)"(?:; filename="([^"]*)")?', body)
    return sorted(" ".join(part.decode() for part in one if part) for one in fields)


@contextmanager
def recorded_sandbox(folder: Path) -> Iterator[Wire]:
    """A sandbox of plain media and small pictures that records, and is found at `BASE_URL`."""
    wire, plain, connect = Wire(), serve.application, socket.socket.connect

    @asynccontextmanager
    async def application(site: ServerResources, options: Options) -> AsyncIterator[ASGIApp]:
        shown = replace(site, sandbox=replace(site.sandbox, base_url=BASE_URL))
        async with plain(shown, options) as served:
            yield wire.before(served)

    def connected(own: socket.socket, address: Any) -> None:
        if address == ("127.0.0.1", 1):
            address = ("127.0.0.1", urlsplit(wire.sandbox.base_url).port)
        connect(own, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "application", application)
        patch.setattr(frame, "PICTURE_AREA", 256 * 256)
        patch.setattr(generations, "new_id", wire.new_id)
        patch.setattr(generations.Job, "seed", property(wire.seed))
        patch.setattr(socket.socket, "connect", connected)
        with serve.running(folder) as wire.sandbox:
            yield wire


def new_customer(sandbox: Sandbox, account: str, credits: int = 1000) -> str:
    """The key of an account that has these credits."""
    key: str = admin.create_key(sandbox.data, account=account)["api_key"]
    admin.add_credits(sandbox.data, credits, account=account)
    return key


def order_faults(sandbox: Sandbox, text: str) -> None:
    """Faults from now on, as YAML; "" ends them."""
    admin.set_faults(sandbox.data, text)


def idempotency_key(nonce: str, step: str, key: str, n: int) -> str:
    """The key of a purchase as the rules of today make it, written a second time on purpose."""
    value = json.dumps([nonce, step, key, n], separators=(",", ":"), ensure_ascii=False)
    return "rvf-" + hashlib.sha256(value.encode()).hexdigest()


def journal_of(call: Terminal, run_id: str) -> list[dict[str, Any]]:
    """The events of a run, in order."""
    lines = said_well(call("store", "export", run_id)).out.splitlines()
    return [json.loads(line)["event"] for line in lines]


def said_well(said: Said) -> Said:
    """What a command said that must not fail."""
    assert said.code == 0, said.err
    return said
