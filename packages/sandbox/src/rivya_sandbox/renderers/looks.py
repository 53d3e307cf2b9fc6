"""Looks applied to a finished picture: watercolour, pencil, noir, comic, pixels, old film."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.colour import grey, mix, scale_colour, strongest, tint_field
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    by_bands,
    clouds,
    fraction,
    grid,
    length,
    noise,
    resize,
    slopes,
    smooth,
)

Look = Callable[[Field, np.random.Generator], Field]

_PAPER = np.array([0.985, 0.975, 0.95], np.float32)


def with_look(display: Field, looks: frozenset[str], rng: np.random.Generator) -> Field:
    """Display values in the first requested look that is known, or unchanged."""
    for name, look in _LOOKS.items():
        if name in looks:
            return np.clip(look(display, rng), 0, 1)
    return display


def picture_of(display: Field) -> Image.Image:
    """Display values as an RGB picture."""
    pixels = np.empty(display.shape, np.uint8)

    def work(rows: slice) -> None:
        levels = display[rows] * np.float32(255)
        levels += np.float32(0.5)
        pixels[rows] = np.clip(levels, 0, 255, out=levels)

    by_bands(len(display), work)
    return Image.fromarray(pixels)


def _pixels_of(picture: Image.Image) -> Field:
    return np.asarray(picture, np.float32) / np.float32(255)


def _equalize(display: Field) -> Field:
    """The values spread over the whole range, the middle of them at 0.42."""
    low, middle, high = np.percentile(display[::8, ::8], [1, 50, 99.5])
    spread = np.clip((display - low) / max(high - low, 0.05), 0, 1)
    at = min(max((middle - low) / max(high - low, 0.05), 0.15), 0.85)
    bend = min(max(float(np.log(0.42) / np.log(at)), 0.6), 1.7)
    curved: Field = spread**bend
    return curved


def _watercolour(display: Field, rng: np.random.Generator) -> Field:
    """Wet edges, pigment that settles unevenly, and a white border of paper."""
    height, width = display.shape[:2]
    small = picture_of(display).resize((width // 2, height // 2), Image.Resampling.BOX)
    flat = small.filter(ImageFilter.MedianFilter(3)).filter(ImageFilter.MedianFilter(3))
    wash = _pixels_of(flat.resize((width, height), Image.Resampling.BICUBIC))
    reach = min(width, height) * 0.0042
    shift = [
        resize(clouds(rng, width // 3, height // 3, 26, 3), width, height) * reach for _ in "xy"
    ]
    rows = np.clip(np.arange(height)[:, None] + shift[0], 0, height - 1).astype(int)
    columns = np.clip(np.arange(width) + shift[1], 0, width - 1).astype(int)
    wash = wash.reshape(-1, 3).take(rows * width + columns, axis=0)
    edges = np.clip(length(*slopes(blur(grey(wash), 2.5))) * 10, 0, 0.5)
    pigment = resize(clouds(rng, width // 2, height // 2, 18, 5), width, height)
    tone = grey(wash)[..., None]
    vivid = np.clip(tone + (wash - tone) * 1.15, 0, 1)
    painted = 1 - scale_colour(1 - (0.16 + 0.86 * vivid), 1 + 0.20 * pigment + edges)
    grain = noise(rng, width, height, width / 3)[..., None] * np.float32(0.018)
    x, y = grid(width, height)
    border = np.maximum(np.abs(2 * x - 1), np.abs(2 * y - 1))
    border = border + 0.05 * resize(clouds(rng, width // 4, height // 4, 9, 4), width, height)
    return mix(painted + grain, _PAPER + grain, smooth(0.90, 0.985, border))


def _pencil(display: Field, rng: np.random.Generator) -> Field:
    """Dark contours and two layers of hatching on paper, with a breath of the colours."""
    height, width = display.shape[:2]
    short = min(width, height)
    even = _equalize(grey(display))
    steep = length(*slopes(blur(even, max(1.0, short * 0.0012))))
    contour = smooth(0.012, 0.07, steep) * np.float32(0.85)
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    wobble = resize(noise(rng, width // 4, height // 4, 14), width, height) * short * 0.004
    pitch = short / 150
    first = 0.5 + 0.5 * np.sin((x + y + wobble) * (2 * math.pi / pitch / 1.41))
    second = 0.5 + 0.5 * np.sin((x - y + wobble) * (2 * math.pi / pitch / 1.41))
    hatch = first * smooth(0.60, 0.15, even) * 0.6 + second * smooth(0.32, 0.05, even) * 0.5
    grain = noise(rng, width, height, width / 2.5) * np.float32(0.035)
    tone = 1 - np.clip(hatch * (0.8 + 0.2 * grain * 10) + contour, 0, 0.92) + grain
    return mix(tint_field(tone, _PAPER), scale_colour(display, tone * 0.5 + 0.5), 0.18)


def _comic(display: Field, rng: np.random.Generator) -> Field:
    """Four tones of each colour, dots in the half-shade, and ink that thickens in the shadows."""
    height, width = display.shape[:2]
    small = picture_of(display).resize((width // 2, height // 2), Image.Resampling.BOX)
    calm = small.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(3))
    smoothed = _pixels_of(calm.resize((width, height), Image.Resampling.BICUBIC))
    # Only lightness is cut into steps: cut channel by channel, hues would jump.
    level = np.clip(strongest(smoothed), 0.02, 1)
    steps = smooth(0.0, 1.0, fraction(level * 4) * 6 - 2.5) + np.floor(level * 4)
    target = np.clip(0.16 + 0.21 * steps, 0, 1)
    flat = scale_colour(smoothed, target / level)
    tone = grey(flat)[..., None]
    flat = np.clip(tone + (flat - tone) * 1.45, 0, 1)

    short = min(width, height)
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    pitch = max(4.0, short / 105)
    turned = (x + y) * 0.7071 / pitch * math.pi, (x - y) * 0.7071 / pitch * math.pi
    dots = 0.5 + 0.5 * np.sin(turned[0]) * np.sin(turned[1])
    shade = smooth(0.62, 0.30, level) * np.float32(0.62)
    dotted = smooth(-0.06, 0.06, shade - (1 - dots)) * np.float32(0.42)
    flat = scale_colour(flat, 1 - dotted)
    black = np.array([0.06, 0.05, 0.09], np.float32)
    flat = mix(flat, black, smooth(0.36, 0.24, level))  # what is black is ink, without dots

    thick = max(1.0, short * 0.0022)
    edge = np.zeros((height, width), np.float32)
    for channel in range(3):
        edge = np.maximum(edge, length(*slopes(blur(smoothed[..., channel], thick))))
    ink = smooth(0.04, 0.085, edge * np.float32(thick))
    return mix(flat, black, ink * np.float32(0.94))


def _pixel_art(display: Field, rng: np.random.Generator) -> Field:
    height, width = display.shape[:2]
    size = max(4, min(width, height) // 110)
    small = picture_of(display).resize((width // size, height // size), Image.Resampling.BOX)
    few = small.quantize(28, dither=Image.Dither.NONE).convert("RGB")
    return _pixels_of(few.resize((width, height), Image.Resampling.NEAREST))


def _old_film(display: Field, rng: np.random.Generator) -> Field:
    faded = display * np.array([1.02, 0.96, 0.84], np.float32)
    faded = faded * np.float32(0.90) + np.array([0.075, 0.055, 0.06], np.float32)
    grain = rng.standard_normal(display.shape[:2], np.float32) * np.float32(0.026)
    return faded + grain[..., None]


def _noir(display: Field, rng: np.random.Generator) -> Field:
    tone = _equalize(display @ np.array([0.30, 0.59, 0.11], np.float32))
    tone = tone * 0.45 + smooth(0.05, 0.95, tone) * 0.55
    grain = rng.standard_normal(tone.shape, np.float32) * np.float32(0.018)
    return tint_field(tone + grain, np.array([1, 0.995, 0.98], np.float32))


_LOOKS: dict[str, Look] = {
    "pixel": _pixel_art,
    "watercolor": _watercolour,
    "pencil": _pencil,
    "comic": _comic,
    "noir": _noir,
    "retro": _old_film,
}
