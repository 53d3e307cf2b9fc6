"""Draws the gallery of the sandbox: ``scripts/gallery [stills] [films] [sounds]``.

Writes one JPEG each to ``docs/images``: forty stills, frames of four films, and waveforms with
spectrograms of six sounds. All of it comes from the renderers, as for a request.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.lettering import line_mask
from rivya_sandbox.renderers.render import render
from rivya_sandbox.renderers.request import ReferenceMedium, RenderRequest

IMAGES = Path(__file__).parent.parent / "docs" / "images"
MAX_BYTES = 300_000

_PAPER, _INK, _GREY = (250, 249, 246), (24, 24, 28), (120, 118, 112)
_MARGIN = 24
_RATE = 22050


@dataclass(frozen=True)
class Example:
    """A request of the gallery, and its caption.

    Attributes:
        model: Public model id.
        prompt: Of the request.
        params: Of the request.
        note: Beside the prompt.
    """

    model: str
    prompt: str
    params: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


# Ten prompts with four pictures each: four seeds, or four seeds in four places or styles.
STILLS = (
    ("Hero shot of 'Aurora' perfume bottle, amber and gold", ("", "", "", "")),
    (
        "A cup of masala chai",
        ("by the sea at night", "in a snowy forest", "in a kitchen", "on a street, evening"),
    ),
    ("Skin cream jar on silk, 'Rosée'", ("", "", "", "")),
    ("Running shoes 'Velocity'", ("on a beach", "in the mountains", "on a rainy street", "neon")),
    ("दिवाली पर दीये और मिठाइयाँ, 'शुभ दीपावली'", ("", "", "", "")),
    ("Mountain lake", ("at sunrise", "in the rain", "at night", "in snow")),
    (
        "Desk lamp, oak and brass",
        ("in an office", "in a bedroom, evening", "in a library", "on a balcony, sunset"),
    ),
    ("Travel poster of a sailboat, 'Goa'", ("", "", "", "")),
    ("A fox in the snow", ("", ", watercolor", ", pencil", ", pixel art")),
    (
        "A rocket",
        (", enamel pin", ", comic strip, speech bubbles", ", flat illustration", ", noir"),
    ),
)
FILMS = (
    Example("veo3-1-lite", "Aurora desk lamp on a table, slow push-in", {"aspectRatio": "16:9"},
            "from text"),
    Example("kling-3-0", "Monsoon chai, rain on the balcony",
            {"aspect_ratio": "16:9", "multi_shots": "true", "mode": "std"}, "in several shots"),
    Example("veo3-1-fast", "pan right", {"aspectRatio": "16:9"}, "first and last frame"),
    Example("seedance-2", "zoom out, glittering", {"aspect_ratio": "16:9",
            "seedance_scene": "reference"}, "three references together"),
)  # fmt: skip
SOUNDS = (
    Example("elevenlabs-turbo-2-5", "Meet the Aurora desk lamp. Warm light, made for you.",
            {"voice": "cgSgspJ2msm6clMCkdW9"}, "speech"),
    Example("elevenlabs-turbo-2-5", "पेश है ऑरोरा लैंप। सुनहरी रोशनी, हर घर के लिए।",
            {"voice": "TX3LPaxmHKxFdv7VOQHJ"}, "speech"),
    Example("elevenlabs-dialogue-v3", "", {"dialogue": [
            {"voice": "Adam", "text": "Is it open today?"},
            {"voice": "Lily", "text": "Yes, until midnight!"},
            {"voice": "Adam", "text": "Then let us go."}]}, "dialogue of Adam and Lily"),
    Example("suno-music", "calm morning piano", {"instrumental": "true"}, "music"),
    Example("suno-music", "festive bhangra, 128 bpm", {"instrumental": "false"},
            "music with a voice"),
    Example("elevenlabs-sound-effect-v2", "ocean waves", {"duration_seconds": 6}, "effect"),
)  # fmt: skip


def stills() -> Image.Image:
    """Five rows with two prompts each."""
    side, gap, head = 236, 6, 40
    wide = 4 * side + 3 * gap
    page = _page(2 * wide + 3 * _MARGIN, 5 * (side + head) + 2 * _MARGIN)
    for index, (prompt, styles) in enumerate(STILLS):
        left = _MARGIN + index % 2 * (wide + _MARGIN)
        top = _MARGIN + index // 2 * (side + head)
        _say(page, prompt, (left, top + 8))
        for seed, style in enumerate(styles):
            asked = f"{prompt} {style}".strip()
            (result,) = render(
                RenderRequest("z-image", "image", asked, {"aspect_ratio": "1:1"}, seed=seed)
            )
            picture = Image.open(io.BytesIO(result.data)).resize(
                (side, side), Image.Resampling.LANCZOS
            )
            page.paste(picture, (left + seed * (side + gap), top + head - 4))
    return page


def films() -> Image.Image:
    """Six frames of each film, from its start to its end."""
    size, count, gap, head = (304, 171), 6, 6, 40
    page = _page(count * (size[0] + gap) - gap + 2 * _MARGIN, 4 * (size[1] + head) + 2 * _MARGIN)
    with TemporaryDirectory() as folder:
        references = _references(Path(folder))
        for row, example in enumerate(FILMS):
            top = _MARGIN + row * (size[1] + head)
            _say(page, example.prompt, (_MARGIN, top + 8), example.note)
            given = references[: (0, 0, 2, 3)[row]]
            order = RenderRequest(example.model, "video", example.prompt,
                          {"resolution": "480p", "duration": "5"} | dict(example.params),
                          given, seed=row)  # fmt: skip
            for column, frame in enumerate(_frames(render(order)[0].data, count)):
                text = frame.resize(size, Image.Resampling.LANCZOS)
                page.paste(text, (_MARGIN + column * (size[0] + gap), top + head - 4))
    return page


def _references(folder: Path) -> tuple[ReferenceMedium, ...]:
    made = []
    for index, prompt in enumerate(("Mountain lake at sunrise", "Mountain lake at night",
                                    "perfume bottle 'Aurora'")):  # fmt: skip
        order = RenderRequest("z-image", "image", prompt, {"aspect_ratio": "16:9"}, seed=index)
        path = folder / f"{index}.png"
        path.write_bytes(render(order)[0].data)
        made.append(ReferenceMedium("image", path, "image/png"))
    return tuple(made)


def _frames(data: bytes, count: int) -> list[Image.Image]:
    with av.open(io.BytesIO(data), "r") as file:
        text = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    at = np.linspace(len(text) * 0.03, len(text) - 1, count).astype(int)
    return [Image.fromarray(text[index]) for index in at]


def sounds() -> Image.Image:
    """Waveform above, spectrogram below; both on one scale of seconds for each sound."""
    wide, wave, tall, head, gap = 620, 70, 190, 40, 16
    block = head + wave + tall + gap
    page = _page(3 * wide + 4 * _MARGIN, 2 * block + 2 * _MARGIN)
    for index, example in enumerate(SOUNDS):
        left = _MARGIN + index % 3 * (wide + _MARGIN)
        top = _MARGIN + index // 3 * block
        order = RenderRequest(example.model, "audio", example.prompt,
                      {"output_format": "wav"} | dict(example.params), seed=2)  # fmt: skip
        samples = _samples(render(order)[0].data)
        note = f"{example.note}, {len(samples) / _RATE:.1f} s"
        _say(page, example.prompt, (left, top + 8), note, wide)
        page.paste(_waveform(samples, (wide, wave)), (left, top + head))
        page.paste(_spectrogram(samples, (wide, tall)), (left, top + head + wave))
    return page


def _samples(data: bytes) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=_RATE)
    with av.open(io.BytesIO(data), "r") as file:
        parts = [
            piece.to_ndarray().ravel()
            for part in file.decode(audio=0)
            for piece in resampler.resample(part)
        ]
    return cast("NDArray[np.float32]", np.concatenate(parts))


def _waveform(samples: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    picture = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(picture)
    for column, part in enumerate(np.array_split(samples, size[0])):
        high, low = (size[1] / 2 * (1 - float(value)) for value in (part.max(), part.min()))
        draw.line((column, high, column, max(low, high + 1)), fill=(198, 84, 60))
    return picture


def _spectrogram(samples: NDArray[np.float32], size: tuple[int, int]) -> Image.Image:
    """Level from -80 dB (dark) to the loudest (light), 60 Hz to 10 kHz on a logarithmic scale."""
    width = 1024
    starts = np.linspace(0, max(1, len(samples) - width), size[0]).astype(int)
    padded = np.pad(samples, (0, width))
    windows = padded[starts[:, None] + np.arange(width)] * np.hanning(width)
    levels = np.abs(np.fft.rfft(windows, 4 * width, axis=1))
    pitch = np.geomspace(10_000, 60, size[1])
    chosen = levels[:, np.clip((pitch * 4 * width / _RATE).astype(int), 1, levels.shape[1] - 1)]
    loud = np.clip(1 + 20 * np.log10(chosen.T / chosen.max() + 1e-9) / 80, 0, 1)
    stops = np.array(
        [(12, 10, 34), (70, 24, 92), (186, 54, 85), (249, 142, 60), (252, 245, 200)], np.float64
    )
    colours = np.stack(
        [np.interp(loud, np.linspace(0, 1, 5), stops[:, channel]) for channel in range(3)], -1
    )
    return Image.fromarray(colours.astype(np.uint8))


def _page(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), _PAPER)


def _say(
    page: Image.Image, text: str, at: tuple[int, int], note: str = "", room: int = 10_000
) -> None:
    if text:
        mask = line_mask(text, "sans", 17)
        if mask.width > room * 0.66:
            mask = mask.resize((int(room * 0.66), int(mask.height * room * 0.66 / mask.width)))
        page.paste(_INK, at, mask)
        at = at[0] + mask.width + 14, at[1]
    if note:
        page.paste(_GREY, at, line_mask(note, "sans", 17))


def save(page: Image.Image, path: Path) -> int:
    """Write the page as a JPEG of at most `MAX_BYTES`; returns its size in bytes."""
    for quality in range(88, 20, -4):
        stream = io.BytesIO()
        page.save(stream, "JPEG", quality=quality, optimize=True, progressive=True)
        if stream.tell() <= MAX_BYTES:
            break
    path.write_bytes(stream.getvalue())
    return stream.tell()


def main() -> None:
    pages = {"stills": stills, "films": films, "sounds": sounds}
    chosen = sys.argv[1:] or list(pages)
    if unknown := [name for name in chosen if name not in pages]:
        sys.exit(f"gallery: {unknown[0]!r} is none of {', '.join(pages)}")
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        page = pages[name]()
        path = IMAGES / f"gallery-{name}.jpg"
        size = save(page, path)
        print(f"{path.name}: {page.width}x{page.height}, {size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
