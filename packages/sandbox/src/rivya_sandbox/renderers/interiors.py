"""Rooms: living room, kitchen, café, office, bedroom, bathroom, shop, library, gym.

Linear light, ``(height, width, 3)``. What tells a room stands at its sides and above the middle,
where neither the subject nor the table hides it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rivya_sandbox.renderers.colour import linear, rgb, scale_colour, shift_colour, with_lightness
from rivya_sandbox.renderers.field import Field, grid, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.scenery import Scenery

_WOOD, _STEEL, _DARK, _WHITE = rgb("8a5a34"), rgb("b4bac0"), rgb("2b2d33"), rgb("f6f4ee")


def _dim(idea: Idea) -> bool:
    return bool(idea.looks & {"night", "dusk", "neon"})


def _lit(scene: Scenery, idea: Idea, wall: Field) -> Field:
    """The room in the light of its window and lamps, or of its lamps alone in the evening."""
    dim = _dim(idea)
    shape = scene.height, scene.width, 3
    light = scene.over(np.broadcast_to(linear(wall), shape), 1.0 if dim else 0.35)
    if dim:
        return light * np.float32(0.62)
    x, y = grid(scene.width, scene.height)
    fall: Field = np.exp(-np.abs(x - 0.3) * 1.6) * smooth(1.0, 0.2, y)
    return scale_colour(light, 0.72 + 0.5 * fall)


def _pane(idea: Idea) -> Field:
    if "night" in idea.looks:
        return rgb("1d2c52")
    if "dusk" in idea.looks:
        return rgb("e8996a")
    return rgb("c3d2db") if idea.looks & {"rain", "fog", "snow"} else rgb("eaf5fb")


def _window(scene: Scenery, idea: Idea, x0: float, y0: float, x1: float, y1: float) -> None:
    frame = rgb("f4efe4")
    scene.box(x0, y0, x1, y1, frame)
    middle, bar = (x0 + x1) / 2, 0.008
    cross = (y0 + y1) / 2
    for left, right in ((x0 + 0.012, middle - bar), (middle + bar, x1 - 0.012)):
        for top, low in ((y0 + 0.012, cross - bar), (cross + bar, y1 - 0.012)):
            scene.box(left, top, right, low, _pane(idea))


def _shelf(
    scene: Scenery,
    idea: Idea,
    rng: np.random.Generator,
    box: tuple[float, float, float],
    tall: float,
    step: float = 0.032,
) -> None:
    """A board from x0 to x1 at y, full of upright things up to `tall` high."""
    x0, x1, y = box
    colours = [*idea.palette[1:4], idea.palette[5], idea.palette[6], rgb("d8c7a4"), rgb("7a3b32")]
    at = x0 + 0.008
    while at + step < x1:
        wide = step * (0.6 + 0.5 * rng.random())
        colour = with_lightness(colours[int(rng.integers(len(colours)))], 0.35 + 0.4 * rng.random())
        scene.box(at, y - tall * (0.6 + 0.4 * rng.random()), at + wide, y, colour)
        at += wide + 0.006
    scene.box(x0, y, x1, y + 0.016, shift_colour(_WOOD, -0.05))


def living_room(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A window, a shelf with books, a picture, a sofa, a plant."""
    scene = Scenery(width, height, rng)
    wall = with_lightness(idea.palette[2], 0.55 if _dim(idea) else 0.78, 0.45)
    _window(scene, idea, 0.04, 0.08, 0.34, 0.52)
    scene.box(0.64, 0.12, 0.86, 0.34, _WHITE)
    scene.box(0.655, 0.135, 0.845, 0.325, idea.palette[3])
    scene.disc(0.75, 0.23, 0.055, idea.palette[5])
    _shelf(scene, idea, rng, (0.60, 1.0, 0.47), 0.085)
    sofa = with_lightness(idea.palette[1], 0.42, 0.8)
    scene.box(0.52, 0.56, 1.0, 0.80, sofa)
    scene.box(0.54, 0.64, 0.98, 0.80, shift_colour(sofa, 0.07))
    scene.disc(0.64, 0.62, 0.07, idea.palette[5])
    scene.thing("🪴", 0.42, 0.68, 0.30)
    scene.line([(0.50, 0.0), (0.50, 0.09)], 0.006, _DARK)
    scene.disc(0.50, 0.11, 0.05, rgb("ffe2ae"), 0.7)
    scene.lamp(0.50, 0.11, 0.16)
    return _lit(scene, idea, wall)


