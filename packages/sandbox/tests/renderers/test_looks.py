"""Looks applied to a picture."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")

SMALL = 192, 256


@pytest.mark.parametrize(
    "look",
    [
        "studio",
        "neon",
        "watercolor",
        "pencil",
        "pixel",
        "comic",
        "noir",
        "retro",
        "poster",
        "street",
        "rain",
        "snow",
        "night",
    ],
)
@pytest.mark.parametrize("thing", ["lamp 'दीप'", "mountains", "bicycle on silk"])
def test_every_look_gives_a_picture_with_contrast(look: str, thing: str) -> None:
    picture = draw(f"{thing}, {look} style", 2, SMALL)
    assert picture.size == SMALL
    assert float(np.asarray(picture.convert("L")).std()) > 8
