"""The bundled fonts: their licences, their characters, and the face that draws a text."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageStat

from rivya_cut import fonts
from rivya_cut.drawing.type import Style, draw_lines
from rivya_cut.fonts import (
    FAMILIES,
    SCRIPTS,
    face_for,
    missing_characters,
    name_characters,
    noto,
    path_of,
)

FOLDER = path_of("Noto-OFL.txt").parent
FILES = sorted(FOLDER.glob("*.ttf"))


def test_every_family_has_its_licence_beside_it() -> None:
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*-OFL.txt")}
    assert all("SIL OPEN FONT LICENSE Version 1.1" in text for text in texts.values())
    licences = {name.removesuffix("-OFL.txt") for name in texts}
    assert licences == {"BebasNeue", "Noto", "PlayfairDisplay", "Poppins", "SpaceGrotesk"}
    assert all(path.name.startswith(tuple(licences)) for path in FILES)


def test_every_face_has_its_file() -> None:
    faces = [face for pair in FAMILIES.values() for face in pair] + [noto(name) for name in SCRIPTS]
    assert all(face.path.is_file() for face in faces)


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
    assert face.path.name == file


@pytest.mark.parametrize("family", FAMILIES)
def test_figures_are_of_one_height(family: str) -> None:
    for style in (Style(family), Style(family, strong=False)):
        heights = {draw_lines((one,), style, 100, (255, 255, 255)).height for one in "0123456789"}
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
    assert missing_characters("Tea \U00012000 और \ue000 \U00012000\n\u200d") == "\U00012000\ue000"
    assert missing_characters("Aurora नमस्ते مرحبا வணக்கம் Привет ₹499 – “ok”… 🔥 ❤\ufe0f 👩‍👧") == ""


def test_a_missing_chinese_character_names_the_extra_that_draws_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "_east", dict)
    assert missing_characters("茶 tea") == "茶"
    assert "rivya-cut[cjk]" in name_characters("茶")
    assert "rivya-cut[cjk]" not in name_characters("\U00012000")
