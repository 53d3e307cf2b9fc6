"""Requested size, duration and format: plain media and films."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import Kind, ReferenceMedium, RenderRequest


def order(category: Kind = "image", **params: Any) -> RenderRequest:
    return RenderRequest("any", category, "a lamp", params)


@pytest.mark.parametrize(
    ("params", "ratio"),
    [
        ({"aspect_ratio": "9:16"}, Fraction(9, 16)),
        ({"aspectRatio": "21:9"}, Fraction(7, 3)),
        ({"imageSize": "5:4"}, Fraction(5, 4)),
        ({"size": "2:3"}, Fraction(2, 3)),
        ({"image_size": "square_hd"}, Fraction(1)),
        ({"image_size": "portrait_16_9"}, Fraction(9, 16)),
        ({"image_size": "landscape_4_3"}, Fraction(4, 3)),
        ({"image_size": "portrait_3_2"}, Fraction(2, 3)),
        ({"aspect_ratio": "portrait"}, Fraction(9, 16)),
        ({"aspect_ratio": "landscape", "size": "high"}, Fraction(16, 9)),
        ({"aspect_ratio": "auto"}, None),
        ({"aspectRatio": "Auto"}, None),
        ({"aspect_ratio": "adaptive"}, None),
        ({"aspect_ratio": "0:9"}, None),
        ({}, None),
    ],
)
def test_every_spelling_of_an_aspect_ratio_is_read(
    params: dict[str, Any], ratio: Fraction | None
) -> None:
    assert frame.asked_ratio(order(**params)) == ratio


def test_a_still_has_about_a_megapixel_and_grows_with_resolution() -> None:
    width, height = frame.picture_size(order(), Fraction(9, 16))
    assert abs(width * height - 1024 * 1024) < 30_000
    assert abs(width / height - 9 / 16) < 0.01
    assert frame.picture_size(order(resolution="4K"), Fraction(1)) == (2048, 2048)
    assert max(frame.picture_size(order(image_resolution="4K"), Fraction(8))) == 2048


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        (Fraction(9, 16), "720p", (720, 1280)),
        (Fraction(16, 9), "1080p", (1920, 1080)),
        (Fraction(1), "720p", (720, 720)),
        (Fraction(21, 9), "720p", (1280, 548)),
        (Fraction(16, 9), "480p", (854, 480)),
        (Fraction(16, 9), "580p", (1032, 580)),
        (Fraction(16, 9), "768P", (1366, 768)),
    ],
)
def test_a_film_has_even_sides(ratio: Fraction, resolution: str, size: tuple[int, int]) -> None:
    assert frame.film_size(order("video", resolution=resolution), ratio) == size


def test_the_quality_of_a_film_is_its_lines() -> None:
    assert frame.film_size(order("video", quality="1080p"), Fraction(16, 9)) == (1920, 1080)


@pytest.mark.parametrize(
    ("params", "seconds"),
    [({}, 5.0), ({"duration": "10"}, 10.0), ({"n_frames": "15"}, 15.0), ({"duration": 6}, 6.0),
     ({"duration": "1e9"}, 30.0), ({"duration": "nan"}, 5.0), ({"duration": True}, 5.0)],
)  # fmt: skip
def test_a_film_has_the_requested_duration(params: dict[str, Any], seconds: float) -> None:
    assert frame.film_seconds(order("video", **params)) == seconds


def test_plain_images_have_the_requested_ratio_count_and_format() -> None:
    params = {"image_size": "portrait_16_9", "max_images": 3, "output_format": "jpeg"}
    results = plain(RenderRequest("seedream-4-0", "image", "x", params))

    assert [(one.mime_type, one.extension) for one in results] == [("image/jpeg", ".jpg")] * 3
    with Image.open(io.BytesIO(results[0].data)) as picture:
        assert (picture.format, picture.size) == ("JPEG", (36, 64))
    assert results[0].data != results[1].data


@pytest.mark.parametrize(("ratio", "size"), [("9:16", (72, 128)), ("3:2", (126, 84))])
def test_a_plain_film_moves_and_has_the_requested_ratio_length_and_sound(
    ratio: str, size: tuple[int, int]
) -> None:
    params = {"aspectRatio": ratio, "duration": "2", "generate_audio": "true"}
    (film,) = plain(RenderRequest("veo3-1-lite", "video", "x", params))
    with av.open(io.BytesIO(film.data), "r") as file:
        stream, sound = file.streams
        assert isinstance(stream, av.VideoStream)
        assert (stream.width, stream.height) == size
        assert (stream.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert file.duration == pytest.approx(2_000_000, abs=50_000)
    first, second = frames(film.data)[:2]
    assert np.ptp(first) > 100
    assert np.ptp(first.astype(int) - second) > 100


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


SHORT = {"duration": "1", "resolution": "480p"}


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
    with av.open(io.BytesIO(film(still, generate_audio="true", aspect_ratio="8:1")), "r") as file:
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
