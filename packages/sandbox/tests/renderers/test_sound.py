"""Sound processing."""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.sound import RATE, loudness, mastered


def test_silence_stays_silence() -> None:
    assert loudness(np.zeros((2, RATE), np.float32)) == -70
    assert not mastered(np.zeros((2, RATE), np.float32), 0.0, 0.0).any()
