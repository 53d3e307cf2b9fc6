"""Bodies, forms, paths, keys and addresses of requests, checked before anything is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote, urlsplit

import httpx

from rivya_flows.client.transport.key_masking import MASK
from rivya_flows.errors import UsageError


@dataclass(frozen=True)
class Form:
    """One multipart request.

    Attributes:
        content: The bytes, or an open file, which each attempt reads from the start.
        name: File name to send.
        mime_type: Media type to send.
        fields: The text parts.
    """

    content: bytes | IO[bytes]
    name: str
    mime_type: str
    fields: Mapping[str, str]

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments for the HTTP client."""
        file = (self.name, self.content, self.mime_type)
        return {"files": {"file": file}, "data": dict(self.fields)}


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
        raise UsageError("RIVYA_BASE_URL: is not the address of a service", hint)
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
    return "none" if api_key is None else MASK


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
