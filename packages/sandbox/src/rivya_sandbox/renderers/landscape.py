"""Views far away: sky, sea, forest, desert, space. Linear light, ``(height, width, 3)``."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_sandbox.renderers.colour import (
    gradient,
    linear,
    mix,
    rgb,
    scale_colour,
    shift_colour,
    tint_field,
)
from rivya_sandbox.renderers.field import (
    Field,
    between,
    blur,
    clouds,
    fraction,
    grid,
    length,
    mask_of,
    noise,
    resize,
    ridge,
    seeded_generator,
    smooth,
)
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.palettes import PALETTES
from rivya_sandbox.renderers.scenery import Scenery


@dataclass(frozen=True)
class Sky:
    """A sky over the whole picture.

    Attributes:
        light: Linear light.
        sun_x: Of the sun or moon, as a share of the width.
    """

    light: Field
    sun_x: float


def sky(width: int, height: int, idea: Idea, rng: np.random.Generator, horizon: float) -> Sky:
    """Sky with sun (or moon and stars), and clouds above `horizon`, a share of the height."""
    palette = idea.palette
    night = "night" in idea.looks
    x, y = grid(width, height)
    aspect = width / height
    stops = (
        [palette[0], palette[1], shift_colour(palette[1], 0.08), palette[2]]
        if night
        else [palette[1], palette[2], palette[3], shift_colour(palette[4], -0.05, 1.2)]
    )
    light = linear(gradient(stops, y / horizon))
    sun_x, sun_y = 0.2 + 0.6 * rng.random(), horizon * (0.45 + 0.4 * rng.random())
    size = 0.03 + 0.03 * rng.random()
    away = length((x - sun_x) * aspect, y - sun_y)
    glow = np.exp(-away / 0.10) * 0.75 + np.exp(-away / 0.42) * 0.22
    tint = linear(shift_colour(palette[4], 0, 1.1)) * np.float32(0.22 if night else 0.42)
    light = light + tint_field(glow, tint)
    disc = linear(rgb("eef2ff" if night else "fff3d6")) * np.float32(1.15)
    light = mix(light, disc, smooth(size + 0.002, size - 0.002, away))

    rows = slice(0, math.ceil(height * horizon * 1.05))  # there are no clouds below
    puffs = resize(clouds(rng, width // 4, height // 4, 3.2, 5), width, height, rows=rows)
    bands = clouds(rng, width // 4, max(8, height // 16), 2.5, 4)
    bands = resize(bands, width, height, rows=rows)
    cover = smooth(0.15, 1.0, puffs * 0.6 + bands * 0.6) * smooth(0, 0.25, y[rows])
    fading = smooth(horizon * 1.05, horizon * 0.8, y[rows])
    cover = cover * (fading * np.float32(0.14 if night else 0.5))
    white = tint_field(0.86 + 0.25 * glow[rows], linear(shift_colour(palette[4], -0.02, 0.6)))
    light[rows] = mix(light[rows], white, cover)
    if night:
        light += _stars(width, int(height * horizon), height, 220, rng)[..., None]
    return Sky(light, sun_x)


def _stars(width: int, lowest: int, height: int, count: int, rng: np.random.Generator) -> Field:
    points = np.zeros((height, width), np.float32)
    count = max(8, int(count * min(1.0, width * height / 300_000)))
    rows = (rng.random(count) * max(1, lowest)).astype(int)
    columns = (rng.random(count) * width).astype(int)
    points[rows, columns] = rng.random(count) ** 3 * 1.6
    return points + blur(points, 1.5) * 3


def sea(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A sea with waves and the light's path on it, islands, a lighthouse and sails."""
    horizon = 0.50 + 0.06 * rng.random()
    above = sky(width, height, idea, rng, horizon)
    palette, night = idea.palette, "night" in idea.looks
    x, y = grid(width, height)
    aspect = width / height
    line = horizon - 0.018 * ridge(rng, width, 3, 6)
    island = smooth(-0.001, 0.001, y - line[None, :]) * (y < horizon)
    light = mix(above.light, mix(linear(palette[2]), linear(palette[1]), 0.5), island * 0.9)
    far = np.clip((y - horizon) / (1 - horizon), 1e-3, 1)
    waves = np.zeros((height, width), np.float32)
    for index in range(5):
        pitch, phase = 9 + 16 * rng.random(), rng.random() * 9
        along = pitch * (x - 0.5) * aspect / (far + 0.06) * 0.35 + phase
        waves += np.sin(along + 30 * (1 + 0.4 * index) * np.log(far + 0.05)) / 5
    chop = resize(clouds(rng, width // 2, height // 2, 14, 4), width, height)
    depth = far**0.75 * 0.95 + 0.06 * waves + 0.035 * chop
    water = linear(
        gradient([shift_colour(palette[3], -0.03), palette[2], palette[1], palette[0]], depth)
    )
    path = np.exp(-(((x - above.sun_x) * aspect / (0.05 + 0.24 * far)) ** 2))
    glints = smooth(0.25, 0.85, waves * 0.8 + chop * 0.35 + 0.28 * (1 - far)) * path
    water += tint_field(glints, linear(palette[4]) * np.float32(0.55 if night else 1.1))
    crests = smooth(0.35, 0.75, waves * 0.9 + chop * 0.5) * smooth(0.0, 0.2, far)
    water += tint_field(crests, linear(palette[4]) * np.float32(0.10 if night else 0.28))
    light = mix(light, water, smooth(horizon - 0.0012, horizon + 0.0012, y))
    scene = Scenery(width, height, rng)
    sail, stone = (rgb("8d98b8"), rgb("6d7484")) if night else (rgb("fbf7ee"), rgb("f0ece2"))
    for at, size in ((0.78 + 0.1 * rng.random(), 0.15), (0.30 * rng.random() + 0.05, 0.08)):
        scene.thing("⛵", at, horizon + 0.012 + size * 0.25, size, sail)
    at, foot = 0.14, horizon + 0.03
    scene.shape(
        [(at - 0.10, foot), (at - 0.04, foot - 0.05), (at + 0.07, foot - 0.04), (at + 0.14, foot)],
        palette[0],
    )
    scene.shape(
        [
            (at - 0.026, foot - 0.04),
            (at - 0.016, foot - 0.24),
            (at + 0.016, foot - 0.24),
            (at + 0.026, foot - 0.04),
        ],
        stone,
    )
    for stripe in (0.09, 0.17):
        scene.box(
            at - 0.021,
            foot - stripe - 0.03,
            at + 0.021,
            foot - stripe,
            rgb("8a3038" if night else "c8402f"),
        )
    scene.box(at - 0.018, foot - 0.275, at + 0.018, foot - 0.24, rgb("ffe2a0"))
    scene.shape(
        [(at - 0.022, foot - 0.275), (at, foot - 0.31), (at + 0.022, foot - 0.275)], palette[0]
    )
    scene.lamp(at, foot - 0.258, 0.10)
    return scene.over(light, 1.0 if night else 0.3)


def forest(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Trunks in four depths with sunbeams between."""
    # Leaves are green whatever the product's colours are; night, snow and season take that away.
    lighter, chroma, hue = (0.03, 1.15, -0.95) if "autumn" in idea.looks else (0.0, 1.0, 0.0)
    snowy = "snow" in idea.looks
    if idea.looks & {"snow", "fog", "rain"}:
        lighter, chroma = lighter + (0.12 if snowy else 0.05), chroma * (0.25 if snowy else 0.55)
    palette = (
        idea.palette
        if "night" in idea.looks
        else tuple(shift_colour(colour, lighter, chroma, hue) for colour in PALETTES["forest"])
    )
    x, y = grid(width, height)
    aspect = width / height
    sun = 0.3 + 0.4 * rng.random()
    away = length((x - sun) * aspect, y - 0.34) * 1.15
    light = linear(gradient([palette[4], palette[3], palette[2], palette[1]], away))
    for layer in range(4):
        near = layer / 3
        trunks = _trunks(width, height, layer, rng)
        leaves = resize(clouds(rng, width // 3, height // 3, 7 + 3 * layer, 5), width, height)
        canopy = smooth(0.1, 0.5, leaves + (0.12 - y) * 3.0 + 0.1 * layer) * np.float32(
            0.3 if snowy else 0.92
        )
        line = 0.80 + 0.05 * layer - 0.025 * ridge(rng, width, 5, 6)
        ground = smooth(-0.002, 0.004, y - line[None, :])
        if layer > 1:
            trunks = np.maximum(trunks, _firs(width, height, layer, rng))
        where = np.maximum(np.maximum(trunks, canopy), ground) * np.float32(0.55 + 0.42 * near)
        tone = mix(linear(palette[2]), linear(palette[0]) * np.float32(0.8), 0.15 + 0.8 * near)
        light = mix(light, tone, where)
        if snowy:
            white = linear(palette[4]) * np.float32(0.55 + 0.15 * near)
            light = mix(light, white, np.maximum(ground, canopy * smooth(0.2, 0.9, leaves)) * 0.85)
    angle = np.arctan2(y + 0.15, (x - sun) * aspect)
    beams = between(noise(rng, 512, 2, 60)[0], angle / np.float32(math.pi))
    shine = (
        smooth(0.3, 1.6, beams)
        * np.exp(-length(x - sun, y) * 1.3)
        * np.float32(0.2 if snowy else 0.55)
    )
    light += tint_field(shine, linear(palette[4]))
    return light


def _firs(width: int, height: int, layer: int, rng: np.random.Generator) -> Field:
    """Conifers at both sides, as a mask."""
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    short = min(width, height)
    for side in (0, 0, 1, 1):
        x = (side * 0.72 + 0.28 * rng.random()) * width
        foot, tall = (0.78 + 0.05 * layer) * height, (0.40 + 0.16 * rng.random()) * short
        for step in range(6):
            top, wide = foot - tall * (1 - step / 7), tall * (0.05 + 0.035 * step)
            draw.polygon(
                [
                    (x, top - tall * 0.06),
                    (x - wide, top + tall * 0.15),
                    (x + wide, top + tall * 0.15),
                ],
                255,
            )
    return mask_of(mask.filter(ImageFilter.GaussianBlur(0.8)))


def _trunks(width: int, height: int, layer: int, rng: np.random.Generator) -> Field:
    mask = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(mask)
    for _ in range(16 - 3 * layer):
        x, lean = rng.random() * width, (rng.random() - 0.5) * width * 0.05
        wide = width * (0.006 + 0.011 * layer) * (0.7 + 0.6 * rng.random())
        draw.polygon(
            [
                (x - wide, height),
                (x - wide * 0.6 + lean, 0),
                (x + wide * 0.6 + lean, 0),
                (x + wide, height),
            ],
            fill=255,
        )
    return mask_of(mask.filter(ImageFilter.GaussianBlur(max(0.6, 2.2 - layer * 0.5))))


def desert(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Five rows of dunes, lit from the side of the sun."""
    above = sky(width, height, idea, rng, 0.55)
    palette, light = idea.palette, above.light
    y = grid(width, height)[1]
    for index in range(5):
        near = index / 4
        line = 0.54 + 0.32 * near - 0.042 * ridge(rng, width, 1.6 + 0.6 * index, 2, 0.25)
        facing = blur(np.gradient(line)[None, :].repeat(2, 0).astype(np.float32), 6)[0] * width
        lit = smooth(-0.5, 0.5, facing * (1 if above.sun_x < 0.5 else -1))[None, :]
        down = np.clip((y - line[None, :]) / 0.35, 0, 1)
        tone = mix(
            linear(palette[1]),
            linear(palette[3]),
            np.clip(0.18 + 0.62 * lit * (1 - 0.55 * down), 0, 1),
        )
        light = mix(
            light,
            mix(tone, linear(palette[4]), 0.35 * (1 - near)),
            smooth(-0.001, 0.001, y - line[None, :]),
        )
    return light.astype(np.float32)


def space(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A nebula, stars, and a planet at the lower edge."""
    palette = idea.palette
    x, y = grid(width, height)
    small = width // 3, height // 3
    first, second = clouds(rng, *small, 2.2, 5), clouds(rng, *small, 2.8, 5)
    base = clouds(rng, small[0] + 80, small[1] + 80, 3, 6)
    rows, columns = np.mgrid[0 : small[1], 0 : small[0]]
    bent = base[
        np.clip(rows + 40 + first * 26, 0, small[1] + 79).astype(int),
        np.clip(columns + 40 + second * 26, 0, small[0] + 79).astype(int),
    ]
    gas, veil = resize(bent, width, height), resize(second, width, height)
    light: Field = tint_field(smooth(-0.2, 1.6, gas), linear(palette[2]))
    light += linear(shift_colour(palette[0], -0.10))
    light += tint_field(smooth(0.2, 1.5, gas * 0.6 + veil * 0.7), linear(palette[5]) * 0.6)
    light += _stars(width, height, height, 900, rng)[..., None]
    centre_x, radius = 0.3 + 0.4 * rng.random(), 0.42 + 0.2 * rng.random()
    dx, dy = (x - centre_x) * (width / height) / radius, (y - 1.02) / radius
    out = length(dx, dy)
    bulge = np.sqrt(np.clip(1 - out * out, 0, 1))
    texture = resize(clouds(rng, *small, 5, 6), width, height)
    bands = 0.5 + 0.35 * np.sin((dy * 4 + texture * 0.35) * 2.2) + texture * 0.12
    ground = linear(gradient([palette[1], palette[2], palette[3], palette[6]], bands))
    day = np.clip(dx * -0.55 - dy * 0.62 + bulge * 0.45, 0, 1)
    planet = scale_colour(ground, day * 1.5 + 0.02) + tint_field(
        (1 - bulge) ** 3 * day, linear(palette[3])
    )
    light = mix(light, planet, smooth(1.004, 0.996, out))
    air = np.exp(-np.clip(out - 1, 0, 9) / 0.07) * (out > 1) * np.clip(-dx * 0.5 - dy * 0.7, 0, 1)
    light += tint_field(air * 0.8, linear(palette[3]))
    return light


def lay_road(light: Field, idea: Idea) -> None:
    """Asphalt across the foreground, with a verge and a broken line; changes `light`."""
    height, width = light.shape[:2]
    first = int(height * 0.79)
    x, y = grid(width, height)
    down = (y[first:] - 0.79) / 0.21
    grain = noise(seeded_generator("road", idea.seed), width, height - first, width / 3)
    sky = light[: height // 3].mean(axis=(0, 1))
    tone = (0.10 + 0.05 * down) * (1 + 0.10 * grain)
    road = tint_field(tone, (0.55 + 0.45 * sky / max(float(sky.max()), 0.1)).astype(np.float32))
    dash = smooth(0.030, 0.022, np.abs(down - 0.74)) * smooth(0.0, 0.02, fraction(x * 4) - 0.42)
    road += dash[..., None] * np.float32(0.42)
    verge = smooth(0.035, 0.02, np.abs(down - 0.10)) * np.float32(0.30)
    road += verge[..., None]
    light[first:] = mix(light[first:], road, smooth(0.0, 0.03, down) + np.zeros_like(x))
