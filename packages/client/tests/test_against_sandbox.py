"""The client against the sandbox: money, lost answers, and a service with other conventions."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from rivya_client.client import RivyaClient
from rivya_client.errors import APIStatusError, StreamFailedError
from rivya_client.request_types import ChatRequest
from rivya_client.retries import ONCE, RetryPolicy
from rivya_client.runtime import Runtime
from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import png, wav

MODEL = "gpt-5-2-chat"
STREAM = "POST /api/v1/chat/completions/stream"
BODY: ChatRequest = {"model": MODEL, "message": "A lamp, please"}


async def no_sleep(seconds: float) -> None:
    """So that a repetition need not be waited for."""


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[RivyaClient]:
    """A client of the test's own sandbox."""
    async with RivyaClient(
        sandbox.api_key, sandbox.base_url, poll_seconds=0.01, runtime=Runtime(sleep=no_sleep)
    ) as one:
        yield one


def movements(sandbox: Sandbox) -> list[str]:
    """What happened to the wallet."""
    return [movement["kind"] for movement in admin.ledger(sandbox.data)["movements"]]


@pytest.mark.parametrize("fault", ["drop_before", "drop_after_commit", "status"])
async def test_a_stream_whose_start_was_lost_is_bought_once(
    sandbox: Sandbox, client: RivyaClient, fault: str
) -> None:
    admin.set_faults(
        sandbox.data, f'faults: [{{on: "{STREAM}", do: {fault}, status: 503, times: 1}}]'
    )
    async with client.chat.stream(BODY, idempotency_key="k1") as stream:
        answer = await stream.complete()
    assert answer.message.content
    assert stream.confirmed
    assert movements(sandbox) == ["grant", "reserve", "settle"]


async def test_a_streamed_turn_equals_a_whole_one(client: RivyaClient) -> None:
    async with client.chat.stream(BODY, idempotency_key="k1") as stream:
        pieces = [piece async for piece in stream]
        streamed = await stream.complete()
    whole = await client.chat.complete(BODY, idempotency_key="k1")
    assert "".join(pieces) == streamed.message.content == whole.message.content
    assert (streamed.usage, streamed.credits) == (whole.usage, whole.credits)
    assert streamed.model == whole.model == MODEL


async def test_a_turn_that_fails_in_its_stream_keeps_the_text_so_far(
    sandbox: Sandbox, client: RivyaClient
) -> None:
    admin.set_faults(sandbox.data, "faults: [{on: chat, do: fail, times: 1}]")
    async with client.chat.stream(BODY, idempotency_key="k1") as stream:
        with pytest.raises(StreamFailedError, match="internal_error") as caught:
            await stream.complete()
        assert caught.value.text == stream.text != ""
    async with client.chat.stream(BODY, idempotency_key="k1") as stream:
        assert (await stream.complete()).message.content
    assert movements(sandbox) == ["grant", "reserve", "refund", "reserve", "settle"]


async def test_a_session_accepts_one_model_only(client: RivyaClient) -> None:
    first = await client.chat.complete(BODY, idempotency_key="k1")
    other: ChatRequest = {
        "model": "gemini-2-5-flash-chat",
        "message": "Hi",
        "session_id": first.session_id or "",
    }
    with pytest.raises(APIStatusError, match="chat_session_conflict"):
        async with client.chat.stream(other, idempotency_key="k2"):
            pass


async def test_an_uploaded_file_is_read_back_and_a_picture_can_be_shown_to_a_chat(
    client: RivyaClient,
) -> None:
    file = await client.files.upload(io.BytesIO(wav()), kind="audio", name="tone.wav")
    assert (file.kind, file.mime_type, file.name) == ("audio", "audio/wav", "tone.wav")
    assert file.duration_token
    assert await client.files.retrieve(file.id) == file
    picture = await client.files.upload(png(), kind="image")
    body: ChatRequest = {**BODY, "attachments": [{"file_id": picture.id}]}
    assert (await client.chat.complete(body, idempotency_key="k1")).message.content


async def test_the_hostile_profile_of_the_sandbox_is_understood(tmp_path: Path) -> None:
    with running(tmp_path / "hostile", profile="hostile") as sandbox:
        async with RivyaClient(
            sandbox.api_key, sandbox.base_url, retry=RetryPolicy(attempts=1)
        ) as client:
            async with client.chat.stream(BODY, idempotency_key="k1") as stream:
                answer = await stream.complete()
            assert answer.id
            assert answer.session_id
            assert answer.message.content
            assert answer.usage is not None
            assert answer.credits is not None
            session = await client.chat.sessions.retrieve(answer.session_id)
            assert len(session.messages or ()) == 2
            endpoint = await client.webhooks.create("https://example.com/hook")
            assert endpoint.signing_secret is not None
            assert (await client.webhooks.rotate_secret(endpoint.id)).signing_secret
            with pytest.raises(APIStatusError, match="webhook_url_rejected"):
                await client.webhooks.create("http://127.0.0.1/")
            await client.webhooks.delete(endpoint.id)


async def test_a_refusal_reaches_a_client_that_still_sends_its_file(tmp_path: Path) -> None:
    with running(tmp_path, rate_limit=1, clock=lambda: 120.0) as sandbox:
        for key, refusal in (
            ("rvya_sk_wrong", "api_key_invalid"),
            (sandbox.api_key, "rate_limited"),
        ):
            async with RivyaClient(key, sandbox.base_url, retry=ONCE) as client:
                with suppress(APIStatusError):
                    await client.credits.retrieve()  # the one request of this minute
                with pytest.raises(APIStatusError) as caught:
                    await client.files.upload(png() + bytes(9 * 2**20), kind="image")
            assert caught.value.code == refusal
            assert (caught.value.retry_after_seconds is None) is (refusal == "api_key_invalid")
