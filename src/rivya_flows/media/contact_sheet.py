"""The contact sheet of a receipt: one HTML page of a run that needs no network."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2

from rivya_flows.assets import Asset, MediaKind, as_asset, assets_in, rendered_as
from rivya_flows.language.subtitles import Cue
from rivya_flows.media.bounds import MAX_POSTERS
from rivya_flows.media.captions import vtt
from rivya_flows.media.decoding import draw_poster

AssetPath = Callable[[str], Path]
AssetUrl = Callable[[Asset], str | None]

MAX_EMBEDDED_BYTES = 8 * 2**20
"""Size of all embedded pictures together, in the order of the page; what does not fit is linked, so that
browsers can open the page."""

SMALL_BYTES = 64 * 2**10
"""A file of at most this size is embedded itself."""

_MAX_INDENTED_LENGTH, _MAX_INDENTED_DEPTH = 200_000, 16
"""Characters and depth of a JSON text that is shown indented; others are shown as they are."""

_KINDS = ("image", "video", "audio")
_MIME_TYPE = re.compile(r"(image|video|audio)/[A-Za-z0-9.+-]+")
_WORDS = {"clean": "without captions", "poster": "Poster", "gif": "GIF"}
_NOT_DONE = ("failed", "skipped", "cancelled", "suspended", "uncertain")


@dataclass(frozen=True)
class _Media:
    """One picture or player.

    Attributes:
        source: A data URI or a link; empty if the file is gone or is in the page already.
        anchor: Identifies the asset in the page; the script copies the source from there.
        first: This element holds the data; the others refer to it.
        link: URL of the file; empty if there is none.
        small: The source is a small picture of the file at the link.
        poster: Data URI of the poster of a film; else empty.
        tall: Not wider than high.
        key: Of the only item that made it, and its format; empty if several did, or one of a step
            without either.
        rendered: It is a format of a film or still.
    """

    kind: MediaKind
    anchor: str
    first: bool
    source: str = ""
    link: str = ""
    small: bool = False
    poster: str = ""
    size: str = ""
    ratio: str = ""
    tall: bool = False
    key: str = ""
    rendered: bool = False


@dataclass
class _Embedder:
    """Turns assets into media, each in the page once.

    Attributes:
        recorded: The media of the run, by hash. Nothing else is one, whatever it looks like.
        keys: Of the items that made them, with their formats, by hash.
        rendered: Those that are a format of a film or still, by hash.
        anchors: Of the media that are in the page, by hash or address.
        files: On this machine, by hash; of a page on a server those alone that it draws.
        posters: Small pictures, by hash.
        left: Bytes that may still be embedded.
    """

    asset_path: AssetPath
    beside: Path | None
    asset_url: AssetUrl | None
    recorded: Mapping[str, Asset]
    keys: Mapping[str, set[str]]
    rendered: frozenset[str]
    anchors: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path | None] = field(default_factory=dict)
    posters: dict[str, Future[Any]] = field(default_factory=dict)
    left: int = field(default_factory=lambda: MAX_EMBEDDED_BYTES)

    def draw(self, outputs: Any) -> None:
        """Starts to draw the first media of the page, all at once; those of the outputs come first."""
        order = dict.fromkeys([*(one.sha256 for one in assets_in(outputs)), *self.recorded])
        visible = [self.recorded[one] for one in order if one in self.recorded]
        for asset in [one for one in visible if one.kind != "audio"][:MAX_POSTERS]:
            path = self._file(asset)
            if path and (asset.kind == "video" or path.stat().st_size > SMALL_BYTES):
                self.posters[asset.sha256] = draw_poster(asset.sha256, path)

    def media(self, value: Any) -> list[_Media]:
        """The media of an asset or of a list of them; anything else has none."""
        if isinstance(value, list | tuple):
            return [media for member in value for media in self.media(member)]
        asset = as_asset(value)
        known = self.recorded.get(asset.sha256) if asset else None
        return [] if known is None else [self._kept(known)]

    def of_item(self, assets: Any) -> list[_Media]:
        """The media of an item: also those that only the service holds, as links."""
        found = []
        for one in assets if isinstance(assets, list | tuple) else ():
            if asset := as_asset(one):
                found.append(self._kept(asset))
            elif isinstance(one, Mapping) and one.get("kind") in _KINDS:
                link = _web_link(one.get("url"))
                first, anchor = self._place(link or str(len(self.anchors)))
                size = _size(None, None, one.get("duration_seconds"))
                found.append(_Media(one["kind"], anchor, first, link=link, size=size))
        return found

    def rendering(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """What an item rendered; None for one film or still without anything beside it.

        In `formats` is the name of each, its medium, and the same film without captions, if there is one;
        `track` is a data URI of the captions for films without them.
        """
        made = [(name, one) for name, one in _map(item, "by").items() if isinstance(one, Mapping)]
        captions, cues = _map(item, "captions"), _cues(_map(item, "captions"))
        if not (captions or len(made) > 1 or len(rendered_as(item)) > 1):
            return None
        found = [
            (name, self.media(one.get("asset")), self.media(one.get("clean"))) for name, one in made
        ]
        extras = [(name, self.media(item.get(name))) for name in ("poster", "gif")]
        formats = [
            (name, film[0], clean[0] if clean else None) for name, film, clean in found if film
        ]
        track = self._embedded("text/vtt;charset=utf-8", vtt(cues).encode()) if cues else ""
        return {
            "formats": formats,
            "extras": [(_WORDS.get(name, name), one[0]) for name, one in extras if one],
            "cues": [(_clock(cue.start), cue.text) for cue in cues],
            "estimated": captions.get("estimated") is True,
            "language": str(captions.get("language") or ""),
            "track": track,
            "facts": _facts(item),
        }

    def _place(self, name: str) -> tuple[bool, str]:
        """Whether a medium is new in the page, and its anchor there."""
        first = name not in self.anchors
        return first, self.anchors.setdefault(name, f"asset-{len(self.anchors) + 1}")

    def _kept(self, asset: Asset) -> _Media:
        served = self.asset_url(asset) if self.asset_url else None
        path = self.files.get(asset.sha256) if self.asset_url else self._file(asset)
        first, anchor = self._place(asset.sha256)
        link = served or (self._link(path) if path else _web_link(asset.url))
        width, height = asset.width or 0, asset.height or 0
        sized = width > 0 and height > 0
        picture = self._picture(asset, path) if first else ""
        is_still = asset.kind == "image"
        # What is neither served nor here is not fetched: the page promises to need no network.
        source = (served or (link if path else "")) if first else ""
        return _Media(
            asset.kind,
            anchor,
            first,
            source=(is_still and picture) or (first and self._whole(asset, path)) or source,
            link=link,
            small=bool(is_still and picture),
            poster="" if is_still else picture,
            size=_size(asset.width, asset.height, asset.duration_seconds),
            # Known before it loads, so that the page does not jump.
            ratio=f"{width} / {height}" if sized else "",
            tall=sized and width <= height,
            rendered=asset.sha256 in self.rendered,
            key=", ".join(keys) if len(keys := self.keys.get(asset.sha256, ())) == 1 else "",
        )

    def _file(self, asset: Asset) -> Path | None:
        """The file on this machine, by hash alone: a path in a receipt may lead anywhere."""
        if asset.sha256 not in self.files:
            self.files[asset.sha256] = None
            # The store may not have it any more; a page without one picture is still a page.
            with contextlib.suppress(OSError, LookupError):
                path = self.asset_path(asset.sha256)
                self.files[asset.sha256] = path if path.is_file() else None
        return self.files[asset.sha256]

    def _link(self, path: Path) -> str:
        if self.beside is None:
            return path.absolute().as_uri()
        return Path(os.path.relpath(path.absolute(), self.beside.absolute())).as_posix()

    def _picture(self, asset: Asset, path: Path | None) -> str:
        """A data URI of the small picture; "" without one, or where it does not fit any more."""
        drawn = self.posters.get(asset.sha256)
        still = drawn.result() if drawn and path else None
        return self._embedded("image/jpeg", still) if still else ""

    def _whole(self, asset: Asset, path: Path | None) -> str:
        """A data URI of a small file; of a page on a server only that of a picture."""
        shown = asset.kind == "image" or self.asset_url is None
        if path is None or not shown or path.stat().st_size > SMALL_BYTES:
            return ""
        mime_type = asset.mime_type or ""
        if not _MIME_TYPE.fullmatch(mime_type):
            mime_type = f"{asset.kind}/*"
        return self._embedded(mime_type, path.read_bytes())

    def _embedded(self, mime_type: str, data: bytes) -> str:
        if len(data) > self.left:
            return ""
        self.left -= len(data)
        return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def contact_sheet(
    receipt: Mapping[str, Any],
    asset_path: AssetPath,
    *,
    beside: Path | None = None,
    asset_url: AssetUrl | None = None,
) -> str:
    """The page of a run: outputs, credits by step, every item with its prompt, model and price.

    It holds small pictures and small files, and links the others. Any part of the receipt may be missing or None; the page then omits it.

    Args:
        receipt: From `ledger.receipt`.
        asset_path: Path of the asset with a SHA-256; may raise `KeyError` or `OSError`.
        beside: Folder of the page. Links to files are relative to it; None makes them absolute.
        asset_url: For a page on a server: gives the URL of an asset, or None.
    """
    items = [item for step in _maps(receipt, "steps") for item in _maps(step, "items")]
    rendered = frozenset(digest for item in items for digest in rendered_as(item))
    embedder = _Embedder(
        asset_path, beside, asset_url, _recorded(receipt), _keys(receipt), rendered
    )
    embedder.draw(receipt.get("outputs"))
    # Outputs come first in the page, so their media are embedded there.
    outputs = [_output(name, value, embedder) for name, value in _map(receipt, "outputs").items()]
    steps = [_step(step, embedder) for step in _maps(receipt, "steps")]
    title = receipt.get("title") or receipt.get("name") or receipt.get("run_id") or "Run"
    view = {
        "title": str(title),
        "name": receipt.get("name"),
        "run_id": receipt.get("run_id"),
        "status_word": str(receipt.get("status") or "unknown"),
        "started": _moment(receipt.get("started_at")),
        "took": _between(receipt.get("started_at"), receipt.get("ended_at")),
        "service": receipt.get("service"),
        "credits": _wallet(receipt),
        "inputs": [(name, _text(value)) for name, value in _map(receipt, "inputs").items()],
        "outputs": outputs,
        "steps": steps,
        "waterfall": _waterfall(steps),
        "troubles": [
            (step, item) for step in steps for item in step["items"] if item["status"] in _NOT_DONE
        ],
        "ledger": _maps(receipt, "ledger"),
        "served": asset_url is not None,
    }
    return _template().render(view)


def _wallet(receipt: Mapping[str, Any]) -> dict[str, Any]:
    names, credits = ("spent", "saved", "before", "after"), _map(receipt, "credits")
    return {name: credits.get(name) for name in names} if credits else {}


def _output(name: str, value: Any, embedder: _Embedder) -> dict[str, Any]:
    media = embedder.media(value)
    # Formats of one film stand beside each other at one height.
    formats = len(media) > 1 and all(one.rendered for one in media)
    return {"name": name, "media": media, "formats": formats, "text": "" if media else _text(value)}


def _step(step: Mapping[str, Any], embedder: _Embedder) -> dict[str, Any]:
    return {
        "id": str(step.get("id") or "step"),
        "uses": step.get("uses"),
        "title": step.get("title"),
        "status": str(step.get("status") or "unknown"),
        "credits": step.get("credits"),
        "items": [_item(item, embedder) for item in _maps(step, "items")],
    }


def _item(item: Mapping[str, Any], embedder: _Embedder) -> dict[str, Any]:
    rendering = embedder.rendering(item)
    return {
        "key": str(item.get("key") or ""),
        "status": str(item.get("status") or "unknown"),
        "reason": item.get("reason"),
        "credits": item.get("credits"),
        "model": item.get("model"),
        "alternative": item.get("alternative"),
        "prompt": item.get("prompt"),
        "params": [(name, _text(value)) for name, value in _map(item, "params").items()],
        "task_ids": [str(task_id) for task_id in item.get("task_ids") or ()],
        "rendering": rendering,
        "media": [] if rendering else embedder.of_item(item.get("assets")),
        "text": _text(item.get("text")),
    }


def _waterfall(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A bar for each step that cost credits, starting where the last one ended."""
    paid = [step for step in steps if isinstance(step["credits"], int | float) and step["credits"]]
    total = sum(step["credits"] for step in paid)
    bars, spent = [], 0.0
    for step in paid:
        share = 100 * step["credits"] / total
        bars.append({"step": step, "begin": round(spent, 2), "share": round(share, 2)})
        spent += share
    return bars


