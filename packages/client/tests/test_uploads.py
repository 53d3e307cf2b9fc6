"""Uploads: what is checked first, and what is sent."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_client.errors import MediaError, UsageError
from rivya_client.mime_types import MediaKind
from rivya_client.uploads import (
    BY_DEFAULT,
    BY_SOME_MODEL,
    Accepted,
    Readable,
    checked_media_type,
    media_type_of,
)
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


SIGNATURES: list[tuple[bytes, MediaKind, str | None]] = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image", "image/jpeg"),
    (PNG, "image", "image/png"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image", "image/webp"),
    (b"GIF89a", "image", "image/gif"),
    (b"\x00\x00\x00\x20ftypheic", "image", "image/heif"),
    (MP4, "video", "video/mp4"),
    (b"\x00\x00\x00\x14ftypqt  ", "video", "video/quicktime"),
    (b"\x00\x00\x00\x08wide", "video", "video/quicktime"),
    (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", "video", "video/webm"),
    (MKV, "video", "video/x-matroska"),
    (b"ID3\x04", "audio", "audio/mpeg"),
    (MP3, "audio", "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio", "audio/aac"),
    (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio", "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio", "audio/wav"),
    (b"OggS", "audio", "audio/ogg"),
    (b"fLaC", "audio", "audio/flac"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio", "audio/mp4"),
    (b"\x00\x00\x00\x20ftypM4A ", "video", "audio/mp4"),
    (MP4, "audio", "audio/mp4"),
    (b"RIFF\x10\x00\x00\x00AVI ", "video", None),
    (b"\xff\xfeh\x00i\x00", "audio", None),
    (b"<svg/>", "image", None),
    (b"", "image", None),
]


@pytest.mark.parametrize(("head", "kind", "found"), SIGNATURES)
def test_the_signature_of_a_file_gives_its_type(
    head: bytes, kind: MediaKind, found: str | None
) -> None:
    assert media_type_of(head, kind) == found


def test_the_limits_are_those_of_the_contract() -> None:
    assert {kind: one.max_bytes for kind, one in BY_DEFAULT.items()} == {
        "image": 10 * MB,
        "video": 50 * MB,
        "audio": 10 * MB,
    }
    assert {kind: one.max_bytes for kind, one in BY_SOME_MODEL.items()} == {
        "image": 30 * MB,
        "video": 95 * MB,
        "audio": 10 * MB,
    }
    assert BY_DEFAULT["image"].mime_types == ("image/jpeg", "image/png", "image/webp")
    assert BY_DEFAULT["video"].mime_types == ("video/mp4", "video/quicktime", "video/webm")
    assert BY_DEFAULT["audio"].mime_types == (
        *("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg"),
    )


@pytest.mark.parametrize("kind", ["image", "video", "audio"])
def test_every_accepted_type_has_a_signature(kind: MediaKind) -> None:
    known = {found for _, _, found in SIGNATURES} | {"audio/x-wav"}
    assert set(BY_SOME_MODEL[kind].mime_types) <= known


@pytest.mark.parametrize(("size_bytes", "fits"), [(1, True), (10 * MB, True), (10 * MB + 1, False)])
def test_a_file_may_be_as_large_as_the_limit(size_bytes: int, fits: bool) -> None:
    accepted = BY_DEFAULT["image"]
    if fits:
        assert checked_media_type("a", PNG, size_bytes, "image", accepted) == "image/png"
    else:
        with pytest.raises(MediaError, match="at most 10485760 are accepted"):
            checked_media_type("a", PNG, size_bytes, "image", accepted)


def test_both_names_of_wav_are_the_same_type() -> None:
    wave = b"RIFF\x10\x00\x00\x00WAVEfmt "
    for name in ("audio/wav", "audio/x-wav"):
        assert checked_media_type("a", wave, 9, "audio", Accepted(None, (name,))) == "audio/wav"


class Waiting:
    """A stream whose `read` is a coroutine function, and gives a few bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    async def read(self, size: int, /) -> bytes:
        return self._content.read(min(size, 7))


class Promising(Waiting):
    """One whose `read` is not a coroutine function, but returns an awaitable."""

    def read(self, size: int, /) -> Any:
        return super().read(size)


@pytest.mark.parametrize("stream", [io.BytesIO(PNG), Waiting(PNG), Promising(PNG)])
async def test_a_stream_is_sent_whole_and_can_be_sent_again(stream: Readable) -> None:
    stage = Stage(httpx.ReadError(""), stored())
    async with stage.client() as client:
        await client.files.upload(stream, kind="image", name="a.png")
    for request in stage.requests:
        assert PNG in request.content
        assert int(request.headers["content-length"]) == len(request.content)


async def test_an_open_file_is_read_from_its_position_and_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"before" + PNG)
    stage = Stage(stored())
    with (tmp_path / "a.png").open("rb") as file:
        file.seek(6)
        async with stage.client() as client:
            await client.files.upload(file, kind="image")
        assert not file.closed
    assert b"before" not in stage.requests[0].content
    assert b'filename="a.png"' in stage.requests[0].content


async def test_a_pipe_can_be_sent() -> None:
    reading, writing = os.pipe()
    os.write(writing, PNG)
    os.close(writing)
    stage = Stage(stored())
    with os.fdopen(reading, "rb") as pipe:
        async with stage.client() as client:
            await client.files.upload(pipe, kind="image")
    assert b'filename="image"' in stage.requests[0].content


async def test_an_endless_stream_is_not_read_to_its_end() -> None:
    with Path("/dev/zero").open("rb") as zeros:
        async with Stage().client() as client:
            with pytest.raises(MediaError, match="longer than the limit of 10485760 bytes"):
                await client.files.upload(zeros, kind="image")


async def test_a_path_of_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with Stage().client() as client:
        for path in (Path("/dev/null"), tmp_path / "pipe"):
            with pytest.raises(MediaError, match="not a regular file"):
                await client.files.upload(path, kind="image")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(io.StringIO("text"), "gives str, not bytes", id="text-mode"),
        pytest.param("a.png", "is neither bytes nor a path nor an open file", id="a-name"),
        pytest.param(None, "is neither bytes nor", id="nothing"),
    ],
)
async def test_content_that_does_not_give_bytes_is_refused(content: Any, message: str) -> None:
    async with Stage().client() as client:
        with pytest.raises(UsageError, match=message):
            await client.files.upload(content, kind="image")


async def test_a_closed_file_is_an_error() -> None:
    stream = io.BytesIO(PNG)
    stream.close()
    async with Stage().client() as client:
        with pytest.raises(MediaError, match="cannot be read: I/O operation on closed file"):
            await client.files.upload(stream, kind="image")
