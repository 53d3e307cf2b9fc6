"""A dark room with neon tubes, as a backdrop."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.arrangement import below_title, table_edge
from rivya_sandbox.renderers.colour import (
    grey,
    linear,
    mix,
    scale_colour,
    strongest,
    with_lightness,
)
from rivya_sandbox.renderers.field import Field, blur, fraction, grid, resize, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.studio import Stage


def neon_room(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A dark room with a glowing ring and tubes on the wall and a wet floor."""
    x, y = grid(width, height)
    floor = table_edge(width, height) + 0.02
    glow_left, glow_right = idea.palette[3], idea.palette[5]
    if rng.random() < 0.5:
        glow_left, glow_right = glow_right, glow_left
    wall = linear(with_lightness(idea.palette[1], 0.20)) * np.float32(0.6)
    bricks = _bricks(width, height)
    wash = np.exp(-((x - 0.1) ** 2) / 0.16)[..., None] * linear(glow_left) * 0.20
    wash = wash + np.exp(-((x - 0.9) ** 2) / 0.16)[..., None] * linear(glow_right) * 0.20
    light = scale_colour(np.broadcast_to(wall + wash, (height, width, 3)), bricks)

    scale = 2
    tubes = Image.new("RGB", (width // scale, height // scale))
    draw = ImageDraw.Draw(tubes)
    top = below_title(idea, (width, height)) + 0.02
    radius = min((floor - 0.02 - top) * 0.54 * height, 0.27 * height, 0.40 * width) / scale
    centre = width / scale / 2, max((floor - 0.29) * height, top * height + radius * scale) / scale
    thick = max(3, int(min(width, height) * 0.011 / scale))
    ring = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
    to_rgb = [tuple(int(v * 255) for v in colour) for colour in (glow_left, glow_right)]
    gap = int(rng.integers(360))
    draw.arc(ring, gap, gap + 300, fill=to_rgb[0], width=thick)
    for side in (-1, 1):
        for step in range(2):
            at = centre[0] + side * radius * (1.28 + 0.2 * step)
            tall = radius * (0.9 - 0.35 * step)
            draw.line((at, centre[1] - tall, at, centre[1] + tall), to_rgb[1], thick)
    sharp = linear(resize(np.asarray(tubes, np.float32) / np.float32(255), width, height, "linear"))
    short = min(width, height)
    halo = blur(sharp, short * 0.018) * np.float32(2.4) + blur(sharp, short * 0.075) * np.float32(
        3.2
    )
    core = strongest(sharp) ** 2 * np.float32(0.9)
    light = scale_colour(light, 1 + 1.4 * blur(grey(halo), short * 0.03))
    light += halo * np.float32(0.6) + sharp * np.float32(1.5) + core[..., None]

    mirror_row = int(height * floor)
    rows = np.clip(2 * mirror_row - np.arange(height), 0, height - 1)
    ripples = (np.sin(np.arange(height) * 0.5) * (np.arange(height) - mirror_row) * 0.015).astype(
        int
    )
    low = int(height * floor)  # only what is below is seen of the mirror
    mirrored = blur(light[np.clip(rows + ripples, 0, height - 1)[low:]], short * 0.010)
    far = np.clip((y[low:] - floor) / (1 - floor), 0, 1)
    ground = mirrored * (0.55 - 0.3 * far[..., None]) + linear(idea.palette[0]) * np.float32(0.25)
    light[low:] = mix(light[low:], ground, smooth(floor, floor + 0.004, y[low:]))
    return Stage(light, floor + 0.12, 0.35)


def _bricks(width: int, height: int) -> Field:
    """Brightness of a brick wall, 0.55 in the joints to 1."""
    size = max(width, height) / 26
    row = np.arange(height, dtype=np.float32)[:, None] / np.float32(size * 0.5)
    column = np.arange(width, dtype=np.float32)[None, :] / np.float32(size * 1.2)
    column = column + 0.5 * (np.floor(row) % 2)
    joint = smooth(0.0, 0.10, fraction(row)) * smooth(0.0, 0.05, fraction(column))
    tone = 0.88 + 0.12 * np.sin(np.floor(row) * 12.9 + np.floor(column) * 78.2)
    wall: Field = (0.55 + 0.45 * joint) * tone
    return wall.astype(np.float32)
