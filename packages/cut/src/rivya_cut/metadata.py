"""Which metadata media carry, what a result keeps of them, and what is lost.

A renderer writes `collect_tags(sources)` to the result: to an MP4 as the tags of its container, to a PNG
as an XMP packet (`png_info`). It then reports `lost_metadata(sources, results)`, which reads the
results. Both are called in the decoder process: the files are untrusted.

Kept are names of authors, rights, and the mark of generated media. Places, serial numbers, and
anything that is not a short text are never kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import escape, unescape

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rivya_client.errors import MediaError
from rivya_client.mime_types import HEAD_BYTES, mime_type_of_head
from rivya_cut.reading import open_media

TRAINED = "trainedAlgorithmicMedia"
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""Digital source types of the IPTC: all of it was generated, or a part."""
_VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_MARK = "Digital source type: "

C2PA, XMP, EXIF, IPTC, PROFILE = (
    "C2PA manifest",
    "XMP",
    "EXIF data",
    "IPTC data",
    "colour profile",
)
_TEXTS = ("title", "artist", "copyright")
_MAX_PARTS = 10_000  # chunks, segments or boxes of a file
_MAX_PART_BYTES = 4 << 20  # of one that is read
_MAX_TEXT = 200
_MAX_KEPT = 8  # names of one kind
MAX_LOST = 100
"""Sentences about lost metadata; the last one counts the rest."""
_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF_TEXTS = {0x013B: "artist", 0x8298: "copyright"}
_PNG_TEXTS = {"Title": "title", "Author": "artist", "Copyright": "copyright"}


@dataclass
class _Found:
    """What a file carries.

    Attributes:
        kinds: Such as `C2PA`; also names of tags that are never kept.
        mark: Its digital source type, `TRAINED` or `COMPOSITE`; None: not marked.
    """

    kinds: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)
    mark: str | None = None

    def see(self, kind: str, content: bytes = b"") -> None:
        self.kinds.add(kind)
        for mark in (COMPOSITE, TRAINED):
            if re.search(rb"digitalsourcetype/" + mark.encode(), content):
                self.mark = mark


def collect_tags(sources: Sequence[Path]) -> dict[str, str]:
    """The tags of a result: of ``title``, ``artist``, ``copyright`` and ``comment`` those it has.

    A title is kept where all sources that have one agree. The comment says the digital source type,
    if a source is marked as generated: `COMPOSITE` if another is not.
    """
    found = [_read(source) for source in sources]
    tags = {}
    for name in _TEXTS:
        texts = [*dict.fromkeys(one.texts[name] for one in found if name in one.texts)][:_MAX_KEPT]
        if texts and (name != "title" or len(texts) == 1):
            tags[name] = "; ".join(texts)
    if any(one.mark for one in found):
        whole = all(one.mark == TRAINED for one in found)
        tags["comment"] = f"{_MARK}{_VOCABULARY}{TRAINED if whole else COMPOSITE}"
    return tags


def png_info(tags: Mapping[str, str]) -> PngInfo | None:
    """The tags of `collect_tags` for a PNG; None without any."""
    if not tags:
        return None
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp_packet(tags))
    return info


def xmp_packet(tags: Mapping[str, str]) -> str:
    """The tags of `collect_tags` as XMP, for a PNG."""
    parts = []
    if "title" in tags:
        parts.append(_alternative("title", tags["title"]))
    if "artist" in tags:
        names = escape(tags["artist"])
        parts.append(f"<dc:creator><rdf:Seq><rdf:li>{names}</rdf:li></rdf:Seq></dc:creator>")
    if "copyright" in tags:
        parts.append(_alternative("rights", tags["copyright"]))
    if tags.get("comment", "").startswith(_MARK):
        kind = escape(tags["comment"].removeprefix(_MARK))
        parts.append(f"<Iptc4xmpExt:DigitalSourceType>{kind}</Iptc4xmpExt:DigitalSourceType>")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        + "".join(parts)
        + '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def lost_metadata(sources: Sequence[Path], results: Sequence[Path] = ()) -> tuple[str, ...]:
    """What sources carry and some result does not: ``C2PA manifest of hero.png``.

    At most `MAX_LOST` sentences without a full stop, in the order of the sources. A file that cannot be
    read loses nothing here.
    """
    made = [_read(result) for result in results]
    lost = []
    for source in dict.fromkeys(sources):
        found = _read(source)
        marked = found.mark is not None and bool(made) and all(one.mark for one in made)
        for kind in sorted(found.kinds):
            tags_to_write = " apart from its digital source type" if marked and kind == XMP else ""
            lost.append(f"{kind} of {source.name}{tags_to_write}")
        for name, text in found.texts.items():
            if not made or not all(text in one.texts.get(name, "") for one in made):
                lost.append(f"{name} of {source.name}")
    if len(lost) > MAX_LOST:
        lost[MAX_LOST - 1 :] = [f"{len(lost) - MAX_LOST + 1:,} more of the same kinds"]
    return tuple(lost)


def _alternative(name: str, text: str) -> str:
    item = f'<rdf:li xml:lang="x-default">{escape(text)}</rdf:li>'
    return f"<dc:{name}><rdf:Alt>{item}</rdf:Alt></dc:{name}>"


