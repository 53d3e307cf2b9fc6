"""Contact sheets: a strict reader of the page, and a folder of media."""

from __future__ import annotations

import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "img", "br", "hr", "link", "input", "track"}


class Page(HTMLParser):
    """Reads a page; fails where an element is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def sources(self, *tags: str) -> list[str]:
        return [str(attrs["src"]) for tag, attrs in self.found if tag in tags and "src" in attrs]


class Store:
    """Assets by hash in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, sha256: str) -> Path:
        return self.folder / sha256

    def put(self, data: bytes, kind: str, mime_type: str, **facts: Any) -> dict[str, Any]:
        sha256 = hashlib.sha256(data).hexdigest()
        (self.folder / sha256).write_bytes(data)
        url = f"https://rivya.example/{sha256}"
        asset = {"kind": kind, "mime_type": mime_type, "sha256": sha256, "url": url}
        return asset | facts
