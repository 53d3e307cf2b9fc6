"""Media with a known fault, and good ones that look or sound as if: what `benchmarks.quality` measures.

All by a seed. Pictures, voices and music are the sandbox's; what happens to them is drawn with numpy.
Films are small and short, so that a thousand take minutes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from rivya_flows.language.quality import Expected, FaultName
from rivya_sandbox.renderers import effects, music, voice
from rivya_sandbox.renderers.still import draw

RATE = 48_000
Frame = NDArray[Any]
"""Height by width by three colours, 0 to 255."""
Sound = NDArray[Any]
"""Samples, -1 to 1."""
Random = np.random.Generator
Scene = Callable[[float], Frame]
"""The picture at a time."""

_PROMPTS = (
    "A red sneaker", "Mountains at dawn", "'Aurora' lamp", "chai", "Perfume on silk", "A city at night",
    "A forest in fog", "Poster of a jazz night", "A wooden chair", "Street food",
)  # fmt: skip
_TEXTS = (
    "Meet the Aurora desk lamp. Warm light, made for you.",
    "Fold it, and take it with you. It weighs less than an apple.",
    "In two minutes you will know how a heat pump works.",
)
SIZES = ((320, 180), (320, 180), (426, 240), (180, 320), (640, 360), (240, 240))


NOTHING = Expected()


@dataclass(frozen=True)
class Medium:
    """One medium of the corpus: what it is, what was asked for, and the fault that it has; None: good."""

    path: Path
    what: str
    fault: FaultName | None
    expected: Expected = NOTHING


@dataclass
class Film:
    """What is written as a film."""

    scene: Scene
    seconds: float
    size: tuple[int, int]
    rate: int = 12
    sound: Sound | None = None
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)


# Pictures


@functools.cache
def _painting(number: int) -> Image.Image:
    return draw(_PROMPTS[number], number, (768, 768)).convert("RGB")


def still(number: int, size: tuple[int, int]) -> Frame:
    """A picture of the sandbox."""
    image = ImageOps.fit(_painting(number % len(_PROMPTS)), size, Image.Resampling.LANCZOS)
    return np.asarray(image, np.float32)


def colour(random: Random, low: int = 0, high: int = 255) -> Frame:
    return random.integers(low, high, 3, endpoint=True).astype(np.float32)


def plain(size: tuple[int, int], of: Frame) -> Frame:
    return np.broadcast_to(of, (size[1], size[0], 3)).astype(np.float32)


def drawn(ground: Frame, paint: Callable[[ImageDraw.ImageDraw], object]) -> Frame:
    image = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    paint(ImageDraw.Draw(image))
    return np.asarray(image, np.float32)


def noise(random: Random, size: tuple[int, int], sigma: float) -> Frame:
    made = random.normal(0, sigma, (size[1], size[0], 1)).astype(np.float32)
    return made.repeat(3, 2)


def logo(
    random: Random, size: tuple[int, int], share: float, of: Frame
) -> Callable[[Frame], Frame]:
    """Draws a mark that is so wide as a share of the picture."""
    width = max(5.0, size[0] * share)
    x = float(random.uniform(0.2, 0.8)) * size[0]
    y = float(random.uniform(0.3, 0.7)) * size[1]
    ink, shape = tuple(map(int, of)), random.integers(3)

    def paint(pencil: ImageDraw.ImageDraw) -> None:
        box = (x - width / 2, y - width / 3, x + width / 2, y + width / 3)
        if shape == 0:
            pencil.ellipse(box, fill=ink)
        elif shape == 1:
            pencil.text((box[0], box[1]), "AURORA", fill=ink, font_size=max(8, width / 4))
        else:
            pencil.rectangle(box, outline=ink, width=max(1, int(width / 9)))

    return lambda ground: drawn(ground, paint)


def gradient(random: Random, size: tuple[int, int], span: float) -> Frame:
    """From one colour to another that is so far away, in some direction."""
    angle, low = random.uniform(0, 2 * np.pi), colour(random, 0, int(255 - span))
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    along = np.cos(angle) * x / size[0] + np.sin(angle) * y / size[1]
    along = (along - along.min()) / (along.max() - along.min())
    made: Frame = low + along[..., None] * span * random.uniform(0.7, 1, 3)
    return made


def lines(random: Random, size: tuple[int, int], count: int) -> list[tuple[float, ...]]:
    return [tuple(random.uniform(0, 1, 4) * ([size[0], size[1]] * 2)) for _ in range(count)]


def zoomed(frame: Frame, by: float) -> Frame:
    """The middle of it, larger."""
    height, width = frame.shape[:2]
    image = Image.fromarray(frame.clip(0, 255).astype(np.uint8))
    x, y = width * (1 - 1 / by) / 2, height * (1 - 1 / by) / 2
    box = (x, y, width - x, height - y)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box), np.float32)


def starry(random: Random, size: tuple[int, int]) -> Frame:
    """A dark scene with a few lights, as they are seen at night."""
    dark = gradient(random, size, 10) * 0 + colour(random, 2, 12)
    glow = Image.new("L", size)
    pencil = ImageDraw.Draw(glow)
    for _ in range(int(random.integers(3, 14))):
        x, y, r = random.uniform(0, size[0]), random.uniform(0, size[1]), random.uniform(1, 5)
        pencil.ellipse((x - r, y - r, x + r, y + r), fill=int(random.integers(120, 255)))
    light = np.asarray(glow.filter(ImageFilter.GaussianBlur(1.5)), np.float32)
    return dark + light[..., None] * colour(random, 120, 255) / 255


# Good films


def push(random: Random, size: tuple[int, int]) -> Scene:
    """A product shot with a slow push."""
    frame, by = still(int(random.integers(30)), size), random.uniform(0.01, 0.05)
    return lambda t: zoomed(frame, 1 + by * t)


def handheld(random: Random, size: tuple[int, int]) -> Scene:
    frame, by = still(int(random.integers(30)), size), random.uniform(1, 4)
    return lambda t: np.roll(frame, (int(by * np.sin(3 * t)), int(by * np.cos(2 * t))), (0, 1))


def grain(random: Random, size: tuple[int, int]) -> Scene:
    """A still shot with the noise of a sensor."""
    frame, sigma = still(int(random.integers(30)), size), random.uniform(3, 7)
    return lambda t: frame + noise(random, size, sigma)


def breathing(random: Random, size: tuple[int, int]) -> Scene:
    """A locked-off shot whose light changes a little."""
    frame, by = still(int(random.integers(30)), size), random.uniform(0.04, 0.1)
    return lambda t: frame * (1 - by * (1 + np.sin(2 * t)) / 2)


def small_thing(random: Random, size: tuple[int, int]) -> Scene:
    """A locked-off shot in which one small thing moves or blinks."""
    frame = still(int(random.integers(30)), size)
    ink, side = tuple(map(int, colour(random, 150, 255))), size[0] * random.uniform(0.02, 0.06)
    x, y, blinks = (
        random.uniform(0.2, 0.8) * size[0],
        random.uniform(0.2, 0.8) * size[1],
        random.random() < 0.4,
    )

    def scene(t: float) -> Frame:
        if blinks and t % 1 < 0.5:
            return frame
        dx, dy = (0, 0) if blinks else (side * np.cos(4 * t), side * np.sin(4 * t))
        box = (x + dx - side / 2, y + dy - side / 2, x + dx + side / 2, y + dy + side / 2)
        return drawn(frame, lambda pencil: pencil.ellipse(box, fill=ink))

    return scene


def night(random: Random, size: tuple[int, int]) -> Scene:
    frame, pace, sigma = starry(random, size), random.uniform(2, 20), random.uniform(0, 3)
    return lambda t: np.roll(frame, int(pace * t), 1) + noise(random, size, sigma)


def candle(random: Random, size: tuple[int, int]) -> Scene:
    """One light in the dark that flickers."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    at = random.uniform(0.3, 0.7, 2) * size
    glow = np.exp(
        -((x - at[0]) ** 2 + (y - at[1]) ** 2) / (random.uniform(0.05, 0.2) * size[0]) ** 2
    )
    warm = np.array([1, 0.7, 0.35], np.float32) * random.uniform(70, 220)
    return lambda t: 3 + glow[..., None] * warm * (0.8 + 0.2 * np.sin(9 * t) * np.sin(5.3 * t))