def _recorded(receipt: Mapping[str, Any]) -> dict[str, Asset]:
    """What the journal recorded as a medium of the run, by hash."""
    items = [item for step in _maps(receipt, "steps") for item in _maps(step, "items")]
    made = [asset for item in items for asset in _maps(item, "assets")]
    found: dict[str, Asset] = {}
    for value in [*made, *_maps(receipt, "assets")]:
        if asset := as_asset(value):
            found.setdefault(asset.sha256, asset)
    return found


def _keys(receipt: Mapping[str, Any]) -> dict[str, set[str]]:
    """What the items call a medium, by hash: their key, and its format."""
    found: dict[str, set[str]] = {}
    for step in _maps(receipt, "steps"):
        for item in _maps(step, "items"):
            rendered = rendered_as(item)
            for value in _maps(item, "assets"):
                if asset := as_asset(value):
                    words = (_WORDS.get(one, one) for one in rendered.get(asset.sha256, ()))
                    name = " · ".join(map(str, filter(None, (item.get("key"), *words))))
                    found.setdefault(asset.sha256, set()).update([name] if name else [])
    return found


def _cues(captions: Mapping[str, Any]) -> list[Cue]:
    """The captions of a receipt, as far as they are ones."""
    return [
        Cue(one["start"], one["end"], one["text"])
        for one in _maps(captions, "cues")
        if isinstance(one.get("text"), str)
        and all(isinstance(one.get(name), int | float) for name in ("start", "end"))
    ]


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _facts(item: Mapping[str, Any]) -> list[str]:
    sound, lost = _map(item, "loudness"), item.get("lost")
    lufs, peak = sound.get("lufs"), sound.get("true_peak")
    measured = isinstance(lufs, int | float) and isinstance(peak, int | float)
    found = [f"{lufs:.1f} LUFS", f"true peak {peak:.1f} dBTP"] if measured else []
    found = [one.replace("-", "−") for one in found]
    return found + [f"lost: {one}" for one in (lost if isinstance(lost, list | tuple) else ())]


