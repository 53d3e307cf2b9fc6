"""Small films, tones and stills for compositions, and what is seen and heard in a result."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
from av import VideoStream
from av.container import OutputContainer
from PIL import Image

from rivya_cut.results import Probe

RATE = 48_000


def film_of(path: Path, images: Sequence[Image.Image], rate: int | Fraction) -> Path:
    """An MP4 of pictures of one size."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        _show(container, video, images, rate)
    return path


def cut_out(path: Path, codec: str, pixels: str, image: Image.Image) -> Path:
    """Half a second of a picture in RGBA, whose transparency the film keeps."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=12)
        assert isinstance(video, VideoStream)
        (video.width, video.height), video.pix_fmt = image.size, pixels
        for index in range(6):
            frame = av.VideoFrame(*image.size, "rgba")
            frame.planes[0].update(image.tobytes())
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 12)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


def film(
    path: Path,
    *,
    seconds: float = 1.0,
    size: tuple[int, int] = (96, 64),
    rate: int | Fraction = 12,
    sound: float | None = None,
    heard: float | None = None,
) -> Path:
    """A film that goes from black to white; `sound` is the amplitude of its own tone, `heard` its seconds."""
    count = round(seconds * rate)
    greys = [round(255 * index / max(1, count - 1)) for index in range(count)]
    images = [Image.new("RGB", size, (grey, grey, grey)) for grey in greys]
    if sound is None:
        return film_of(path, images, rate)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12"})
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        _show(container, video, images, rate)
        for block in tone_blocks(heard or seconds, sound, 220):
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def _show(
    container: OutputContainer,
    video: VideoStream,
    images: Sequence[Image.Image],
    rate: int | Fraction,
) -> None:
    (video.width, video.height), video.pix_fmt = images[0].size, "yuv420p"
    for index, image in enumerate(images):
        frame: av.VideoFrame = av.VideoFrame.from_image(image)  # type: ignore[no-untyped-call]  # so in av
        frame.pts, frame.time_base = index, 1 / Fraction(rate)
        container.mux(video.encode(frame))
    container.mux(video.encode(None))


def tone(path: Path, *, seconds: float = 1.0, amplitude: float = 0.2, pitch: float = 440) -> Path:
    with av.open(str(path), "w", format="wav") as container:
        audio = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for block in tone_blocks(seconds, amplitude, pitch):
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))
    return path


def tone_blocks(seconds: float, amplitude: float, pitch: float) -> Iterator[av.AudioFrame]:
    step = 2 * math.pi * pitch / RATE
    for begin in range(0, round(seconds * RATE), 960):
        block = av.AudioFrame(format="s16", layout="mono", samples=960)
        wave = [round(32_000 * amplitude * math.sin(step * (begin + n))) for n in range(960)]
        block.planes[0].update(array("h", wave).tobytes())
        block.sample_rate, block.pts, block.time_base = RATE, begin, Fraction(1, RATE)
        yield block


def still(path: Path, size: tuple[int, int], colour: str = "teal") -> Path:
    Image.new("RGB", size, colour).save(path)
    return path


def turned(path: Path, *matrix: int) -> Path:
    """The film with another display matrix in its track header, as a phone writes it."""
    data = bytearray(path.read_bytes())
    begin = data.index(b"tkhd") + 44
    data[begin : begin + 36] = struct.pack(">9i", *matrix)
    path.write_bytes(data)
    return path


def heard(path: Path) -> list[float]:
    """The left channel as decoded, -1 to 1, at 48 kHz."""
    found = array("f")
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        for frame in container.decode(audio=0):
            for block in resampler.resample(frame):
                found.frombytes(bytes(block.planes[0])[: block.samples * 4])
    return list(found)


def loudness(wave: list[float]) -> float:
    """Integrated loudness in LUFS of equal channels, by the formulas of ITU-R BS.1770-4.

    Written here in plain code, so that it does not stand on the filter that compose uses.
    """
    for b, a in (
        (
            (1.53512485958697, -2.69169618940638, 1.19839281085285),
            (-1.69065929318241, 0.73248077421585),
        ),
        ((1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)),
    ):
        x1 = x2 = y1 = y2 = 0.0
        out = []
        for x in wave:
            y = b[0] * x + b[1] * x1 + b[2] * x2 - a[0] * y1 - a[1] * y2
            x1, x2, y1, y2 = x, x1, y, y1
            out.append(y)
        wave = out
    # Blocks of 0.4 s that overlap by three quarters, so each is four steps of 0.1 s.
    steps = [
        sum(value * value for value in wave[begin : begin + 4_800])
        for begin in range(0, len(wave) - 4_800 + 1, 4_800)
    ]
    blocks = [2 * sum(steps[at : at + 4]) / 19_200 for at in range(len(steps) - 3)]

    def level(powers: list[float]) -> float:
        return -0.691 + 10 * math.log10(sum(powers) / len(powers))

    loud = [power for power in blocks if power > 0 and level([power]) > -70]
    gate = level(loud) - 10
    return level([power for power in loud if level([power]) > gate])


def strength(wave: list[float], pitch: float) -> float:
    """Amplitude of one frequency in the wave (Goertzel), 0 to 1."""
    factor = 2 * math.cos(2 * math.pi * pitch / RATE)
    last = before = 0.0
    for value in wave:
        last, before = value + factor * last - before, last
    power = last * last + before * before - factor * last * before
    return 2 * math.sqrt(max(power, 0.0)) / len(wave)


def greys(path: Path) -> list[float]:
    """The brightness of each frame's middle, 0 to 255."""
    with av.open(str(path)) as container:
        found: list[float] = []
        for frame in container.decode(video=0):
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # so in av
            pixel = image.convert("L").getpixel((image.width // 2, image.height // 2))
            assert isinstance(pixel, int)
            found.append(float(pixel))
        return found


def seconds(found: Probe) -> float:
    assert found.duration_seconds is not None
    return found.duration_seconds
