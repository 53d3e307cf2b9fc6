"""Dust in the air and a slow sweep of light over a film."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.h264 import Frame, planes_in

_WHITE = 235  # limited range ends there
_MOTES = 34


@dataclass(frozen=True)
class Atmosphere:
    """Light added to the luma plane, drawn at a quarter of the size.

    Attributes:
        size: Of the film, pixels.
        motes: x, y (shares), radius (quarter pixels), phase and speed of each.
        sweep: Mode L, three times as wide as the frame at a quarter of the size.
        strength: 1 is usual.
    """

    size: tuple[int, int]
    motes: tuple[tuple[float, float, float, float, float], ...]
    sweep: Image.Image
    strength: float

    @classmethod
    def of(cls, size: tuple[int, int], prompt: str, seed: int) -> Atmosphere:
        """The atmosphere for a prompt; stronger if the prompt mentions dust or light."""
        rng = seeded_generator("atmosphere", seed)
        dusty = any(word in prompt.lower() for word in ("dust", "particles", "sparkle", "magic"))
        count = _MOTES * (2 if dusty else 1)
        motes = tuple(
            (
                rng.random(),
                rng.random(),
                0.5 + 1.8 * rng.random() ** 2,
                rng.random() * 6.28,
                0.2 + 0.8 * rng.random(),
            )
            for _ in range(count)
        )
        width, height = size[0] // 4, size[1] // 4
        x = np.linspace(-1, 1, 3 * width, dtype=np.float32)[None, :]
        lean = np.linspace(-0.35, 0.35, height, dtype=np.float32)[:, None]
        beam = np.exp(-(((x + lean) / 0.16) ** 2)) * 34
        return cls(size, motes, Image.fromarray(beam.astype(np.uint8)), 1.2 if dusty else 0.8)

    def shine(self, frame: Frame, time: float, seconds: float) -> None:
        """Adds to `frame` the light at `time` seconds of a film of `seconds`."""
        width, height = self.size[0] // 4, self.size[1] // 4
        shift = int(width * (1.25 - 1.5 * time / max(seconds, 1e-3)))
        layer = self.sweep.crop((shift, 0, shift + width, height))
        draw = ImageDraw.Draw(layer)
        for x, y, radius, phase, speed in self.motes:
            across = (x + 0.02 * math.sin(time * 0.9 + phase) + time * 0.008 * speed) % 1 * width
            along = (y - time * 0.022 * speed) % 1 * height
            level = int(
                (20 + 62 * (0.5 + 0.5 * math.sin(time * 1.7 * speed + phase))) * self.strength
            )
            draw.ellipse(
                (across - radius, along - radius, across + radius, along + radius), fill=level
            )
        soft = layer.filter(ImageFilter.BoxBlur(1)).resize(self.size, Image.Resampling.BILINEAR)
        luma = planes_in(frame)[0]
        # The distance to white shrinks in proportion to the light.
        missing = (255 - luma).astype(np.uint16)
        missing *= 256 - np.asarray(soft, np.uint16)
        missing += 128
        missing >>= 8
        np.subtract(255, np.maximum(missing, 255 - _WHITE), out=luma, casting="unsafe")
