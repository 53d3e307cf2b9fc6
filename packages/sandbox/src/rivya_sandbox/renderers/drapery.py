"""Folded silk, as a backdrop."""

from __future__ import annotations

import math

import numpy as np

from rivya_sandbox.renderers.colour import brightness, linear, mix, shift_colour
from rivya_sandbox.renderers.field import Field, blur, grid, noise, resize, slopes, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.studio import Stage

_GRID = 384  # pixels of the shorter side; folds are wide and need no more


def silk(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """Satin in long folds that gather on one side; the subject lies on it, seen from above."""
    scale = max(1.0, min(width, height) / _GRID)
    columns, rows = max(16, round(width / scale)), max(16, round(height / scale))
    cloth = _folds(columns, rows, rng)
    down, right = slopes(cloth)
    steep = np.float32(0.85 / max(float(np.hypot(down, right).std()), 1e-5)) * np.float32(0.5)
    nx, ny = -right * steep, -down * steep
    nz = 1 / np.sqrt(nx * nx + ny * ny + 1)
    nx, ny = nx * nz, ny * nz

    colour = idea.palette[3] if idea.cloth is None else idea.cloth
    if brightness(colour) < 0.3:
        colour = shift_colour(colour, 0.18)
    lamp = np.clip(-0.55 * nx - 0.62 * ny + 0.56 * nz, 0, 1)
    # Satin shines along its threads: a broad sheen, and a narrow one on each crest.
    half = np.clip(-0.32 * nx - 0.36 * ny + 0.87 * nz, 0, 1)
    light = linear(colour) * (0.10 + 0.95 * lamp)[..., None]
    light = light + linear(shift_colour(colour, 0.22, 0.7)) * (0.42 * half**14)[..., None]
    light = light + np.float32(0.30) * (half**70)[..., None]
    hollow = smooth(-0.25, 0.30, cloth - blur(cloth, min(columns, rows) * 0.06))
    light = light * (0.45 + 0.60 * hollow)[..., None]
    large = np.clip(resize(light.astype(np.float32), width, height), 0, None)
    # The middle is a little lighter, where the lamp points.
    x, y = grid(width, height)
    near = np.exp(-(((x - 0.5) * width / height) ** 2 + (y - 0.5) ** 2) / 0.35)
    return Stage(mix(large * np.float32(0.78), large * np.float32(1.12), near), None)


def _folds(columns: int, rows: int, rng: np.random.Generator) -> Field:
    """Height of the cloth, about -1 to 1: long folds that flow and gather, with finer ones between."""
    x, y = grid(columns, rows)
    aspect = columns / rows
    lean = float(rng.uniform(0.45, 1.1)) * (1 if rng.random() < 0.5 else -1)
    along = x * aspect * math.cos(lean) + y * math.sin(lean)
    across = -x * aspect * math.sin(lean) + y * math.cos(lean)
    # Cloth hangs together: what bends one fold bends its neighbours too.
    sway = 0.10 * np.sin(2.6 * across + float(rng.uniform(0, 6)))
    sway = sway + 0.075 * noise(rng, columns, rows, 1.7) + 0.022 * noise(rng, columns, rows, 4)
    gather = float(rng.uniform(0.25, 0.6))
    phase = 2 * math.pi * (2.4 * (along + sway) + gather * (along + sway) ** 2)
    phase = phase + float(rng.uniform(0, 6))
    # A crest is round and a valley tight, and each leans to one side.
    broad = np.sin(phase + 0.75 * np.sin(phase + 0.8))
    broad = 1 - 2 * ((1 - broad) / 2) ** 0.8
    depth = 0.55 + 0.45 * np.sin(1.9 * across + 0.35 * phase + float(rng.uniform(0, 6)))
    fine = np.sin(2.35 * phase + 2.4 * across + 5 * sway)
    cloth: Field = broad * (0.35 + 0.65 * depth) + fine * (1 - depth) * 0.16
    return blur(cloth.astype(np.float32), min(columns, rows) * 0.006)
