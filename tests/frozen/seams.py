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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rivya_sandbox.renderers import frame
from rivya_sandbox.service import admin, serve
from rivya_sandbox.service.startup import Sandbox
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


@dataclass
class Wire:
    """A sandbox that records what is asked of it.

    Attributes:
        posts: Of each POST: path, idempotency key, body. A form is its fields and file names.
        asked: Method and path of each request, in order; repetitions of a GET are one.
    """

    sandbox: Sandbox = field(init=False)
    posts: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def before(self, app: ASGIApp) -> ASGIApp:
        """The application with the recorder in front; it answers callbacks to /hook itself."""

        async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
            line = f"{scope['method']} {scope['path']}"
            if not (self.asked and self.asked[-1] == line and line.startswith("GET")):
                self.asked.append(line)
            if scope["method"] != "POST":
                await app(scope, receive, send)
                return
            body = bytearray()

            async def taken() -> Message:
                message = await receive()
                body.extend(message.get("body", b""))
                return message

            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            key = headers.get("idempotency-key")
            post: dict[str, Any] = {"path": scope["path"], "key": key}
            self.posts.append(post)
            if scope["path"] == "/hook":
                while (await taken()).get("more_body"):
                    pass
                await send({"type": "http.response.start", "status": 204, "headers": []})
                await send({"type": "http.response.body"})
            else:
                await app(scope, taken, send)
            post["body"] = _read(bytes(body), headers["content-type"])

        return recorded

    def clear(self) -> None:
        """Forget what was asked."""
        self.posts.clear()
        self.asked.clear()


def _read(body: bytes, kind: str) -> Any:
    if kind.startswith("application/json"):
        return json.loads(body)
    fields = re.findall(rb'name="([^"]+)"(?:; filename="([^"]*)")?', body)
    return sorted(" ".join(part.decode() for part in one if part) for one in fields)


@contextmanager
def recorded_sandbox(folder: Path) -> Iterator[Wire]:
    """A sandbox of plain media and small pictures that records."""
    wire, plain = Wire(), serve.application

    @asynccontextmanager
    async def application(*args: Any) -> AsyncIterator[ASGIApp]:
        async with plain(*args) as served:
            yield wire.before(served)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serve, "application", application)
        patch.setattr(frame, "PICTURE_AREA", 256 * 256)
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
