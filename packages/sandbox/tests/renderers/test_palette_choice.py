"""The palette of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")

SMALL = 192, 256


def test_a_background_that_is_named_is_behind_every_variant() -> None:
    for seed in range(4):
        picture = draw("A red shoe on a white background", seed, SMALL)
        corners = np.asarray(picture.convert("L"))[:24]
        assert corners.mean() > 175
    assert imagine("A red shoe on a white background", 0).colours[0].tolist() == (
        imagine("A red shoe", 0).colours[0].tolist()
    )


def test_variants_of_a_named_mood_keep_to_it() -> None:
    for seed in range(4):
        red, _, blue = imagine("perfume bottle, amber and gold", seed).palette[2]
        assert red > 1.3 * blue
