"""Downloads a result to a file: streamed, hashed, bounded, and whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from rivya_flows.client.transport.addresses import (
    RefusedAddressError,
    joined,
    origin_of,
    public_alone,
    shown,
)
from rivya_flows.client.transport.connection import (
    HEADERS,
    SILENCE_SECONDS,
    describe,
    send_quietly,
    time_outs,
)
from rivya_flows.client.transport.response_body import body_of, codings, raw_pieces
from rivya_flows.client.transport.response_parsing import refusal
from rivya_flows.client.transport.retries import retrying
from rivya_flows.client.transport.transport import Transport
from rivya_flows.errors import APIConnectionError, MediaError, UsageError

logger = logging.getLogger("rivya_flows.wire")

MAX_REDIRECTS = 5
DOWNLOAD_SECONDS = 1800.0
"""For one attempt; the silence time-out of the transport ends a dead one much earlier."""

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
    """Saves a file at `destination`; see `RivyaClient.download`. No key is sent."""
    if not isinstance(destination, Path):
        raise UsageError(f"destination: {destination!r} is not a path", "pass a pathlib.Path")
    url = joined(transport.base_url + "/", url)
    attempts = retrying(transport.settings.retry, transport.runtime, repeatable=True)
    try:
        with _part_beside(destination) as (part, file):
            fetching = _Fetching(transport, url, file, max_bytes)
            content_type: str | None = await attempts(fetching.attempt)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
            part.replace(destination)
    except OSError as exc:
        raise UsageError(
            f"{destination}: cannot be written: {exc.strerror or exc}",
            "free some space or choose another folder, then try again",
        ) from exc
    return Download(fetching.digest.hexdigest(), fetching.size_bytes, content_type)


class _Fetching:
    """One file, over all attempts.

    Attributes:
        digest: Of the bytes so far.
        size_bytes: How many there are.
    """

    def __init__(self, transport: Transport, url: str, file: IO[bytes], max_bytes: int) -> None:
        self._transport = transport
        self._url = url
        self._label = f"GET {shown(url)}"
        self._file = file
        self._max_bytes = max_bytes
        self._restart(None)

    def _restart(self, validator: str | None) -> None:
        """Drops the bytes so far.

        Args:
            validator: The host's mark for the bytes that follow. Without one nothing is resumed,
                since the rest might be the rest of another file.
        """
        self._file.seek(0)
        self._file.truncate()
        self.digest = hashlib.sha256()
        self.size_bytes = 0
        self._validator = validator

    async def attempt(self) -> str | None:
        """Gets the rest of the file, or all of it; returns the media type."""
        seconds = self._transport.settings.limit(DOWNLOAD_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                return await self._read()
        except httpx.RequestError as exc:
            raise APIConnectionError(f"{self._label}: {describe(exc)}") from exc
        except (httpx.InvalidURL, UnicodeError) as exc:  # the latter for an impossible host name
            raise RefusedAddressError(shown(self._url), str(exc)) from exc
        except TimeoutError:
            raise APIConnectionError(f"{self._label}: not whole within {seconds:g} s") from None

    async def _read(self) -> str | None:
        # Compressed bytes can be neither counted nor resumed.
        headers = HEADERS | {"Accept": "*/*", "Accept-Encoding": "identity"}
        if self.size_bytes and self._validator:
            headers["Range"] = f"bytes={self.size_bytes}-"
            headers["If-Range"] = self._validator
        async with self._opened(headers) as answer:
            total = await self._start(answer, resuming="Range" in headers)
            if packed := codings(answer):
                self._restart(None)
                raise MediaError(
                    f"{shown(self._url)}: the host compressed the file as"
                    f" {', '.join(packed)[:60]!r}, although the request forbids it",
                    "nothing was kept; resume the run to download it again",
                )
            too_large = MediaError(
                f"{shown(self._url)}: larger than {self._max_bytes} bytes", "nothing was kept"
            )
            if total is not None and total > self._max_bytes:
                raise too_large
            async with aclosing(raw_pieces(answer)) as pieces:
                async for piece in pieces:
                    if self.size_bytes + len(piece) > self._max_bytes:
                        raise too_large
                    self._file.write(piece)
                    self.digest.update(piece)
                    self.size_bytes += len(piece)
            if total is not None and self.size_bytes != total:
                raise APIConnectionError(
                    f"{self._label}: ended after {self.size_bytes} of {total} bytes"
                )
            self._transport.record(answer)
            content_type: str = answer.headers.get("content-type", "")
            return content_type.partition(";")[0].strip().lower() or None

    async def _start(self, answer: httpx.Response, *, resuming: bool) -> int | None:
        """Size of the whole file, None if unknown; keeps the bytes so far if the rest follows."""
        if answer.status_code == 206 and resuming:
            start, total = _content_range(answer.headers.get("content-range", ""))
            if start == self.size_bytes:
                return total
            self._restart(None)
            raise APIConnectionError(f"{self._label}: the host sent another part of the file")
        if answer.status_code == 200:
            self._restart(_validator(answer))
            return _count(answer.headers.get("content-length", ""))
        self._restart(None)
        if answer.status_code == 416 and resuming:
            # The file was complete when the connection broke, or it has changed.
            raise APIConnectionError(f"{self._label}: the rest is not available")
        body = await body_of(self._label, answer)
        now = self._transport.runtime.now()
        raise refusal(answer.status_code, answer.headers, body, now)

    @asynccontextmanager
    async def _opened(self, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """The response at the end of the redirects, its body not yet read."""
        runtime, http = self._transport.runtime, self._transport.http
        home = await origin_of(self._transport.base_url, runtime)
        source, url = home, self._url
        for _ in range(MAX_REDIRECTS + 1):
            target = await origin_of(url, runtime)
            if not source.may_lead_to(target, home):
                raise RefusedAddressError(
                    shown(url), f"{source.host} is public and leads to a private address"
                )
            # Not of the HTTP client, which may be the caller's: its headers are not for this host.
            request = httpx.Request("GET", url, headers=headers)
            request.extensions["timeout"] = time_outs(SILENCE_SECONDS).as_dict()
            if not target.private:
                host = request.url.raw_host.decode("ascii")
                request.extensions["trace"] = public_alone(host, shown(url))
            answer = await send_quietly(http, request)
            try:
                logger.debug("GET %s key=none -> %d", shown(url), answer.status_code)
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    yield answer
                    return
            finally:
                await answer.aclose()
            source, url = target, joined(url, answer.headers["location"])
        raise RefusedAddressError(shown(self._url), f"more than {MAX_REDIRECTS} redirects")


@contextmanager
def _part_beside(destination: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the same folder, so that the rename is atomic; removed at the end."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _validator(answer: httpx.Response) -> str | None:
    """A strong validator that can be sent back; a weak one allows other bytes."""
    mark: str | None = answer.headers.get("etag") or answer.headers.get("last-modified")
    return None if mark is None or mark.startswith("W/") or not mark.isascii() else mark


def _content_range(header: str) -> tuple[int | None, int | None]:
    """Start and total of ``bytes 5-9/10``; None for an absent one."""
    span, _, total = header.removeprefix("bytes ").partition("/")
    return _count(span.partition("-")[0]), _count(total)


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
