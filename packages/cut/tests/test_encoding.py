"""Films as files: the same bytes, under a greatest rate too."""

from __future__ import annotations

import random
from concurrent.futures import Future
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from rivya_cut.encoding import FilmWriter, Package
from rivya_cut.rendering.planes import frame_of_image
from rivya_cut.terms import Codec

_SIZE = (192, 128)


def _noise(count: int) -> list[Image.Image]:
    """Pictures that no encoder makes small."""
    random.seed(1)
    return [
        Image.frombytes("L", _SIZE, random.randbytes(_SIZE[0] * _SIZE[1])) for _ in range(count)
    ]


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_greatest_rate_is_kept_with_equal_bytes(codec: Codec, tmp_path: Path) -> None:
    silent: Future[Path | None] = Future()
    silent.set_result(None)
    made = []
    for most in (None, 500_000, 500_000):
        path = tmp_path / "film.mp4"
        with FilmWriter(path, _SIZE, Package(Fraction(24), codec, most), silent) as writer:
            for image in _noise(96):
                writer.write(frame_of_image(image.convert("RGB")))
        made.append(path.read_bytes())
    free, one, other = made
    assert one == other
    rate = len(one) * 8 / 4
    assert rate < 1.5 * 500_000 < len(free) * 8 / 4