def fade_in(random: Random, size: tuple[int, int]) -> Scene:
    """From black, for a second or so."""
    scene, black, fade = push(random, size), random.uniform(0.2, 0.8), random.uniform(0.3, 1)
    return lambda t: scene(t) * min(1.0, max(0.0, (t - black) / fade))


def fade_out(random: Random, size: tuple[int, int]) -> Scene:
    scene, begin = push(random, size), random.uniform(1, 1.6)
    return lambda t: scene(t) * min(1.0, max(0.0, 1 - (t - begin) / 0.6))


def logo_reveal(random: Random, size: tuple[int, int]) -> Scene:
    """A mark comes in on a plain ground, and stays."""
    ground = plain(size, colour(random) if random.random() < 0.4 else np.full(3, 255, np.float32))
    mark = logo(random, size, random.uniform(0.2, 0.5), (ground[0, 0] + 128) % 256)(ground)
    begin, fade = random.uniform(0.2, 0.6), random.uniform(0.5, 1.1)

    def scene(t: float) -> Frame:
        share = min(1.0, max(0.0, (t - begin) / fade))
        return ground + (mark - ground) * np.float32(share)

    return scene


def slides(random: Random, size: tuple[int, int]) -> Scene:
    """Plates with text, one after the other."""
    ground, ink = plain(size, colour(random, 0, 90)), tuple(map(int, colour(random, 170, 255)))
    plates = [
        drawn(ground, lambda pencil, text=text: pencil.multiline_text(  # type: ignore[misc]
            (size[0] * 0.1, size[1] * 0.3), text.replace(". ", ".\n").replace(", ", ",\n"), ink, font_size=size[0] / 18
        ))
        for text in _TEXTS
    ]  # fmt: skip
    each = random.uniform(0.8, 1.4)
    return lambda t: plates[int(t / each) % len(plates)]