def _read(path: Path) -> _Found:
    found, mime_type = _Found(), ""
    try:
        with path.open("rb") as file:
            mime_type = mime_type_of_head(file.read(HEAD_BYTES)) or ""
            file.seek(0)
            if reader := _READERS.get(mime_type):
                reader(file, found)
    except (OSError, ValueError):
        pass
    if mime_type.startswith("image/"):
        _read_exif(path, mime_type, found)
    elif mime_type:
        _read_tags(path, found)
    return found


def _keep(found: _Found, name: str, text: object) -> None:
    visible = "".join(one for one in str(text)[:_MAX_TEXT] if one.isprintable()).strip()
    if visible:
        found.texts.setdefault(name, visible)


def _read_exif(path: Path, mime_type: str, found: _Found) -> None:
    try:
        with Image.open(path, formats=[mime_type.removeprefix("image/")]) as image:
            exif = image.getexif() if EXIF in found.kinds else {}
            for tag, name in _EXIF_TEXTS.items():
                if isinstance(exif.get(tag), str):
                    _keep(found, name, exif[tag])
            if "icc_profile" in image.info:
                found.see(PROFILE)
    except Exception:  # Pillow raises anything on broken files; the renderer tells them
        return


def _read_tags(path: Path, found: _Found) -> None:
    try:
        with open_media(path) as container:
            tags = {name.lower(): text for name, text in container.metadata.items()}
    except MediaError:
        return
    for name in _TEXTS:
        if name in tags:
            _keep(found, name, tags[name])
    if tags.get("comment"):
        if tags["comment"].startswith(_MARK + _VOCABULARY):
            found.mark = COMPOSITE if tags["comment"].endswith(COMPOSITE) else TRAINED
        else:
            found.see("comment")
    if any(name.startswith(("location", "com.apple.quicktime.location")) for name in tags):
        found.see("place")


def _part(file: BinaryIO, length: int) -> bytes:
    """The bytes of a part up to the bound; the file is behind it then."""
    end = file.tell() + length
    content = file.read(min(length, _MAX_PART_BYTES))
    file.seek(end)
    return content


def _read_png(file: BinaryIO, found: _Found) -> None:
    file.seek(8)
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = int.from_bytes(head[:4]), head[4:]
        if kind == b"caBX":
            found.see(C2PA, _part(file, length))
        elif kind == b"eXIf":
            found.see(EXIF)
            file.seek(length, 1)
        elif kind in (b"tEXt", b"iTXt"):
            name, _, text = _part(file, length).partition(b"\0")
            if name == b"XML:com.adobe.xmp":
                _read_xmp(text.lstrip(b"\0"), found)
            elif field_name := _PNG_TEXTS.get(name.decode("latin-1")):
                text = text if kind == b"tEXt" else text[2:].split(b"\0", 2)[-1]
                _keep(found, field_name, text.decode("utf-8", "replace"))
        else:
            file.seek(length, 1)
        file.seek(4, 1)  # the checksum


def _read_xmp(packet: bytes, found: _Found) -> None:
    """See a packet; one of `xmp_packet` holds nothing that is not read here."""
    found.see(XMP, packet)
    own = packet.decode("utf-8", "replace")
    for name, tag in (("title", "title"), ("artist", "creator"), ("copyright", "rights")):
        text = re.search(rf"<dc:{tag}><rdf:\w+><rdf:li[^<>]{{0,80}}>([^<]{{1,2000}})<", own)
        if text:
            _keep(found, name, unescape(text[1]))


def _read_jpeg(file: BinaryIO, found: _Found) -> None:
    file.seek(2)
    for _ in range(_MAX_PARTS):
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xD9, 0xDA):  # the picture begins
            return
        content = file.read(max(0, int.from_bytes(head[2:]) - 2))
        if head[1] == 0xE1 and content.startswith(b"Exif\0"):
            found.see(EXIF)
        elif head[1] == 0xE1 and content.startswith(b"http://ns.adobe.com/xap/"):
            _read_xmp(content, found)
        elif head[1] == 0xEB and content.startswith(b"JP"):
            found.see(C2PA, content)
        elif head[1] == 0xED and content.startswith(b"Photoshop 3.0"):
            found.see(IPTC)


def _read_webp(file: BinaryIO, found: _Found) -> None:
    file.seek(12)
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            found.see(EXIF)
        if head[:4] in (b"XMP ", b"C2PA"):
            content = _part(file, length)
            if head[:4] == b"C2PA":
                found.see(C2PA, content)
            else:
                _read_xmp(content, found)
        else:
            file.seek(length, 1)
        file.seek(length % 2, 1)


def _read_boxes(file: BinaryIO, found: _Found) -> None:
    for kind, length in _boxes(file):
        if kind != b"uuid":
            file.seek(length, 1)
            continue
        content = _part(file, length)
        if content.startswith(_C2PA_BOX):
            found.see(C2PA, content)
        elif content.startswith(_XMP_BOX):
            _read_xmp(content, found)


def _boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each box of an MP4 whose content follows in the file."""
    for _ in range(_MAX_PARTS):
        head = file.read(8)
        length = int.from_bytes(head[:4]) - 8
        if length == 1 - 8:  # the length follows
            length = int.from_bytes(file.read(8)) - 16
        if len(head) < 8 or length < 0:  # 0: the last box
            return
        yield head[4:], length


_READERS: Mapping[str, Callable[[BinaryIO, _Found], None]] = {
    "image/png": _read_png,
    "image/jpeg": _read_jpeg,
    "image/webp": _read_webp,
    "video/mp4": _read_boxes,
    "video/quicktime": _read_boxes,
    "audio/mp4": _read_boxes,
}
