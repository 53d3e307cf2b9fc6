"""Line drawings and enamel pins."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")

SMALL = 192, 256


def test_an_enamel_pin_has_outlines_of_the_named_metal() -> None:
    gold = np.asarray(draw("enamel pin of a lotus", 0, SMALL), float)
    silver = np.asarray(draw("enamel pin of a lotus, silver outlines", 0, SMALL), float)
    yellow = [picture[..., 0] - picture[..., 2] > 110 for picture in (gold, silver)]
    assert yellow[0].mean() > 1.3 * yellow[1].mean()
