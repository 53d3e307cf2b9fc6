"""Broken media are what their fault says, and otherwise as they were asked for."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rivya_sandbox.renderers.broken import break_medium
from rivya_sandbox.renderers.plain import plain
from rivya_sandbox.renderers.request import HOWS, How, Kind, RenderRequest

PARAMS: dict[Kind, dict[str, Any]] = {
    "image": {"output_format": "webp", "aspect_ratio": "1:1"},
    "video": {"aspect_ratio": "9:16", "duration": "2", "sound": "true"},
    "audio": {"output_format": "mp3_44100_128", "duration_seconds": 2},
}


class Found(NamedTuple):
    """What a player shows of a medium."""

    frames: list[NDArray[np.uint8]]
    samples: NDArray[np.float32]
    seconds: float

    @property
    def shape(self) -> float:
        height, width, _ = self.frames[0].shape
        return float(width / height)


def request(kind: Kind) -> RenderRequest:
    return RenderRequest("any", kind, "a lamp", PARAMS[kind])


def decoded(data: bytes) -> Found:
    frames, pieces, rate = [], [np.zeros(1, np.float32)], 1
    as_floats = av.AudioResampler("fltp")
    with av.open(io.BytesIO(data), "r") as file:
        for one in file.decode():
            if isinstance(one, av.VideoFrame):
                frames.append(np.asarray(one.to_ndarray(format="rgb24"), np.uint8))
            elif isinstance(one, av.AudioFrame):
                rate = one.sample_rate
                pieces += [piece.to_ndarray()[0] for piece in as_floats.resample(one)]
        seconds = (file.duration or 0) / av.time_base
    samples = np.concatenate(pieces)
    return Found(frames, samples, len(samples) / rate if rate > 1 else seconds)


def both(kind: Kind, how: How) -> tuple[Found, Found]:
    """The whole medium and the broken one."""
    (whole,) = plain(request(kind))
    changed = break_medium(whole, request(kind), how)
    assert (changed.mime_type, changed.extension) == (whole.mime_type, whole.extension)
    assert changed == break_medium(whole, request(kind), how)
    return decoded(whole.data), decoded(changed.data)


def is_heard(found: Found) -> bool:
    return bool(np.abs(found.samples).max() > 0.1)


@pytest.mark.parametrize(("how", "level"), [("black", 0), ("blank", 128)])
def test_a_black_film_and_one_of_one_colour_have_their_sound_length_and_shape(
    how: How, level: int
) -> None:
    whole, changed = both("video", how)
    assert len(changed.frames) == len(whole.frames)
    assert changed.frames[0].shape == whole.frames[0].shape
    assert is_heard(changed)
    assert np.abs(np.stack(changed.frames).astype(int) - level).max() <= 3
    assert min(map(np.ptp, whole.frames)) > 100


def test_a_frozen_film_is_its_first_picture() -> None:
    whole, changed = both("video", "frozen")
    moving, still = (np.stack(one.frames).astype(int) for one in (whole, changed))
    assert still.shape == moving.shape
    assert np.abs(still - moving[0]).mean() < 1 < np.abs(moving - moving[0]).mean()
    assert is_heard(changed)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_silent_medium_has_a_track_of_silence(kind: Kind) -> None:
    whole, changed = both(kind, "silent")
    assert is_heard(whole)
    assert not changed.samples.any()
    assert changed.seconds == pytest.approx(whole.seconds, abs=0.1)


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_part_of_a_clipped_sound_is_at_full_scale(kind: Kind) -> None:
    whole, changed = both(kind, "clipped")
    shares = [float((np.abs(one.samples) > 0.99).mean()) for one in (whole, changed)]
    assert shares[0] == 0
    assert shares[1] > 0.06


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_short_medium_has_two_fifths_of_its_length(kind: Kind) -> None:
    whole, changed = both(kind, "short")
    assert changed.seconds == pytest.approx(0.4 * whole.seconds, abs=0.1)
    assert len(changed.frames) == round(0.4 * len(whole.frames))


@pytest.mark.parametrize(("kind", "shape"), [("video", 1), ("image", 16 / 9)])
def test_another_shape_is_square_or_else_wide(kind: Kind, shape: float) -> None:
    whole, changed = both(kind, "shape")
    assert changed.shape == pytest.approx(shape, rel=0.03)
    assert whole.shape != pytest.approx(shape, rel=0.3)
    assert changed.seconds == pytest.approx(whole.seconds, abs=0.1)


def test_a_picture_of_one_colour_has_its_size() -> None:
    whole, changed = both("image", "blank")
    assert changed.frames[0].shape == whole.frames[0].shape
    assert np.ptp(changed.frames[0]) == 0
    assert np.ptp(whole.frames[0]) > 100


def test_every_picture_of_a_request_keeps_its_format() -> None:
    order = RenderRequest("any", "image", "a lamp", {"output_format": "jpeg", "max_images": 2})
    for one in plain(order):
        for how in HOWS["image"]:
            with Image.open(io.BytesIO(break_medium(one, order, how).data)) as picture:
                assert picture.format == "JPEG"


def test_a_film_without_sound_gets_none() -> None:
    order = RenderRequest("any", "video", "a lamp", {"duration": "1"})
    (film,) = plain(order)
    counts: dict[str, Any] = {}
    for how in HOWS["video"]:
        with av.open(io.BytesIO(break_medium(film, order, how).data), "r") as file:
            counts[how] = len(file.streams.audio)
    assert counts == dict.fromkeys(HOWS["video"], 0)
