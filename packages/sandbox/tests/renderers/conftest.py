"""A picture that tests refer to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.request import ReferenceMedium


@pytest.fixture
def still(tmp_path: Path) -> ReferenceMedium:
    """Blue above, orange below, with a white square in the middle."""
    pixels = np.zeros((400, 300, 3), np.uint8)
    pixels[:200], pixels[200:] = (30, 60, 200), (230, 120, 30)
    pixels[150:250, 100:200] = 255
    path = tmp_path / "still.png"
    Image.fromarray(pixels).save(path)
    return ReferenceMedium("image", path, "image/png")
