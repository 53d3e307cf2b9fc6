"""Letters on a picture: fonts, titles, the mark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from rivya_cut.fonts import path_of
from rivya_sandbox.renderers import frame, lettering
from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.lettering import (
    STYLES,
    fitted_mask,
    glyph_mask,
    line_mask,
    space_capitals,
)
from rivya_sandbox.renderers.references import open_picture
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest
from rivya_sandbox.renderers.still import draw
from rivya_sandbox.renderers.titling import Where, set_title, titled_height

pytestmark = pytest.mark.usefixtures("small_pictures")
FOLDERS = Path(lettering.__file__).parent / "fonts", path_of("characters.json").parent


def test_the_emoji_font_has_its_licence_beside_it() -> None:
    names = sorted(path.name for path in FOLDERS[0].iterdir())
    assert names == ["Noto-OFL.txt", "NotoEmoji[wght].ttf"]
    licence = (FOLDERS[0] / "Noto-OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence


def test_every_font_is_used() -> None:
    used = {file for file, _ in lettering._FILES.values()}
    used |= {f"{family}[wght].ttf" for _, _, family in lettering._SCRIPTS}
    used.add("NotoColorEmoji-Regular.ttf")  # of rivya-cut, whose films have emoji in colour
    assert {path.name for folder in FOLDERS for path in folder.glob("*.ttf")} == used


@pytest.mark.parametrize("style", [*STYLES, "light"])
def test_every_style_draws_latin_in_its_own_shape(style: str) -> None:
    mask = np.asarray(line_mask("Comet kettle", style, 40))
    assert mask.max() == 255
    others = [line_mask("Comet kettle", other, 40) for other in (*STYLES, "light")]
    assert sum(other.tobytes() == mask.tobytes() for other in others) == 1


@pytest.mark.parametrize("text", ["नमस्ते", "Привет", "שלום", "مرحبا", "សួស្តី", "வணக்கம்"])
def test_other_scripts_are_shaped_in_one_style(text: str) -> None:
    mask = line_mask(text, "serif", 40)
    assert mask.width > 40
    assert mask.tobytes() == line_mask(text, "display", 40).tobytes()


def test_text_without_a_font_draws_nothing() -> None:
    assert line_mask("漢字", "sans", 40).size == (1, 1)
    assert line_mask("Tea 漢字", "sans", 40).tobytes() == line_mask("Tea", "sans", 40).tobytes()


def test_a_fitted_line_fills_its_box_and_stays_inside() -> None:
    mask = fitted_mask("Comet", "sans", 300, 200)
    assert 280 <= mask.width <= 302
    assert mask.height <= 200


def test_an_emoji_has_an_outline_and_an_unknown_character_has_none() -> None:
    assert glyph_mask("🔥", 64).width > 30
    assert glyph_mask("\U0010fffe", 64).size == (1, 1)


def test_only_ascii_capitals_are_spaced() -> None:
    assert space_capitals("comet tea") == "C O M E T   T E A"
    assert space_capitals("चाय") == "चाय"


SMALL = 192, 256


def test_hindi_is_shaped() -> None:
    letters = {bytes(line_mask(letter, "serif", 40).tobytes()) for letter in "कखगघचछज"}
    assert len(letters) == 7  # boxes would all be the same
    apart = line_mask("क", "serif", 60).width + line_mask("ष", "serif", 60).width
    assert line_mask("क्ष", "serif", 60).width < 0.8 * apart  # the two letters join into one


@pytest.mark.parametrize("text", ["العربية", "தமிழ்", "বাংলা", "Ελληνικά", "Été"])
def test_other_scripts_have_letters(text: str) -> None:
    assert line_mask(text, "serif", 40).width > 40


def test_characters_without_a_font_are_left_out() -> None:
    assert line_mask("極光", "serif", 40).getbbox() is None
    assert glyph_mask("\U0001f9ff\u200d", 40).size >= (1, 1)
    assert line_mask("<&>\x00", "serif", 40).getbbox() is not None
    draw("'極光' 咖啡", 1, SMALL)


def test_a_long_title_takes_several_lines_and_stays_on_the_picture() -> None:
    size, palette = (384, 640), imagine("x", 1).palette
    heights = []
    for title in ("Short", "No excuses. Join today at half the price"):
        picture = Image.new("RGB", size, (255, 255, 255))
        set_title(picture, title, palette, seeded_generator("letters"))
        box = (
            ImageChops.invert(picture.convert("L")).point(lambda tone: 255 * (tone > 90)).getbbox()
        )
        assert box is not None
        assert box[0] > size[0] * 0.07
        assert box[2] < size[0] * 0.93
        heights.append(box[3] - box[1])
        assert box[3] < size[1] * titled_height(size, title)
    assert heights[1] > 1.5 * heights[0]


def lettered_rows(title: str, seed: int, where: Where) -> list[int]:
    """Rows of a white picture, 400 pixels high, that have letters."""
    picture = Image.new("RGB", (400, 400), (255, 255, 255))
    set_title(picture, title, imagine("x", 1).palette, seeded_generator(seed), where=where)
    return [int(row) for row in np.nonzero((np.asarray(picture.convert("L")) < 165).any(axis=1))[0]]


@pytest.mark.parametrize("title", ["Festival of lights", "Autumn collection"])
def test_letters_of_every_style_keep_to_the_height_that_a_title_has(title: str) -> None:
    for seed in range(16):  # all five styles
        assert max(lettered_rows(title, seed, "top")) < 400 * titled_height((400, 400), title)


def test_a_word_that_is_set_wide_stays_whole() -> None:
    for seed in range(16):
        rows = lettered_rows("Watermelon", seed, "left")
        assert rows == list(range(rows[0], rows[-1] + 1))  # one line


def test_two_sentences_of_a_title_are_two_lines() -> None:
    tall = []
    for title in ("No excuses. Join today at 50% off", "No excuses and join today at 50% off"):
        picture = Image.new("RGB", (384, 640), (255, 255, 255))
        set_title(picture, title, imagine("x", 1).palette, seeded_generator("a"))
        upper = np.asarray(picture.convert("L"))[58:80] < 120
        tall.append(np.ptp(np.nonzero(upper.any(axis=0))[0]))
    assert tall[0] < 0.75 * tall[1]  # the first line is the short sentence alone


@pytest.mark.parametrize("title", ["Aurora", "Blue Horizon Island Tours", "दीपशिखा मिठाई", "極光"])
def test_a_wide_format_letters_its_title_in_the_left_half(title: str) -> None:
    size = (448, 252)
    set_title(
        picture := Image.new("RGB", size),
        title,
        imagine("x", 1).palette,
        seeded_generator(title),
        where="left",
    )
    box = picture.getbbox()
    assert box is None if title == "極光" else box and box[2] < 0.6 * size[0]


def test_a_picture_of_the_sandbox_loses_its_mark_as_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "PICTURE_AREA", 512 * 512)  # the mark is never too small to read
    order = RenderRequest("z-image", "image", "lamp, studio", {"aspect_ratio": "1:1"}, seed=4)
    path = tmp_path / "ours.png"
    path.write_bytes(render(order)[0].data)
    opened = open_picture(ReferenceMedium("image", path, "image/png"))
    bare = draw("lamp, studio", 4, (512, 512), marked=False)
    corner = (350, 470, 512, 512)
    off = np.abs(np.asarray(opened.crop(corner), int) - np.asarray(bare.crop(corner), int))
    assert off.max() < 40  # grain; the letters of the mark are 100 and more away