def snow(random: Random, size: tuple[int, int]) -> Scene:
    ground = plain(size, colour(random, 5, 90)) if random.random() < 0.6 else still(6, size)
    flakes = random.uniform(0, 1, (80, 3))

    def scene(t: float) -> Frame:
        def paint(pencil: ImageDraw.ImageDraw) -> None:
            for x, y, pace in flakes:
                at = (x * size[0], (y + (0.1 + 0.2 * pace) * t) % 1 * size[1])
                pencil.ellipse((*at, at[0] + 2, at[1] + 2), fill=(235, 235, 240))

        return drawn(ground, paint)

    return scene


def static(random: Random, size: tuple[int, int]) -> Scene:
    """A screen without a signal, on purpose."""
    return lambda t: 128 + noise(random, size, 50)


def moving_gradient(random: Random, size: tuple[int, int]) -> Scene:
    one, other = (gradient(random, size, random.uniform(40, 160)) for _ in range(2))
    return lambda t: one + (other - one) * np.float32(0.5 + 0.5 * np.sin(t))


def high_key(random: Random, size: tuple[int, int]) -> Scene:
    """White on white: a product that is hardly darker than its ground."""
    ground = plain(size, np.full(3, random.integers(240, 255), np.float32))
    mark = logo(random, size, 0.4, ground[0, 0] - random.integers(18, 40))(ground)
    return lambda t: zoomed(mark, 1 + 0.06 * t)


def line_drawing(random: Random, size: tuple[int, int]) -> Scene:
    """Lines that are drawn, one after the other."""
    ground, strokes = plain(size, np.full(3, 250, np.float32)), lines(random, size, 40)

    def scene(t: float) -> Frame:
        def paint(pencil: ImageDraw.ImageDraw) -> None:
            for one in strokes[: 4 + int(12 * t)]:
                pencil.line(one, fill=(30, 30, 30))

        return drawn(ground, paint)

    return scene


def fog(random: Random, size: tuple[int, int]) -> Scene:
    """Hardly any contrast, and slow."""
    small = random.normal(0, 1, (8, 12)).astype(np.float32)
    clouds = Image.fromarray(small).resize((size[0] * 2, size[1]), Image.Resampling.BICUBIC)
    soft, by = np.asarray(clouds, np.float32)[..., None], random.uniform(4, 12)
    base = colour(random, 90, 220)
    return lambda t: base + by * np.roll(soft, int(12 * t), 1)[:, : size[0]]


def stop_motion(random: Random, size: tuple[int, int]) -> Scene:
    frames = [still(int(one), size) for one in random.integers(30, size=3)]
    offset, pace = random.uniform(2, 9), random.uniform(2, 4)
    return lambda t: np.roll(frames[0], int(offset * int(t * pace)), 1)


GOOD_FILMS = (
    push, handheld, grain, breathing, small_thing, night, candle, fade_in, fade_out, logo_reveal, slides,
    snow, static, moving_gradient, high_key, line_drawing, fog, stop_motion,
)  # fmt: skip


# Images


