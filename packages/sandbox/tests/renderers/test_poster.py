"""Flat poster grounds."""

from __future__ import annotations

import numpy as np
import pytest

from rivya_sandbox.renderers.arrangement import below_title
from rivya_sandbox.renderers.field import seeded
from rivya_sandbox.renderers.idea import imagine
from rivya_sandbox.renderers.poster import poster

pytestmark = pytest.mark.usefixtures("small_pictures")


def test_a_title_on_a_poster_is_on_plain_paper() -> None:
    idea = imagine("poster of a sailboat, 'Goa'", 3)
    for attempt in range(24):
        size = 256, (256, 456)[attempt % 2]
        stage = poster(*size, idea, seeded(attempt))
        behind = np.round(stage.light[16 : int(size[1] * below_title(idea, size)) - 8] * 50)
        colours, counts = np.unique(behind.reshape(-1, 3), axis=0, return_counts=True)
        assert (counts > behind[..., 0].size / 50).sum() <= 3, colours  # paper, rays, a disc
