"""Contact sheets: a strict reader of the page, a folder of media, and receipts of runs."""

from __future__ import annotations

import hashlib
import io
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

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
        folder.mkdir(exist_ok=True)
        self.folder = folder

    def __call__(self, sha256: str) -> Path:
        return self.folder / sha256

    def put(self, data: bytes, kind: str, mime_type: str, **facts: Any) -> dict[str, Any]:
        sha256 = hashlib.sha256(data).hexdigest()
        (self.folder / sha256).write_bytes(data)
        url = f"https://rivya.example/{sha256}"
        asset = {"kind": kind, "mime_type": mime_type, "sha256": sha256, "url": url}
        return asset | facts

    def draw(self, size: tuple[int, int], colour: str) -> dict[str, Any]:
        """A picture of one colour."""
        return self._png(Image.new("RGB", size, colour))

    def noise(self, size: tuple[int, int]) -> dict[str, Any]:
        """A picture too large for a page."""
        return self._png(Image.effect_noise(size, 80))

    def _png(self, image: Image.Image) -> dict[str, Any]:
        data = io.BytesIO()
        image.save(data, "png")
        width, height = image.size
        return self.put(data.getvalue(), "image", "image/png", width=width, height=height)


def run_with_pick(
    store: Store, keys: tuple[str, ...] = ("studio", "neon"), **facts: Any
) -> dict[str, Any]:
    """The receipt of a run that waits for a pick among stills with these keys."""
    media = {key: store.put(key.encode(), "image", "image/png") for key in keys}
    stills = [
        {"key": key, "credits": 1, "prompt": f"a lamp, {key}", "assets": [one]}
        for key, one in media.items()
    ]
    candidates = [
        {"n": number, "key": key, "sha256": one["sha256"], "credits": 1}
        for number, (key, one) in enumerate(media.items(), 1)
    ]
    choice = {"question": "Which still becomes the film?", "waiting": True, "then": "fail"}
    hero = {"status": "suspended", "choice": choice | {"candidates": candidates} | facts}
    return {
        "run_id": "run-1",
        "status": "suspended",
        "steps": [
            {"id": "stills", "items": stills},
            {"id": "hero", "uses": "pick", "status": "suspended", "items": [hero]},
        ],
    }


def choice_of(run: dict[str, Any]) -> dict[str, Any]:
    """The choice of `run_with_pick`, to be changed."""
    found: dict[str, Any] = run["steps"][1]["items"][0]["choice"]
    return found


def judged(run: dict[str, Any]) -> dict[str, Any]:
    """The run with scores of a judge, who proposes the second."""
    first, second = choice_of(run)["candidates"]
    first |= {"score": 4, "reason": "the base is cut off"}
    second |= {"score": 8.5, "reason": "whole, and well lit", "proposed": True}
    return run


def decided(run: dict[str, Any]) -> dict[str, Any]:
    """The run after a person has picked the second."""
    by = {"name": "Priya", "channel": "form", "at": "2026-11-25T12:04:00Z"}
    choice = choice_of(judged(run))
    choice |= {"waiting": False, "picked": ["neon"], "by": by}
    choice["candidates"][1]["picked"] = True
    stills, hero = run["steps"][:2]
    neon = stills["items"][1]["assets"][0]
    hero["status"] = "completed"
    hero["items"][0] |= {"status": "completed", "assets": [neon]}
    return run | {"status": "completed", "outputs": {"stills": [neon], "hero": neon}}


def run_with_spot(store: Store, *, clean: bool = True, **facts: Any) -> dict[str, Any]:
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
        {"start": 61.5, "end": 63, "text": "Go on"},
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
    step = {"id": "spot", "uses": "compose", "items": [item | facts]}
    return {"steps": [step], "outputs": {"spot": [one["asset"] for one in by.values()]}}


DAY = 86_400.0


def at(seconds: float) -> str:
    return datetime.fromtimestamp(1_800_000_000 + seconds, UTC).isoformat()


