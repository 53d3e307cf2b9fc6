"""What a caller may say of a request, and what is refused before it is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_client.errors import APIConnectionError, APIStatusError, MediaError, UsageError
from rivya_client.options import RequestSettings
from rivya_client.request_types import GenerationRequest
from rivya_client.retries import RetryPolicy
from support.api_stage import BODY, Stage, job, refused

BALANCE = httpx.Response(200, json={"current_credits": 1})


def unavailable() -> httpx.Response:
    return refused(503, "public_api_disabled")


def test_max_retries_changes_the_attempts_alone() -> None:
    settings = RequestSettings().updated(retry=RetryPolicy(9, 7.0), max_retries=2)
    assert settings.retry == RetryPolicy(3, 7.0)
    assert settings.updated(retry=RetryPolicy(4)).retry == RetryPolicy(4)
    assert settings.updated(retry=None, max_retries=None, timeout=None) == settings


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan, "5"])
def test_a_timeout_is_finite_and_above_zero(timeout: Any) -> None:
    with pytest.raises(UsageError, match="timeout"):
        RequestSettings().updated(timeout=timeout)


@pytest.mark.parametrize("number", [-1, "2"])
def test_max_retries_is_not_negative(number: Any) -> None:
    with pytest.raises(UsageError, match="max_retries"):
        RequestSettings().updated(max_retries=number)


async def test_an_option_that_does_not_exist_is_named_with_those_that_do() -> None:
    stage, wrong = Stage(), {"foo": 1}
    async with stage.client() as client:
        with pytest.raises(UsageError, match="foo: no call has an option") as caught:
            await client.credits.retrieve(**wrong)  # type: ignore[arg-type]  # the mistake of a caller
        with pytest.raises(UsageError, match="retry: 3 is not a RetryPolicy"):
            await client.credits.retrieve(retry=3)  # type: ignore[arg-type]  # the same
    assert caught.value.hint == "the options are timeout, retry, max_retries, extra_headers"


@pytest.mark.parametrize("body", ['{"model": "z-image"}', None, bytearray(b"{}")])
async def test_a_purchase_whose_body_is_neither_bytes_nor_a_dictionary_is_not_sent(
    body: Any,
) -> None:
    stage = Stage()
    async with stage.client() as client:
        for buy in (client.generations.create, client.chat.complete):
            with pytest.raises(UsageError, match="neither bytes nor a dictionary"):
                await buy(body)
        with pytest.raises(UsageError, match="neither bytes nor a dictionary"):
            async with client.chat.stream(body):
                pass
    assert not stage.requests


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Authorization": "Bearer hunter2"}, "cannot be set"),
        ({"idempotency-key": "k"}, "cannot be set"),
        ({"Accept-Encoding": "br"}, "cannot be set"),
        ({"X Team": "a"}, "not the name of a header"),
        ({"": "a"}, "not the name of a header"),
        ({"X-Team": "hunter2\r\nX-Other: b"}, "not printable ASCII"),
    ],
)
def test_a_header_that_the_client_owns_or_that_is_not_one_is_refused(
    headers: Mapping[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        RequestSettings().updated(extra_headers=headers)
    assert "hunter2" not in repr(caught.value)


async def test_a_call_overrides_with_options_which_overrides_the_client() -> None:
    stage = Stage(BALANCE, BALANCE)
    async with stage.client(extra_headers={"X-Team": "a", "X-App": "b"}) as client:
        await client.with_options(extra_headers={"x-team": "c"}).credits.retrieve(
            extra_headers={"X-Trace": "d"}
        )
        await client.credits.retrieve()
    first, second = (request.headers for request in stage.requests)
    assert (first["x-team"], first["x-app"], first["x-trace"]) == ("c", "b", "d")
    assert (second["x-team"], second.get("x-trace")) == ("a", None)


async def test_max_retries_bounds_the_attempts_of_a_call() -> None:
    stage = Stage(*(unavailable() for _ in range(4)))
    async with stage.client(max_retries=2) as client:
        with pytest.raises(APIStatusError):
            await client.credits.retrieve()
        with pytest.raises(APIStatusError):
            await client.with_options(max_retries=0).credits.retrieve()
    assert len(stage.requests) == 4


async def test_a_timeout_bounds_an_attempt_and_the_silence_in_it() -> None:
    stage = Stage(BALANCE, httpx.ReadTimeout("slow"))
    async with stage.client() as client:
        await client.credits.retrieve(timeout=5)
        with pytest.raises(APIConnectionError, match="no answer in time"):
            await client.credits.retrieve(timeout=0.25, max_retries=0)
    reads = [request.extensions["timeout"]["read"] for request in stage.requests]
    assert reads == [5, 0.25]


async def test_a_paid_call_without_a_key_of_its_own_keeps_one_through_its_retries() -> None:
    stage = Stage(httpx.ReadTimeout("lost"), job(), job())
    async with stage.client() as client:
        await client.generations.create(BODY)
        await client.generations.create(BODY)
    keys = [request.headers["idempotency-key"] for request in stage.requests]
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


async def test_a_paid_call_with_none_as_its_key_is_sent_once() -> None:
    stage = Stage(httpx.ReadTimeout("lost"))
    async with stage.client(max_retries=9) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY, idempotency_key=None, max_retries=9)
    assert "idempotency-key" not in stage.requests[0].headers
    assert caught.value.idempotency_key is None


async def test_an_error_has_the_key_under_which_a_repetition_is_safe() -> None:
    stage = Stage(httpx.ReadTimeout("lost"), job())
    async with stage.client(max_retries=0) as client:
        with pytest.raises(APIConnectionError) as caught:
            await client.generations.create(BODY)
        await client.generations.create(BODY, idempotency_key=caught.value.idempotency_key)
    keys = {request.headers["idempotency-key"] for request in stage.requests}
    assert keys == {caught.value.idempotency_key}


async def test_a_mapping_becomes_compact_json() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        await client.generations.create(
            {"model": "z-image", "prompt": "दीया"}, idempotency_key=None
        )
    assert stage.requests[0].content.decode() == '{"model":"z-image","prompt":"दीया"}'


@pytest.mark.parametrize("body", [{"n": float("nan")}, {"n": {1, 2}}])
async def test_a_body_that_is_not_json_is_never_sent(body: GenerationRequest) -> None:
    stage = Stage()
    async with stage.client() as client:
        with pytest.raises(UsageError, match="request body"):
            await client.generations.create(body, idempotency_key="k1")
    assert not stage.requests


async def test_an_id_cannot_name_another_path() -> None:
    stage = Stage(job())
    async with stage.client() as client:
        await client.generations.retrieve("a/../b?c")
        with pytest.raises(UsageError, match=r"'\.\.'"):
            await client.generations.retrieve("..")
    assert stage.requests[0].url.raw_path == b"/api/v1/generations/a%2F..%2Fb%3Fc"


async def test_an_upload_is_a_form_that_may_be_sent_again(tmp_path: Path) -> None:
    picture = tmp_path / "दीया.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 200_000)
    stage = Stage(
        httpx.ReadError(""), httpx.Response(201, json={"id": "file_1", "url": "https://c/1"})
    )
    async with stage.client() as client:
        file = await client.files.upload(picture, kind="image", model="nano-banana-2")
    assert file.id == "file_1"
    first, second = (request.content for request in stage.requests)
    assert len(first) == len(second) > 200_000
    assert b'name="model"\r\n\r\nnano-banana-2' in second
    assert b"Content-Type: image/png" in second
    assert "दीया.png".encode() in second
    assert "idempotency-key" not in stage.requests[0].headers


@pytest.mark.parametrize("name", ["absent.png", "."])
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    stage = Stage()
    async with stage.client() as client:
        with pytest.raises(MediaError, match="cannot be read"):
            await client.files.upload(tmp_path / name, kind="image")
    assert not stage.requests


async def test_an_upload_refuses_a_trace_id_that_is_too_long() -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="129 characters"):
            await client.files.upload(b"", kind="image", client_request_id="x" * 129)


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "लाल", "a\nb", 7])
async def test_an_idempotency_key_is_one_bounded_ascii_word(key: Any) -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="idempotency key"):
            await client.generations.create(BODY, idempotency_key=key)
