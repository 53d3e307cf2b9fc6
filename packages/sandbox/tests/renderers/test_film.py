"""Films: size, duration, colour tags, sound, and their stills."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest

SHORT = {"duration": "1", "resolution": "480p"}


@pytest.fixture
def still(tmp_path: Path) -> ReferenceMedium:
    """Blue above, orange below, with a white square in the middle."""
    pixels = np.zeros((400, 300, 3), np.uint8)
    pixels[:200], pixels[200:] = (30, 60, 200), (230, 120, 30)
    pixels[150:250, 100:200] = 255
    path = tmp_path / "still.png"
    Image.fromarray(pixels).save(path)
    return ReferenceMedium("image", path, "image/png")


def film(*references: ReferenceMedium, prompt: str = "slow push-in", **params: Any) -> bytes:
    order = RenderRequest("veo3-1-lite", "video", prompt, SHORT | params, references, seed=2)
    (result,) = render(order)
    assert (result.mime_type, result.extension) == ("video/mp4", ".mp4")
    return result.data


def frames(data: bytes) -> list[np.ndarray[Any, Any]]:
    with av.open(io.BytesIO(data), "r") as file:
        return [picture.to_ndarray(format="rgb24") for picture in file.decode(video=0)]


def test_a_film_is_streamable_h264_of_the_requested_size_and_length(still: ReferenceMedium) -> None:
    data = film(still, aspectRatio="9:16")
    with av.open(io.BytesIO(data), "r") as file:
        (stream,) = file.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.width, stream.height, stream.frames) == (480, 854, 24)
        context = stream.codec_context
        assert (context.name, context.pix_fmt, context.colorspace) == ("h264", "yuv420p", 1)
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_film_shows_its_still_and_moves_in(still: ReferenceMedium) -> None:
    shown = frames(film(still, aspectRatio="3:4"))
    late = shown[-1].astype(int)
    height, width = late.shape[:2]
    assert late[height // 10, width // 2, 2] > 150 > late[height // 10, width // 2, 0]
    assert late[-height // 10, width // 2, 0] > 170 > late[-height // 10, width // 2, 2]
    white = [(picture.min(axis=2) > 200).sum() for picture in (shown[10], shown[-1])]
    assert white[1] > white[0] * 1.08


def test_two_stills_are_first_and_last_frame(still: ReferenceMedium, tmp_path: Path) -> None:
    path = tmp_path / "green.webp"
    Image.new("RGB", (320, 180), (20, 160, 60)).save(path)
    shown = frames(film(still, ReferenceMedium("image", path, "image/webp"), aspectRatio="16:9"))
    assert shown[8][40, 400, 2] > 120
    assert shown[-1][200, 400, 1] > 100 > shown[-1][200, 400, 2]


def test_a_film_has_sound_if_requested(still: ReferenceMedium) -> None:
    with av.open(io.BytesIO(film(still, generate_audio="true", aspect_ratio="1:1")), "r") as file:
        assert [stream.type for stream in file.streams] == ["video", "audio"]
        loudest = max(float(np.abs(part.to_ndarray()).max()) for part in file.decode(audio=0))
        assert 0.01 < loudest <= 1.0


def test_equal_requests_give_equal_films() -> None:
    prompt = "Aurora lamp, neon"
    assert film(prompt=prompt, aspect_ratio="4:1") == film(prompt=prompt, aspect_ratio="4:1")


def test_a_video_reference_is_its_first_frame(tmp_path: Path, still: ReferenceMedium) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(film(still, aspectRatio="1:4"))
    (result,) = render(
        RenderRequest(
            "nano-banana-2", "image", "x", {}, (ReferenceMedium("video", path, "video/mp4"),)
        )
    )
    with Image.open(io.BytesIO(result.data)) as picture:
        assert picture.width / picture.height == pytest.approx(1 / 4, rel=0.03)
