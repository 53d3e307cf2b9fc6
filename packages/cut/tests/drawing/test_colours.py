"""Colours that can be read on each other."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from rivya_cut.drawing.colours import READABLE, Colour, colour_of, contrast, mean, readable, text_on

COLOURS = st.tuples(*[st.integers(0, 255)] * 3)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert contrast(colour_of("#767676"), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@given(COLOURS)
def test_text_can_be_read_on_every_ground(ground: Colour) -> None:
    assert contrast(text_on(ground), ground) >= READABLE
    assert contrast(readable((120, 120, 120), ground), ground) >= READABLE


def test_the_mean_colour_is_that_of_what_is_opaque() -> None:
    logo = Image.new("RGBA", (40, 40), (0, 255, 0, 0))
    logo.paste((200, 10, 30, 255), (10, 10, 20, 20))
    assert mean(logo) == (200, 10, 30)
    assert mean(Image.new("RGBA", (4, 4))) is None
