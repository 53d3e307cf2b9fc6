"""The bundled fonts: their licences, their characters, and the face that draws a text."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from rivya_cut.drawing.type import Style, draw_lines
from rivya_cut.fonts import FAMILIES, SCRIPTS, Face, face_for, missing_characters, noto, path_of

FOLDER = path_of("characters.json").parent
FILES = sorted(FOLDER.glob("*.ttf"))


def test_every_family_has_its_licence_beside_it() -> None:
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*-OFL.txt")}
    assert all("SIL OPEN FONT LICENSE Version 1.1" in text for text in texts.values())
    licences = {name.removesuffix("-OFL.txt") for name in texts}
    assert licences == {
        "BebasNeue", "FlowsFigures", "Noto", "PlayfairDisplay", "Poppins", "SpaceGrotesk",
    }  # fmt: skip
    assert all(path.name.startswith(tuple(licences)) for path in FILES)


def test_every_face_has_its_file() -> None:
    faces = [face for pair in FAMILIES.values() for face in pair] + [noto(name) for name in SCRIPTS]
    assert all(face.path.is_file() for face in faces)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_the_table_of_characters_is_what_the_font_says(path: Path) -> None:
    face = _face(path)
    assert {char for char in map(chr, range(0x20, 0x10000)) if face.has(char)} == {
        chr(code) for code in _codes(path) if code >= 0x20
    }


@pytest.mark.parametrize(
    ("characters", "family", "file"),
    [
        ("A", "bebas", "BebasNeue-Regular.ttf"),
        ("क", "poppins", "Poppins-SemiBold.ttf"),
        ("क", "bebas", "NotoSansDevanagari[wght].ttf"),
        ("ش", "poppins", "NotoSansArabic[wght].ttf"),
        ("Ж", "poppins", "NotoSans[wght].ttf"),
        ("₹", "poppins", "Poppins-SemiBold.ttf"),
        ("5", "poppins", "Poppins-SemiBold.ttf"),
        ("५", "poppins", "NotoSansDevanagari[wght].ttf"),
    ],
)
def test_noto_draws_what_a_family_lacks(characters: str, family: str, file: str) -> None:
    face = face_for(characters, family)
    assert face is not None
    assert face.file == file


def test_playfair_sets_lining_figures() -> None:
    for strong in (True, False):
        faces = {face_for(char, "playfair", strong=strong) for char in "0123456789,"}
        assert {face.file for face in faces if face} == {"FlowsFigures[wght].ttf"}
    style, white = Style("playfair"), (255, 255, 255)
    heights = {draw_lines((figure,), style, 100, white).height for figure in "0123456789"}
    assert max(heights) < 1.15 * min(heights)


@pytest.mark.parametrize("family", FAMILIES)
def test_figures_of_a_script_are_not_drawn_as_those_of_another(family: str) -> None:
    style, white = Style(family), (255, 255, 255)

    def picture(figure: str) -> Image.Image:
        return draw_lines((figure,), style, 40, white).resize((32, 32))

    for zero in "٠۰०০੦૦୦௦౦೦൦๐໐០၀":
        shapes = ImageChops.difference(picture(chr(ord(zero) + 5)), picture("5"))
        assert ImageStat.Stat(shapes.getchannel("A")).mean[0] > 50, zero


def test_missing_characters_come_once_and_in_order() -> None:
    assert missing_characters("Tea 茶 और 🔥 茶\n\u200d") == "茶🔥"
    assert missing_characters("Aurora नमस्ते مرحبا வணக்கம் Привет ₹499 – “ok”…") == ""


def _face(path: Path) -> Face:
    faces = [face for pair in FAMILIES.values() for face in pair] + [noto(name) for name in SCRIPTS]
    faces += [found for found in [face_for("0", "playfair")] if found]
    # A weight that the sandbox alone uses is not among them.
    return next((face for face in faces if face.file == path.name), FAMILIES["poppins"][0])


def _codes(path: Path) -> set[int]:
    """The code points of the tables of format 4 in `cmap`, see the OpenType specification."""
    data = path.read_bytes()
    (count,) = struct.unpack_from(">H", data, 4)
    tables = {data[at : at + 4]: at for at in range(12, 12 + 16 * count, 16)}
    (cmap,) = struct.unpack_from(">I", data, tables[b"cmap"] + 8)
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    found: set[int] = set()
    for index in range(count):
        at = cmap + struct.unpack_from(">I", data, cmap + 8 + 8 * index)[0]
        if struct.unpack_from(">H", data, at)[0] == 4:
            found |= _segments(data, at)
    return found


def _segments(data: bytes, at: int) -> set[int]:
    size = struct.unpack_from(">H", data, at + 6)[0]
    found: set[int] = set()
    for offset in range(0, size, 2):
        (last,) = struct.unpack_from(">H", data, at + 14 + offset)
        (first,) = struct.unpack_from(">H", data, at + 16 + size + offset)
        (delta,) = struct.unpack_from(">h", data, at + 16 + 2 * size + offset)
        range_at = at + 16 + 3 * size + offset
        (reach,) = struct.unpack_from(">H", data, range_at)
        for code in range(first, min(last, 0xFFFE) + 1):
            glyph = code
            if reach:
                (glyph,) = struct.unpack_from(">H", data, range_at + reach + 2 * (code - first))
                glyph = glyph and glyph + delta
            else:
                glyph += delta
            if glyph & 0xFFFF:
                found.add(code)
    return found
