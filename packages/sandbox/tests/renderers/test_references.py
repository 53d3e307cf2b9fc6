"""References: decoded or refused, shown, restyled, combined."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.collage import collage
from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import Kind, ReferenceMedium, RenderRequest

pytestmark = pytest.mark.usefixtures("small_pictures")


def png_of(width: int, height: int) -> bytes:
    """A PNG that declares a size and contains almost nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param("image", png_of(9000, 9000), id="large"),
        pytest.param("image", png_of(60000, 60000), id="bomb"),
        pytest.param("image", png_of(64, 64), id="cut short"),
        pytest.param("image", b"", id="empty"),
        pytest.param("image", b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param("image", b"GIF89a" + b"\0" * 40, id="gif"),
        pytest.param("image", b"\xff\xd8\xff\xe0 no picture", id="broken jpeg"),
        pytest.param("video", b"ffconcat version 1.0\nfile /etc/hostname\n", id="playlist"),
        pytest.param("video", b"\0\0\0\x18ftypmp42" + b"\0" * 64, id="broken mp4"),
        pytest.param("video", b"", id="no video"),
    ],
)
def test_hostile_references_are_refused(tmp_path: Path, kind: Kind, content: bytes) -> None:
    path = tmp_path / "reference"
    path.write_bytes(content)
    reference = ReferenceMedium(kind, path, "image/png")
    with pytest.raises(ValueError, match=f"reference {kind}: not usable") as caught:
        render(RenderRequest("wan-2-6", "video", "x", {}, (reference,)))
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_reference_is_refused(tmp_path: Path) -> None:
    reference = ReferenceMedium("image", tmp_path / "gone.png", "image/png")
    with pytest.raises(ValueError, match="not usable"):
        plain(RenderRequest("nano-banana-2", "image", "x", {}, (reference,)))


@pytest.fixture
def photo(tmp_path: Path) -> ReferenceMedium:
    """A dark disc right of the middle on a light ground, 400 by 300 pixels."""
    y, x = np.mgrid[0:300, 0:400]
    pixels = np.full((300, 400, 3), (235, 225, 210), np.uint8)
    pixels[(x - 280) ** 2 + (y - 150) ** 2 < 80**2] = (40, 60, 120)
    path = tmp_path / "photo.jpg"
    Image.fromarray(pixels).save(path, quality=95)
    return ReferenceMedium("image", path, "image/jpeg")


def restyled(photo: ReferenceMedium, prompt: str, **params: Any) -> Image.Image:
    (result,) = render(RenderRequest("nano-banana-2", "image", prompt, params, (photo,), seed=1))
    with Image.open(io.BytesIO(result.data)) as picture:
        return picture.convert("RGB")


@pytest.mark.parametrize("prompt", ["make it watercolor", "warm and golden", "noir", "as it is"])
def test_a_restyled_reference_can_be_recognised(photo: ReferenceMedium, prompt: str) -> None:
    picture = restyled(photo, prompt).convert("L").resize((40, 30))
    original = Image.open(photo.path).convert("L").resize((40, 30))
    likeness = np.corrcoef(np.asarray(picture).ravel(), np.asarray(original).ravel())[0, 1]
    assert likeness > 0.75


def test_an_open_ratio_follows_the_reference_and_a_requested_one_crops_it(
    photo: ReferenceMedium,
) -> None:
    left_open = restyled(photo, "x", aspect_ratio="auto")
    assert left_open.width / left_open.height == pytest.approx(4 / 3, rel=0.01)
    upright = restyled(photo, "x", aspect_ratio="9:16")
    assert upright.width / upright.height == pytest.approx(9 / 16, rel=0.01)


def test_a_title_is_above_combined_pictures() -> None:
    pictures = [Image.new("RGB", (200, 200), colour) for colour in ("red", "green", "blue")]
    free = np.asarray(collage(pictures, (640, 360), 0.25), int)[: 360 // 4]
    assert np.ptp(free, axis=(0, 1)).max() < 40  # ground and a shadow alone
    assert np.ptp(np.asarray(collage(pictures, (640, 360)), int)[: 360 // 4]) > 200


def test_a_named_colour_grades_every_variant(photo: ReferenceMedium) -> None:
    for seed in range(4):
        red, _, blue = np.asarray(restyled(photo, "golden hour light", seed=seed)).mean((0, 1))
        cool = np.asarray(restyled(photo, "arctic ice, cold", seed=seed)).mean((0, 1))
        assert red - blue > cool[0] - cool[2] + 20


def test_quoted_words_keep_away_from_letters_that_are_there(tmp_path: Path) -> None:
    pixels = np.full((300, 400, 3), 235, np.uint8)
    pixels[230:280, 60:340:8] = 20  # stripes stand for letters
    path = tmp_path / "lettered.png"
    Image.fromarray(pixels).save(path)
    photo = ReferenceMedium("image", path, "image/png")
    bare, lettered = (
        np.asarray(restyled(photo, prompt).convert("L"), np.int16) for prompt in ("x", "x 'AURORA'")
    )
    changed = np.abs(bare - lettered) > 60
    half = len(changed) // 2
    assert changed[:half].sum() > 4 * changed[half:].sum()


@pytest.mark.parametrize("size", [(640, 360), (360, 640), (400, 400)])
@pytest.mark.parametrize(
    "shapes", [[(16, 9)] * 3, [(1, 1), (9, 16)], [(4, 3)] * 6, [(8, 1), (1, 8)]]
)
def test_pictures_together_are_all_seen_nearly_whole(
    shapes: list[tuple[int, int]], size: tuple[int, int]
) -> None:
    """Each picture is one colour with a border of another, which must stay visible."""
    pictures = []
    for index, (width, height) in enumerate(shapes):
        picture = Image.new("RGB", (width * 40, height * 40), (255, 0, 40 * index))
        inner = width * 40 - 2 * width, height * 40 - 2 * height
        picture.paste((0, 255, 40 * index), (width, height, width + inner[0], height + inner[1]))
        pictures.append(picture)
    pixels = np.asarray(collage(pictures, size), int)
    for index in range(len(shapes)):
        seen = np.abs(pixels - (0, 255, 40 * index)).sum(axis=2) < 30
        assert seen.mean() > 0.02
        border = np.abs(pixels - (255, 0, 40 * index)).sum(axis=2) < 60
        assert border.any() or 8 in shapes[index]  # two sides at least are whole
