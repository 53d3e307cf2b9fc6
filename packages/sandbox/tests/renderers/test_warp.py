"""Sampling between pixels."""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.warp import Lines, look, paired


def test_sampling_is_bilinear_up_to_the_last_pixel() -> None:
    source = np.array([[0, 200, 40], [100, 255, 60]], np.uint8)
    x, y = np.array([[0.0, 0.5, 2.0]]), np.array([[0.0], [0.25], [1.0]])
    seen = np.empty((3, 3), np.uint8)
    lines = Lines(x, y, np.array([[0.5, 0.0, 0.0]]), np.zeros((3, 1)))
    near = np.zeros((3, 3))
    look([(paired(source), seen)], lines, near)
    assert seen.tolist() == [[0, 100, 40], [25, 119, 45], [100, 178, 60]]
    near[:, 0] = 1  # the first column looks half a pixel further to the right
    look([(paired(source), seen)], lines, near)
    assert seen[:, 0].tolist() == [100, 119, 178]
