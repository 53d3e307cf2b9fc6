"""Bodies, forms, paths, keys and addresses of requests, checked before anything is sent."""

from __future__ import annotations

import asyncio
import functools
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit

import httpx

from rivya_flows.errors import MediaError, UsageError


class Form:
    """One multipart request; each attempt opens the file again.

    Args:
        content: The bytes, their path, or an open file, which stays open.
        name: File name to send.
        mime_type: Media type to send.
        fields: The text parts.
    """

    def __init__(
        self,
        content: bytes | Path | IO[bytes],
        name: str,
        mime_type: str,
        fields: Mapping[str, str],
    ) -> None:
        self._content = content
        self._name = name
        self._mime_type = mime_type
        self._fields = dict(fields)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[dict[str, Any]]:
        """Arguments for the HTTP client, which reads an open file from the start."""
        if not isinstance(self._content, Path):
            yield self._with(self._content)
            return
        try:
            file = await _open(self._content)
        except OSError as exc:
            raise MediaError(f"{self._content}: cannot be read: {exc.strerror}") from exc
        with file:
            yield self._with(file)

    def _with(self, source: bytes | IO[bytes]) -> dict[str, Any]:
        return {"files": {"file": (self._name, source, self._mime_type)}, "data": self._fields}


async def _open(path: Path) -> BufferedReader:
    """The file, open for reading; closed if the caller is cancelled.

    Raises:
        OSError: It cannot be opened.
    """
    opening = asyncio.get_running_loop().run_in_executor(None, path.open, "rb")
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opened: asyncio.Future[BufferedReader]) -> None:
    if opened.exception() is None:
        opened.result().close()


def as_json(body: Mapping[str, object]) -> bytes:
    """The compact JSON of a body, in UTF-8; the same mapping always gives the same bytes.

    Raises:
        UsageError: A value has no JSON form.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as exc:
        raise UsageError(f"request body: {exc}") from exc


THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def checked_base_url(base_url: str) -> str:
    """The address of a service without a slash at its end.

    Raises:
        UsageError: It is not an http or https address.
    """
    hint = "write it like https://rivya.ai"
    try:
        parts = urlsplit(base_url.strip())
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        known = known and bool(httpx.URL(base_url.strip()).host)
    except (ValueError, httpx.InvalidURL):  # such as for a port that is not a number
        known = False
    if "@" in base_url:
        raise UsageError("RIVYA_BASE_URL: has a user name or a password", hint)
    if not known or parts.query or parts.fragment or re.search(r"[\s\\]", base_url.strip()):
        raise UsageError(f"RIVYA_BASE_URL: {base_url!r} is not the address of a service", hint)
    return base_url.strip().rstrip("/").removesuffix("/api/v1")


def refuse_plain_http(base_url: str) -> None:
    """Protects a key from a network that could read it.

    Raises:
        UsageError: The address is http, and not on this machine.
    """
    parts = urlsplit(base_url)
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise UsageError(
            f"RIVYA_BASE_URL: {base_url} would get the API key unencrypted",
            "write https://; http:// works only on this machine, such as http://127.0.0.1:8700",
        )


def checked_key(api_key: str | None) -> str | None:
    """The key without surrounding blanks; None if it is empty.

    Raises:
        UsageError: It is not possible in a header. The message does not show it.
    """
    key = (api_key or "").strip()
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise UsageError(
            "RIVYA_API_KEY: contains a blank or a character that no key has",
            "copy the key again, without quotes",
        )
    return key or None


def masked(api_key: str | None) -> str:
    """A key for messages and logs: whether there is one."""
    return "none" if api_key is None else "rvya_sk_***"


def without_key(text: str, api_key: str | None) -> str:
    r"""A text with the key masked, also where some of its characters are escaped.

    Escaped as in an address (``%5f``, also twice), in JSON (``\u005f``) or in HTML (``&#95;``).
    """
    return text if api_key is None else _spellings(api_key).sub(masked(api_key), text)


@functools.lru_cache(maxsize=8)
def _spellings(api_key: str) -> re.Pattern[str]:
    return re.compile("".join(map(_spelled, api_key)))


def _spelled(one: str) -> str:
    number = ord(one)
    escapes = (
        f"%(?:25)*{number:02x}",
        rf"\\{{1,4}}u00{number:02x}",
        f"&#(?:x0*{number:x}|0*{number});",
    )
    return f"(?:{re.escape(one)}|(?i:{'|'.join(escapes)}))"


def path_of(resource: str, name: str) -> str:
    """The path of one object; an id is an opaque string with any characters.

    Raises:
        UsageError: The id would lead to another path, or is not a string.
    """
    try:
        quoted = quote(name, safe="")
    except (TypeError, UnicodeError):  # None, or half a character
        quoted = ""
    if quoted in ("", ".", ".."):
        raise UsageError(f"{resource}: {name!r} is not an id")
    return f"/api/v1/{resource}/{quoted}"


def checked_idempotency_key(key: str) -> str:
    """The key unchanged.

    Raises:
        UsageError: It is not 1 to 255 printable ASCII characters. Source: contract, section 2.4.
    """
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise UsageError(f"idempotency key: {key!r} is not 1 to 255 printable ASCII characters")
    return key