def _size(width: int | None, height: int | None, seconds: Any) -> str:
    parts = [f"{width} × {height}"] if width and height else []
    if isinstance(seconds, int | float):
        parts.append(f"{seconds:.1f} s")
    return " · ".join(parts)


def _web_link(url: Any) -> str:
    return url if isinstance(url, str) and url.startswith(("https://", "http://")) else ""


def _text(value: Any) -> str:
    """A value for people: text as it is, JSON indented, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        if len(value) > _MAX_INDENTED_LENGTH:
            return value
        try:
            parsed = json.loads(value)
        except (ValueError, RecursionError):
            return value
        # Each level indents all below it: depth multiplies the length.
        indented = isinstance(parsed, dict | list) and _is_flat(parsed)
        return _text(parsed) if indented else value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping) and isinstance(value.get("path") or value.get("url"), str):
        return str(value.get("path") or value.get("url"))
    if isinstance(value, list | tuple) and all(isinstance(member, str) for member in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def _is_flat(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_INDENTED_DEPTH):
        held = [one.values() if isinstance(one, dict) else one for one in level]
        level = [part for parts in held for part in parts if isinstance(part, dict | list)]
        if not level:
            return True
    return False


def _moment(value: Any) -> str:
    moment = _time(value)
    if moment is None:
        return ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".strip()


def _between(begin: Any, end: Any) -> str:
    begun, ended = _time(begin), _time(end)
    if begun is None or ended is None or (begun.tzinfo is None) != (ended.tzinfo is None):
        return ""
    minutes, seconds = divmod(round((ended - begun).total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _map(source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = source.get(name)
    return value if isinstance(value, Mapping) else {}


def _maps(source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = source.get(name)
    members = value if isinstance(value, list | tuple) else ()
    return [member for member in members if isinstance(member, Mapping)]


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rivya_flows", "media"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["credits"] = _credits
    return environment.get_template("contact_sheet.html")


def _credits(value: Any) -> str:
    """A number with separators; a dash for what is missing."""
    return f"{value:,}" if isinstance(value, int | float) else "–"
