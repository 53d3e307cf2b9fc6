"""Streamed chats: how a stream begins, is never repeated in its middle, and how it breaks.

What is repeated before its first piece is in test_retries.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from rivya_client.errors import (
    APIError,
    APIStatusError,
    BrokenStreamError,
    RefusedAfterSilenceError,
    StreamFailedError,
    UsageError,
)
from rivya_client.responses import MAX_ANSWER_BYTES
from support.api_stage import BODY, KEY, Answer, Stage, stream
from support.raw_server import saying

SESSION = b'event: session\ndata: {"id":"chatcmpl_1","session_id":"session_1"}\n\n'
PIECES = (
    b'event: delta\ndata: {"content":"Hi"}\n\n: ping\n\nevent: delta\ndata: {"content":"!"}\n\n'
)
END = b'event: completed\ndata: {"id":"chatcmpl_1","credits":{"reserved":3,"final":2}}\n\n'
CUT = httpx.ReadError("cut")


class Body(httpx.AsyncByteStream):
    """The bytes of a stream, and what breaks it; None waits for ever."""

    def __init__(self, *parts: bytes | Exception | None) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            if part is None:
                await asyncio.Event().wait()
            else:
                yield part


def streamed(*parts: bytes | Exception | None) -> httpx.Response:
    """The answer of a service that streams."""
    headers = {"Content-Type": "text/event-stream; charset=utf-8"}
    return httpx.Response(200, headers=headers, stream=Body(*parts))


def failing(code: str) -> bytes:
    return b'event: error\ndata: {"error":{"code":"%s","message":"Oh."}}\n\n' % code.encode()


async def test_a_stream_gives_pieces_and_then_the_whole_answer() -> None:
    stage = Stage(streamed(SESSION + PIECES[:30], PIECES[30:], END))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as opened:
        assert opened.session_id == "session_1"
        assert [piece async for piece in opened] == ["Hi", "!"]
        whole = await opened.complete()
    assert whole.message.content == opened.text == "Hi!"
    assert whole.credits is not None
    assert (whole.credits.final, whole.session_id, opened.confirmed) == (2, "session_1", True)


async def test_a_stream_is_requested_as_the_contract_says_and_traced_without_its_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stage = Stage(streamed(PIECES, END))
    assert (await stage.answered(stream)).message.content == "Hi!", "without reading pieces"
    (request,) = stage.requests
    assert request.content == BODY
    assert request.headers["idempotency-key"] == "k1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"].startswith("text/event-stream")
    (line,) = [r.getMessage() for r in caplog.records if r.name == "rivya_client.wire"]
    assert "POST https://rivya.test/api/v1/chat/completions/stream" in line
    assert KEY not in caplog.text


async def test_a_stream_may_just_end_or_be_no_stream() -> None:
    stage = Stage(streamed(PIECES))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as opened:
        assert (await opened.complete()).message.content == "Hi!"
        assert not opened.confirmed
    told = {"id": "chatcmpl_1", "message": {"content": "Hi!"}, "session_id": "s"}
    stage = Stage(httpx.Response(200, json=told))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as opened:
        assert [piece async for piece in opened] == ["Hi!"]
        assert (await opened.complete()).id == "chatcmpl_1"


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(streamed(SESSION, CUT), id="cut-before-the-text"),
        pytest.param(streamed(SESSION), id="ended-before-the-text"),
        pytest.param(streamed(failing("internal_error")), id="error-before-the-text"),
    ],
)
async def test_a_stream_that_has_not_begun_is_repeated_under_its_key_only(trouble: Answer) -> None:
    stage = Stage(trouble, streamed(PIECES, END))
    assert (await stage.answered(stream)).message.content == "Hi!"
    assert [request.content for request in stage.requests] == [BODY] * 2


async def test_a_stream_without_a_key_that_has_not_begun_is_not_repeated() -> None:
    stage = Stage(streamed(SESSION))
    async with stage.client() as client:
        with pytest.raises(APIError):
            async with client.chat.stream(BODY, idempotency_key=None):
                pass
    assert len(stage.requests) == 1


async def test_an_error_event_after_silence_may_have_bought() -> None:
    for silence in (CUT, streamed(SESSION, CUT)):
        stage = Stage(silence, streamed(failing("insufficient_credits")))
        await stage.error(RefusedAfterSilenceError, stream)


@pytest.mark.parametrize(("key", "hint"), [("k1", "not bought twice"), (None, "the balance")])
async def test_a_stream_that_breaks_after_its_first_piece_keeps_the_text_so_far(
    key: str | None, hint: str
) -> None:
    stage = Stage(streamed(SESSION, PIECES, CUT))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key=key) as opened:
        seen = [await anext(opened), await anext(opened)]
        with pytest.raises(BrokenStreamError, match="cut") as caught:
            await anext(opened)
        with pytest.raises(BrokenStreamError):  # what came must not look whole afterwards
            await opened.complete()
    assert (seen, caught.value.text, caught.value.session_id) == (["Hi", "!"], "Hi!", "session_1")
    assert caught.value.repeatable is (key is not None)
    assert hint in str(caught.value.hint)
    assert len(stage.requests) == 1


async def test_an_error_event_in_the_middle_is_raised_and_not_repeated() -> None:
    stage = Stage(streamed(PIECES, failing("internal_error")))
    error = await stage.error(StreamFailedError, stream, r"internal_error: Oh\.")
    assert error.text == "Hi!"
    assert len(stage.requests) == 1


async def test_an_endless_stream_ends_and_an_endless_error_is_read_as_far_as_an_envelope() -> None:
    drip = b": " + b"x" * (MAX_ANSWER_BYTES // 4) + b"\n\n"
    await Stage(streamed(PIECES, *[drip] * 4)).error(BrokenStreamError, stream, "more than")
    endless = httpx.Response(502, stream=Body(*[b"x" * MAX_ANSWER_BYTES] * 3))
    await Stage(endless).error(APIStatusError, stream, "http_502", max_retries=0)


async def test_a_cancelled_read_does_not_look_like_a_whole_answer() -> None:
    stage = Stage(streamed(PIECES, None))
    async with stage.client() as client, client.chat.stream(BODY, idempotency_key="k1") as opened:
        assert (await anext(opened), await anext(opened)) == ("Hi", "!")
        reading = asyncio.ensure_future(anext(opened))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        with pytest.raises(BrokenStreamError, match="interrupted"):
            await opened.complete()


async def test_a_stream_is_closed_with_its_context() -> None:
    answer = streamed(PIECES, END)
    async with Stage(answer).client() as client:
        async with client.chat.stream(BODY, idempotency_key="k1") as opened:
            assert await anext(opened) == "Hi"
        assert answer.is_closed
        with pytest.raises(UsageError, match="context was left"):
            await opened.complete()


async def test_a_server_that_hangs_up_breaks_the_stream() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    cut = head + f"{len(PIECES):x}\r\n".encode() + PIECES + b"\r\n"
    with saying(cut) as raw:
        async with raw.client() as client, client.chat.stream(b"{}") as opened:
            with pytest.raises(BrokenStreamError):
                await opened.complete()
            assert opened.text == "Hi!"
