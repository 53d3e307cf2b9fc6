"""From linear light to display values: bloom, vignette, weather, tone, grain."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_sandbox.renderers.colour import mix, tone_map
from rivya_sandbox.renderers.field import Field, blur, by_bands, mask_of, resize, smooth


def develop(light: Field, rng: np.random.Generator, *, flat: bool = False) -> Field:
    """Display values, ``(height, width, 3)``; `flat` leaves vignette and grain out."""
    height, width = light.shape[:2]
    small = max(8, width // 4), max(8, height // 4)
    glowing = [_bloom(light[..., channel], small, width * 0.005) for channel in range(3)]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    grain = None if flat else rng.standard_normal((height, width), np.float32)
    display = np.empty((height, width, 3), np.float32)

    def work(rows: slice) -> None:
        if grain is not None:
            darker = 1 - np.float32(0.28) * smooth(0.3, 2.4, x * x + y[rows] * y[rows])
            speck = grain[rows] * np.float32(0.009)
        for channel in range(3):
            part = light[rows, :, channel] + glowing[channel][rows]
            if grain is None:
                display[rows, :, channel] = tone_map(part)
                continue
            part *= darker
            pixels = tone_map(part)
            pixels += speck
            np.clip(pixels, 0, 1, out=display[rows, :, channel])

    by_bands(height, work)
    return display


def _bloom(light: Field, small: tuple[int, int], sigma: float) -> Field:
    """The light of one channel that spreads around what is too bright."""
    too_bright = light - np.float32(0.8)
    if too_bright.max() <= 0:
        return np.broadcast_to(np.float32(0), light.shape)
    over = resize(np.clip(too_bright, 0, 2, out=too_bright), *small, "box")
    bloom = blur(over, sigma) * np.float32(0.5) + blur(over, 1.4) * np.float32(0.2)
    return resize(bloom, light.shape[1], light.shape[0], "linear")


def rained_on(light: Field, rng: np.random.Generator) -> Field:
    """Linear light with falling rain in front."""
    height, width = light.shape[:2]
    streaks = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(streaks)
    for _ in range(600):
        x, y = rng.random() * width, rng.random() * height
        long = height * (0.02 + 0.03 * rng.random())
        draw.line((x, y, x - long * 0.18, y + long), fill=int(50 + 80 * rng.random()))
    rain = mask_of(streaks) * np.float32(0.35)
    return light * np.float32(0.85) + rain[..., None]


def snowed_on(light: Field, rng: np.random.Generator) -> Field:
    """Linear light with falling snow in front."""
    height, width = light.shape[:2]
    flakes = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(flakes)
    for _ in range(380):
        x, y = rng.random() * width, rng.random() * height
        radius = min(width, height) * (0.001 + 0.004 * rng.random() ** 3)
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius), fill=int(120 + 130 * rng.random())
        )
    cover = mask_of(flakes.filter(ImageFilter.GaussianBlur(1))) * np.float32(0.9)
    return mix(light, np.ones(3, np.float32), cover)
