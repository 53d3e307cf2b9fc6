"""What results keep of the metadata of their sources, and what is named as lost."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from rivya_cut.composition import Clip, Composition, Layout, Sound
from rivya_cut.final_cut import render
from rivya_cut.metadata import MAX_LOST, collect_tags, lost_metadata, xmp_packet
from rivya_cut.stills import lay_out
from support.composed_media import film, still, tone

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MARKED = {"comment": f"Digital source type: {TRAINED}"}
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def picture(path: Path, tags: dict[str, str] | None = None, chunk: bytes = b"") -> Path:
    """A PNG with the XMP of some tags, or with another chunk before its end."""
    info = PngInfo()
    if tags is not None:
        info.add_itxt("XML:com.adobe.xmp", xmp_packet(tags))
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    data = path.read_bytes()
    path.write_bytes(data[:-12] + chunk + data[-12:])
    return path


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind))


def tagged(path: Path, source: Path, tags: dict[str, str]) -> Path:
    """The sound of a source as an MP4 with tags."""
    with av.open(str(source)) as read, av.open(str(path), "w", format="mp4") as container:
        container.metadata.update(tags)
        stream = container.add_stream("aac", rate=48_000)
        for frame in read.decode(audio=0):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_what_is_lost_is_named_up_to_a_bound_and_then_counted(tmp_path: Path) -> None:
    exif = png_chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0\0\0\0\0")
    first = picture(tmp_path / "000.png", chunk=exif)
    sources = [first] + [tmp_path / f"{at:03}.png" for at in range(1, MAX_LOST + 20)]
    for source in sources[1:]:
        Image.new("RGB", (8, 8)).save(source, icc_profile=bytes(128))
    lost = lost_metadata(sources)
    assert len(lost) == MAX_LOST
    assert (lost[0], lost[-2]) == ("EXIF data of 000.png", "colour profile of 098.png")
    assert lost[-1] == "21 more of the same kinds"
    assert lost_metadata(sources[:MAX_LOST])[-1] == "colour profile of 099.png"


def test_a_c2pa_manifest_is_named_as_lost(tmp_path: Path) -> None:
    manifest = b"jumb c2pa " + TRAINED.encode()
    png = picture(tmp_path / "hero.png", chunk=png_chunk(b"caBX", manifest))
    jpeg = still(tmp_path / "b.jpg", (8, 8))
    data = jpeg.read_bytes()
    segment = b"JP\0\1" + manifest
    jpeg.write_bytes(
        data[:2] + b"\xff\xeb" + struct.pack(">H", len(segment) + 2) + segment + data[2:]
    )
    mp4 = film(tmp_path / "c.mp4")
    box = C2PA_BOX + manifest
    mp4.write_bytes(mp4.read_bytes() + struct.pack(">I", len(box) + 8) + b"uuid" + box)
    assert lost_metadata([png, jpeg, mp4]) == (
        "C2PA manifest of hero.png",
        "C2PA manifest of b.jpg",
        "C2PA manifest of c.mp4",
    )
    assert collect_tags([png, jpeg, mp4]) == MARKED


def test_a_plain_medium_loses_nothing(tmp_path: Path) -> None:
    sources = [
        still(tmp_path / "a.png", (8, 8)),
        still(tmp_path / "b.jpg", (8, 8)),
        still(tmp_path / "c.webp", (8, 8)),
        film(tmp_path / "d.mp4", sound=0.1),
        tone(tmp_path / "e.wav"),
    ]
    assert lost_metadata(sources) == ()
    assert collect_tags(sources) == {}


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_exif_gives_author_and_rights_and_never_the_place(suffix: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x8298], exif[0x010F] = "Asha Rao", "© Aurora", "Camera of a maker"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (8, 8)).save(tmp_path / f"a.{suffix}", exif=exif)
    source = tmp_path / f"a.{suffix}"
    tags = collect_tags([source])
    assert tags["artist"] == "Asha Rao"
    assert set(tags) == {"artist", "copyright"}
    assert lost_metadata([source])[0] == f"EXIF data of a.{suffix}"


def test_what_a_film_keeps_is_not_lost(tmp_path: Path) -> None:
    tags = {"title": "Comet", "artist": "Asha Rao", "copyright": "Aurora", "comment": "draft 3"}
    source = tagged(tmp_path / "a.mp4", tone(tmp_path / "t.wav"), tags)
    kept = collect_tags([source])
    assert kept == {"title": "Comet", "artist": "Asha Rao", "copyright": "Aurora"}
    result = tagged(tmp_path / "out.mp4", tmp_path / "t.wav", kept)
    assert lost_metadata([source], [result]) == ("comment of a.mp4",)
    assert lost_metadata([source], [result, tmp_path / "t.wav"]) == (
        "comment of a.mp4",
        "title of a.mp4",
        "artist of a.mp4",
        "copyright of a.mp4",
    )


def test_a_still_keeps_names_rights_and_the_mark(tmp_path: Path) -> None:
    tags = {"artist": "Rao & Sons", "copyright": "<Aurora>", **MARKED}
    source = picture(tmp_path / "hero.png", tags)
    assert collect_tags([source]) == tags
    result = picture(tmp_path / "out.png", collect_tags([source]))
    assert lost_metadata([source], [result]) == (
        "XMP of hero.png apart from its digital source type",
    )


def test_a_film_with_one_generated_source_is_marked_as_a_composite(tmp_path: Path) -> None:
    sources = [picture(tmp_path / "a.png", MARKED), still(tmp_path / "b.png", (8, 8))]
    assert collect_tags(sources)["comment"].endswith("/compositeWithTrainedAlgorithmicMedia")


@pytest.mark.parametrize(
    ("tags", "kept", "lost"),
    [
        ([{"artist": "Asha", "title": "A"}, {"artist": "Ravi", "title": "R"}], {"artist": "Asha; Ravi"}, None),
        ([{"location": "+12.9+77.5/"}], {}, ("place of 0.mp4",)),
        ([{"artist": "A\x1b[31m" + "x" * 5_000}], {"artist": "A[31m" + "x" * 194}, None),
    ],
    ids=["authors of all, titles that differ", "a place", "a long text with signs"],
)  # fmt: skip
def test_authors_are_kept_short_and_printable_and_places_never(
    tags: list[dict[str, str]], kept: dict[str, str], lost: Any, tmp_path: Path
) -> None:
    voice = tone(tmp_path / "t.wav", seconds=0.1)
    sources = [tagged(tmp_path / f"{at}.mp4", voice, one) for at, one in enumerate(tags)]
    assert collect_tags(sources) == kept
    assert lost is None or lost_metadata(sources) == lost


def test_broken_files_are_left_to_the_renderer(tmp_path: Path) -> None:
    sources = [
        picture(tmp_path / "a.png", MARKED, png_chunk(b"caBX", b"c2pa")),
        film(tmp_path / "b.mp4"),
        still(tmp_path / "c.jpg", (8, 8)),
        still(tmp_path / "d.webp", (8, 8)),
    ]
    chance = random.Random(3)
    for source in sources:
        whole = source.read_bytes()
        for _ in range(40):
            data = bytearray(whole[: chance.randrange(len(whole))])
            for _ in range(min(len(data), 6)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            source.write_bytes(data)
            lost_metadata([source])
            collect_tags([source])
    assert lost_metadata([tmp_path / "none.png"]) == ()


def test_a_cut_and_a_layout_carry_the_author_and_the_mark(tmp_path: Path) -> None:
    hero = picture(tmp_path / "hero.png", {"artist": "Asha Rao", **MARKED})
    music = tagged(tmp_path / "m.mp4", tone(tmp_path / "t.wav"), {"copyright": "Aurora"})
    clips = (Clip(media=hero, seconds=0.5),)
    made = render(
        Composition(clips=clips, music=Sound(role="music", repeat=True, media=music)),
        tmp_path,
        lambda share: None,
    )
    tags = collect_tags([tmp_path / "film.mp4"])
    assert (tags["artist"], tags["copyright"]) == ("Asha Rao", "Aurora")
    assert tags["comment"].endswith("/compositeWithTrainedAlgorithmicMedia")
    card = lay_out(Layout(image=hero, formats=("1:1",), shrink=8), tmp_path)
    assert collect_tags([tmp_path / "1x1.png"]) == {"artist": "Asha Rao", **MARKED}
    assert made.lost == card.lost == ("XMP of hero.png apart from its digital source type",)
