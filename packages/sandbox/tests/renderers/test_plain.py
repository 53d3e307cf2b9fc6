"""Plain media: kind, ratio and format."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest


def test_plain_images_have_the_requested_ratio_count_and_format() -> None:
    params = {"image_size": "portrait_16_9", "max_images": 3, "output_format": "jpeg"}
    results = plain(RenderRequest("seedream-4-0", "image", "x", params))

    assert [(one.mime_type, one.extension) for one in results] == [("image/jpeg", ".jpg")] * 3
    with Image.open(io.BytesIO(results[0].data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (36, 64))
    assert results[0].data != results[1].data


@pytest.mark.parametrize(("ratio", "size"), [("9:16", (72, 128)), ("3:2", (126, 84))])
def test_a_plain_film_is_a_silent_second_of_h264(ratio: str, size: tuple[int, int]) -> None:
    (film,) = plain(RenderRequest("veo3-1-lite", "video", "x", {"aspectRatio": ratio}))
    with av.open(io.BytesIO(film.data), "r") as file:
        (stream,) = file.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.width, stream.height) == size
        assert stream.codec_context.name == "h264"
        assert file.duration == pytest.approx(1_000_000, abs=50_000)


@pytest.mark.parametrize(
    ("asked", "mime_type", "codec"),
    [
        (None, "audio/mpeg", "mp3float"),
        ("mp3_22050_32", "audio/mpeg", "mp3float"),
        ("pcm_16000", "audio/wav", "pcm_s16le"),
        ("ulaw_8000", "audio/wav", "pcm_mulaw"),
        ("opus_48000_64", "audio/ogg", "opus"),
        ("m4a", "audio/mp4", "aac"),
    ],
)
def test_plain_sound_has_the_requested_format(
    asked: str | None, mime_type: str, codec: str
) -> None:
    params: dict[str, Any] = {"output_format": asked} if asked else {}
    (sound,) = plain(RenderRequest("elevenlabs-sound-effect-v2", "audio", "x", params))
    with av.open(io.BytesIO(sound.data), "r") as file:
        assert (sound.mime_type, file.streams[0].codec_context.name) == (mime_type, codec)
        assert 1_000_000 < (file.duration or 0) < 2_000_000


def test_an_open_ratio_is_that_of_the_reference(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (320, 180)).save(path)
    reference = ReferenceMedium("image", path, "image/png")
    (image,) = plain(
        RenderRequest("nano-banana-2", "image", "x", {"aspect_ratio": "auto"}, (reference,))
    )
    with Image.open(io.BytesIO(image.data)) as picture:
        assert picture.size == (64, 36)


def test_plain_media_depend_only_on_request_and_seed() -> None:
    order = RenderRequest("z-image", "image", "x", seed=1)
    assert plain(order) == plain(order)
    assert plain(order) != plain(RenderRequest("z-image", "image", "x", seed=2))
