"""Emoji outlines as lit objects."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.light import lit, unit
from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")


def test_a_dark_thing_is_dark_at_its_rim_too() -> None:
    dark = np.full((1, 1, 3), 0.08, np.float32)
    sideways = unit(np.full((1, 1), 0.99), np.zeros((1, 1)), np.full((1, 1), 0.1))
    own, air = (
        lit(dark, sideways, imagine("x", 0).palette, gloss=0, own_rim=share) for share in (1, 0)
    )
    assert own.max() < 0.02 < air.max()


def test_solid_parts_take_no_colour_from_other_parts() -> None:
    prompt = "black and gold watch on a white background"
    picture = np.asarray(draw(prompt, 1, (256, 256)), float)
    gold = (picture[..., 0] > 1.6 * picture[..., 2]) & (picture[..., 0] > 90)
    assert gold[:, 96:160].mean() > 0.08  # the strap
