"""Camera moves by the words of a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.camera import MOVES, move_for
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


@pytest.mark.parametrize(
    ("prompt", "move"),
    [
        ("Slow push-in, dust in the light", "in"),
        ("Beach at sunrise", "in"),
        ("Japan at night, a frying pan sizzles", "in"),
        ("The camera pans to the left", "left"),
        ("slow pan over a table", "right"),
        ("tilting up to the sky", "up"),
        ("pull-back to reveal the city", "out"),
        ("static shot of a lake", "still"),
    ],
)
def test_the_camera_moves_as_whole_words_of_the_prompt_say(prompt: str, move: str) -> None:
    assert move_for(prompt) == MOVES[move]
