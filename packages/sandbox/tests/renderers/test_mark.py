"""The mark on every picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.references import open_picture
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest
from rivya_sandbox.renderers.still import draw

pytestmark = pytest.mark.usefixtures("small_pictures")


def test_a_picture_of_the_sandbox_loses_its_mark_as_a_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "PICTURE_AREA", 512 * 512)  # the mark is never too small to read
    order = RenderRequest("z-image", "image", "lamp, studio", {"aspect_ratio": "1:1"}, seed=4)
    path = tmp_path / "ours.png"
    path.write_bytes(render(order)[0].data)
    opened = open_picture(ReferenceMedium("image", path, "image/png"))
    bare = draw("lamp, studio", 4, (512, 512), marked=False)
    corner = (350, 470, 512, 512)
    off = np.abs(np.asarray(opened.crop(corner), int) - np.asarray(bare.crop(corner), int))
    assert off.max() < 40  # grain; the letters of the mark are 100 and more away
