"""Golden files: what a test saw, with placeholders for what differs from run to run.

`FROZEN=update pytest tests/frozen` writes them anew.

THEY STAY AS THEY ARE UNTIL THE CORE IS REBUILT. A difference is a change of what users have: prices,
requests, printed JSON, receipts. Mend the code, not the file. The one exception is
`wrong-specs-words.json`: a better message or hint is a deliberate change of its line.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "golden"
_ASSET = {
    "kind", "path", "url", "mime_type", "width", "height", "duration_seconds", "size_bytes", "sha256",
}  # fmt: skip
_VARYING = {
    "seconds", "late_seconds", "looks", "work_seconds", "size_bytes",
    "balance_before", "balance_after", "catalogue_date", "date", "freed_bytes", "work_pools",
}  # fmt: skip
"""What depends on the day, on how busy the machine is, on an encoder, or on what was faster."""
_NUMBERED = (
    ("run", re.compile(r"\brun-\d{8}-\d{6}-[0-9a-f]{4}\b")),
    ("media", re.compile(r"(?<=/media/)(?:results|files)/[\w-]{43}")),
    ("id", re.compile(r"\b(?:task|file|chatcmpl|session|req|key|evt)_[0-9a-f]{24}\b")),
    ("uuid", re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")),
    ("sha", re.compile(r"(?<![0-9a-f-])[0-9a-f]{64}(?![0-9a-f])")),
    ("hex", re.compile(r"(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f])")),
)
"""Numbered in the order in which they come, so that equal ones are equal in the file."""
_PLAIN = (
    (re.compile(r"assets/[0-9a-f]{2}/"), "assets/"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<service>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{12}(?=\.(?:png|jpg|mp4|wav|mp3)\b)"), "<name>"),
    (re.compile(r"rvya_sk_\w+"), "<key>"),
    # As deep as the folder of a test of pytest-xdist; without it, one less.
    (re.compile(r"(?<!\.\./)(?:\.\./){3,4}\.\.(?=<(?:docs|own|specs)>)"), "../../../../.."),
)


def compare(name: str, seen: Any) -> None:
    """Fail where `seen`, written as JSON, is not the golden file of that name."""
    path = FOLDER / f"{name}.json"
    text = json.dumps(seen, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("FROZEN") == "update":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return
    expected = path.read_text("utf-8")
    if text != expected:
        lines = difflib.unified_diff(
            expected.splitlines(), text.splitlines(), f"golden/{name}.json", "now", "", "", 2, ""
        )
        pytest.fail("\n".join(["frozen behaviour has changed:", *lines]), pytrace=False)


def normal(value: Any, replaced: Mapping[str, str]) -> Any:
    """A JSON value with placeholders; `replaced` are texts that this test knows, the longest first."""
    text = json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)
    for old in sorted(replaced, key=len, reverse=True):
        text = text.replace(json.dumps(old)[1:-1], replaced[old])
    for pattern, instead in _PLAIN:
        text = pattern.sub(instead, text)
    for word, pattern in _NUMBERED:
        names: dict[str, str] = {}
        for found in pattern.findall(text):
            names.setdefault(found, f"<{word} {len(names) + 1}>")
        text = pattern.sub(partial(_named, names), text)
    return json.loads(text)


def _named(names: Mapping[str, str], found: re.Match[str]) -> str:
    return names[found[0]]


def shape(value: Any, path: str = "") -> list[str]:
    """The paths of all fields with the types of their values, such as ``steps[].id: str``."""
    return sorted(set(_paths(value, path)))


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _paths(one, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for one in value:
            yield from _paths(one, f"{path}[]")
    if not isinstance(value, dict | list) or not value:
        yield f"{path}: {type(value).__name__}"


def _plain(value: Any) -> Any:
    """Without what varies; a medium is one line, so that differences are easy to read."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == _ASSET:
        shown = [str(value[key]) for key in ("mime_type", "width", "height", "duration_seconds")]
        where = [str(value[key]) for key in ("url", "path")]
        return " ".join(["asset", *shown, *where, value["sha256"] or "no sha"])
    # How long such jobs usually took is null until three of them ended.
    return {
        key: "<varies>"
        if key == "usual_seconds" or (key in _VARYING and one is not None)
        else _plain(one)
        for key, one in value.items()
    }


def hash_of(text: str) -> str:
    """A short hash of a long text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
