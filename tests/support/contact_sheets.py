"""Contact sheets: a strict reader of the page, a folder of media, and receipts of runs."""

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


def run_with_pick(
    store: Store, keys: tuple[str, ...] = ("studio", "neon"), **facts: Any
) -> dict[str, Any]:
    """The receipt of a run that waits for a pick among stills with these keys."""
    media = {key: store.put(key.encode(), "image", "image/png") for key in keys}
    stills = [
        {
            "key": key,
            "status": "completed",
            "credits": 1,
            "prompt": f"a lamp, {key}",
            "assets": [one],
        }
        for key, one in media.items()
    ]
    candidates = [
        {
            "n": number,
            "key": key,
            "sha256": one["sha256"],
            "text": None,
            "credits": 1,
            "score": None,
            "reason": None,
            "picked": False,
            "proposed": False,
        }
        for number, (key, one) in enumerate(media.items(), 1)
    ]
    choice: dict[str, Any] = {
        "mode": "human", "question": "Which still becomes the film?", "count": 1, "round": 0,
        "rounds_left": 0, "note_room": 0, "notes": [], "picked": [], "by": None, "waiting": True,
        "deadline": None, "on_timeout": "fail", "then": "fail", "judge": None, "judge_error": None,
        "candidates": candidates, "earlier": [],
    }  # fmt: skip
    hero = {"key": "", "status": "suspended", "assets": [], "choice": choice | facts}
    return {
        "run_id": "run-1",
        "status": "suspended",
        "steps": [
            {"id": "stills", "uses": "generate", "status": "completed", "items": stills},
            {"id": "hero", "uses": "pick", "status": "suspended", "items": [hero]},
        ],
    }


def run_with_spot(
    store: Store, *, clean: bool = True, evil: str = "Go on", **facts: Any
) -> dict[str, Any]:
    """The receipt of a step that composed a film in two formats, with captions."""

    def film(name: str, width: int, height: int) -> dict[str, Any]:
        size = {"width": width, "height": height, "duration_seconds": 2.0}
        return store.put(name.encode(), "video", "video/mp4", **size)

    by = {
        name: {"asset": film(name, *size), "clean": film(f"{name} clean", *size) if clean else None}
        for name, size in {"9:16": (1080, 1920), "16:9": (1920, 1080)}.items()
    }
    media = [one[name] for name in ("asset", "clean") for one in by.values() if one[name]]
    poster = store.put(b"poster", "image", "image/jpeg")
    gif = store.put(b"gif", "image", "image/gif")
    cues = [
        {"start": 0.0, "end": 1.25, "text": "Wake up"},
        {"start": 61.5, "end": 63, "text": evil},
    ]
    item = {
        "by": by,
        "captions": {"cues": cues, "estimated": True, "language": "hi"},
        "poster": poster,
        "gif": gif,
        "loudness": {"lufs": -16.04, "true_peak": -1.3},
        "lost": ["hero.png: its C2PA manifest"],
        "assets": [*media, poster, gif],
    }
    step = {"id": "spot", "uses": "compose", "status": "completed", "items": [item | facts]}
    return {"steps": [step], "outputs": {"spot": [one["asset"] for one in by.values()]}}
