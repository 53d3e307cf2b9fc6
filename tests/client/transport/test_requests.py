"""Bodies, forms, paths and keys of requests."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rivya_flows.client.request_types import GenerationRequest
from rivya_flows.errors import MediaError, UsageError
from support.api_stage import BODY, Stage, job


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


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "लाल", "a\nb"])
async def test_an_idempotency_key_is_one_bounded_ascii_word(key: str) -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="idempotency key"):
            await client.generations.create(BODY, idempotency_key=key)