def whole_run(store: Store) -> dict[str, Any]:
    """The receipt of a failed run with all that a page shows.

    From a photo come two stills, of which a person picks one after two days; a voice, a script and
    a film in two formats are made; the rest fails or is skipped.
    """
    run = decided(run_with_pick(store))
    spot = run_with_spot(store)
    photo = store.put(b"photo", "image", "image/jpeg", width=9, height=16)
    voice = store.put(b"mp3", "audio", "audio/mpeg", duration_seconds=3.25)
    stills, hero = run["steps"]
    studio, neon = (item["assets"][0] for item in stills["items"])
    waits = [{"asked_at": at(50), "answered_at": at(2 * DAY)}]
    for number, item in enumerate(stills["items"]):
        item |= {"began_at": at(number), "ended_at": at(number + 9), "model": "z-image"}
    stills |= {"title": "Moods", "credits": 2, "needs": []}
    stills["items"][1] |= {
        "alternative": 2,
        "params": {"aspect_ratio": "9:16"},
        "task_ids": ["task_1"],
    }
    hero["needs"] = ["stills"]
    hero["items"][0] |= {"began_at": at(50), "ended_at": at(2 * DAY + 1), "waits": waits}
    [composed] = spot["steps"]
    composed |= {"needs": ["hero"], "credits": 10}
    composed["items"][0] |= {
        "began_at": at(2 * DAY + 1),
        "ended_at": at(2 * DAY + 80),
        "credits": 10,
    }
    refused = {"status": "failed", "reason": "the job failed"}
    films = [one["asset"] for one in composed["items"][0]["by"].values()]
    paid = {"model": "z-image", "task_id": "task_1", "credits": 1, "prompt": "a lamp, neon"}
    return run | {
        "run_id": "run-2",
        "title": "Product launch",
        "status": "failed",
        "fork": {"run_id": "run-1", "step": "film"},
        "started_at": "2026-11-25T00:52:21.120Z",
        "ended_at": "2026-11-25T01:53:58.480Z",
        "credits": {"before": 1000, "after": 988, "spent": 12, "saved": 6},
        "execution_times": [
            {"began_at": at(0), "ended_at": at(50)},
            {"began_at": at(2 * DAY), "ended_at": at(2 * DAY + 81)},
        ],
        "inputs": {"product": "Aurora", "styles": ["neon", "noir"], "reference": None},
        "outputs": {"spot": films, "all": [neon, voice], "headline": "Wake up", "none": None},
        "steps": [
            stills,
            hero,
            {"id": "script", "uses": "chat", "items": [{"text": '{"visual": "oak"}'}]},
            {"id": "voice_of_the_whole_spot", "needs": ["hero"], "items": [{"assets": [voice]}]},
            composed,
            {"id": "extra", "status": "failed", "items": [{"key": "noir"} | refused]},
            {"id": "unused", "status": "skipped", "needs": ["hero"], "items": [{"status": "skipped"}]},
        ],
        "ledger": [{"step": "stills", "task_id": "task_1", "final": 1, "model": "seedream", "alternative": 1}],
        "assets": [
            photo | {"given_as": "inputs.photo"},
            made(studio, "stills", "studio", photo),
            made(neon, "stills", "neon", photo, **paid),
            made(voice, "voice_of_the_whole_spot", ""),
            *(made(one, "spot", "", neon, photo, uses="compose") for one in films),
        ],
    }  # fmt: skip


def made(asset: dict[str, Any], step: str, key: str, *parents: dict[str, Any], **facts: Any) -> Any:
    """The card of a medium that an item of a run made."""
    of = {"step": step, "key": key, "parents": [one["sha256"] for one in parents]}
    return asset | {"made_by": of | facts}


_NO_TEXT = {
    "status", "kind", "mode", "sha256", "parents", "route", "channel", "on_timeout", "then",
    "at", "started_at", "ended_at", "began_at", "asked_at", "answered_at", "deadline", "idempotency_key",
}  # fmt: skip


def with_words_everywhere(part: Any, words: str) -> Any:
    """The part of a receipt with these words at the end of each text that is not one of a few."""
    if isinstance(part, str):
        return part + words
    if isinstance(part, list):
        return [with_words_everywhere(one, words) for one in part]
    if isinstance(part, dict):
        return {
            name: value if name in _NO_TEXT else with_words_everywhere(value, words)
            for name, value in part.items()
        }
    return part
