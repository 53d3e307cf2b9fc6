"""The bundled fonts: their licences, their characters, and the face that draws a text."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageChops, ImageStat

from rivya_client.errors import MediaError
from rivya_cut import fonts
from rivya_cut.drawing.type import Style, clean, draw_lines, fit_text
from rivya_cut.fonts import (
    FAMILIES,
    MAX_FONT_BYTES,
    SCRIPTS,
    face_for,
    missing_characters,
    name_characters,
    noto,
    open_font,
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
    assert "extra `cjk`" in name_characters("茶")
    assert "extra `cjk`" not in name_characters("\U00012000")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sign_that_one_family_has_is_drawn_in_all(family: str) -> None:
    assert all(face_for(sign, family) for sign in "→≤∞◊◆⟨" if not missing_characters(sign))
    assert missing_characters("→≤∞") == ""


def test_the_file_of_a_brand_draws_its_characters_and_noto_the_rest(tmp_path: Path) -> None:
    own = tmp_path / "brand.ttf"
    own.write_bytes(path_of("BebasNeue-Regular.ttf").read_bytes())
    for text in ("Aurora", "Aurora नमस्ते"):
        drawn = draw_lines((text,), Style(own), 60, (255, 255, 255))
        assert drawn.tobytes() == draw_lines((text,), Style("bebas"), 60, (255, 255, 255)).tobytes()


def test_a_file_that_is_no_font_or_too_large_is_refused(tmp_path: Path) -> None:
    for name, data in (("text.ttf", b"no font"), ("web.ttf", b"wOF2" + bytes(200)), ("none", b"")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MediaError, match=rf"{name}: not a font that can be read"):
            open_font(tmp_path / name)
    with (tmp_path / "huge.ttf").open("wb") as file:
        file.truncate(MAX_FONT_BYTES + 1)
    with pytest.raises(MediaError, match="more than 20 MB"):
        open_font(tmp_path / "huge.ttf")
    with pytest.raises(MediaError, match="No such file"):
        open_font(tmp_path / "absent.ttf")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32))
def test_a_damaged_font_is_refused_or_drawn_in_its_room(seed: int) -> None:
    chance = Random(seed)
    data = bytearray(path_of("BebasNeue-Regular.ttf").read_bytes())
    for _ in range(chance.choice((1, 20, 400))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    with TemporaryDirectory() as folder:
        own = Path(folder, f"{seed}.ttf")
        own.write_bytes(data)
        try:
            style = Style(own)
            lines, size = fit_text(clean("Aurora AVA 12", style), style, (400, 200), (60, 30), 2)
            picture = draw_lines(lines, style, size, (255, 255, 255))
        except MediaError:
            return
    assert picture.width < 400 + 4 * 60
