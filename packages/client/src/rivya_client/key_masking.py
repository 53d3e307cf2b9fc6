"""Masks the API key in whatever a service sends back, before it becomes an object.

Answers become receipts, pages and results of tools, which are passed on. A search for the key and
its encodings finds nothing in almost every answer; the rest is read and written once more.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from typing import Any

import httpx

LEAST_LENGTH = 8  # a shorter key is not a secret, and masking it would spoil other words
PREFIX = "rvya_sk_"  # the beginning of each key, which is no secret
MASK = f"{PREFIX}***"


def without_key(text: str, api_key: str | None) -> str:
    r"""A text with the key masked, also where it or some of its characters are encoded.

    Escaped as in an address (``%5f``, also twice), in JSON (``\u005f``) or in HTML (``&#95;``); or
    in hexadecimal or Base64, alone or inside a longer text such as ``Bearer KEY``. What follows
    `PREFIX` is masked too, since it is the whole secret.
    """
    if api_key is None or not _may_quote(text, api_key):
        return text
    return _spellings(api_key).sub(MASK, text)


def body_without_key(body: bytes, api_key: str | None) -> bytes:
    """A body with the key masked in each text and name of its JSON; else the same bytes."""
    if api_key is None or not _may_quote(body.decode("latin-1"), api_key):
        return body

    def mask(value: Any) -> Any:
        if isinstance(value, str):
            return without_key(value, api_key)
        if isinstance(value, list):
            return [mask(one) for one in value]
        if isinstance(value, dict):
            return {mask(name): mask(one) for name, one in value.items()}
        return value

    try:
        decoded = json.loads(body)
        masked = mask(decoded)
    except (ValueError, RecursionError):  # a page of a proxy, or what no reader accepts
        text = body.decode(errors="surrogateescape")
        return without_key(text, api_key).encode(errors="surrogateescape")
    return body if masked == decoded else json.dumps(masked).encode()


def answer_without_key(answer: httpx.Response, api_key: str | None) -> httpx.Response:
    """The response, with the key masked in its headers."""
    raw = answer.headers.raw
    masked = [tuple(without_key(one.decode("latin-1"), api_key) for one in pair) for pair in raw]
    answer.headers = httpx.Headers([(k.encode("latin-1"), v.encode("latin-1")) for k, v in masked])
    return answer


def possible_key(text: str, api_key: str | None) -> int:
    """Where the end of a text begins that may be the beginning of the key; else its length."""
    if api_key is None or len(api_key) < LEAST_LENGTH:
        return len(text)
    needles = _needles(api_key)
    firsts = {needle[0] for needle in needles}
    for start in range(max(0, len(text) - max(map(len, needles)) + 1), len(text)):
        if text[start] in firsts and any(one.startswith(text[start:]) for one in needles):
            return start
    return len(text)


def _may_quote(text: str, api_key: str) -> bool:
    """Whether a text has the key in one piece, or something escaped."""
    if len(api_key) < LEAST_LENGTH:
        return False
    return any(one in text for one in ("\\", "%", "&#", *_needles(api_key)))


def _secrets(api_key: str) -> tuple[str, ...]:
    """The key, and the part of it that no one can guess, if that is long enough to be masked."""
    part = api_key.removeprefix(PREFIX)
    return (api_key,) if part == api_key or len(part) < LEAST_LENGTH else (api_key, part)


@functools.lru_cache(maxsize=8)
def _needles(api_key: str) -> tuple[str, ...]:
    """The key, and what is in each hexadecimal or Base64 text that has the key inside."""
    found: list[str] = []
    for secret in _secrets(api_key):
        plain = secret.encode()
        encoded = [plain.hex()]
        for offset in range(3):  # a character of Base64 has six bits, so it is cut in three ways
            padded = base64.b64encode(bytes(offset) + plain).decode()
            encoded.append(padded[(0, 2, 3)[offset] : 8 * (offset + len(plain)) // 6])
        encoded += [one.translate({43: 45, 47: 95}) for one in encoded[1:]]  # of addresses: - and _
        # A host name is in lower case, wherever it came from.
        found += [secret, *encoded, plain.hex().upper(), secret.lower(), secret.upper()]
    return tuple(dict.fromkeys(found))


@functools.lru_cache(maxsize=8)
def _spellings(api_key: str) -> re.Pattern[str]:
    def spell(letter: str) -> str:
        number = ord(letter)
        escapes = (
            f"%(?:25)*{number:02x}",
            rf"\\{{1,4}}(?:u00|x){number:02x}",
            f"&#(?:x0*{number:x}|0*{number});",
        )
        return f"(?:{re.escape(letter)}|(?i:{'|'.join(escapes)}))"

    escaped = ["".join(map(spell, secret)) for secret in _secrets(api_key)]
    return re.compile("|".join([*escaped, *map(re.escape, _needles(api_key))]))