def kitchen(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Tiles, cupboards, a hob with its hood, pots and jars on the counter."""
    scene = Scenery(width, height, rng)
    front = with_lightness(idea.palette[2], 0.56, 0.6)
    for row in range(7):
        for column in range(14):
            x, y = column / 14, 0.28 + row * 0.048
            scene.box(
                x,
                y,
                x + 0.068,
                y + 0.043,
                shift_colour(rgb("eef0ea"), -0.02 * ((row + column) % 3)),
            )
    for x in (0.0, 0.145):
        scene.box(x + 0.004, 0.0, x + 0.141, 0.27, front)
        scene.box(x + 0.02, 0.02, x + 0.125, 0.25, shift_colour(front, 0.05))
        scene.disc(x + 0.115, 0.235, 0.012, _STEEL)
    _window(scene, idea, 0.36, 0.05, 0.64, 0.31)
    scene.box(0.77, 0.0, 0.87, 0.14, _STEEL)
    scene.shape(
        [(0.77, 0.14), (0.87, 0.14), (0.95, 0.26), (0.69, 0.26)], shift_colour(_STEEL, -0.06)
    )
    scene.box(0.69, 0.26, 0.95, 0.285, shift_colour(_STEEL, -0.16))
    scene.line([(0.03, 0.37), (0.29, 0.37)], 0.01, _DARK)
    for x, glyph in ((0.07, "🍳"), (0.16, "🥄"), (0.24, "🍳")):
        scene.thing(glyph, x, 0.50, 0.12, rgb("4a4d54"))
    scene.thing("🍲", 0.82, 0.60, 0.16, rgb("c8553d"))
    scene.thing("🫖", 0.67, 0.60, 0.13, idea.palette[5])
    for index, tall in enumerate((0.12, 0.09, 0.11)):
        x = 0.05 + index * 0.085
        scene.box(
            x, 0.60 - tall, x + 0.06, 0.60, (rgb("d9a35a"), rgb("8fbf6a"), rgb("c98d3f"))[index]
        )
        scene.box(x - 0.004, 0.59 - tall, x + 0.064, 0.607 - tall, _WOOD)
    scene.box(0.0, 0.60, 1.0, 0.645, rgb("e6e0d4"))
    scene.box(0.0, 0.645, 1.0, 1.0, front)
    for x in (0.19, 0.40, 0.61, 0.82):
        scene.line([(x, 0.65), (x, 1.0)], 0.006, shift_colour(front, -0.15))
    scene.lamp(0.82, 0.30, 0.09)
    return _lit(scene, idea, rgb("e9e2d2"))


def cafe(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A counter with an espresso machine and cakes, a blackboard, hanging lamps, shelves of cups."""
    scene = Scenery(width, height, rng)
    wall = with_lightness(idea.palette[1], 0.44, 0.7)
    scene.box(0.03, 0.16, 0.34, 0.46, _WOOD)
    scene.box(0.045, 0.175, 0.325, 0.445, rgb("23302b"))
    for row in range(4):
        y, chalk = 0.30 + row * 0.034, rgb("dfe6df")
        scene.line([(0.07, y), (0.17 + 0.04 * rng.random(), y)], 0.008, chalk)
        scene.line([(0.27, y), (0.30, y)], 0.008, chalk)
    scene.thing("☕", 0.185, 0.27, 0.09, rgb("dfe6df"))
    for y in (0.28, 0.43):
        for index in range(5):
            x = 0.66 + index * 0.066
            glyph = "☕🍾☕🫙☕"[index] if y < 0.4 else "🍵☕🍵☕🍵"[index]
            scene.thing(glyph, x, y, 0.085, (_WHITE, idea.palette[5], rgb("d9a35a"))[index % 3])
        scene.box(0.62, y, 0.98, y + 0.018, _WOOD)
    scene.box(0.70, 0.475, 0.94, 0.60, _STEEL)
    scene.box(0.715, 0.53, 0.925, 0.585, _DARK)
    scene.box(0.69, 0.465, 0.95, 0.485, shift_colour(_STEEL, -0.12))
    scene.box(0.05, 0.49, 0.36, 0.60, rgb("dfe9ea"))
    for index, glyph in enumerate("🥐🍰🧁🥐"):
        scene.thing(
            glyph,
            0.09 + index * 0.077,
            0.595,
            0.085,
            rgb(("d9923f", "f3d9c0", "e87fa0")[index % 3]),
        )
    scene.box(0.0, 0.60, 1.0, 0.63, shift_colour(_WOOD, 0.10))
    scene.box(0.0, 0.63, 1.0, 1.0, shift_colour(_WOOD, -0.10))
    for x in (0.14, 0.38, 0.62, 0.86):
        scene.line([(x, 0.0), (x, 0.07)], 0.006, _DARK)
        scene.shape(
            [(x - 0.045, 0.12), (x - 0.015, 0.065), (x + 0.015, 0.065), (x + 0.045, 0.12)], _DARK
        )
        scene.lamp(x, 0.13, 0.10)
    return _lit(scene, idea, wall)


def office(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A wall of windows over a city, desks with screens and chairs, a board with a chart."""
    scene = Scenery(width, height, rng)
    pane = _pane(idea)
    for index in range(4):
        x = 0.01 + index * 0.155
        scene.box(x, 0.08, x + 0.145, 0.56, pane)
        for tower in range(2):
            left = x + 0.012 + tower * 0.068
            scene.box(
                left, 0.28 + 0.16 * rng.random(), left + 0.05, 0.56, shift_colour(pane, -0.14)
            )
    for x in (0.06, 0.40, 0.74):
        scene.box(x, 0.02, x + 0.22, 0.045, _WHITE)
    scene.box(0.67, 0.13, 0.97, 0.42, _WHITE)
    scene.line([(0.71, 0.36), (0.77, 0.29), (0.83, 0.32), (0.92, 0.19)], 0.014, rgb("c8402f"))
    for index in range(4):
        x = 0.715 + index * 0.055
        scene.box(x, 0.37 - 0.03 * index, x + 0.03, 0.39, rgb("1f6feb"))
    for x in (0.12, 0.34, 0.68, 0.88):
        scene.box(x - 0.075, 0.475, x + 0.075, 0.585, _DARK)
        scene.box(x - 0.066, 0.485, x + 0.066, 0.573, rgb("8fc1de"))
        scene.box(x - 0.012, 0.585, x + 0.012, 0.615, _DARK)
    scene.box(0.0, 0.615, 1.0, 0.645, rgb("d9c3a0"))
    scene.box(0.0, 0.645, 1.0, 1.0, rgb("9aa0a6"))
    for x in (0.22, 0.78):
        scene.box(x - 0.05, 0.52, x + 0.05, 0.70, rgb("3a4250"))
        scene.box(x - 0.008, 0.70, x + 0.008, 0.80, _DARK)
    scene.thing("🪴", 0.63, 0.62, 0.20)
    return _lit(scene, idea, with_lightness(idea.palette[3], 0.86, 0.2))


def bedroom(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A bed with pillows, lamps beside it, curtains."""
    scene = Scenery(width, height, rng)
    wall = with_lightness(idea.palette[3], 0.60 if _dim(idea) else 0.80, 0.4)
    _window(scene, idea, 0.36, 0.06, 0.64, 0.34)
    curtain = with_lightness(idea.palette[5], 0.62, 0.6)
    for x in (0.28, 0.66):
        for fold in range(3):
            left = x + fold * 0.024
            scene.box(left, 0.03, left + 0.026, 0.42, shift_colour(curtain, -0.03 * (fold % 2)))
    scene.box(0.13, 0.34, 0.87, 0.66, with_lightness(idea.palette[1], 0.40, 0.7))
    for x in (0.24, 0.42, 0.58, 0.76):
        scene.disc(
            x, 0.53, 0.105, _WHITE if x in (0.24, 0.76) else shift_colour(_WHITE, -0.07), 0.6
        )
    scene.box(0.11, 0.57, 0.89, 1.0, rgb("efe9de"))
    scene.box(0.11, 0.66, 0.89, 1.0, with_lightness(idea.palette[2], 0.66, 0.6))
    for x in (0.055, 0.945):
        scene.box(x - 0.05, 0.58, x + 0.05, 0.80, _WOOD)
        scene.box(x - 0.006, 0.48, x + 0.006, 0.58, _DARK)
        scene.shape(
            [(x - 0.045, 0.49), (x - 0.022, 0.39), (x + 0.022, 0.39), (x + 0.045, 0.49)],
            rgb("ffe2ae"),
        )
        scene.lamp(x, 0.45, 0.12)
    return _lit(scene, idea, wall)


def bathroom(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Tiles, a round mirror over a basin, a bath, towels."""
    scene = Scenery(width, height, rng)
    tile = with_lightness(idea.palette[3], 0.88, 0.35)
    for row in range(12):
        for column in range(10):
            x, y = column / 10, row / 12
            scene.box(
                x + 0.004,
                y + 0.004,
                x + 0.096,
                y + 0.079,
                shift_colour(tile, -0.025 * ((row * 7 + column * 3) % 3)),
            )
    scene.disc(0.22, 0.28, 0.17, _WOOD)
    scene.disc(0.22, 0.28, 0.155, rgb("dceaf0"))
    scene.line([(0.15, 0.33), (0.26, 0.18)], 0.012, _WHITE)
    scene.box(0.06, 0.56, 0.38, 0.60, _WHITE)
    scene.box(0.10, 0.60, 0.34, 0.80, _WOOD)
    scene.line([(0.22, 0.56), (0.22, 0.49), (0.26, 0.49)], 0.014, _STEEL)
    scene.line([(0.64, 0.20), (0.94, 0.20)], 0.012, _STEEL)
    for index, colour in enumerate((idea.palette[5], _WHITE)):
        scene.box(
            0.67 + index * 0.13, 0.20, 0.78 + index * 0.13, 0.40, with_lightness(colour, 0.75)
        )
    scene.thing("🛁", 0.80, 0.70, 0.30, _WHITE)
    scene.thing("🪴", 0.50, 0.22, 0.16)
    return _lit(scene, idea, shift_colour(tile, -0.10))


def shop(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Shelves full of wares under a striped awning, bags and a dress."""
    scene = Scenery(width, height, rng)
    for y in (0.30, 0.45, 0.60, 0.75):
        _shelf(scene, idea, rng, (0.0, 0.34, y), 0.10, 0.05)
        _shelf(scene, idea, rng, (0.66, 1.0, y), 0.10, 0.05)
    for x, glyph in ((0.42, "👗"), (0.58, "👚")):
        scene.thing(glyph, x, 0.44, 0.22, idea.palette[5 if x < 0.5 else 6])
    scene.line([(0.36, 0.235), (0.64, 0.235)], 0.01, _STEEL)
    for x, glyph in ((0.40, "🛍"), (0.60, "👜")):
        scene.thing(glyph, x, 0.66, 0.14, idea.palette[6 if x < 0.5 else 5])
    awning(scene, 0.0, 1.0, 0.03, 0.16, idea.palette[5], 12)
    for x in (0.2, 0.8):
        scene.lamp(x, 0.19, 0.10)
    return _lit(scene, idea, with_lightness(idea.palette[3], 0.84, 0.3))


def awning(
    scene: Scenery, x0: float, x1: float, top: float, low: float, colour: Field, stripes: int
) -> None:
    """A striped roof of cloth with a scalloped edge."""
    wide = (x1 - x0) / stripes
    for index in range(stripes):
        left = x0 + index * wide
        tone = _WHITE if index % 2 else colour
        scene.box(left, top, left + wide, low, tone)
        scene.disc(
            left + wide / 2,
            low,
            wide / 2 * scene.width / scene.unit,
            shift_colour(tone, -0.05),
            0.7,
        )


def library(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Books from floor to ceiling, a ladder, a lamp."""
    scene = Scenery(width, height, rng)
    for y in (0.13, 0.27, 0.41, 0.55, 0.69, 0.83):
        _shelf(scene, idea, rng, (0.0, 1.0, y), 0.11, 0.024)
    for x in (0.0, 0.325, 0.65, 0.975):
        scene.box(x, 0.0, x + 0.02, 1.0, shift_colour(_WOOD, -0.10))
    for x in (0.80, 0.87):
        scene.line([(x, 0.02), (x + 0.05, 0.9)], 0.014, shift_colour(_WOOD, 0.15))
    for index in range(9):
        y = 0.08 + index * 0.085
        scene.line([(0.80 + y * 0.055, y), (0.87 + y * 0.055, y)], 0.012, shift_colour(_WOOD, 0.15))
    scene.lamp(0.16, 0.10, 0.14)
    return _lit(scene, idea, shift_colour(_WOOD, -0.22))


def gym(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Wall bars, a rack of dumbbells, a mirror, a ball."""
    scene = Scenery(width, height, rng)
    scene.box(0.36, 0.08, 0.97, 0.46, rgb("c5d3da"))
    scene.line([(0.44, 0.42), (0.58, 0.12)], 0.02, rgb("dde8ee"))
    for row in range(9):
        scene.box(0.04, 0.08 + row * 0.062, 0.28, 0.10 + row * 0.062, rgb("c99a5b"))
    for x in (0.03, 0.27):
        scene.box(x, 0.05, x + 0.02, 0.66, _WOOD)
    for y in (0.56, 0.67):
        for index in range(5):
            x = 0.46 + index * 0.12
            for side in (-0.03, 0.03):
                scene.box(x + side - 0.014, y - 0.055, x + side + 0.014, y, _DARK)
            scene.box(x - 0.03, y - 0.035, x + 0.03, y - 0.02, _STEEL)
        scene.box(0.38, y, 1.0, y + 0.018, rgb("5a5f66"))
    scene.disc(0.17, 0.66, 0.10, idea.palette[5])
    scene.box(0.0, 0.72, 1.0, 1.0, rgb("4a4e55"))
    return _lit(scene, idea, rgb("d8d5cc"))


ROOMS: dict[str, Callable[[int, int, Idea, np.random.Generator], Field]] = {
    "room": living_room,
    "kitchen": kitchen,
    "cafe": cafe,
    "office": office,
    "bedroom": bedroom,
    "bathroom": bathroom,
    "shop": shop,
    "library": library,
    "gym": gym,
}
