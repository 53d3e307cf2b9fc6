"""Media on a page: what they are called, and each in the page once, embedded as far as it fits, else linked."""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from os.path import commonprefix
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from rivya_client.mime_types import MediaKind
from rivya_cut.captions import vtt
from rivya_cut.line_breaks import graphemes
from rivya_flows.assets import Asset, as_asset
from rivya_flows.media.bounds import MAX_POSTERS
from rivya_flows.media.decoding import draw_poster
from rivya_flows.plans.names import label
from rivya_flows.receipt.model import Item, Receipt, Step, Upload

Items = Sequence[tuple[Step, Item]]
"""The items of a receipt, each after its step."""

FORMAT_WORDS = {"clean": "without captions", "poster": "Poster", "gif": "GIF"}
"""Formats of a film that are called otherwise than in a receipt."""

_KIND_WORDS: dict[MediaKind, str] = {"image": "Picture", "video": "Film", "audio": "Sound"}
_MAX_PROMPT = 160  # characters of one that say what is seen
_MAX_CODES = 10 * _MAX_PROMPT  # a character may be several code points
_PART = re.compile(r"[,.;] ")


def alt_text(kind: MediaKind, step: str = "", name: str = "", prompt: str = "") -> str:
    """What a medium shows, for those who do not see it.

    Args:
        name: Its key and format; "" without.
    """
    of_step = f"{_KIND_WORDS[kind]} of step {step}" if step else _KIND_WORDS[kind]
    whose = ", ".join(filter(None, [of_step, name]))
    return ": ".join(filter(None, [whose, _shortened(" ".join(prompt.split()))]))


@dataclass
class Description:
    """How a page calls a medium.

    Attributes:
        name: Key and format of the first item that has it.
        alt: What is seen on it, as that item says.
        caption: Step, key, format and price of that item.
        names: What the items that made it call it: key and format of each.
        picked: The picks that chose it.
        rendered: It is a format of a film or still.
    """

    name: str
    alt: str
    caption: str
    names: dict[str, None] = field(default_factory=dict)
    picked: dict[str, None] = field(default_factory=dict)
    rendered: bool = False


def described(items: Items) -> dict[str, Description]:
    """Each medium of the items of a receipt, by hash."""
    found: dict[str, Description] = {}
    common = shared_ending(
        (step.id, item.prompt)
        for step, item in items
        # A sound has no look, so a brand says nothing of it.
        if item.prompt is not None and any(one.kind != "audio" for one in item.media)
    )
    for step, item in items:
        price = f"{item.credits:,} {'credit' if item.credits == 1 else 'credits'}"
        prompt = (item.prompt or "").removesuffix(common)
        for asset in item.media:
            formats = item.formats.get(asset.sha256, ())
            words = [*filter(None, [item.key, *(FORMAT_WORDS.get(one, one) for one in formats)])]
            name = " · ".join(words)
            alt = alt_text(asset.kind, step.id, ", ".join(words), prompt)
            caption = " · ".join([step.id, *words, price])
            one = found.setdefault(asset.sha256, Description(name, alt, caption))
            if name and step.uses != "pick":
                one.names[name] = None
    for step, item in items:
        for sha256 in item.formats.keys() & found.keys():
            found[sha256].rendered = True
        for candidate in item.choice.candidates if item.choice else ():
            if candidate.picked and candidate.sha256 in found:
                found[candidate.sha256].picked[label(step.id, item.key)] = None
    return found


def shared_ending(prompts: Iterable[tuple[str, str]]) -> str:
    """What the prompts of all steps end with, as the words of a brand do; "" of one step alone.

    Returns:
        It begins where a part of a sentence ends.
    """
    pairs = list(prompts)
    if len({step for step, _ in pairs}) < 2:
        return ""
    backwards = [prompt[::-1] for _, prompt in pairs]
    ending = commonprefix(backwards)[::-1]  # noqa: RUF071  # texts, no paths
    begin = _PART.search(ending)
    return ending[begin.start() :] if begin else ""


def _shortened(text: str) -> str:
    letters = graphemes(text[:_MAX_CODES])
    if len(text) <= _MAX_CODES and len(letters) <= _MAX_PROMPT:
        return text
    kept = "".join(letters[: _MAX_PROMPT - 1])
    words, _, rest = kept.rpartition(" ")
    # Some scripts have no spaces.
    whole = words if len(rest) < _MAX_PROMPT // 2 else kept
    return f"{whole.rstrip(' ,.;:')}…"


