"""Sources of an upload: bytes, paths, files and streams."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from rivya_flows.client.uploads import Readable
from rivya_flows.errors import MediaError, UsageError
from support.api_stage import Stage

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 200


def stored() -> httpx.Response:
    return httpx.Response(201, json={"id": "file_1", "url": "https://c/1"})


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