def good_image(random: Random, size: tuple[int, int]) -> tuple[str, Frame]:
    white = plain(size, np.full(3, 255, np.float32))
    kinds: dict[str, Callable[[], Frame]] = {
        "picture": lambda: still(int(random.integers(30)), size),
        "logo on white": lambda: logo(
            random, size, random.uniform(0.08, 0.4), colour(random, 0, 160)
        )(white),
        "logo on colour": lambda: logo(random, size, 0.2, colour(random, 200))(
            plain(size, colour(random, 0, 140))
        ),
        "text": lambda: slides(random, size)(0),
        "gradient": lambda: gradient(random, size, random.uniform(14, 200)),
        "high key": lambda: high_key(random, size)(0),
        "line drawing": lambda: line_drawing(random, size)(random.uniform(0, 3)),
        "night": lambda: starry(random, size) + noise(random, size, random.uniform(0, 3)),
        "fog": lambda: fog(random, size)(0),
        "snow": lambda: snow(random, size)(0),
        "noise": lambda: static(random, size)(0),
        "candle": lambda: candle(random, size)(0),
    }
    name = str(random.choice([*kinds]))
    return name, kinds[name]()


def blank_image(random: Random, size: tuple[int, int]) -> tuple[str, Frame]:
    frame = plain(size, colour(random))
    grey = plain(size, np.full(3, random.integers(256), np.float32))
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j].astype(np.float32)
    kinds: dict[str, Callable[[], Frame]] = {
        "one colour": lambda: frame,
        "grey": lambda: grey,
        "white": lambda: grey * 0 + 255,
        "black": lambda: grey * 0,
        "noise": lambda: frame + noise(random, size, random.uniform(0.5, 6)),
        "vignette": lambda: frame - (x**2 + y**2)[..., None] * np.float32(random.uniform(0.5, 1)),
        "vignette and noise": lambda: (
            grey - (x**2 + y**2)[..., None] + noise(random, size, random.uniform(0.5, 3))
        ),
        "transparent": lambda: frame,
    }
    name = str(random.choice([*kinds]))
    return name, kinds[name]()


# Sound


@functools.cache
def speech(number: int) -> Sound:
    made = voice.say(_TEXTS[number % len(_TEXTS)], voice.voice_named("", 1.0, 0.5), number, "")
    times = np.arange(0, len(made), voice.RATE / RATE)
    even: Sound = np.interp(times, np.arange(len(made)), made)
    return even


@functools.cache
def tune(number: int) -> Sound:
    made: Sound = music.compose(
        ("happy pop", "slow piano", "techno", "rock")[number % 4], 6.0, number
    )
    mono: Sound = made.mean(0)
    return mono


@functools.cache
def effect(number: int) -> Sound:
    name = ("rain on a roof", "door slam", "applause", "a bell", "wind", "engine")[number % 6]
    mono: Sound = effects.effect(name, 3.0, number).mean(0)
    return mono


def level(sound: Sound, peak_db: float) -> Sound:
    """With its greatest sample there."""
    made: Sound = sound * (10 ** (peak_db / 20) / max(np.abs(sound).max(), 1e-9))
    return made


def hiss(random: Random, seconds: float, db: float) -> Sound:
    """Soft noise of so many dBFS (RMS), as a room has."""
    white = random.normal(0, 1, int(seconds * RATE)).astype(np.float32)
    soft = np.convolve(white, np.ones(12, np.float32) / 12, "same")
    made: Sound = soft / soft.std() * 10 ** (db / 20)
    return made


def hum(random: Random, seconds: float, hertz: float, db: float) -> Sound:
    times = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * hertz * times + random.uniform(0, 6)) * 10 ** (db / 20)).astype(
        np.float32
    )


def mastered(random: Random, sound: Sound) -> Sound:
    """Loud, as records are: pressed by a limiter below full scale."""
    driven = np.tanh(level(sound, 0) * random.uniform(1.5, 3))
    return level(driven, -random.uniform(0.1, 1.0))


def paused(random: Random, sound: Sound) -> Sound:
    """Speech with long pauses."""
    parts = np.array_split(sound, 3)
    gap = np.zeros(int(random.uniform(1.5, 3) * RATE), np.float32)
    return np.concatenate([parts[0], gap, parts[1], gap, parts[2]])


def tiny(random: Random, sound: Sound) -> Sound:
    """A short effect, alone or with quiet after it."""
    short = level(sound[: int(random.uniform(0.15, 0.5) * RATE)], -random.uniform(1, 20))
    return np.concatenate([short, np.zeros(int(random.choice([0, 0.4, 1.5]) * RATE), np.float32)])