AssetPath = Callable[[str], Path]
AssetUrl = Callable[[Asset], str | None]

MAX_EMBEDDED_BYTES = 5 * 2**19
"""Size of all embedded media together, in the order of the page; what does not fit is linked. As
base64 they are a third larger, and `rivya_cut.fonts.MAX_PAGE_BYTES` has room for fonts."""

SMALL_BYTES = 64 * 2**10
"""A file of at most this size is embedded itself."""

_KINDS: tuple[MediaKind, ...] = ("image", "video", "audio")
_MIME_TYPE = re.compile(r"(image|video|audio)/[A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class SheetMedium:
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
        alt: What is seen, see `alt_text`.
        caption: Its step, key and price; empty if no item made it.
        picked: The picks that chose it.
        gone: Its file is not here any more.
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
    alt: str = ""
    caption: str = ""
    picked: str = ""
    gone: bool = False


class Rendering(NamedTuple):
    """What an item rendered.

    Attributes:
        formats: The name of each, its medium, and the same film without captions, if there is one.
        extras: The name and the medium of poster and loop.
        cues: When each caption begins, and its text.
        track: A data URI of the captions for films without them; "" without any.
        facts: Loudness, and what was lost.
    """

    formats: list[tuple[str, SheetMedium, SheetMedium | None]]
    extras: list[tuple[str, SheetMedium]]
    cues: list[tuple[str, str]]
    estimated: bool
    language: str
    track: str
    facts: list[str]


@dataclass
class Embedder:
    """Turns assets into media, each in the page once.

    Attributes:
        recorded: The media of the run, by hash. Nothing else is one, whatever it looks like.
        descriptions: Of those that an item has, by hash.
        anchors: Of the media that are in the page, by hash or address.
        files: On this machine, by hash; of a page on a server those alone that it draws.
        posters: Small pictures, by hash.
        left: Bytes that may still be embedded.
        small_bytes: A film or sound of at most this size is embedded itself.
    """

    asset_path: AssetPath
    beside: Path | None
    asset_url: AssetUrl | None
    recorded: Mapping[str, Asset]
    descriptions: Mapping[str, Description]
    anchors: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path | None] = field(default_factory=dict)
    posters: dict[str, Future[Any]] = field(default_factory=dict)
    left: int = field(default_factory=lambda: MAX_EMBEDDED_BYTES)
    small_bytes: int = SMALL_BYTES

    @classmethod
    def of(
        cls,
        receipts: Sequence[Receipt],
        asset_path: AssetPath,
        beside: Path | None = None,
        asset_url: AssetUrl | None = None,
    ) -> Embedder:
        """For the page of these receipts; see `contact_sheet`."""
        items = [pair for receipt in receipts for pair in receipt.each()]
        recorded: dict[str, Asset] = {}
        made = [asset for _, item in items for asset in item.media]
        for asset in [*made, *(one for receipt in receipts for one in receipt.media.values())]:
            recorded.setdefault(asset.sha256, asset)
        return cls(asset_path, beside, asset_url, recorded, described(items))

    def draw(self, first: Iterable[str], *, others: bool = True) -> None:
        """Starts to draw the first media of the page, all at once; those of these hashes come first."""
        order = dict.fromkeys([*first, *(self.recorded if others else ())])
        visible = [self.recorded[one] for one in order if one in self.recorded]
        for asset in [one for one in visible if one.kind != "audio"][:MAX_POSTERS]:
            path = self._file(asset)
            if path and (asset.kind == "video" or path.stat().st_size > SMALL_BYTES):
                self.posters[asset.sha256] = draw_poster(asset.sha256, path)

    def media(self, value: Any) -> list[SheetMedium]:
        """The media of an asset or of a list of them; anything else has none."""
        if isinstance(value, list | tuple):
            return [media for member in value for media in self.media(member)]
        asset = as_asset(value)
        known = self.recorded.get(asset.sha256) if asset else None
        return [] if known is None else [self._kept(known)]

    def of_hash(self, sha256: str | None) -> list[SheetMedium]:
        """The medium of the run with this hash, in a list; empty if there is none."""
        known = self.recorded.get(sha256) if sha256 else None
        return [] if known is None else [self._kept(known)]

    def of_item(self, assets: Iterable[Asset | Upload]) -> list[SheetMedium]:
        """The media of an item: also those that only the service holds, as links."""
        found = []
        for one in assets:
            if isinstance(one, Asset):
                found.append(self._kept(one))
            elif kind := next((known for known in _KINDS if known == one.kind), None):
                link = _web_link(one.url)
                first, anchor = self._place(link or str(len(self.anchors)))
                size = _size(None, None, one.duration_seconds)
                alt = alt_text(kind)
                found.append(SheetMedium(kind, anchor, first, link=link, size=size, alt=alt))
        return found

    def rendering(self, item: Item) -> Rendering | None:
        """What an item rendered; None for one film or still without anything beside it."""
        made, captions = item.by or {}, item.captions
        if not (captions or len(made) > 1 or len(item.formats) > 1):
            return None
        found = [(name, self.media(one.asset), self.media(one.clean)) for name, one in made.items()]
        extras = [("Poster", self.media(item.poster)), ("GIF", self.media(item.gif))]
        cues = captions.timed if captions else []
        track = vtt(cues).encode(errors="replace")
        return Rendering(
            [(name, film[0], next(iter(clean), None)) for name, film, clean in found if film],
            [(name, one) for name, media in extras for one in media],
            [(_clock(cue.start), cue.text) for cue in cues],
            bool(captions and captions.estimated),
            (captions and captions.language) or "",
            self._embedded("text/vtt;charset=utf-8", track) if cues else "",
            _facts(item),
        )

    def _place(self, name: str) -> tuple[bool, str]:
        """Whether a medium is new in the page, and its anchor there."""
        first = name not in self.anchors
        return first, self.anchors.setdefault(name, f"asset-{len(self.anchors) + 1}")

    def _kept(self, asset: Asset) -> SheetMedium:
        served = self.asset_url(asset) if self.asset_url else None
        path = self.files.get(asset.sha256) if self.asset_url else self._file(asset)
        first, anchor = self._place(asset.sha256)
        link = served or (self.link_to(path) if path else _web_link(asset.url))
        width, height = asset.width or 0, asset.height or 0
        sized = width > 0 and height > 0
        picture = self._picture(asset, path) if first else ""
        is_still = asset.kind == "image"
        about = self.descriptions.get(asset.sha256) or Description("", alt_text(asset.kind), "")
        # What is neither served nor here is not fetched: the page promises to need no network.
        source = (served or (link if path else "")) if first else ""
        return SheetMedium(
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
            rendered=about.rendered,
            key="".join(about.names) if len(about.names) == 1 else "",
            alt=about.alt,
            caption=about.caption,
            picked=", ".join(about.picked),
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

    def link_to(self, path: Path) -> str:
        """The link to a file of this machine."""
        if self.beside is None:
            return path.absolute().as_uri()
        beside = os.path.relpath(path.absolute(), self.beside.absolute())
        return quote(Path(beside).as_posix())

    def _picture(self, asset: Asset, path: Path | None) -> str:
        """A data URI of the small picture; "" without one, or where it does not fit any more."""
        drawn = self.posters.get(asset.sha256)
        still = drawn.result() if drawn and path else None
        return self._embedded("image/webp", still) if still else ""

    def _whole(self, asset: Asset, path: Path | None) -> str:
        """A data URI of a small file; of a page on a server only that of a picture."""
        is_still = asset.kind == "image"
        shown, most = (
            is_still or self.asset_url is None,
            SMALL_BYTES if is_still else self.small_bytes,
        )
        if path is None or not shown or path.stat().st_size > most:
            return ""
        mime_type = asset.mime_type or ""
        if not _MIME_TYPE.fullmatch(mime_type):
            mime_type = f"{asset.kind}/*"
        return self._embedded(mime_type, path.read_bytes())

    def _embedded(self, mime_type: str, data: bytes) -> str:
        if len(data) > self.left:
            return ""
        self.left -= len(data)
        return data_uri(mime_type, data)


def data_uri(mime_type: str, data: bytes) -> str:
    """Data as an address that holds it."""
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _facts(item: Item) -> list[str]:
    sound = item.loudness
    found = [f"{sound.lufs:.1f} LUFS", f"true peak {sound.true_peak:.1f} dBTP"] if sound else []
    found = [one.replace("-", "−") for one in found]
    return found + [f"lost: {one}" for one in item.lost or ()]


def _size(width: int | None, height: int | None, seconds: float | None) -> str:
    parts = [f"{width} × {height}"] if width and height else []
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    return " · ".join(parts)


def _web_link(url: str | None) -> str:
    return url if url and url.startswith(("https://", "http://")) else ""
