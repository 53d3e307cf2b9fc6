"""Places outside that people made or go to: street, market, garden, meadow, balcony, beach.

Linear light, ``(height, width, 3)``.
"""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.colour import (
    gradient,
    linear,
    mix,
    rgb,
    shift_colour,
    tint_field,
    with_lightness,
)
from rivya_sandbox.renderers.field import Field, clouds, grid, noise, resize, ridge, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.interiors import awning
from rivya_sandbox.renderers.landscape import sea, sky
from rivya_sandbox.renderers.scenery import Scenery

_SNOW = rgb("eef3f7")
_FACADES = tuple(map(rgb, ("b5654a", "d9b48a", "8f9aa3", "c98f6a", "a8b0a0", "e0cfae", "7d6a5c")))
_FLOWERS = ("🌷", "🌻", "🌸", "🌹", "🌼")
_PETALS = tuple(map(rgb, ("e8507a", "f5b921", "f4a6c0", "cf2340", "fbf1dc")))


def _by_light(colour: Field, idea: Idea) -> Field:
    """A colour of the day as it looks at this time."""
    if "night" in idea.looks:
        return with_lightness(colour, 0.30, 0.55)
    if "dusk" in idea.looks:
        return shift_colour(colour, -0.14, 0.9)
    return shift_colour(colour, -0.08, 0.7) if idea.looks & {"rain", "fog"} else colour


def _green(idea: Idea, code: str = "5c9a48") -> Field:
    if "snow" in idea.looks:
        return _by_light(_SNOW, idea)
    return _by_light(rgb("c08a3a" if "autumn" in idea.looks else code), idea)


def _dark(idea: Idea) -> bool:
    return bool(idea.looks & {"night", "dusk"})


