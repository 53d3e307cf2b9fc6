"""Downloads a result to a file: streamed, hashed, bounded, and whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from rivya_client.addresses import join_address, origin_of, public_alone, redact_url
from rivya_client.connection import (
    HEADERS,
    SILENCE_SECONDS,
    cause_of,
    describe,
    send_quietly,
    time_outs,
)
from rivya_client.errors import (
    APIConnectionError,
    MediaError,
    NotFoundError,
    RefusedAddressError,
    UsageError,
)
from rivya_client.key_masking import answer_without_key, body_without_key
from rivya_client.responses import body_of, codings, content_type_of, raw_pieces, refusal
from rivya_client.retries import LAG_PAUSES, LAG_SECONDS, repeat
from rivya_client.transport import Transport

logger = logging.getLogger("rivya_client.wire")

MAX_BYTES = 2**30  # the largest file, unless the caller says another
MAX_REDIRECTS = 5
DOWNLOAD_SECONDS = 1800.0  # for one attempt; the silence time-out ends a dead one much earlier
_PIECE_BYTES = 2**20
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Download:
    """A downloaded file.

    Attributes:
        sha256: Of its bytes, in lower-case hex.
        size_bytes: Its size.
        content_type: Media type that the host sent, without parameters; None if absent.
    """

    sha256: str
    size_bytes: int
    content_type: str | None


async def fetch(transport: Transport, url: str, destination: Path, max_bytes: int) -> Download:
    """Saves a file at `destination`; see `RivyaClient.download`. No key is sent.

    A write to disk is waited for, also past a time limit or a cancellation.
    """
    if not isinstance(destination, Path):
        raise UsageError(f"destination: {destination!r} is not a path", "pass a pathlib.Path")
    if not destination.name:
        raise UsageError(f"destination: {destination} is a folder", "add the name of the file")
    policy, runtime = transport.settings.retry, transport.runtime
    lags = LAG_PAUSES if policy.attempts > 1 else 0
    fetching = _Fetching(
        transport, join_address(transport.base_url + "/", url), destination, max_bytes
    )
    try:
        while True:
            try:
                content_type = await repeat(fetching.attempt, policy, runtime)
                break
            except NotFoundError:
                if lags == 0:
                    raise
            lags -= 1
            await runtime.sleep(LAG_SECONDS / LAG_PAUSES)
        await fetching.part.finish()
    except OSError as exc:
        raise UsageError(
            f"{destination}: cannot be written: {exc.strerror or exc}",
            "free some space or choose another folder, then try again",
        ) from exc
    finally:
        fetching.part.discard()
    return Download(fetching.part.digest.hexdigest(), fetching.part.size_bytes, content_type)


class _Part:
    """A file on its way, in the same folder, so that the rename is atomic.

    It is written and hashed in threads, a mebibyte at a time: a disk may make a writer wait. A small
    file takes one thread for all of it. `digest` is of the bytes that are written.
    """

    def __init__(self, destination: Path) -> None:
        self._destination = destination
        self._path = destination.with_name(f".{secrets.token_hex(6)}.part")
        self._file: IO[bytes] | None = None
        self._pieces: list[bytes] = []
        self._waiting_bytes = 0
        self.digest = hashlib.sha256()
        self.size_bytes = 0

    async def add(self, piece: bytes) -> None:
        """Takes the next bytes."""
        self._pieces.append(piece)
        self._waiting_bytes += len(piece)
        self.size_bytes += len(piece)
        if self._waiting_bytes >= _PIECE_BYTES:
            await _in_thread(self._write)

    async def finish(self) -> None:
        """Moves the file to its destination, durably."""

        def write_all() -> None:
            file = self._write()
            file.flush()
            os.fsync(file.fileno())
            self._path.replace(self._destination)

        await _in_thread(write_all)

    def discard(self) -> None:
        """Removes what is left of it."""
        if self._file is not None:
            with suppress(OSError):  # a full disk was reported by then
                self._file.close()
            self._path.unlink(missing_ok=True)

    def _write(self) -> IO[bytes]:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("xb")
        for piece in self._pieces:
            self.digest.update(piece)
            self._file.write(piece)
        self._pieces, self._waiting_bytes = [], 0
        return self._file


async def _in_thread(work: Callable[[], object]) -> None:
    """Does `work` to its end, also if the caller is cancelled: no thread writes after that.

    An error of `work` is raised also then: a time limit would otherwise be tried again, after half a write.
    """
    working = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        while not working.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([working])
        if (error := working.exception()) is not None:
            raise error from None
        raise


class _Fetching:
    """One file, over all attempts."""

    def __init__(self, transport: Transport, url: str, destination: Path, max_bytes: int) -> None:
        self._transport = transport
        self._url = url
        self._label = f"GET {redact_url(url)}"
        self._destination = destination
        self._max_bytes = max_bytes
        self._validator: str | None = None
        self.part = _Part(destination)

    def _restart(self, validator: str | None) -> None:
        """Drops the bytes so far; `validator` is the host's mark for the bytes that follow.

        Without one nothing is resumed, since the rest might be the rest of another file.
        """
        self.part.discard()
        self.part = _Part(self._destination)
        self._validator = validator

    async def attempt(self) -> str | None:
        """Gets the rest of the file, or all of it; returns the media type."""
        seconds = self._transport.settings.limit(DOWNLOAD_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await self._read()
        except httpx.RequestError as exc:
            error = APIConnectionError(f"{self._label}: {describe(exc)}")
            if "CERTIFICATE_VERIFY_FAILED" in str(exc):
                error.retryable = False
                error.hint = "the host does not prove its name: check the address, or SSL_CERT_FILE"
            raise error from cause_of(exc)
        except (httpx.InvalidURL, UnicodeError) as exc:  # the latter for an impossible host name
            raise RefusedAddressError(redact_url(self._url), str(exc)) from exc
        except TimeoutError:
            raise APIConnectionError(f"{self._label}: not whole within {seconds:g} s") from None

    async def _read(self) -> str | None:
        # Compressed bytes can be neither counted nor resumed.
        headers = HEADERS | {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.part.size_bytes and self._validator:
            headers["Range"] = f"bytes={self.part.size_bytes}-"
            headers["If-Range"] = self._validator
        async with self._open(headers) as answer:
            total = await self._start(answer, resuming="Range" in headers)
            if packed := codings(answer):
                self._restart(None)
                raise MediaError(
                    f"{redact_url(self._url)}: the host compressed the file as"
                    f" {', '.join(packed)[:60]!r}, although the request forbids it",
                    "nothing was kept; resume the run to download it again",
                )
            too_large = MediaError(
                f"{redact_url(self._url)}: larger than {self._max_bytes} bytes", "nothing was kept"
            )
            if total is not None and total > self._max_bytes:
                raise too_large
            async with aclosing(raw_pieces(answer)) as pieces:
                async for piece in pieces:
                    if self.part.size_bytes + len(piece) > self._max_bytes:
                        raise too_large
                    await self.part.add(piece)
            if total is not None and self.part.size_bytes != total:
                raise APIConnectionError(
                    f"{self._label}: ended after {self.part.size_bytes} of {total} bytes"
                )
            self._transport.record(answer)
            return content_type_of(answer) or None

    async def _start(self, answer: httpx.Response, *, resuming: bool) -> int | None:
        """Size of the whole file, None if unknown; keeps the bytes so far if the rest follows."""
        if answer.status_code == 206 and resuming:
            place = answer.headers.get("content-range", "").removeprefix("bytes ")  # 5-9/10
            span, _, total = place.partition("/")
            if _count(span.partition("-")[0]) == self.part.size_bytes:
                return _count(total)
            self._restart(None)
            raise APIConnectionError(f"{self._label}: the host sent another part of the file")
        if answer.status_code == 200:
            self._restart(_validator(answer))
            return _count(answer.headers.get("content-length", ""))
        self._restart(None)
        if answer.status_code == 416 and resuming:
            # The file was complete when the connection broke, or it has changed.
            raise APIConnectionError(f"{self._label}: the rest is not available")
        body = body_without_key(await body_of(self._label, answer), self._transport.api_key)
        now = self._transport.runtime.now()
        about = f"{redact_url(self._url)}: "
        raise refusal(answer.status_code, answer.headers, body, now, about=about)

    @asynccontextmanager
    async def _open(self, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """The response at the end of the redirects, its body not yet read."""
        runtime, http = self._transport.runtime, self._transport.http
        home = await origin_of(self._transport.base_url, runtime)
        source, url = home, self._url
        for _ in range(MAX_REDIRECTS + 1):
            target = await origin_of(url, runtime)
            if not source.may_lead_to(target, home):
                raise RefusedAddressError(
                    redact_url(url), f"{source.host} is public and leads to a private address"
                )
            # Not of the HTTP client, which may be the caller's: its headers are not for this host.
            request = httpx.Request("GET", url, headers=headers)
            request.extensions["timeout"] = time_outs(SILENCE_SECONDS).as_dict()
            if not target.private:
                host = request.url.raw_host.decode("ascii")
                request.extensions["trace"] = public_alone(host, redact_url(url))
            answer = answer_without_key(await send_quietly(http, request), self._transport.api_key)
            try:
                logger.debug("GET %s key=none -> %d", redact_url(url), answer.status_code)
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    yield answer
                    return
            finally:
                await answer.aclose()
            source, url = target, join_address(url, answer.headers["location"])
        raise RefusedAddressError(redact_url(self._url), f"more than {MAX_REDIRECTS} redirects")


def _validator(answer: httpx.Response) -> str | None:
    """A strong validator that can be sent back; a weak one allows other bytes."""
    mark: str | None = answer.headers.get("etag") or answer.headers.get("last-modified")
    return None if mark is None or mark.startswith("W/") or not mark.isascii() else mark


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
