"""Flat poster grounds: rays, arches, a mosaic."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.arrangement import below_title, middle, title_beside
from rivya_sandbox.renderers.colour import brightness, linear, shift_colour, to_bytes
from rivya_sandbox.renderers.field import Field, seeded_generator
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.studio import Stage

_SCALE = 2  # drawn larger and reduced, for smooth edges
_GROUND = 0.86


def poster(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """One of three flat compositions in the picture's palette, with room for a title on top."""
    words = seeded_generator(
        "poster", idea.subject, idea.brand
    )  # one ground for all pictures of a product
    light = words.random() < 0.6 or "comic" in idea.looks  # ink needs light paper
    paper = idea.palette[4] if light else idea.palette[1]
    if idea.ground is not None:
        paper = idea.ground
    sheet = Image.new("RGB", (width * _SCALE, height * _SCALE), to_bytes(paper))
    draw = ImageDraw.Draw(sheet)
    drawers = (_rays, _arches, _mosaic)
    drawers[int(words.integers(3))](draw, sheet.size, idea, paper, rng)
    reduced = sheet.resize((width, height), Image.Resampling.BOX)
    return Stage(linear(np.asarray(reduced, np.float32) / np.float32(255)), _GROUND)


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Field) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=to_bytes(colour))


def _round_under_title(size: tuple[int, int], idea: Idea, share: float) -> float:
    """Radius of a disc behind the thing: a share of the shorter side, but not into the title."""
    room = size[1] * (0.58 - below_title(idea, size) - 0.02)
    return max(min(size) * 0.22, min(min(size) * share, room))


def _rays(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    idea: Idea,
    paper: Field,
    rng: np.random.Generator,
) -> None:
    x, y, reach = size[0] * middle(idea, size), size[1] * 0.58, math.hypot(*size)
    tone = to_bytes(shift_colour(paper, -0.055 if brightness(paper) > 0.5 else 0.06, 1.1))
    for index in range(28):
        start, end = (part / 28 * 2 * math.pi for part in (index, index + 0.5))
        first = x + reach * math.cos(start), y + reach * math.sin(start)
        second = x + reach * math.cos(end), y + reach * math.sin(end)
        draw.polygon([(x, y), first, second], fill=tone)
    # The fifth colour is that of the thing itself, unless its own is named.
    colour = idea.palette[5 if idea.colours else 6]
    _disc(draw, x, y, _round_under_title(size, idea, 0.33), colour)


def _arches(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    idea: Idea,
    paper: Field,
    rng: np.random.Generator,
) -> None:
    widest = 0.44 if title_beside(idea, size) else 0.66
    for index, colour in enumerate((2, 5, 6, 3)):
        _disc(
            draw,
            size[0] * middle(idea, size),
            size[1] * 0.95,
            min(size) * widest * (1 - 0.197 * index),
            idea.palette[colour],
        )


def _mosaic(
    draw: ImageDraw.ImageDraw,
    size: tuple[int, int],
    idea: Idea,
    paper: Field,
    rng: np.random.Generator,
) -> None:
    cell = min(size) / 4
    colours = [to_bytes(idea.palette[index]) for index in (5, 2, 6, 3, 1)]
    colours.append(to_bytes(shift_colour(paper, -0.06)))
    # The title stands on plain paper: above the tiles, or left of them.
    beside = title_beside(idea, size)
    first = 0 if beside else math.ceil(max(0.24, below_title(idea, size)) * size[1] / cell) * cell
    left = math.ceil(size[0] * 0.48 / cell) if beside else 0
    rows = (size[1] - first) / cell  # as many as fit whole under the title
    for row in range(math.ceil(rows) if beside else int(rows + 0.01)):
        for column in range(left, int(size[0] / cell) + 1):
            x, y = column * cell, size[1] - (row + 1) * cell
            draw.rectangle((x, y, x + cell, y + cell), fill=colours[int(rng.integers(6))])
            ink = colours[int(rng.integers(6))]
            shape = int(rng.integers(4))
            if shape == 0:
                draw.pieslice((x, y, x + 2 * cell, y + 2 * cell), 180, 270, fill=ink)
            elif shape == 1:
                draw.pieslice((x - cell, y - cell, x + cell, y + cell), 0, 90, fill=ink)
            elif shape == 2:
                inset = cell * 0.15
                draw.ellipse((x + inset, y + inset, x + cell - inset, y + cell - inset), fill=ink)
            else:
                draw.polygon([(x, y), (x + cell, y), (x, y + cell)], fill=ink)
    x = size[0] * middle(idea, size)
    _disc(draw, x, size[1] * 0.58, _round_under_title(size, idea, 0.37), paper)
