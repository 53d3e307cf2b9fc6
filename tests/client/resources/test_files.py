"""Uploads: what is checked first, and what is sent."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import httpx
import pytest

from rivya_flows.client.types import MediaKind
from rivya_flows.client.uploads import Accepted
from rivya_flows.errors import MediaError, UsageError
from support.api_stage import Stage

MB = 2**20
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 200
MP3 = b"\xff\xfb\x90\x00" + b"x" * 200
MP4 = b"\x00\x00\x00\x20ftypisom" + b"x" * 200
MKV = b"\x1a\x45\xdf\xa3" + b"\x42\x82\x88matroska" + b"x" * 200


def stored() -> httpx.Response:
    return httpx.Response(201, json={"id": "file_1", "url": "https://c/1"})


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        pytest.param(b"", "image", "is empty", id="empty"),
        pytest.param(b"<svg/>", "image", "not a known media type", id="unknown"),
        pytest.param(b"GIF89a.", "image", "is image/gif", id="type-that-is-not-taken"),
        pytest.param(MP3, "image", "is audio/mpeg", id="another-kind"),
        pytest.param(PNG, "video", "is image/png", id="picture-for-a-film"),
        pytest.param(MP4, "image", "is video/mp4", id="film-for-a-picture"),
        pytest.param(MKV, "video", "is video/x-matroska", id="for-some-models-only"),
        pytest.param(PNG + b"x" * 10 * MB, "image", "10485968 bytes", id="too-large"),
    ],
)
async def test_a_wrong_file_is_never_sent(content: bytes, kind: MediaKind, message: str) -> None:
    stage = Stage()
    async with stage.client() as client:
        for source in (content, io.BytesIO(content)):
            with pytest.raises(MediaError, match=rf"{message}|longer than"):
                await client.files.upload(source, kind=kind)
    assert not stage.requests


async def test_with_a_model_the_largest_limits_of_any_model_apply() -> None:
    stage = Stage(stored(), stored())
    async with stage.client() as client:
        await client.files.upload(MKV, kind="video", model="wan-2-6")
        await client.files.upload(PNG + b"x" * 20 * MB, kind="image", model="nano-banana-2")
    assert b"Content-Type: video/x-matroska" in stage.requests[0].content


async def test_the_caller_may_set_the_limits() -> None:
    stage = Stage(stored())
    async with stage.client() as client:
        await client.files.upload(b"new", kind="image", name="a.jxl", accepted=Accepted(None))
        with pytest.raises(MediaError, match="at most 2 are accepted"):
            await client.files.upload(PNG, kind="image", accepted=Accepted(2))
    assert len(stage.requests) == 1


async def test_the_media_type_is_that_of_the_signature_unless_the_caller_sets_one() -> None:
    stage = Stage(stored(), stored())
    async with stage.client() as client:
        await client.files.upload(PNG, kind="image", name="a.jpg")
        await client.files.upload(PNG, kind="image", name="a.jpg", mime_type="image/x-own")
    assert b"Content-Type: image/png" in stage.requests[0].content
    assert b"Content-Type: image/x-own" in stage.requests[1].content


async def test_an_unknown_kind_is_never_sent() -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match="'text' is not one of image, video, audio"):
            await client.files.upload(PNG, kind="text")  # type: ignore[arg-type]  # the test


async def test_the_parts_of_the_form_are_those_of_the_contract() -> None:
    stage = Stage(stored(), stored())
    async with stage.client() as client:
        await client.files.upload(
            PNG, kind="image", model="nano-banana", client_request_id="x" * 128
        )
        await client.files.upload(PNG, kind="image")
    full, bare = stage.requests
    assert full.headers["content-type"].startswith("multipart/form-data; boundary=")
    for part in (b'name="kind"\r\n\r\nimage', b'name="model"\r\n\r\nnano-banana', b'name="file"'):
        assert part in full.content
    assert b'name="client_request_id"\r\n\r\n' + b"x" * 128 in full.content
    assert b'name="model"' not in bare.content
    assert b'name="client_request_id"' not in bare.content


async def test_a_size_between_the_two_meanings_of_mb_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(stored(), stored())
    async with stage.client() as client:
        with caplog.at_level(logging.WARNING):
            await client.files.upload(PNG + b"x" * (10**7 - len(PNG)), kind="image")
            assert not caplog.records
            await client.files.upload(PNG + b"x" * 10**7, kind="image", name="a.png")
    assert "10^6 bytes" in caplog.text


async def test_a_file_is_read_back_by_its_id() -> None:
    stage = Stage(httpx.Response(200, json={"id": "a/b", "url": "u", "duration_token": "dt"}))
    async with stage.client() as client:
        file = await client.files.retrieve("a/b")
    assert stage.requests[0].url.raw_path == b"/api/v1/files/a%2Fb"
    assert (file.duration_token, file.size_bytes) == ("dt", None)


async def test_a_file_whose_name_is_not_valid_text_is_sent(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.png")
    path.write_bytes(PNG)
    stage = Stage(httpx.Response(201, json={"id": "file_1", "url": "https://a/b"}))
    async with stage.client() as client:
        await client.files.upload(path, kind="image")
    assert b'filename="a?.png"' in stage.requests[0].content
