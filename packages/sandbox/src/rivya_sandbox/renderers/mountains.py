"""Mountains in haze: ranges, snow on their faces, firs, and a lake before them."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.colour import linear, mix, rgb
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    clouds,
    grid,
    mask_of,
    resize,
    ridge,
    slopes,
    smooth,
)
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.landscape import sky


def mountains(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Five ranges in haze, with firs on the nearest, and at a lake still water before them."""
    above = sky(width, height, idea, rng, 0.62)
    light = above.light
    night, snow = "night" in idea.looks, "snow" in idea.looks
    haze, dark = linear(idea.palette[1 if night else 3]), linear(idea.palette[0])
    y = grid(width, height)[1]
    lines, snows = [], []
    for index in range(5):
        near = index / 4
        jagged = ridge(rng, width, 2 + 2.2 * near, 8, 0.5 if index < 3 else 0.42)
        lines.append(0.44 + 0.40 * near - 0.065 * (1 - 0.45 * near) * jagged)
        snowy = index < 2 or (snow and index < 3)
        snows.append(_rock(width, height, rng) if snowy else None)
    for index, (line, rock) in enumerate(zip(lines, snows, strict=True)):
        near = index / 4
        # From its highest peak down to where the next range hides all of it.
        lowest = float(lines[index + 1].max()) + 0.003 if index < 4 else 1.0
        first = max(0, int((float(line.min()) - 0.003) * height))
        rows = slice(first, min(height, math.ceil(lowest * height)))
        if rows.start >= rows.stop:
            continue
        where = smooth(-0.0015, 0.0015, y[rows] - line[None, :])
        tone = mix(haze, dark, 0.12 + 0.80 * near)
        down = np.clip((y[rows] - line[None, :]) / 0.30, 0, 1)
        slope = mix(tone * np.float32(1.15 - 0.2 * near), mix(tone, haze, 0.55 * (1 - near)), down)
        if rock is not None:
            slope = mix(slope, *_snow(line, rock, rows, above.sun_x, idea, height))
        light[rows] = mix(light[rows], slope, where)
    if idea.place == "lake":
        light = _lake(light, idea)
    light = mix(light, dark * np.float32(0.55), _firs(width, height, rng))
    mist = resize(clouds(rng, width // 4, height // 8, 3, 4), width, height)
    low = smooth(0.5, 0.7, y) * smooth(0.88, 0.74, y) * np.float32(0.5)
    return mix(light, haze, smooth(0.2, 1.2, mist) * low)


def _lake(light: Field, idea: Idea) -> Field:
    """The view with still water before it, which mirrors what is above its far shore."""
    height, width = light.shape[:2]
    shore, y = 0.66, grid(width, height)[1]
    row = np.arange(height)
    ripple = np.sin(row * 0.9) * np.clip(row / height - shore, 0, 1) * height * 0.025
    mirrored = light[np.clip(2 * shore * height - row + ripple, 0, height - 1).astype(int)]
    mirrored = blur(mirrored, max(1.0, width * 0.003))
    near = np.clip((y - shore) / (1 - shore), 0, 1)
    water = mix(mirrored * np.float32(0.82), linear(idea.palette[1]), 0.10 + 0.30 * near)
    glint = np.exp(-(((y - shore) / 0.006) ** 2)) * np.float32(0.5)
    water = mix(water, linear(idea.palette[4]), np.broadcast_to(glint, (height, width)))
    return mix(light, water, np.broadcast_to(smooth(shore, shore + 0.003, y), (height, width)))


def _rock(width: int, height: int, rng: np.random.Generator) -> Field:
    """How far the faces of a range stand out, at half the size, with the crests of mountains."""
    return -np.abs(clouds(rng, max(8, width // 2), max(8, height // 2), 11, 6, 0.55))


def _snow(
    line: Field, rock: Field, rows: slice, sun_x: float, idea: Idea, height: int
) -> tuple[Field, Field]:
    """Linear light of the snow, and where it lies: on high parts, brighter towards the sun.

    Both for these rows of the picture only, of which `height` is the whole height.
    """
    width, y = line.size, grid(line.size, height)[1][rows]
    down, right = slopes(rock)
    sun = 1 if sun_x < 0.5 else -1
    faces = blur((right * sun - down * 0.5).astype(np.float32), 1.2)
    faces = faces / np.float32(max(float(faces.std()), 1e-4))
    # Near the top a face leans as the outline does, below it as its own rock.
    outline = blur(np.gradient(line)[None, :].repeat(2, 0).astype(np.float32), 4)[0] * width / 2
    depth = np.clip(y - line[None, :], 0, 1)
    towards = resize(faces, width, height, rows=rows) + 1.3 * sun * outline[None, :] * np.exp(
        -depth / 0.05
    )
    lit = smooth(-1.3, 1.3, towards)
    ragged = resize(rock, width, height, "linear", rows)
    lowest = 0.085 + 0.075 * ragged + 0.02 * towards
    where = smooth(0.02, -0.02, depth - lowest) * smooth(0.58, 0.46, line)[None, :]
    tone = mix(linear(idea.palette[2]), rgb("fffaf5"), 0.22 + 0.78 * lit)
    return tone, where * np.float32(0.88)


def _firs(width: int, height: int, rng: np.random.Generator) -> Field:
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    ground = 0.90 - 0.025 * ridge(rng, width, 3, 4)
    for _ in range(int(60 + 40 * rng.random())):
        x = int(rng.random() * width)
        tall = height * (0.05 + 0.11 * rng.random() ** 1.5)
        tall *= 1.35 if abs(x / width - 0.5) > 0.3 else 0.6
        foot = float(ground[x]) * height + height * 0.015
        for part in range(5):
            wide = tall * 0.24 * (part / 5 + 0.18)
            top = foot - tall + tall * part / 5
            draw.polygon(
                [(x, top), (x - wide, top + tall * 0.30), (x + wide, top + tall * 0.30)], fill=255
            )
    y = grid(width, height)[1]
    return np.maximum(mask_of(mask), smooth(-0.001, 0.001, y - ground[None, :]))