def good_sound(random: Random) -> tuple[str, Sound]:
    number = int(random.integers(6))
    kinds: dict[str, Callable[[], Sound]] = {
        "speech": lambda: level(speech(number), -random.uniform(0.5, 12)),
        "whisper": lambda: (
            level(np.diff(speech(number)), -30) + hiss(random, 9, -62)[: len(speech(number)) - 1]
        ),
        "speech with pauses": lambda: paused(random, level(speech(number), -random.uniform(2, 12))),
        "quiet ambience": lambda: hiss(random, random.uniform(3, 5), -random.uniform(38, 52)),
        "loud music": lambda: mastered(random, tune(number)),
        "soft music": lambda: level(tune(number), -random.uniform(12, 28)),
        "effect": lambda: level(effect(number), -random.uniform(0.3, 20)),
        "tiny effect": lambda: tiny(random, effect(number)),
        "square beeps": lambda: level(
            np.sign(hum(random, 3, random.uniform(200, 900), 0))
            * (np.arange(3 * RATE) % RATE < RATE / 3),
            -random.uniform(1, 9),
        ),
        "low drone": lambda: hum(random, 4, random.uniform(45, 90), -random.uniform(6, 25)),
    }
    name = str(random.choice([*kinds]))
    return name, kinds[name]().astype(np.float32)


def silence(random: Random, seconds: float) -> tuple[str, Sound | None]:
    """What nobody hears; None: no sound track."""
    count = int(seconds * RATE)
    match int(random.integers(6)):
        case 0:
            return "no sound track", None
        case 1:
            return "digital silence", np.zeros(count, np.float32)
        case 2:
            return "noise floor", hiss(random, seconds, -random.uniform(64, 85))
        case 3:
            return "hum", hum(
                random, seconds, float(random.choice([50, 60, 100])), -random.uniform(60, 75)
            )
        case 4:
            return "below hearing", hum(
                random, seconds, random.uniform(4, 12), -random.uniform(36, 50)
            )
        case _:
            click, at = np.zeros(count, np.float32), int(random.choice([0, count - 200]))
            click[at : at + int(random.integers(20, 200))] = random.uniform(0.02, 0.3)
            return "one click", click


def overdriven(random: Random) -> tuple[str, Sound]:
    name, number = str(random.choice(["speech", "music", "effect"])), int(random.integers(6))
    sound = {"speech": speech, "music": tune, "effect": effect}[name](number)
    by = random.uniform(9, 30)
    return f"{name} by {by // 6 * 6:.0f} dB", np.clip(level(sound, by), -1, 1)


# Writing


def write_film(path: Path, film: Film, random: Random) -> None:
    width, height = (side // 2 * 2 for side in film.size)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream(film.codec, rate=film.rate, options=film.options)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio: Any = None
        if film.sound is not None:
            audio = container.add_stream("aac", rate=RATE, layout="mono")
        for index in range(round(film.seconds * film.rate)):
            picture = film.scene(index / film.rate)[:height, :width].clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, film.rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None and film.sound is not None:
            wanted = np.resize(film.sound, int(film.seconds * RATE))
            for block in _blocks(wanted, RATE):
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))


def read_film(path: Path) -> list[Frame]:
    with av.open(str(path)) as container:
        return [
            frame.to_ndarray(format="rgb24").astype(np.float32)
            for frame in container.decode(video=0)
        ]


_SOUND_FILES = {
    ".wav": ("wav", "pcm_s16le"), ".mp3": ("mp3", "libmp3lame"), ".m4a": ("ipod", "aac"),
    ".ogg": ("ogg", "libopus"), ".flac": ("flac", "flac"),
}  # fmt: skip


def write_sound(path: Path, sound: Sound) -> None:
    muxer, codec = _SOUND_FILES[path.suffix]
    with av.open(str(path), "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout="mono")
        if codec in ("libmp3lame", "aac", "libopus"):
            stream.bit_rate = 128_000
        for block in _blocks(sound, RATE):
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))


def _blocks(sound: Sound, rate: int) -> Iterator[av.AudioFrame]:
    samples = (sound.clip(-1, 1) * 32767).astype(np.int16)
    for begin in range(0, len(samples), 4096):
        part = np.ascontiguousarray(samples[None, begin : begin + 4096])
        frame = av.AudioFrame.from_ndarray(part, "s16", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        yield frame


def write_image(path: Path, frame: Frame, random: Random) -> None:
    image = Image.fromarray(frame.clip(0, 255).astype(np.uint8))
    if path.suffix == ".png":
        image.save(path)
    else:
        image.save(path, quality=int(random.integers(40, 95)))
