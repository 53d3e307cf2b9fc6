"""Media on a page: what they are called, and each in the page once, embedded as far as it fits, else linked."""

from __future__ import annotations

import base64
import contextlib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
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
from rivya_flows.receipt.model import File, Item, Receipt, Step, Upload
from rivya_flows.steps.connections import Include

Items = Sequence[tuple[Step, Item]]
"""The items of a receipt, each after its step."""

_FORMAT_NAMES = {"clean": "without captions", "poster": "Poster", "gif": "GIF"}
_KIND_NAMES: dict[MediaKind, str] = {"image": "Picture", "video": "Film", "audio": "Sound"}
_MAX_PROMPT = 160  # characters of one that say what is seen
_MAX_CODES = 10 * _MAX_PROMPT  # a character may be several code points


def alt_text(kind: MediaKind, step: str = "", name: str = "", prompt: str = "") -> str:
    """What a medium shows, for those who do not see it; `name` is its key and format."""
    of_step = f"{_KIND_NAMES[kind]} of step {step}" if step else _KIND_NAMES[kind]
    whose = ", ".join(filter(None, [of_step, name]))
    return ": ".join(filter(None, [whose, _shorten(" ".join(prompt.split()))]))


class Description(NamedTuple):
    """How a page calls a medium.

    Attributes:
        alt: What is seen on it, as the first item that has it says.
        caption: Step, key, format and price of that item; empty if no item made it.
        name: Key and format of that item, after the key of the campaign that it is inside of.
        key: The same of the only item that made it; empty if several did.
        picked: The picks that chose it.
        rendered: It is a format of a film or still.
    """

    alt: str
    caption: str = ""
    name: str = ""
    key: str = ""
    picked: str = ""
    rendered: bool = False


def describe(items: Items) -> dict[str, Description]:
    """Each medium of the items of a receipt, by hash."""
    found: dict[str, Description] = {}
    makers: defaultdict[str, set[str]] = defaultdict(set)
    picks: defaultdict[str | None, dict[str, None]] = defaultdict(dict)
    # The items of an `include` that have a medium, by hash and step, the innermost step first.
    campaigns: defaultdict[str, dict[str, list[str]]] = defaultdict(dict)
    for step, item in items:
        price = f"{item.credits:,} {'credit' if item.credits == 1 else 'credits'}"
        for asset in item.media:
            formats = item.formats.get(asset.sha256, ())
            names = [*filter(None, [item.key, *(_FORMAT_NAMES.get(one, one) for one in formats)])]
            if step.uses == Include.uses:
                campaigns[asset.sha256].setdefault(step.id, []).append(item.key)
            elif names and step.uses not in ("pick", "review"):
                makers[asset.sha256].add(" · ".join(names))
            if asset.sha256 not in found:
                alt = alt_text(asset.kind, step.id, ", ".join(names), item.prompt or "")
                caption = " · ".join([step.id, *names, price])
                found[asset.sha256] = Description(alt, caption, " · ".join(names))
        for candidate in item.choice.candidates if item.choice else ():
            if candidate.picked:
                picks[candidate.sha256][label(step.id, item.key)] = None
    rendered = {sha256 for _, item in items for sha256 in item.formats}

    def inside(sha256: str, *names: str) -> str:
        """The names of a medium after the keys of its campaigns, but for steps of which several have it."""
        keys = [keys[0] for keys in reversed(campaigns[sha256].values()) if len(keys) == 1]
        return " · ".join(filter(None, [*keys, *names]))

    return {
        sha256: one._replace(
            name=inside(sha256, one.name),
            key=inside(sha256, *makers[sha256]) if len(makers[sha256]) < 2 else "",
            picked=", ".join(picks[sha256]),
            rendered=sha256 in rendered,
        )
        for sha256, one in found.items()
    }


def _shorten(text: str) -> str:
    letters = graphemes(text[:_MAX_CODES])
    if len(text) <= _MAX_CODES and len(letters) <= _MAX_PROMPT:
        return text
    beginning = "".join(letters[: _MAX_PROMPT - 1])
    whole_words, _, rest = beginning.rpartition(" ")
    if len(rest) < _MAX_PROMPT // 2:  # some scripts have no spaces
        beginning = whole_words
    return f"{beginning.rstrip(' ,.;:')}…"


AssetPath = Callable[[str], Path]
"""Gives the path of the medium with a SHA-256; may raise `KeyError` or `OSError`."""


class Served(NamedTuple):
    """Gives the addresses of media on the server of a page: of the whole file, and of a small picture."""

    whole: Callable[[Asset], str]
    still: Callable[[Asset], str]


MAX_EMBEDDED_BYTES = 5 * 2**19
"""Size of all embedded media together, in the order of the page; what does not fit is linked. As
base64 they are a third larger, and `rivya_cut.fonts.MAX_PAGE_BYTES` has room for fonts."""

