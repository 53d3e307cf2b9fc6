"""Comic strips."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")


def test_a_comic_strip_has_framed_panels() -> None:
    strip = np.asarray(draw("comic strip of a cat, speech bubbles", 0, (480, 270)).convert("L"))
    framed = (strip[12:-12] < 70).mean(axis=0) > 0.9
    assert np.count_nonzero(np.diff(framed.astype(int)) == 1) == 6  # two sides of three panels


def test_a_wide_comic_strip_has_its_title_above_the_panels() -> None:
    strip = draw("comic strip of a fox, 'The last cup of tea'", 0, (480, 270)).convert("L")
    dark = np.asarray(strip) < 70
    frame = int(np.argmax(dark.mean(axis=1) > 0.9))
    assert dark[:frame].any(axis=0).sum() > 100  # letters
