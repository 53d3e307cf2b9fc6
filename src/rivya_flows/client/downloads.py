"""Brings a result onto this machine: streamed, hashed, bounded, and whole or not at all."""

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

from rivya_flows.client.transport.addresses import RefusedAddressError, joined, origin_of, shown
from rivya_flows.client.transport.connection import said
from rivya_flows.client.transport.rebinding_guard import public_alone
from rivya_flows.client.transport.response_parsing import refusal
from rivya_flows.client.transport.retries import RetryPolicy, retrying
from rivya_flows.client.transport.streaming_response import body_of
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.transport.unpacking import codings, raw_pieces
from rivya_flows.errors import APIConnectionError, MediaError, UsageError

logger = logging.getLogger("rivya_flows.wire")

MOST_REDIRECTS = 5
DOWNLOAD_SECONDS = 1800.0
"""For one attempt; the silence time-out of the transport ends a dead one much earlier."""

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Download:
    """A file that lies here now.

    Attributes:
        sha256: Of its bytes, in lower-case hex.
        size_bytes: Its size.
        content_type: Media type as the host said it, without parameters; None if it did not.
    """

    sha256: str
    size_bytes: int
    content_type: str | None


class _Arrival:
    """What has come of one file so far.

    Attributes:
        validator: The host's mark for these very bytes. Without one nothing is resumed, since
            the rest might be the rest of another file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.start_anew(None)

    def start_anew(self, validator: str | None) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size_bytes = 0
        self.validator = validator

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size_bytes += len(piece)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Downloads:
    """Fetches what result addresses stand for; the key never goes with a request."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def fetch(
        self, url: str, destination: Path, *, max_bytes: int, retry: RetryPolicy | None
    ) -> Download:
        """A file at `destination`; see `RivyaClient.download`."""
        if not isinstance(destination, Path):
            raise UsageError(f"destination: {destination!r} is no path", "write Path(…) round it")
        url = joined(self._transport.base_url + "/", url)
        attempts = retrying(
            retry or self._transport.retry,
            self._transport.surroundings,
            repeatable=True,
        )
        try:
            with _part_beside(destination) as (part, file):
                arrival = _Arrival(file)
                content_type: str | None = await attempts(self._attempt, url, arrival, max_bytes)
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
                part.replace(destination)
        except OSError as exc:
            raise UsageError(
                f"{destination}: cannot be written: {exc.strerror or exc}",
                "make room or choose another folder, then try again",
            ) from exc
        return Download(arrival.sha256, arrival.size_bytes, content_type)

    async def _attempt(self, url: str, arrival: _Arrival, max_bytes: int) -> str | None:
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                return await self._go_on(url, arrival, max_bytes)
        except httpx.RequestError as exc:
            raise APIConnectionError(f"GET {shown(url)}: {said(exc)}") from exc
        except (httpx.InvalidURL, UnicodeError) as exc:  # the latter of a name that is none
            raise RefusedAddressError(shown(url), str(exc)) from exc
        except TimeoutError:
            raise APIConnectionError(
                f"GET {shown(url)}: not whole within {DOWNLOAD_SECONDS:g} s"
            ) from None

    async def _go_on(self, url: str, arrival: _Arrival, max_bytes: int) -> str | None:
        """Gets the rest, or all of it; gives the media type."""
        # Compressed bytes could neither be counted nor resumed.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if arrival.size_bytes and arrival.validator:
            headers["Range"] = f"bytes={arrival.size_bytes}-"
            headers["If-Range"] = arrival.validator
        async with self._opened(url, headers) as answer:
            if answer.status_code == 206 and "Range" in headers:
                start, total = _content_range(answer.headers.get("content-range", ""))
                if start != arrival.size_bytes:
                    arrival.start_anew(None)
                    raise APIConnectionError(f"GET {shown(url)}: another part came than was asked")
            elif answer.status_code == 200:
                arrival.start_anew(_validator(answer))
                total = _length(answer)
            elif answer.status_code == 416 and "Range" in headers:
                # All of it had come when it was cut, or it is another file now.
                arrival.start_anew(None)
                raise APIConnectionError(f"GET {shown(url)}: the rest could not be had")
            else:
                arrival.start_anew(None)
                body = await body_of(f"GET {shown(url)}", answer)
                now = self._transport.surroundings.now()
                raise refusal(answer.status_code, answer.headers, body, now)
            if packed := codings(answer):
                arrival.start_anew(None)
                raise MediaError(
                    f"{shown(url)}: the host packed the file as {', '.join(packed)[:60]!r},"
                    " which was not asked for",
                    "nothing of it was kept; resume the run to fetch it again",
                )
            too_large = MediaError(
                f"{shown(url)}: larger than {max_bytes} bytes", "nothing of it was kept"
            )
            if total is not None and total > max_bytes:
                raise too_large
            async with aclosing(raw_pieces(answer)) as parts:
                async for piece in parts:
                    if arrival.size_bytes + len(piece) > max_bytes:
                        raise too_large
                    arrival.add(piece)
            if total is not None and arrival.size_bytes != total:
                raise APIConnectionError(
                    f"GET {shown(url)}: cut after {arrival.size_bytes} of {total} bytes"
                )
            told: str = answer.headers.get("content-type", "")
            return told.partition(";")[0].strip().lower() or None

    @asynccontextmanager
    async def _opened(self, url: str, headers: dict[str, str]) -> AsyncIterator[httpx.Response]:
        """The answer at the end of the redirects, its body not yet read."""
        surroundings = self._transport.surroundings
        home = await origin_of(self._transport.base_url, surroundings)
        source, first = home, url
        for _ in range(MOST_REDIRECTS + 1):
            target = await origin_of(url, surroundings)
            if not source.may_lead_to(target, home):
                raise RefusedAddressError(
                    shown(url), f"{source.host} is public and leads to a private address"
                )
            request = self._transport.http.build_request("GET", url, headers=headers)
            if not target.private:
                host = request.url.raw_host.decode("ascii")
                request.extensions["trace"] = public_alone(host, shown(url))
            answer = await self._transport.http.send(request, stream=True)
            try:
                logger.debug("GET %s key=none -> %d", shown(url), answer.status_code)
                if answer.status_code not in _REDIRECTS or "location" not in answer.headers:
                    yield answer
                    return
            finally:
                await answer.aclose()
            source, url = target, joined(url, answer.headers["location"])
        raise RefusedAddressError(shown(first), f"more than {MOST_REDIRECTS} redirects")


@contextmanager
def _part_beside(destination: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file in the same folder, so that the rename is atomic; gone at the end."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f".{secrets.token_hex(6)}.part")
    try:
        with part.open("xb") as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _validator(answer: httpx.Response) -> str | None:
    """A strong mark of these bytes that can be sent back; a weak one allows other bytes."""
    mark: str | None = answer.headers.get("etag") or answer.headers.get("last-modified")
    return None if mark is None or mark.startswith("W/") or not mark.isascii() else mark


def _length(answer: httpx.Response) -> int | None:
    """Size of the whole file, if the host tells it."""
    return _count(answer.headers.get("content-length", ""))


def _content_range(header: str) -> tuple[int | None, int | None]:
    """Start and total of ``bytes 5-9/10``; None for what it does not tell."""
    span, _, total = header.removeprefix("bytes ").partition("/")
    return _count(span.partition("-")[0]), _count(total)


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None