_SMALL_BYTES = 64 * 2**10
_KINDS: tuple[MediaKind, ...] = ("image", "video", "audio")
_MIME_TYPE = re.compile(r"(image|video|audio)/[A-Za-z0-9.+-]+")


@dataclass(frozen=True)
class SheetMedium:
    """One picture or player.

    Attributes:
        anchor: Identifies the medium in the page, whatever else is in it.
        original: The element that holds the data, if this one refers to it; None if it has them itself.
        source: A data URI or a link; empty if the file is gone.
        link: URL of the file; empty if there is none.
        small: The source is a small picture of the file at the link.
        poster: Address of the poster of a film; else empty.
    """

    asset: Asset
    about: Description
    anchor: str
    original: SheetMedium | None = None
    source: str = ""
    link: str = ""
    small: bool = False
    poster: str = ""

    @property
    def kind(self) -> MediaKind:
        return self.asset.kind

    @property
    def tall(self) -> bool:
        """Not wider than high."""
        return 0 < (self.asset.width or 0) <= (self.asset.height or 0)

    @property
    def embeds(self) -> bool:
        """Whether its data are in the page, so that it comes once."""
        return self.source.startswith("data:") or self.poster.startswith("data:")

    @property
    def inside(self) -> str:
        """Its data for a page without a script that copies them: a film or sound is there once."""
        once = self.original is None or self.kind == "image"
        source = (self.original or self).source
        return source if once and source.startswith("data:") else ""


class Rendering(NamedTuple):
    """What an item rendered.

    Attributes:
        formats: The name of each, its medium, and the same film without captions, if there is one.
        extras: The name and the medium of poster and loop.
        track: A data URI of the captions for films without them; "" without any.
    """

    formats: list[tuple[str, SheetMedium, SheetMedium | None]]
    extras: list[tuple[str, SheetMedium]]
    track: str


