"""Lines of text as masks, from the fonts of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rivya_cut.fonts import path_of
from rivya_sandbox.renderers import lettering
from rivya_sandbox.renderers.lettering import STYLES, fitted_mask, glyph_mask, line_mask, spaced
from rivya_sandbox.renderers.still import draw

FOLDERS = Path(lettering.__file__).parent / "fonts", path_of("characters.json").parent


def test_the_emoji_font_has_its_licence_beside_it() -> None:
    names = sorted(path.name for path in FOLDERS[0].iterdir())
    assert names == ["Noto-OFL.txt", "NotoEmoji[wght].ttf"]
    licence = (FOLDERS[0] / "Noto-OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence


def test_every_font_is_used() -> None:
    used = {file for file, _ in lettering._FILES.values()}
    used |= {f"{family}[wght].ttf" for _, _, family in lettering._SCRIPTS}
    used.add(
        "FlowsFigures[wght].ttf"
    )  # of rivya-flows: figures of its films, which are not lettered here
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
    assert spaced("comet tea") == "C O M E T   T E A"
    assert spaced("चाय") == "चाय"


pytestmark = pytest.mark.usefixtures("small_pictures")

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
