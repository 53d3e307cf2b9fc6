"""Streamed chats: what is repeated, what is never repeated, and how a broken stream ends."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
from collections.abc import AsyncIterator

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import (
    APIConnectionError,
    APIStatusError,
    BrokenStreamError,
    NotSentError,
    RefusedAfterSilenceError,
    StreamFailedError,
    UsageError,
)
from rivya_client.responses import MAX_ANSWER_BYTES
from support.api_stage import BODY, KEY, Answer, Stage, refused

SESSION = b'event: session\ndata: {"id":"chatcmpl_1","session_id":"session_1"}\n\n'
PIECES = (
    b'event: delta\ndata: {"content":"Hi"}\n\n: ping\n\nevent: delta\ndata: {"content":"!"}\n\n'
)
END = b'event: completed\ndata: {"id":"chatcmpl_1","credits":{"reserved":3,"final":2}}\n\n'


class Body(httpx.AsyncByteStream):
    """The bytes of a stream, and what breaks it."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


def streamed(*parts: bytes | Exception) -> httpx.Response:
    """The answer of a service that streams."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, stream=Body(*parts))


async def read(stage: Stage, key: str | None = "k1") -> tuple[list[str], str | None]:
    """The pieces that a caller sees, and the id of the whole answer."""
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key=key) as stream:
        pieces = [piece async for piece in stream]
        return pieces, (await stream.complete()).id


async def test_a_stream_gives_pieces_and_then_the_whole_answer() -> None:
    stage = Stage(streamed(SESSION + PIECES[:30], PIECES[30:], END))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as stream:
        assert stream.session_id == "session_1"
        assert [piece async for piece in stream] == ["Hi", "!"]
        whole = await stream.complete()
    assert whole.message.content == stream.text == "Hi!"
    assert whole.credits is not None
    assert (whole.credits.final, whole.session_id, stream.confirmed) == (2, "session_1", True)


async def test_a_stream_is_requested_as_the_contract_says() -> None:
    stage = Stage(streamed(PIECES, END))
    await read(stage)
    (request,) = stage.requests
    assert request.url.path == "/api/v1/chat/completions/stream"
    assert request.content == BODY
    assert request.headers["idempotency-key"] == "k1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"].startswith("text/event-stream")


async def test_complete_works_without_reading_pieces() -> None:
    async with (
        Stage(streamed(PIECES, END)).client() as client,
        client.chat.stream(BODY, idempotency_key="k1") as stream,
    ):
        assert (await stream.complete()).message.content == "Hi!"


async def test_a_stream_may_just_end() -> None:
    stage = Stage(streamed(PIECES))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as stream:
        assert (await stream.complete()).message.content == "Hi!"
        assert not stream.confirmed


async def test_an_answer_that_is_not_streamed_is_read() -> None:
    whole = {"id": "chatcmpl_1", "message": {"content": "Hi!"}, "session_id": "s"}
    assert await read(Stage(httpx.Response(200, json=whole))) == (["Hi!"], "chatcmpl_1")


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError("refused"), id="no-connection"),
        pytest.param(httpx.ReadError(""), id="cut-before-the-head"),
        pytest.param(refused(429, "rate_limited"), id="429"),
        pytest.param(refused(503, "public_api_disabled"), id="503"),
        pytest.param(streamed(SESSION, httpx.ReadError("")), id="cut-before-the-text"),
        pytest.param(streamed(SESSION), id="ended-before-the-text"),
        pytest.param(streamed(b'event: error\ndata: {"code":"internal_error"}\n\n'), id="error"),
        pytest.param(httpx.Response(200, json={"id": "x"}), id="unreadable"),
    ],
)
async def test_a_stream_that_has_not_begun_is_repeated_under_its_key_only(trouble: Answer) -> None:
    stage = Stage(trouble, streamed(PIECES, END))
    assert await read(stage) == (["Hi", "!"], "chatcmpl_1")
    first, second = stage.requests
    assert first.content == second.content == BODY
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


@pytest.mark.parametrize(
    "trouble", [httpx.ReadError(""), refused(503, "public_api_disabled"), streamed(SESSION)]
)
async def test_a_stream_without_a_key_is_never_repeated(trouble: Answer) -> None:
    stage = Stage(trouble)
    with pytest.raises((APIConnectionError, APIStatusError)):
        await read(stage, key=None)
    assert len(stage.requests) == 1


async def test_a_refusal_of_a_stream_after_silence_does_not_say_that_nothing_was_bought() -> None:
    stage = Stage(streamed(SESSION, httpx.ReadError("")), refused(401, "api_key_revoked"))
    with pytest.raises(RefusedAfterSilenceError):
        await read(stage)


async def test_an_error_event_after_silence_may_have_bought() -> None:
    event = b'event: error\ndata: {"error":{"code":"insufficient_credits"}}\n\n'
    with pytest.raises(RefusedAfterSilenceError):
        await read(Stage(httpx.ReadError(""), streamed(event)))


async def test_a_stream_without_a_connection_is_not_sent() -> None:
    with pytest.raises(NotSentError):
        await read(Stage(*[httpx.ConnectError("refused")] * 5))


@pytest.mark.parametrize(("key", "hint"), [("k1", "not bought twice"), (None, "the balance")])
async def test_a_stream_that_breaks_after_its_first_piece_keeps_the_text_so_far(
    key: str | None, hint: str
) -> None:
    stage = Stage(streamed(SESSION, PIECES, httpx.RemoteProtocolError("cut")))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key=key) as stream:
        seen = [await anext(stream), await anext(stream)]
        with pytest.raises(BrokenStreamError, match="cut") as caught:
            await anext(stream)
        with pytest.raises(BrokenStreamError):  # what came must not look whole afterwards
            await stream.complete()
    assert (seen, caught.value.text, caught.value.session_id) == (["Hi", "!"], "Hi!", "session_1")
    assert caught.value.repeatable is (key is not None)
    assert hint in str(caught.value.hint)
    assert len(stage.requests) == 1
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.text, again.hint) == (str(caught.value), "Hi!", caught.value.hint)


async def test_an_error_event_in_the_middle_is_raised_and_not_repeated() -> None:
    event = b'event: error\ndata: {"error":{"code":"internal_error","message":"Oh."}}\n\n'
    stage = Stage(streamed(PIECES, event))
    with pytest.raises(StreamFailedError, match=r"internal_error: Oh\.") as caught:
        await read(stage)
    assert caught.value.text == "Hi!"
    assert len(stage.requests) == 1


async def test_an_endless_stream_ends() -> None:
    drip = b": " + b"x" * (MAX_ANSWER_BYTES // 4) + b"\n\n"
    with pytest.raises(BrokenStreamError, match="more than"):
        await read(Stage(streamed(PIECES, *[drip] * 4)))


async def test_an_endless_error_is_read_as_far_as_an_envelope() -> None:
    body = Body(*[b"x" * MAX_ANSWER_BYTES] * 3)
    with pytest.raises(APIStatusError, match="http_502"):
        await read(Stage(httpx.Response(502, stream=body)), key=None)


async def test_a_cancelled_read_does_not_look_like_a_whole_answer() -> None:
    class Stalling(Body):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield PIECES
            await asyncio.Event().wait()

    answer = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, stream=Stalling())
    stage = Stage(answer)
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as stream:
        assert (await anext(stream), await anext(stream)) == ("Hi", "!")
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        with pytest.raises(BrokenStreamError, match="interrupted"):
            await stream.complete()


async def test_a_stream_is_closed_with_its_context() -> None:
    answer = streamed(PIECES, END)
    stage = Stage(answer)
    async with stage.client() as client:
        async with client.chat.stream(BODY, idempotency_key="k1") as stream:
            assert await anext(stream) == "Hi"
        assert answer.is_closed
        with pytest.raises(UsageError, match="context was left"):
            await stream.complete()


async def test_the_trace_of_a_stream_shows_no_key(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await read(Stage(streamed(PIECES, END)))
    (line,) = [r.getMessage() for r in caplog.records if r.name == "rivya_client.wire"]
    assert "POST https://rivya.test/api/v1/chat/completions/stream" in line
    assert KEY not in caplog.text


@pytest.fixture
async def hanging_up_service() -> AsyncIterator[str]:
    """A real server that announces chunks and hangs up in the middle of one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked"
        writer.write(head + b"\r\n\r\n" + f"{len(PIECES):x}\r\n".encode() + PIECES + b"\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_server_that_hangs_up_breaks_the_stream(hanging_up_service: str) -> None:
    async with (
        RivyaClient(KEY, hanging_up_service) as client,
        client.chat.stream(json.loads(BODY), idempotency_key=None) as stream,
    ):
        with pytest.raises(BrokenStreamError):
            await stream.complete()
        assert stream.text == "Hi!"