def street(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A street that runs away between house fronts, with shops, lamp posts, trees and a crossing."""
    light = sky(width, height, idea, rng, 0.62).light
    scene = Scenery(width, height, rng)
    far, level = 0.44 + 0.12 * rng.random(), 0.50

    def project(side: int, depth: float, up: float) -> tuple[float, float]:
        """A point of the fronts: depth 1 at the edge of the picture, up 0 on the pavement."""
        return far + side * (0.62 * depth), level + depth * (0.30 - 1.12 * up)

    def quad(side: int, ends: tuple[float, float], rows: tuple[float, float], tone: Field) -> None:
        (near, away), (low, high) = ends, rows
        corners = ((near, low), (near, high), (away, high), (away, low))
        scene.shape([project(side, depth, up) for depth, up in corners], tone)

    road = _by_light(_SNOW if "snow" in idea.looks else rgb("6a6d72"), idea)
    pavement = _by_light(rgb("e4e8ec" if "snow" in idea.looks else "b9b4aa"), idea)
    scene.shape([(far, level), (far + 0.9, 1.0), (far - 0.9, 1.0)], pavement)
    scene.shape([(far, level), (far + 0.62, 1.0), (far - 0.62, 1.0)], road)
    for stripe in range(-3, 4):
        left, right = stripe * 0.085 - 0.026, stripe * 0.085 + 0.026
        scene.shape(
            [
                (far + left, 0.64),
                (far + right, 0.64),
                (far + right * 1.5, 0.72),
                (far + left * 1.5, 0.72),
            ],
            _by_light(rgb("f2f0e8"), idea),
        )
    for dash in (0.53, 0.57, 0.61):
        wide = (dash - level) * 0.05
        scene.shape([(far - wide, dash), (far + wide, dash), (far + wide * 1.3, dash + 0.02),
                     (far - wide * 1.3, dash + 0.02)], _by_light(rgb("f2e6b0"), idea))  # fmt: skip
    ends = (1.35, 0.86, 0.56, 0.37, 0.25, 0.17, 0.11)
    for side in (-1, 1):
        for index in range(len(ends) - 2, -1, -1):
            near, away = ends[index], ends[index + 1]
            front = _by_light(_FACADES[int(rng.integers(len(_FACADES)))], idea)
            tall = 0.62 + 0.32 * rng.random()
            quad(side, (near, away), (0.0, tall), shift_colour(front, -0.05 if side > 0 else 0.02))
            quad(side, (near, away), (tall - 0.03, tall), shift_colour(front, -0.14))
            for row in np.arange(0.28, tall - 0.10, 0.15):
                for column in range(3):
                    first = near + (away - near) * (0.12 + 0.30 * column)
                    last = near + (away - near) * (0.28 + 0.30 * column)
                    lit = _dark(idea) and rng.random() < 0.6
                    pane = rgb("ffd48a") if lit else _by_light(rgb("5d7284"), idea)
                    quad(side, (first, last), (float(row), float(row) + 0.09), pane)
            shop = rgb("ffe0a3") if _dark(idea) else _by_light(rgb("43525c"), idea)
            first, last = near + (away - near) * 0.1, near + (away - near) * 0.9
            quad(side, (first, last), (0.02, 0.16), shop)
            cloth = _by_light((idea.palette[5], rgb("b03a3a"), rgb("2f6f5a"))[index % 3], idea)
            for band in range(6):
                a, b = first + (last - first) * band / 6, first + (last - first) * (band + 1) / 6
                quad(side, (a, b), (0.155, 0.215), cloth if band % 2 else rgb("efe9dc"))
    for side, depth in ((-1, 0.34), (1, 0.48), (1, 0.24), (-1, 0.20)):
        x, y = far + side * 0.50 * depth, level + 0.31 * depth
        leaf = _green(idea, "4f8f46")
        scene.line([(x, y), (x, y - 0.24 * depth)], 0.030 * depth, _by_light(rgb("5a3f2a"), idea))
        for dx, dy in ((-0.07, 0.26), (0.07, 0.26), (0.0, 0.38)):
            scene.disc(x + dx * depth, y - dy * depth, 0.16 * depth, leaf)
    for side, depth in ((1, 0.66), (-1, 0.58), (-1, 0.30)):
        x, y = far + side * 0.53 * depth, level + 0.31 * depth
        top = y - 0.62 * depth
        scene.line([(x, y), (x, top), (x - side * 0.09 * depth, top)], 0.018 * depth, rgb("2b2d33"))
        scene.disc(x - side * 0.09 * depth, top + 0.01, 0.035 * depth, rgb("ffe9bd"), 0.7)
        if _dark(idea):
            scene.lamp(x - side * 0.09 * depth, top, 0.16 * depth)
    scene.thing("🚗", far + 0.20, 0.635, 0.10, _by_light(idea.palette[6], idea))
    return scene.over(light)


def market(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Stalls with striped roofs, heaps of fruit, a string of bulbs."""
    light = sky(width, height, idea, rng, 0.7).light
    scene = Scenery(width, height, rng)
    scene.box(0.0, 0.30, 1.0, 0.64, _by_light(rgb("5a4636"), idea))
    scene.box(0.0, 0.64, 1.0, 1.0, _by_light(rgb("b09a80"), idea))
    fruit = [
        _by_light(rgb(code), idea) for code in ("e0402f", "f59a1b", "6fae4a", "f6d32d", "8f2d84")
    ]
    for stall in range(3):
        x = -0.06 + stall * 0.38
        for post in (x + 0.01, x + 0.34):
            scene.line([(post, 0.2), (post, 0.75)], 0.014, _by_light(rgb("7b5a3a"), idea))
        for crate in range(3):
            left = x + 0.02 + crate * 0.108
            colour = fruit[(stall * 2 + crate) % 5]
            for heap in range(14):
                row = heap // 5
                dx = (heap % 5 + 0.5 * (row % 2)) * 0.019
                scene.disc(
                    left + 0.014 + dx,
                    0.555 - row * 0.024,
                    0.020,
                    shift_colour(colour, 0.03 * (heap % 3 - 1)),
                )
            scene.box(left, 0.56, left + 0.102, 0.64, _by_light(rgb("a9794a"), idea))
        cloth = _by_light((rgb("c23b3b"), idea.palette[5], rgb("2f7f6a"))[stall], idea)
        awning(scene, x - 0.01, x + 0.36, 0.17, 0.29, cloth, 8)
    for index in range(9):
        x = 0.06 + index * 0.11
        scene.disc(x, 0.09 + 0.03 * abs((index % 4) - 2), 0.013, rgb("ffe9bd"))
        scene.lamp(x, 0.09 + 0.03 * abs((index % 4) - 2), 0.035)
    return scene.over(light, 1.0 if _dark(idea) else 0.5)


def garden(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A lawn with beds of flowers, a white fence, a hedge and trees."""
    light = sky(width, height, idea, rng, 0.5).light
    scene = Scenery(width, height, rng)
    leaf = _green(idea, "4a7f3c")
    for x, size in ((0.05, 0.24), (0.22, 0.15), (0.80, 0.16), (0.95, 0.26)):
        scene.box(x - 0.012, 0.30, x + 0.012, 0.55, _by_light(rgb("6b4a30"), idea))
        for _ in range(9):
            dx, dy = (rng.random(2) - 0.5) * size
            scene.disc(
                x + dx, 0.26 + dy, size * 0.38, shift_colour(leaf, 0.10 * (rng.random() - 0.4))
            )
    for index in range(26):
        scene.disc(
            index / 25,
            0.47 + 0.012 * rng.random(),
            0.055,
            shift_colour(leaf, -0.06 + 0.05 * rng.random()),
        )
    scene.box(0.0, 0.47, 1.0, 1.0, _green(idea, "6fae4f"))
    for index in range(19):
        x, white = index / 18, _by_light(rgb("f7f4ec"), idea)
        scene.box(x - 0.013, 0.43, x + 0.013, 0.56, white)
        scene.shape([(x - 0.013, 0.432), (x, 0.412), (x + 0.013, 0.432)], white)
    for y in (0.46, 0.52):
        scene.box(0.0, y, 1.0, y + 0.012, _by_light(rgb("ebe6da"), idea))
    for row, y in enumerate((0.60, 0.66, 0.73, 0.82)):
        for index in range(11):
            x = (index + 0.5 * (row % 2) + 0.2 * rng.random()) / 10.5
            kind = int(rng.integers(5))
            size = 0.075 + 0.02 * row
            scene.line([(x, y), (x, y - size * 0.6)], 0.008, _by_light(rgb("3c7f3a"), idea))
            scene.thing(_FLOWERS[kind], x, y - size * 0.15, size, _by_light(_PETALS[kind], idea))
    return scene.over(light)


def meadow(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Rolling fields with furrows, of lavender if it is named, a farmhouse, trees and a fence."""
    light = sky(width, height, idea, rng, 0.55).light
    x, y = grid(width, height)
    lavender = not {"lavender", "lavendel"}.isdisjoint(idea.words)
    green, purple = (
        ("8fae86", "7fae5c", "d6b95a", "6a9f4a"),
        ("8fae86", "a58fd0", "8d74c0", "7658ad"),
    )
    for index, code in enumerate(purple if lavender else green):
        line = 0.44 + 0.075 * index - 0.022 * ridge(rng, width, 1.6 + index, 3, 0.4)
        tone = linear(_green(idea, code))
        down = np.clip((y - line[None, :]) / 0.4, 0, 1)
        furrow = 0.5 + 0.5 * np.sin((x - 0.5) / (down + 0.05) * 16)
        rows = tint_field(0.92 + 0.14 * furrow * smooth(0.02, 0.15, down) + 0 * x, tone)
        light = mix(light, rows, smooth(-0.0015, 0.0015, y - line[None, :]))
    scene = Scenery(width, height, rng)
    scene.thing("🏠", 0.20, 0.53, 0.15, _by_light(rgb("e6d2b0"), idea))
    for at, foot, size in (
        (0.09, 0.54, 0.18),
        (0.32, 0.51, 0.12),
        (0.78, 0.55, 0.20),
        (0.92, 0.53, 0.15),
    ):
        scene.thing("🌳", at, foot, size, _green(idea, "4f8f46"))
    for post in range(12):
        at = post / 11
        scene.box(at - 0.006, 0.60, at + 0.006, 0.71, _by_light(rgb("8a6a48"), idea))
    for rail in (0.62, 0.66):
        scene.box(0.0, rail, 1.0, rail + 0.010, _by_light(rgb("9a7a56"), idea))
    return scene.over(light)


def under_blossoms(light: Field, idea: Idea, rng: np.random.Generator) -> Field:
    """Linear light behind branches of a cherry tree in blossom, with falling petals."""
    height, width = light.shape[:2]
    scene = Scenery(width, height, rng)
    tones = [_by_light(rgb(code), idea) for code in ("f4a6c0", "f9c6d6", "fde3ec", "e87fa0")]
    for side, reach in ((0.0, 0.62), (1.0, 0.34)):
        toward = 1 - 2 * side
        tips = [(0.45, 0.10), (0.75, 0.03), (1.0, 0.15)]
        for across, down in tips:
            fork, tip = (side + toward * reach * 0.3, 0.06), (side + toward * reach * across, down)
            bark = _by_light(rgb("5a3f34"), idea)
            scene.line([(side - toward * 0.02, 0.015), fork, tip], 0.008, bark)
            for _ in range(34):
                along = rng.random() ** 0.7
                x, y = (a + (b - a) * along for a, b in zip(fork, tip, strict=True))
                dx, dy = rng.normal(0, 0.026, 2) * scene.unit
                size = 0.009 + 0.012 * rng.random()
                scene.disc(x + dx / width, y + dy / height, size, tones[int(rng.integers(4))])
    for _ in range(36):
        scene.disc(rng.random(), rng.random(), 0.003 + 0.005 * rng.random(), tones[1], 0.6)
    return scene.over(light)


def balcony(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A railing before roofs and sky, plants in pots, a hanging basket."""
    light = sky(width, height, idea, rng, 0.6).light
    scene = Scenery(width, height, rng)
    for layer, base in enumerate((0.42, 0.50)):
        at = -0.02
        while at < 1.0:
            wide = 0.08 + 0.08 * rng.random()
            top = base - 0.10 * rng.random()
            wall = _by_light(
                shift_colour(_FACADES[int(rng.integers(7))], 0.10 - 0.06 * layer, 0.7), idea
            )
            scene.box(at, top, at + wide, 0.8, wall)
            scene.shape(
                [(at - 0.008, top), (at + wide / 2, top - 0.04), (at + wide + 0.008, top)],
                shift_colour(wall, -0.14),
            )
            for row in range(2):
                pane = rgb("ffd48a") if _dark(idea) else shift_colour(wall, -0.2)
                scene.box(
                    at + wide * 0.3,
                    top + 0.03 + row * 0.07,
                    at + wide * 0.6,
                    top + 0.065 + row * 0.07,
                    pane,
                )
            at += wide * 1.05
    iron = _by_light(rgb("33363c"), idea)
    for index in range(23):
        scene.box(index / 22 - 0.004, 0.53, index / 22 + 0.004, 0.84, iron)
    scene.box(0.0, 0.515, 1.0, 0.54, iron)
    scene.box(0.0, 0.80, 1.0, 1.0, _by_light(rgb("b9a48a"), idea))
    leaf = _by_light(rgb("4f8f46"), idea)
    for x, foot, size in (
        (0.09, 0.80, 0.26),
        (0.24, 0.80, 0.17),
        (0.91, 0.80, 0.28),
        (0.77, 0.80, 0.16),
    ):
        clay = _by_light(rgb("c2673f"), idea)
        wide = size * 0.22 * scene.unit / scene.width
        high = size * 0.38 * scene.unit / height
        scene.shape(
            [
                (x - wide, foot - high),
                (x + wide, foot - high),
                (x + wide * 0.7, foot),
                (x - wide * 0.7, foot),
            ],
            clay,
        )
        for _ in range(16):
            turn, reach = rng.random() * 3.1416, size * (0.25 + 0.55 * rng.random()) * scene.unit
            tip = (
                x + np.cos(turn) * reach * 0.6 / width,
                foot - high - np.sin(turn) * reach / height,
            )
            scene.line([(x, foot - high), tip], 0.010, shift_colour(leaf, -0.10))
            scene.disc(*tip, size * 0.11, shift_colour(leaf, 0.14 * (rng.random() - 0.4)), 0.75)
    return scene.over(light)


def beach(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Sand before the sea, with palms, a parasol and foam at the water's edge."""
    light = sea(width, height, idea, rng)
    y = grid(width, height)[1]
    edge = 0.62 + 0.020 * ridge(rng, width, 1.5, 3, 0.5)
    grain = noise(rng, width, height, width / 3)[..., None] * np.float32(0.02)
    dune = resize(clouds(rng, width // 4, height // 4, 5, 4), width, height)
    sand = linear(_by_light(rgb("e6cfa0"), idea))
    ground = tint_field(1 + 0.06 * dune, sand) + grain
    light = mix(light, linear(_by_light(_SNOW, idea)), smooth(-0.016, -0.006, y - edge[None, :]))
    light = mix(light, ground * np.float32(0.75), smooth(-0.003, 0.003, y - edge[None, :]))
    light = mix(light, ground, smooth(0.01, 0.05, y - edge[None, :]))
    scene = Scenery(width, height, rng)
    for x, foot, size in ((0.13, 0.70, 0.62), (0.30, 0.66, 0.40)):
        scene.thing("🌴", x, foot, size, _by_light(rgb("4a8f4a"), idea))
    scene.thing("⛱", 0.84, 0.72, 0.32, _by_light(rgb("e0503f"), idea))
    return scene.over(light)


def open_sky(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Clouds, above and below."""
    light = sky(width, height, idea, rng, 1.0).light
    puffs = resize(clouds(rng, width // 3, height // 3, 3.0, 6), width, height)
    y = grid(width, height)[1]
    cover = smooth(0.1, 0.9, puffs + (y - 0.55) * 2.4) * np.float32(0.9)
    return mix(light, linear(_by_light(rgb("f4f7fb"), idea)), cover)


def underwater(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Blue depths with rays from above, bubbles, fish and weed."""
    x, y = grid(width, height)
    stops = [rgb("a8ecf0"), rgb("2fa6c4"), rgb("0f5f8f"), rgb("06304f")]
    light = linear(gradient(stops, y + 0.05 * np.sin(x * 7)))
    beams = noise(rng, width, 2, 14)[0][None, :]
    light = light + tint_field(
        smooth(0.2, 1.4, beams) * smooth(0.8, 0.0, y) * 0.35, linear(rgb("d8fbff"))
    )
    scene = Scenery(width, height, rng)
    for x_at, y_at, size in (
        (0.16, 0.30, 0.15),
        (0.82, 0.22, 0.12),
        (0.88, 0.52, 0.17),
        (0.10, 0.56, 0.10),
    ):
        scene.thing("🐠", x_at, y_at, size, rgb("f59a3a"))
    for _ in range(24):
        scene.disc(rng.random(), rng.random() * 0.8, 0.004 + 0.012 * rng.random(), rgb("cdf3f8"))
    for index in range(14):
        at = index / 13 + 0.03 * rng.random()
        scene.line(
            [(at, 1.0), (at + 0.02, 0.85), (at - 0.015, 0.72 - 0.1 * rng.random())],
            0.02,
            rgb("2f7f5a"),
        )
    return scene.over(light.astype(np.float32))
