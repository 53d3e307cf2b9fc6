"""A service that quotes the API key wherever it can: the key is masked before anything keeps it."""

from __future__ import annotations

import asyncio
import base64
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, strategies as st

from rivya_client.client import RivyaClient
from rivya_client.key_masking import MASK, PREFIX, body_without_key, without_key
from rivya_client.retries import ONCE
from rivya_flows.errors import APIError, RivyaError
from rivya_sandbox.service import admin
from support.cli_calls import started
from support.prefect_workers import Server, opened, undisturbed
from support.raw_server import http, saying
from support.secret_search import Search, files, prefect_rows
from support.small_server import Answer, Request, answering

KEY = "rvya_sk_Tq3-x9V_b0c7Zk"
ENCODED: dict[str, Callable[[str], str]] = {
    "plain": lambda key: key,
    "in an address": lambda key: quote(key, safe="").replace("_", "%5F"),
    "twice in an address": lambda key: key.replace("_", "%255f"),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 of the header": lambda key: base64.b64encode(f"Bearer {key}".encode()).decode(),
    "base64 of a pair": lambda key: base64.urlsafe_b64encode(f"ab:{key}>?".encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "HTML": lambda key: key.replace("_", "&#95;").replace("r", "&#x72;"),
    "without its beginning": lambda key: key.removeprefix(PREFIX),
    "capitals": str.upper,
    "small letters": str.lower,
    "JavaScript": lambda key: "".join(f"\\x{ord(one):02x}" for one in key),
    "JSON in JSON": lambda key: json.dumps(key).replace("_", "\\u005f"),
}
encoded = pytest.mark.parametrize("form", ENCODED.values(), ids=ENCODED)


def left(text: str) -> list[str]:
    """The forms of the key that a text has, as whoever gets the text could find them."""
    cores = {
        base64.b64encode(b"x" * n + KEY.encode())[(n * 4 + 2) // 3 + 1 : -4].decode()
        for n in range(3)
    }
    plain = {
        KEY[4:],
        KEY[4:].upper(),
        KEY[4:].lower(),
        "\\x5a\\x6b",
        quote(KEY).replace("_", "%5F")[8:],
        KEY.encode().hex()[16:],
    }
    return [one for one in (*plain, *cores) if one in text]


@encoded
def test_each_encoding_of_the_key_is_masked(form: Callable[[str], str]) -> None:
    said = f"the key {form(KEY)} is not known"
    assert MASK in without_key(said, KEY)
    assert not left(without_key(said, KEY))
    body = json.dumps({"a": [{said: said, "n": 1.5, "none": None}]}).encode()
    masked = json.loads(body_without_key(body, KEY))
    assert not left(json.dumps(masked))
    assert masked["a"][0]["n"] == 1.5
    assert body_without_key(b"<html>" + said.encode() + b"\xff", KEY).endswith(b"known\xff")


@given(st.text(), st.text())
def test_a_text_around_the_key_is_kept(before: str, after: str) -> None:
    assert without_key(before + KEY + after, KEY) == before + MASK + after
    assert without_key(before + after, KEY) == before + after


def test_an_answer_without_the_key_is_passed_on_byte_by_byte() -> None:
    body = rb'{"a": "50 % \u00e9", "b":1e2,  "c":18446744073709551616}'
    assert body_without_key(body, KEY) is body


class Told(httpx.AsyncBaseTransport):
    """A service with one prepared answer."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.answer


def asked(call: Callable[[RivyaClient], Any], answer: httpx.Response) -> str:
    """Everything that a caller can see of an answer or an error."""

    async def look() -> str:
        client = RivyaClient(KEY, "https://rivya.test", retry=ONCE, transport=Told(answer))
        async with client:
            try:
                found = await call(client)
                return repr(found) + repr(getattr(found, "model_extra", ""))
            except RivyaError as error:
                return "".join(traceback.format_exception(error)) + repr(vars(error))

    return asyncio.run(look())


@encoded
def test_no_object_of_the_client_has_the_key(form: Callable[[str], str], tmp_path: Path) -> None:
    said = form(KEY)
    job = {
        "id": f"task_{said}",
        "status": "failed",
        "model": said,
        "error": {"code": said, "message": f"no route for {said}"},
        "result": {
            "primary_url": f"https://cdn.test/{said}.png",
            "urls": [f"https://cdn.test/{said}.png"],
        },
        said: said,
    }
    head = {"x-request-id": f"req_{said}"} if said.isascii() else {}
    shown = asked(
        lambda client: client.generations.retrieve("task_1"),
        httpx.Response(200, json=job, headers=head),
    )
    assert MASK in shown.partition("no route for")[2]
    assert not left(shown)
    model = {"id": "evil", "display_name": said, "category": "image", "notices": [said]}
    shown = asked(lambda client: client.models.list(), httpx.Response(200, json={"data": [model]}))
    assert "evil" in shown
    assert not left(shown)
    refused = httpx.Response(400, json={"error": {"code": said, "message": said}}, headers=head)
    shown = asked(lambda client: client.credits.retrieve(), refused)
    assert MASK in shown
    assert not left(shown)
    for head in ({"location": f"https://10.0.0.1/{said}"}, {"content-encoding": said}):
        answer = httpx.Response(302 if "location" in head else 200, headers=head)
        shown = asked(
            lambda client: client.download(
                "https://1.1.1.1/a.png", tmp_path / "a.png", max_bytes=9
            ),
            answer,
        )
        assert "Error" in shown
        assert not left(shown)


@pytest.mark.parametrize(
    "answer",
    [
        f"HTTP/1.1 {KEY} no\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{KEY}\r\n".encode(),
        http(b"{}", f"Content-Encoding: {KEY}"),
        http(KEY.encode()),
        http(KEY.encode(), status=500),
        http(json.dumps({"error": KEY}).encode(), status=401),
    ],
    ids=["status", "header", "chunk", "coding", "no JSON", "page", "word"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_no_error_of_a_broken_answer_has_the_key(answer: bytes, stream: bool) -> None:
    async def ask(client: RivyaClient) -> None:
        if stream:
            async with client.chat.stream(b"{}", idempotency_key="k") as said:
                await said.complete()
        await client.credits.retrieve()

    with saying(answer) as raw:
        async with raw.client(KEY) as client:
            with pytest.raises(APIError) as caught:
                await ask(client)
    assert not left("".join(traceback.format_exception(caught.value)))


def events(*pieces: str, end: str = "data: [DONE]\n\n") -> bytes:
    lines = [f"event: delta\ndata: {json.dumps({'content': one})}\n\n" for one in pieces]
    return ("".join(lines) + end).encode()


@pytest.mark.parametrize("end", ["data: [DONE]\n\n", ""], ids=["confirmed", "broken off"])
@pytest.mark.parametrize("size", [1, 2, 5, 21, 100])
async def test_a_key_that_a_stream_sends_in_pieces_is_masked(size: int, end: str) -> None:
    text = f"rvy rvya_sk_T is not {KEY}, nor {base64.b64encode(KEY.encode()).decode()} or rvya_s"
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    answer = http(events(*pieces, end=end), "Content-Type: text/event-stream")
    with saying(answer) as raw:
        async with raw.client(KEY) as client, client.chat.stream(b"{}", idempotency_key="k") as got:
            heard = "".join([piece async for piece in got])
            whole = await got.complete()
    assert not left(heard)
    assert heard.startswith(f"rvy rvya_sk_T is not {MASK}, nor {MASK}")
    assert heard.endswith(" or rvya_s")
    assert whole.message.content == heard


async def test_what_only_the_last_event_says_is_masked_too() -> None:
    last = {"object": "chat.completion", "message": {"content": f"it is {KEY}"}, "id": KEY}
    end = f"data: {json.dumps(last)}\n\n"
    answer = http(events("it is rvya", end=end), "Content-Type: text/event-stream")
    with saying(answer) as raw:
        async with raw.client(KEY) as client, client.chat.stream(b"{}", idempotency_key="k") as got:
            heard = "".join([piece async for piece in got])
            whole = await got.complete()
    assert heard == whole.message.content == f"it is {MASK}"
    assert not left(repr(whole))


SPEC = """
version: 1
name: quoted
steps:
  talk:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Say hello}
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
  lost:
    uses: generate
    needs: [still, talk]
    with: {model: z-image, prompt: bare shoulders}
outputs:
  still: ${{ steps.still.asset }}
  words: ${{ steps.talk.text }}
"""


class Relay:
    """A service that sells what the sandbox sells, and quotes the key in each answer.

    Attributes:
        behind: Address of the sandbox.
        key: What it quotes, also in answers that need no key.
        quoted: Answers that have the key.
    """

    def __init__(self, behind: str, key: str) -> None:
        self.behind, self.key = behind, key
        self.quoted = 0

    def changed(self, document: Any) -> Any:
        """The answer with the key in the texts that nobody computes with."""
        if isinstance(document, list):
            return [self.changed(one) for one in document]
        if not isinstance(document, dict):
            return document
        found = {name: self.changed(one) for name, one in document.items()}
        key = self.key
        header = base64.b64encode(f"Bearer {key}".encode()).decode()
        for name in ("message", "content", "display_name"):
            if isinstance(found.get(name), str):
                found[name] += f" {key} {header} {quote(key).replace('_', '%5f')}"
                self.quoted += 1
        for name in ("primary_url", "url"):
            if isinstance(found.get(name), str):
                found[name] += f"?key={key}"
        if isinstance(found.get("urls"), list):
            found["urls"] = [f"{one}?key={key}" for one in found["urls"]]
        return {**found, "note": key}


@contextmanager
def relaying(behind: str, key: str) -> Iterator[tuple[str, Relay]]:
    relay = Relay(behind, key)
    wanted = ("authorization", "content-type", "idempotency-key", "accept")

    def relayed(request: Request) -> Answer:
        head = {k: v for k, v in request.headers.items() if k.lower() in wanted}
        answer = httpx.request(
            request.method, behind + request.path, content=request.body, headers=head, timeout=60
        )
        kind, content = answer.headers.get("content-type", "text/plain"), answer.content
        if "json" in kind:
            content = json.dumps(relay.changed(answer.json())).encode()
        return Answer(
            content, answer.status_code, {"Content-Type": kind, "X-Request-Id": f"req_{key}"}
        )

    with answering(relayed) as url:
        yield url, relay


@pytest.mark.prefect
def test_a_key_that_the_service_quotes_is_nowhere_after_a_run(
    server: Server, prefect_data: Path, tmp_path: Path
) -> None:
    with undisturbed(server), opened(tmp_path, server, time_scale=0.02) as place:
        spec = tmp_path / "specs" / "quoted.yaml"
        spec.write_text(SPEC)
        admin.set_faults(
            place.sandbox, "faults: [{on: generation, do: fail, prompt: bare shoulders}]"
        )
        with relaying(place.environment["RIVYA_BASE_URL"], place.api_key) as (url, relay):
            environment = {**place.environment, "RIVYA_BASE_URL": url}
            command = ("--verbose", "run", spec, "--out", tmp_path / "runs")
            process = started(*command, **environment)
            said = "".join(process.communicate(timeout=240))
            models = started("models", "--json", **environment)
            said += "".join(models.communicate(timeout=240))
        assert process.returncode == 1, said
        assert relay.quoted > 50, said
        assert MASK in said
        search = Search({"key": place.api_key})
        found = search.of([("the terminal", said.encode())])
        found += search.of(prefect_rows(server))
    found += search.of(files(tmp_path, prefect_data))
    assert found == []
    [receipt] = (tmp_path / "runs").glob("*/receipt.json")
    assert MASK in receipt.read_text("utf-8")