class Embedder:
    """Turns the assets of a page into media, each in the page once.

    Attributes:
        recorded: The media of the runs, by hash. Nothing else is one, whatever it looks like.
        left: Bytes that may still be embedded.
        small_bytes: A film or sound of at most this size is embedded itself, as a small picture is.
    """

    def __init__(
        self, receipts: Sequence[Receipt], media: AssetPath | Served, beside: Path | None = None
    ) -> None:
        """For the page of these receipts: a file, in the folder `beside`, or one on a server.

        Links to files are relative to that folder; without one they are absolute.
        """
        self._served = media if isinstance(media, Served) else None
        self._asset_path = _nowhere if isinstance(media, Served) else media
        self._beside = beside
        items = [pair for receipt in receipts for pair in receipt.each()]
        self._descriptions = describe(items)
        self.recorded: dict[str, Asset] = {}
        own = [asset for _, item in items for asset in item.media]
        for asset in [*own, *(one for receipt in receipts for one in receipt.media.values())]:
            self.recorded.setdefault(asset.sha256, asset)
        # Of each medium the first one in the page, by hash or address.
        self._places: dict[str, SheetMedium] = {}
        # On this machine, by hash.
        self._files: dict[str, Path | None] = {}
        self._posters: dict[str, Future[Any]] = {}
        self.left, self.small_bytes = MAX_EMBEDDED_BYTES, _SMALL_BYTES

    def draw(self, first: Iterable[str], *, only: bool = False) -> None:
        """Starts to draw the first media of the page, all at once; those of these hashes come first, or come `only`."""
        if self._served:
            return
        order = dict.fromkeys([*first, *(() if only else self.recorded)])
        visible = [self.recorded[one] for one in order if one in self.recorded]
        for asset in [one for one in visible if one.kind != "audio"][:MAX_POSTERS]:
            path = self._file(asset.sha256)
            if path and (asset.kind == "video" or path.stat().st_size > _SMALL_BYTES):
                self._posters[asset.sha256] = draw_poster(asset.sha256, path)

    def media(self, value: Any) -> list[SheetMedium]:
        """The media of an asset or of a list of them; anything else has none."""
        if isinstance(value, list | tuple):
            return [media for member in value for media in self.media(member)]
        asset = as_asset(value)
        return self.of_hash(asset.sha256 if asset else None)

    def of_hash(self, sha256: str | None) -> list[SheetMedium]:
        """The medium of the run with this hash, in a list; empty if there is none."""
        known = self.recorded.get(sha256) if sha256 else None
        return [] if known is None else [self._place(known.sha256, known)]

    def of_item(self, assets: Iterable[Asset | Upload]) -> list[SheetMedium]:
        """The media of an item: also those that only the service holds, as links."""
        found = []
        for one in assets:
            if isinstance(one, Asset):
                found.append(self._place(one.sha256, one))
            elif kind := next((known for known in _KINDS if known == one.kind), None):
                seconds = one.duration_seconds
                asset = Asset(kind=kind, url=one.url, duration_seconds=seconds, sha256="")
                name = _web_link(one.url) or str(len(self._places))
                found.append(self._place(name, asset))
        return found

    def refused_media(self, files: Iterable[File]) -> list[SheetMedium]:
        """The media among them; a server gives only what items made."""
        found = []
        for one in () if self._served else files:
            name = (one.mime_type or "").partition("/")[0]
            if kind := next((known for known in _KINDS if known == name), None):
                asset = Asset(kind=kind, mime_type=one.mime_type, sha256=one.sha256, url=one.url)
                found.append(self._place(one.sha256, asset))
        return found

    def rendering(self, item: Item) -> Rendering | None:
        """What an item rendered; None for one film or still without anything beside it."""
        made, captions = item.by or {}, item.captions
        if not (captions or len(made) > 1 or len(item.formats) > 1):
            return None
        found = [(name, self.media(one.asset), self.media(one.clean)) for name, one in made.items()]
        extras = [("Poster", self.media(item.poster)), ("GIF", self.media(item.gif))]
        more = enumerate((item.posters or ())[1:], 2)
        extras[1:1] = [(f"Poster {number}", self.media(one)) for number, one in more]
        cues = captions.timed if captions else []
        track = vtt(cues).encode(errors="replace")
        return Rendering(
            [(name, film[0], next(iter(clean), None)) for name, film, clean in found if film],
            [(name, one) for name, media in extras for one in media],
            self._embed("text/vtt;charset=utf-8", track) if cues else "",
        )

    def _place(self, name: str, asset: Asset) -> SheetMedium:
        """A medium, or where the page holds its data already, what refers to that."""
        if first := self._places.get(name):
            if not first.embeds:
                return first
            return SheetMedium(asset, first.about, first.anchor, first, link=first.link)
        self._places[name] = self._first(asset, f"asset-{asset.sha256[:16] or len(self._places)}")
        return self._places[name]

    def _first(self, asset: Asset, anchor: str) -> SheetMedium:
        sha256, is_still = asset.sha256, asset.kind == "image"
        about = self._descriptions.get(sha256) or Description(alt_text(asset.kind))
        if not sha256:  # only the service holds it
            return SheetMedium(asset, about, anchor, link=_web_link(asset.url))
        if self._served:
            link, small = self._served.whole(asset), self._served.still(asset)
            source, film = small if is_still else link, asset.kind == "video"
            return SheetMedium(asset, about, anchor, None, source, link, is_still, small * film)
        path = self._file(sha256)
        link = self.link_to(path) if path else _web_link(asset.url)
        drawn = self._posters.get(sha256) if path else None
        still = drawn.result() if drawn else None
        picture = self._embed("image/webp", still) if still else ""
        return SheetMedium(
            asset,
            about,
            anchor,
            # What is not here is not fetched: the page promises to need no network.
            source=(is_still and picture) or self._whole(asset, path) or (link if path else ""),
            link=link,
            small=bool(is_still and picture),
            poster="" if is_still else picture,
        )

    def _file(self, sha256: str) -> Path | None:
        """The file on this machine, by hash alone: a path in a receipt may lead anywhere."""
        if sha256 not in self._files:
            self._files[sha256] = None
            # The store may not have it any more; a page without one picture is still a page.
            with contextlib.suppress(OSError, LookupError):
                path = self._asset_path(sha256)
                self._files[sha256] = path if path.is_file() else None
        return self._files[sha256]

    def link_to(self, path: Path) -> str:
        """The link to a file of this machine."""
        if self._beside is None:
            return path.absolute().as_uri()
        beside = os.path.relpath(path.absolute(), self._beside.absolute())
        return quote(Path(beside).as_posix())

    def _whole(self, asset: Asset, path: Path | None) -> str:
        """A data URI of a small file; else empty."""
        is_still = asset.kind == "image"
        most = _SMALL_BYTES if is_still else self.small_bytes
        if path is None or path.stat().st_size > most:
            return ""
        mime_type = asset.mime_type or ""
        if not _MIME_TYPE.fullmatch(mime_type):
            mime_type = f"{asset.kind}/*"
        return self._embed(mime_type, path.read_bytes())

    def _embed(self, mime_type: str, data: bytes) -> str:
        if len(data) > self.left:
            return ""
        self.left -= len(data)
        return data_uri(mime_type, data)


def _nowhere(sha256: str) -> Path:
    raise KeyError(sha256)


def data_uri(mime_type: str, data: bytes) -> str:
    """Data as an address that holds it."""
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def _web_link(url: str | None) -> str:
    return url if url and url.startswith(("https://", "http://")) else ""
