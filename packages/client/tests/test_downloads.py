"""Downloads: whole and hashed, or no file at all, and never from a private network."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, cast

import httpx
import pytest

from rivya_client import downloads
from rivya_client.client import RivyaClient
from rivya_client.errors import (
    APIConnectionError,
    APIStatusError,
    MediaError,
    RefusedAddressError,
    UsageError,
)
from rivya_client.retries import LAG_PAUSES
from rivya_client.runtime import Runtime
from support.raw_server import http, saying

FILM = bytes(range(256)) * 400
KEY = "rvya_sk_0123456789abcdef"
HOSTS = {"localhost": "127.0.0.1", "intranet.example": "10.0.0.7"}


class Body(httpx.AsyncByteStream):
    """Some bytes, in spite of the headers; then an orderly end, or a broken connection."""

    def __init__(self, content: bytes, *, breaks: bool) -> None:
        self._content, self._breaks = content, breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        if self._breaks:
            raise httpx.ReadError("cut")


class Host:
    """Hosts that answer one after the other; names lead to public addresses unless in `HOSTS`."""

    def __init__(self, *answers: httpx.Response, base_url: str = "https://rivya.test") -> None:
        self.answers = list(answers)
        self.base_url = base_url
        self.requests: list[httpx.Request] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answers.pop(0)

    @property
    def client(self) -> RivyaClient:
        async def resolve(host: str) -> tuple[str, ...]:
            return (HOSTS.get(host, "93.184.216.34"),)

        async def sleep(seconds: float) -> None:
            pass

        return RivyaClient(
            KEY,
            self.base_url,
            runtime=Runtime(sleep=sleep, resolve=resolve),
            transport=httpx.MockTransport(self.answer),
        )

    async def download(
        self,
        destination: Path,
        url: str = "https://cdn.example/film.mp4?signature=s3cret",
        max_bytes: int = 10**6,
    ) -> tuple[str, int, str | None]:
        async with self.client as client:
            got = await client.download(url, destination, max_bytes=max_bytes)
        return got.sha256, got.size_bytes, got.content_type


def film(**headers: str) -> httpx.Response:
    return httpx.Response(200, content=FILM, headers={"Content-Type": "video/mp4", **headers})


def cut(at: int, mark: str | bytes | None = None) -> httpx.Response:
    """The beginning of the film, whose version has a mark or none."""
    marked = [] if mark is None else [(b"ETag", mark if isinstance(mark, bytes) else mark.encode())]
    headers = [(b"Content-Length", str(len(FILM)).encode()), *marked]
    return httpx.Response(200, stream=Body(FILM[:at], breaks=True), headers=headers)


def rest(start: int, total: str = str(len(FILM))) -> httpx.Response:
    span = f"bytes {start}-{len(FILM) - 1}/{total}"
    return httpx.Response(206, content=FILM[start:], headers={"Content-Range": span})


def short() -> httpx.Response:
    content = Body(FILM[:9], breaks=False)
    return httpx.Response(200, stream=content, headers={"Content-Length": "100"})


def moved(location: str) -> httpx.Response:
    return httpx.Response(302, headers={"Location": location})


HASH = hashlib.sha256(FILM).hexdigest()


async def test_a_download_is_hashed_and_counted_and_leaves_no_other_file(tmp_path: Path) -> None:
    host = Host(film(**{"Content-Type": "Video/MP4; codecs=avc1"}))
    destination = tmp_path / "new" / "film.mp4"
    assert await host.download(destination) == (HASH, len(FILM), "video/mp4")
    assert destination.read_bytes() == FILM
    assert list(destination.parent.iterdir()) == [destination]


async def test_the_key_goes_to_no_result_address_not_even_to_the_service(tmp_path: Path) -> None:
    host = Host(moved("https://other.example/film"), film())
    await host.download(tmp_path / "film.mp4", "/results/film.mp4")
    assert [request.url.host for request in host.requests] == ["rivya.test", "other.example"]
    assert all("authorization" not in request.headers for request in host.requests)


async def test_a_host_without_a_certificate_for_its_name_is_asked_once(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")

    asked: list[httpx.Request] = []
    host = Host()
    host.answer = answer  # type: ignore[method-assign]
    with pytest.raises(APIConnectionError) as caught:
        await host.download(tmp_path / "film.mp4")
    assert caught.value.hint == (
        "the host does not prove its name: check the address, or SSL_CERT_FILE"
    )
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answers", "ranges"),
    [
        pytest.param((cut(1000, '"v1"'), rest(1000)), (1000,), id="resumes"),
        pytest.param((cut(1000, '"v1"'), rest(1000, "9" * 5000)), (1000,), id="absurd-total"),
        pytest.param((cut(1000, '"v1"'), film()), (1000,), id="host-sends-all-of-it"),
        pytest.param((cut(1000, '"v1"'), rest(999), film()), (1000, None), id="wrong-part"),
        pytest.param(
            (cut(len(FILM), '"v1"'), httpx.Response(416), film()),
            (len(FILM), None),
            id="at-its-end",
        ),
        pytest.param((cut(1000), film()), (None,), id="no-mark"),
        pytest.param((cut(1000, 'W/"v1"'), film()), (None,), id="weak-mark"),
        pytest.param((cut(1000, b'"v\xe9"'), film()), (None,), id="mark-that-cannot-be-sent-back"),
        pytest.param((short(), film()), (None,), id="short-body"),
        pytest.param((httpx.Response(404),) * 2 + (film(),), (None, None), id="not-there-yet"),
        pytest.param((httpx.Response(503), httpx.Response(429), film()), (None, None), id="down"),
    ],
)
async def test_an_interrupted_download_resumes_where_it_can_and_else_restarts(
    tmp_path: Path, answers: tuple[httpx.Response, ...], ranges: tuple[int | None, ...]
) -> None:
    host = Host(*answers)
    assert (await host.download(tmp_path / "film.mp4"))[:2] == (HASH, len(FILM))
    for request, start in zip(host.requests[1:], ranges, strict=True):
        asked = None if start is None else f"bytes={start}-"
        assert request.headers.get("range") == asked
        assert (request.headers.get("if-range") == '"v1"') is (start is not None)


async def test_a_failed_download_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    destination = tmp_path / "film.mp4"
    destination.write_bytes(b"older")
    with pytest.raises(APIConnectionError, match=r"GET https://cdn\.example/film\.mp4: cut"):
        await Host(*[cut(1000) for _ in range(5)]).download(destination)
    assert destination.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [destination]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(film(), id="told-before"),
        pytest.param(httpx.Response(200, stream=Body(FILM, breaks=False)), id="found-out"),
    ],
)
async def test_a_file_over_the_limit_is_not_kept(tmp_path: Path, answer: httpx.Response) -> None:
    with pytest.raises(MediaError, match="larger than 1000 bytes") as caught:
        await Host(answer).download(tmp_path / "film.mp4", max_bytes=1000)
    assert list(tmp_path.iterdir()) == []
    assert "s3cret" not in repr(caught.value)


async def test_a_result_that_stays_unknown_is_an_error_after_some_pauses(tmp_path: Path) -> None:
    host = Host(*[httpx.Response(404)] * (LAG_PAUSES + 2))
    with pytest.raises(APIStatusError):
        await host.download(tmp_path / "film.mp4")
    assert len(host.answers) == 1


@pytest.mark.parametrize("status", [403, 410])
async def test_a_dead_address_is_an_error_without_retries(tmp_path: Path, status: int) -> None:
    with pytest.raises(APIStatusError) as caught:
        await Host(httpx.Response(status, content=b"<html>")).download(tmp_path / "film.mp4")
    assert caught.value.code == f"http_{status}"
    assert str(caught.value).startswith(f"http_{status}: https://"), "it says whose answer this is"


async def test_a_destination_is_a_path_where_a_file_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"file/film\.mp4: cannot be written"):
        await Host(film()).download(tmp_path / "file" / "film.mp4")
    host, text = Host(), cast("Path", str(tmp_path / "film.mp4"))
    for destination, words in ((text, "is not a path"), (Path(), "is a folder")):
        with pytest.raises(UsageError, match=words):
            await host.download(destination)
    assert not host.requests


async def test_five_redirects_are_followed_but_not_a_sixth(tmp_path: Path) -> None:
    hops = [moved(f"/{n}") for n in range(6)]
    assert (await Host(*hops[:5], film()).download(tmp_path / "film.mp4"))[0] == HASH
    with pytest.raises(RefusedAddressError, match="more than 5 redirects"):
        await Host(*hops).download(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    "private",
    [
        "http://127.0.0.1/",
        "http://localhost:8080/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://intranet.example/",
        "http://intranet.example./",
        "//10.1.2.3/",
    ],
)
async def test_a_public_host_cannot_lead_into_a_private_network(
    tmp_path: Path, private: str
) -> None:
    host = Host(moved(private), film())
    with pytest.raises(RefusedAddressError, match="public and leads to a private address"):
        await host.download(tmp_path / "film.mp4")
    assert len(host.requests) == 1


async def test_a_local_service_is_reached_and_nothing_else_that_is_local(tmp_path: Path) -> None:
    path, local = tmp_path / "film.mp4", "http://127.0.0.1:9000"
    redirected = Host(moved("http://localhost:9001/f"), film(), base_url=local)
    await redirected.download(path, f"{local}/results/1")
    await Host(moved(f"{local}/results/1"), film(), base_url=local).download(path)
    with pytest.raises(RefusedAddressError):
        await Host(moved("http://127.0.0.1:22/"), base_url=local).download(path)


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1/film.mp4", "http://169.254.169.254/film.mp4"),
        *("file:///etc/hosts", "ftp://a/b", "https://me:hunter2@a/b"),
        *("http://a:b/", "http://[x", "http://xn--a/"),
    ],
)
async def test_other_addresses_are_not_downloaded(tmp_path: Path, url: str) -> None:
    host = Host(film())
    with pytest.raises(RefusedAddressError) as caught:
        await host.download(tmp_path / "film.mp4", url)
    assert "hunter2" not in repr(caught.value)
    assert not host.requests


async def test_a_redirect_to_an_invalid_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedAddressError, match="not an address"):
        await Host(moved("http://[x")).download(tmp_path / "film.mp4")


@pytest.mark.parametrize("resolved", [("93.184.216.34",), ()])
async def test_a_name_that_resolves_to_a_private_address_at_the_second_look_up_gets_no_request(
    tmp_path: Path, resolved: tuple[str, ...]
) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = await reader.read(2**16)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" if sent else b"")
        writer.close()
        await writer.wait_closed()
        heard.set_result(sent)

    async def resolve(host: str) -> tuple[str, ...]:
        return resolved

    server = await asyncio.start_server(listen, "localhost", 0)
    url = f"http://localhost:{server.sockets[0].getsockname()[1]}/film.mp4"
    async with server, RivyaClient(runtime=Runtime(resolve=resolve)) as client:
        with pytest.raises(RefusedAddressError, match="private"):
            await client.download(url, tmp_path / "film.mp4", max_bytes=2**20)
        assert await heard == b""
    assert not list(tmp_path.iterdir())


async def test_a_real_connection_that_dies_is_resumed_without_the_key(tmp_path: Path) -> None:
    size = len(FILM)
    whole = http(FILM, 'ETag: "v1"')
    part = http(FILM[5000:], f"Content-Range: bytes 5000-{size - 1}/{size}", status=206)
    with saying(whole[: 5000 - size], part) as raw:
        async with raw.client(KEY) as client:
            got = await client.with_options(max_retries=1).download(
                "/film.mp4", tmp_path / "film.mp4", max_bytes=10**6
            )
    assert (got.sha256, got.size_bytes) == (HASH, size)
    assert "range: bytes=5000-" in raw.heads[1].lower()
    assert KEY not in "".join(raw.heads)


@pytest.mark.parametrize("is_full", [False, True], ids=["", "on a full disk"])
async def test_a_cancelled_write_ends_before_its_file_is_removed_and_its_error_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    disk_is_back, is_writing = threading.Event(), threading.Event()
    write = downloads._Part._write

    def stalled(part: downloads._Part) -> IO[bytes]:
        is_writing.set()
        disk_is_back.wait(240)
        file = write(part)
        if is_full:  # a time limit is tried again, and half a write must not be
            raise OSError(errno.ENOSPC, "No space left on device")
        return file

    monkeypatch.setattr(downloads._Part, "_write", stalled)
    part = downloads._Part(tmp_path / "film.mp4")
    adding = asyncio.create_task(part.add(b"a" * 2**20))
    await asyncio.to_thread(is_writing.wait, 240)
    for _ in range(2):
        adding.cancel()
        await asyncio.sleep(0)
    disk_is_back.set()
    [error] = await asyncio.gather(adding, return_exceptions=True)
    assert isinstance(error, OSError if is_full else asyncio.CancelledError)
    assert part.digest.hexdigest() == hashlib.sha256(b"a" * 2**20).hexdigest()
    part.discard()
    assert [*tmp_path.iterdir()] == []
