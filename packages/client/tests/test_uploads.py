"""Uploads: the type by the first bytes, what is checked first, and what is sent."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_client.errors import MediaError
from rivya_client.mime_types import MediaKind, mime_type_of_head, mime_type_of_suffix, suffix_of
from rivya_client.types import File
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
WAV = b"RIFF\x10\x00\x00\x00WAVEfmt "
STORED = {"id": "file_1", "url": "https://c/1"}


async def uploaded(content: Any, kind: MediaKind = "image", **more: Any) -> bytes:
    """The form that an upload sends."""
    stage = Stage(httpx.Response(201, json=STORED))
    file = await stage.answered(lambda c: c.files.upload(content, kind=kind, **more))
    assert file == File.model_validate(STORED)
    (request,) = stage.requests
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert "idempotency-key" not in request.headers
    return request.content


SIGNATURES: list[tuple[bytes, str | None]] = [
    (b"\xff\xd8\xff\xe0\x00\x10JFIF", "image/jpeg"),
    (PNG, "image/png"),
    (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x00\x20ftypheic", "image/heif"),
    (b"\x00\x00\x00\x20ftypavif", "image/heif"),
    (MP4, "video/mp4"),
    (b"\x00\x00\x00\x14ftypqt  ", "video/quicktime"),
    (b"\x00\x00\x00\x08wide", "video/quicktime"),
    (b"\x1a\x45\xdf\xa3\x01\x42\x82\x84webm", "video/webm"),
    (MKV, "video/x-matroska"),
    (b"ID3\x04", "audio/mpeg"),
    (MP3, "audio/mpeg"),
    (b"\xff\xf1\x50\x80", "audio/aac"),
    (WAV, "audio/wav"),
    (b"RF64\xff\xff\xff\xffWAVEds64", "audio/wav"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4"),
    (b"RIFF\x10\x00\x00\x00AVI ", None),
    (b"ffconcat version 1.0\n", None),
    (b"\xff\xfeh\x00i\x00", None),
    (b"<svg/>", None),
    (b"#EXTM3U\n", None),
    (b"", None),
]


@pytest.mark.parametrize(("head", "found"), SIGNATURES)
def test_the_signature_of_a_file_gives_its_type(head: bytes, found: str | None) -> None:
    assert mime_type_of_head(head) == media_type_of(head, "image") == found


def test_an_mp4_may_be_a_sound_if_the_caller_says_so() -> None:
    assert media_type_of(MP4, "audio") == "audio/mp4"


def test_every_accepted_type_has_a_signature() -> None:
    known = {found for _, found in SIGNATURES} | {"audio/x-wav"}
    assert all(set(one.mime_types) <= known for one in BY_SOME_MODEL.values())


def test_a_suffix_and_its_type_name_each_other() -> None:
    assert suffix_of("image/jpeg") == ".jpg"
    assert mime_type_of_suffix(".jpg") == "image/jpeg"
    assert (suffix_of("image/heif"), suffix_of(None), mime_type_of_suffix(".exe")) == ("", "", None)


def test_the_limits_are_those_of_the_contract() -> None:
    of_default = {kind: one.max_bytes for kind, one in BY_DEFAULT.items()}
    of_some = {kind: one.max_bytes for kind, one in BY_SOME_MODEL.items()}
    assert of_default == {"image": 10 * MB, "video": 50 * MB, "audio": 10 * MB}
    assert of_some == {"image": 30 * MB, "video": 95 * MB, "audio": 10 * MB}
    assert BY_DEFAULT["image"].mime_types == ("image/jpeg", "image/png", "image/webp")
    assert BY_DEFAULT["video"].mime_types == ("video/mp4", "video/quicktime", "video/webm")
    assert BY_DEFAULT["audio"].mime_types == (
        *("audio/mpeg", "audio/mp4", "audio/wav", "audio/x-wav", "audio/aac", "audio/ogg"),
    )


def test_a_file_may_be_as_large_as_the_limit_and_both_names_of_wav_are_one_type() -> None:
    limit = BY_DEFAULT["image"]
    for size_bytes in (1, 10 * MB):
        assert checked_media_type("a", PNG, size_bytes, "image", limit) == "image/png"
    with pytest.raises(MediaError, match="at most 10485760 are accepted"):
        checked_media_type("a", PNG, 10 * MB + 1, "image", limit)
    for name in ("audio/wav", "audio/x-wav"):
        assert checked_media_type("a", WAV, 9, "audio", Accepted(None, (name,))) == "audio/wav"


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


async def test_the_parts_of_the_form_are_those_of_the_contract() -> None:
    full = await uploaded(PNG, model="nano-banana", client_request_id="x" * 128)
    for part in (b'name="kind"\r\n\r\nimage', b'name="model"\r\n\r\nnano-banana', b'name="file"'):
        assert part in full
    assert b'name="client_request_id"\r\n\r\n' + b"x" * 128 in full
    bare = await uploaded(PNG)
    assert b'name="model"' not in bare
    assert b'name="client_request_id"' not in bare


async def test_the_media_type_is_that_of_the_signature_unless_the_caller_sets_one() -> None:
    assert b"Content-Type: image/png" in await uploaded(PNG, name="a.jpg")
    own = await uploaded(PNG, name="a.jpg", mime_type="image/x-own")
    assert b"Content-Type: image/x-own" in own


async def test_a_model_or_the_caller_may_set_other_limits() -> None:
    film = await uploaded(MKV, "video", model="wan-2-6")
    assert b"Content-Type: video/x-matroska" in film
    await uploaded(PNG + b"x" * 20 * MB, model="nano-banana-2")
    await uploaded(b"new", name="a.jxl", accepted=Accepted(None))
    with pytest.raises(MediaError, match="at most 2 are accepted"):
        await uploaded(PNG, accepted=Accepted(2))


async def test_a_size_between_the_two_meanings_of_mb_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        await uploaded(PNG + b"x" * (10**7 - len(PNG)))
        assert not caplog.records
        await uploaded(PNG + b"x" * 10**7, name="a.png")
    assert "10^6 bytes" in caplog.text


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


@pytest.mark.parametrize("source", [PNG, "path", io.BytesIO(PNG), Waiting(PNG), Promising(PNG)])
async def test_what_is_uploaded_is_sent_whole_and_can_be_sent_again(
    source: bytes | Readable | str, tmp_path: Path
) -> None:
    path = tmp_path / "दीया.png"
    path.write_bytes(PNG)
    content, name = (path, None) if isinstance(source, str) else (source, path.name)
    stage = Stage(httpx.ReadError(""), httpx.Response(201, json=STORED))
    async with stage.client() as client:
        await client.files.upload(content, kind="image", name=name)
    for request in stage.requests:
        assert PNG in request.content
        assert path.name.encode() in request.content
        assert int(request.headers["content-length"]) == len(request.content)


async def test_an_open_file_is_read_from_its_position_and_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"before" + PNG)
    with (tmp_path / "a.png").open("rb") as file:
        file.seek(6)
        sent = await uploaded(file)
        assert not file.closed
    assert b"before" not in sent
    assert b'filename="a.png"' in sent


async def test_a_name_that_is_not_valid_text_and_a_pipe_without_a_name_are_sent(
    tmp_path: Path,
) -> None:
    path = tmp_path / os.fsdecode(b"a\xff.png")
    path.write_bytes(PNG)
    assert b'filename="a?.png"' in await uploaded(path)
    reading, writing = os.pipe()
    os.write(writing, PNG)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert b'filename="image"' in await uploaded(pipe)


async def test_what_has_no_end_or_cannot_be_read_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    closed = io.BytesIO(PNG)
    closed.close()
    with Path("/dev/zero").open("rb") as zeros:
        for content, message in (
            (zeros, "longer than the limit of 10485760 bytes"),
            (Path("/dev/null"), "not a regular file"),
            (tmp_path / "pipe", "not a regular file"),
            (closed, "cannot be read: I/O operation on closed file"),
        ):
            with pytest.raises(MediaError, match=message):
                await uploaded(content)
