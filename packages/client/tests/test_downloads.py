"""Downloads: whole and hashed, or no file at all, and never from a private network."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO, Any

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

FILM = bytes(range(256)) * 400
KEY = "rvya_sk_0123456789abcdef"
HOSTS = {"localhost": "127.0.0.1", "intranet.example": "10.0.0.7"}


class Cut(httpx.AsyncByteStream):
    """Some bytes, then a broken connection."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._head
        raise httpx.ReadError("cut")


class Whole(httpx.AsyncByteStream):
    """Bytes and an orderly end, in spite of the headers."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


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


def cut(at: int, headers: Mapping[str, str | bytes], status: int = 200) -> httpx.Response:
    length = {"Content-Length": str(len(FILM))} if status == 200 else {}
    told = [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in {**length, **headers}.items()
    ]
    return httpx.Response(status, stream=Cut(FILM[:at]), headers=told)


def rest(start: int) -> httpx.Response:
    span = f"bytes {start}-{len(FILM) - 1}/{len(FILM)}"
    return httpx.Response(206, content=FILM[start:], headers={"Content-Range": span})


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


async def test_a_folder_is_no_destination() -> None:
    host = Host()
    with pytest.raises(UsageError, match="is a folder"):
        await host.download(Path())
    assert not host.requests


async def test_an_interrupted_download_resumes(tmp_path: Path) -> None:
    host = Host(cut(1000, {"ETag": '"v1"'}), rest(1000))
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH
    assert host.requests[1].headers["range"] == "bytes=1000-"
    assert host.requests[1].headers["if-range"] == '"v1"'


@pytest.mark.parametrize(
    ("headers", "second"),
    [
        pytest.param({}, film(), id="no-mark"),
        pytest.param({"ETag": 'W/"v1"'}, film(), id="weak-mark"),
        pytest.param({"ETag": b'"v\xe9"'}, film(), id="mark-that-cannot-be-sent-back"),
        pytest.param({"ETag": '"v1"'}, film(), id="host-sends-all-of-it"),
    ],
)
async def test_an_interrupted_download_restarts_where_it_cannot_resume(
    tmp_path: Path, headers: dict[str, str | bytes], second: httpx.Response
) -> None:
    host = Host(cut(1000, headers), second)
    assert (await host.download(tmp_path / "film.mp4"))[:2] == (HASH, len(FILM))


async def test_a_wrong_part_of_a_file_is_not_appended(tmp_path: Path) -> None:
    host = Host(cut(1000, {"ETag": '"v1"'}), rest(999), film())
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH
    assert "range" not in host.requests[2].headers


async def test_an_absurd_total_size_is_ignored(tmp_path: Path) -> None:
    span = f"bytes 1000-{len(FILM) - 1}/" + "9" * 5000
    absurd = httpx.Response(206, content=FILM[1000:], headers={"Content-Range": span})
    host = Host(cut(1000, {"ETag": '"v1"'}), absurd)
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH


async def test_a_download_that_broke_at_its_very_end_restarts(tmp_path: Path) -> None:
    whole = cut(len(FILM), {"ETag": '"v1"'})
    host = Host(whole, httpx.Response(416), film())
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH
    assert "range" not in host.requests[2].headers


async def test_a_short_body_is_an_interrupted_download(tmp_path: Path) -> None:
    short = httpx.Response(200, stream=Whole(FILM[:9]), headers={"Content-Length": "100"})
    assert (await Host(short, film()).download(tmp_path / "film.mp4"))[0] == HASH


async def test_a_failed_download_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    destination = tmp_path / "film.mp4"
    destination.write_bytes(b"older")
    with pytest.raises(APIConnectionError, match=r"GET https://cdn\.example/film\.mp4: cut"):
        await Host(*[cut(1000, {}) for _ in range(5)]).download(destination)
    assert destination.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [destination]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(film(), id="told-before"),
        pytest.param(httpx.Response(200, stream=Whole(FILM)), id="found-out"),
    ],
)
async def test_a_file_over_the_limit_is_not_kept(tmp_path: Path, answer: httpx.Response) -> None:
    with pytest.raises(MediaError, match="larger than 1000 bytes") as caught:
        await Host(answer).download(tmp_path / "film.mp4", max_bytes=1000)
    assert list(tmp_path.iterdir()) == []
    assert "s3cret" not in repr(caught.value)


async def test_a_result_that_a_host_does_not_have_yet_is_asked_for_again(tmp_path: Path) -> None:
    host = Host(httpx.Response(404), httpx.Response(404), film())
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH


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


async def test_a_host_that_is_down_is_retried(tmp_path: Path) -> None:
    host = Host(httpx.Response(503), httpx.Response(429), film())
    assert (await host.download(tmp_path / "film.mp4"))[0] == HASH


async def test_a_destination_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"file/film\.mp4: cannot be written"):
        await Host(film()).download(tmp_path / "file" / "film.mp4")


async def test_a_destination_is_a_path_and_not_a_string(tmp_path: Path) -> None:
    text: Any = str(tmp_path / "film.mp4")
    host = Host()
    with pytest.raises(UsageError, match="is not a path"):
        await host.download(text)
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


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254"])
async def test_a_public_service_cannot_name_a_private_result(tmp_path: Path, host: str) -> None:
    with pytest.raises(RefusedAddressError):
        await Host(film()).download(tmp_path / "film.mp4", f"http://{host}/film.mp4")


async def test_a_local_service_serves_and_redirects_locally(tmp_path: Path) -> None:
    host = Host(moved("http://localhost:9001/f"), film(), base_url="http://127.0.0.1:9000")
    await host.download(tmp_path / "film.mp4", "http://127.0.0.1:9000/results/1")


async def test_a_public_host_may_redirect_to_a_local_service_only(tmp_path: Path) -> None:
    base = "http://127.0.0.1:9000"
    await Host(moved(f"{base}/results/1"), film(), base_url=base).download(tmp_path / "film.mp4")
    with pytest.raises(RefusedAddressError):
        await Host(moved("http://127.0.0.1:22/"), base_url=base).download(tmp_path / "film.mp4")


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hosts",
        "ftp://a/b",
        "https://me:hunter2@a/b",
        "http://a:b/",
        "http://[x",
        "http://xn--a/",
    ],
)
async def test_other_addresses_are_not_downloaded(tmp_path: Path, url: str) -> None:
    with pytest.raises(RefusedAddressError) as caught:
        await Host().download(tmp_path / "film.mp4", url)
    assert "hunter2" not in repr(caught.value)


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


async def test_a_real_connection_that_dies_is_resumed(tmp_path: Path) -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        size = len(FILM)
        if len(heads) == 1:
            writer.write(
                f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {size}\r\n\r\n'.encode()
            )
            writer.write(FILM[:5000])
        else:
            writer.write(
                f"HTTP/1.1 206 Partial Content\r\nContent-Length: {size - 5000}\r\n"
                f"Content-Range: bytes 5000-{size - 1}/{size}\r\n\r\n".encode()
            )
            writer.write(FILM[5000:])
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def sleep(seconds: float) -> None:
        pass

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with RivyaClient(KEY, base_url, runtime=Runtime(sleep=sleep)) as client:
            got = await client.download("/film.mp4", tmp_path / "film.mp4", max_bytes=10**6)
    assert (got.sha256, got.size_bytes) == (HASH, len(FILM))
    assert "range: bytes=5000-" in heads[1]
    assert KEY not in "".join(heads)


async def test_a_write_that_a_time_limit_left_behind_spoils_no_later_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk_is_back, is_writing = threading.Event(), threading.Event()
    write = downloads._Part._write

    def stalled(part: downloads._Part) -> IO[bytes]:
        file = write(part)
        if part is left:
            is_writing.set()
            disk_is_back.wait(240)
        return file

    monkeypatch.setattr(downloads._Part, "_write", stalled)
    left, part = downloads._Part(tmp_path / "film.mp4"), downloads._Part(tmp_path / "film.mp4")
    first = asyncio.create_task(left.add(b"a" * 2**20))
    await asyncio.to_thread(is_writing.wait, 240)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert left.size_bytes == 0, "nothing to resume"
    left.discard()
    for _ in range(12):
        await part.add(b"b" * 2**18)
    await part.finish()
    part.discard()
    disk_is_back.set()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert (tmp_path / "film.mp4").read_bytes() == b"b" * 3 * 2**20
    assert part.digest.hexdigest() == hashlib.sha256(b"b" * 3 * 2**20).hexdigest()
    assert [*tmp_path.iterdir()] == [tmp_path / "film.mp4"]
