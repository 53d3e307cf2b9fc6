"""Studio backdrops: a lit wall and floor, a podium, soft gradients.

All give linear light of shape ``(height, width, 3)``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_sandbox.renderers.arrangement import below_title, middle, table_edge, title_beside
from rivya_sandbox.renderers.colour import (
    brightness,
    gradient,
    linear,
    mix,
    oklab,
    scale_colour,
    shift_colour,
    tint_field,
    with_lightness,
)
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    fraction,
    grid,
    length,
    mask_of,
    resize,
    seeded_generator,
    smooth,
    softened_shape,
)
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.light import lit, unit

_SHINING = frozenset(("lamp", "candle", "🪔", "💡"))


@dataclass(frozen=True)
class Stage:
    """A backdrop and the position of the ground.

    Attributes:
        light: Linear light, ``(height, width, 3)``.
        ground: Height of the ground under the thing, as a share of the height from the top;
            None when it floats.
        mirror: Strength of the reflection in the ground, 0 to 1.
        place: What was drawn: a place of `vocabulary.PLACE_OF_NAME`, or None for a plain ground.
    """

    light: Field
    ground: float | None
    mirror: float = 0.0
    place: str | None = None


def wall_and_floor(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A seamless paper roll with one of four kinds of light on it, often with a podium."""
    x, y = grid(width, height)
    aspect = width / height
    floor = table_edge(width, height) - 0.04
    visible = seeded_generator(
        "paper", idea.subject, idea.brand
    )  # one paper for all pictures of a product
    paper = idea.palette[(2, 3, 1, 3)[int(visible.integers(4))]]
    if brightness(paper) < 0.14:
        paper = shift_colour(paper, 0.15)
    if idea.subject and idea.subject[1] in _SHINING and idea.ground is None:
        # Luminous subjects get a dim room.
        paper = with_lightness(paper, min(0.46, float(oklab(paper)[0])), 0.9)
    centre = middle(idea, (width, height))
    lamp = centre - 0.2 + 0.4 * rng.random()
    spot = np.exp(-(((x - lamp) * aspect) ** 2 + (y - floor + 0.34) ** 2) / 0.22)
    # The wall reaches down to the row `low`, the floor up to `high`, with both between them.
    low, high = math.ceil(height * (floor + 0.06)), int(height * (floor - 0.04))
    stops = [shift_colour(paper, -0.20, 1.05), paper, shift_colour(paper, 0.14, 0.85)]
    light = np.zeros((height, width, 3), np.float32)
    light[:low] = linear(gradient(stops, spot[:low] * 0.95))
    near = (y[high:] - floor) / (1 - floor) + 0.25 * np.abs(x - lamp)
    stops = [shift_colour(paper, 0.12, 0.85), shift_colour(paper, 0.02), shift_colour(paper, -0.18)]
    ground = linear(gradient(stops, near))
    light[high:] = mix(light[high:], ground, smooth(floor - 0.04, floor + 0.06, y[high:]))
    kind = int(rng.integers(4))
    if kind == 1 and idea.ground is not None:
        kind = 0  # a disc would be another colour than the one asked for
    if kind == 0:
        _set_arch(light, aspect, floor, paper, spot, centre)
    elif kind == 1:
        _set_disc(light, aspect, idea, centre)
    elif kind == 2:
        light = scale_colour(light, _window_light(width, height, rng))
    else:
        light = scale_colour(light, 1 - 0.36 * _leaf_shadow(width, height, rng))
    stand = floor + 0.15
    if rng.random() < 0.75:
        return _podium(light, idea, stand, centre)
    return Stage(light, stand, 0.22, "studio")


def _box(light: Field, x: float, top: float, bottom: float, centre: float) -> tuple[slice, slice]:
    """Rows and columns within `x` of the `centre`, all in heights of the picture but the last."""
    height, width = light.shape[:2]
    wide, at = math.ceil(x * height), int(width * centre)
    columns = slice(max(0, at - wide), at + wide + 1)
    return slice(max(0, int(top * height)), math.ceil(bottom * height)), columns


def _set_arch(
    light: Field, aspect: float, floor: float, paper: Field, spot: Field, centre: float
) -> None:
    """A niche with a round top in the wall, lit by the `spot`."""
    radius = min(0.30, 0.40 * aspect)
    x, y = grid(light.shape[1], light.shape[0])
    box = rows, columns = _box(light, radius + 0.01, 0.19, floor + 0.01, centre)
    x, y = x[:, columns], y[rows]
    across = np.abs((x - centre) * aspect)
    top = 0.20 + radius
    distance = length(across, np.minimum(y - top, 0)) - radius
    inside = smooth(0.003, -0.003, distance) * (y < floor + 0.004)
    shade = smooth(0.02, -0.12, distance) * 0.25
    niche = tint_field(0.72 + 0.5 * spot[box] - shade, linear(shift_colour(paper, 0.10, 0.8, 0.25)))
    light[box] = mix(light[box], niche, inside)


def _set_disc(light: Field, aspect: float, idea: Idea, centre: float) -> None:
    """A flat disc of colour on the wall."""
    radius = min(0.28, 0.40 * aspect)
    x, y = grid(light.shape[1], light.shape[0])
    high = max(0.46, below_title(idea, (light.shape[1], light.shape[0])) + radius + 0.01)
    box = rows, columns = _box(
        light, radius + 0.01, high - radius - 0.01, high + radius + 0.01, centre
    )
    x, y = x[:, columns], y[rows]
    distance = length((x - centre) * aspect, y - high) - radius
    colours = linear(gradient([idea.palette[5], idea.palette[6]], (y - 0.15) / 0.6))
    inside = smooth(0.003, -0.003, distance) * np.float32(0.92)
    light[box] = mix(light[box], np.broadcast_to(colours, (*inside.shape, 3)), inside)


def _window_light(width: int, height: int, rng: np.random.Generator) -> Field:
    """Strength of sunlight through a window with six panes, 0.7 to 1.5."""
    # Its edges are soft: half the pixels each way show them as well.
    x, y = grid(max(8, width // 2), max(8, height // 2))
    aspect = width / height
    lean = -0.45 + 0.2 * rng.random()
    across = (x * aspect) * math.cos(lean) + y * math.sin(lean)
    along = -(x * aspect) * math.sin(lean) + y * math.cos(lean)
    left, top = 0.18 * aspect, 0.22
    pane_x, pane_y = (across - left) / 0.20, (along - top) / 0.24
    inside = (pane_x > 0) & (pane_x < 3) & (pane_y > 0) & (pane_y < 2)
    across, along = fraction(pane_x), fraction(pane_y)
    bars = smooth(0.03, 0.09, across) * smooth(0.97, 0.91, across)
    bars = bars * smooth(0.03, 0.08, along) * smooth(0.97, 0.92, along)
    soft = blur((bars * inside).astype(np.float32), width * 0.0035)
    return 0.75 + 0.70 * resize(soft, width, height, "linear")


def _leaf_shadow(width: int, height: int, rng: np.random.Generator) -> Field:
    """Shadow of a palm leaf that hangs in from an upper corner, 0 to 1."""
    mask = Image.new("L", (width // 2, height // 2), 0)
    draw = ImageDraw.Draw(mask)
    left = rng.random() < 0.5
    from_x, from_y = (0.0 if left else width / 2), -height * 0.04
    for index in range(11):
        turn = 0.05 + 0.15 * index
        angle = turn if left else math.pi - turn
        length = height * (0.34 + 0.10 * rng.random())
        tip = from_x + math.cos(angle) * length, from_y + math.sin(angle) * length
        wide = length * 0.055
        side = -math.sin(angle) * wide, math.cos(angle) * wide
        middle = (from_x * 0.45 + tip[0] * 0.55, from_y * 0.45 + tip[1] * 0.55)
        draw.polygon(
            [
                (from_x, from_y),
                (middle[0] + side[0], middle[1] + side[1]),
                tip,
                (middle[0] - side[0], middle[1] - side[1]),
            ],
            fill=255,
        )
    soft = mask.filter(ImageFilter.GaussianBlur(width * 0.006))
    return resize(mask_of(soft), width, height, "linear")


def _podium(light: Field, idea: Idea, stand: float, centre: float) -> Stage:
    """A round block at the `centre`; the thing stands on its top."""
    height, width = light.shape[:2]
    short = min(width, height)
    radius, thick, tilt = short * 0.31, short * 0.085, 0.17
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32(width * centre)
    y = np.arange(height, dtype=np.float32)[:, None]
    top = stand * height - thick * 0.4
    colour = idea.palette[4 if brightness(idea.palette[2]) < 0.45 else 3]

    lowest = top + thick + radius * tilt * 1.5 + short * 0.06  # of its shadow
    rows = slice(max(0, int(top - radius * tilt) - 2), min(height, int(lowest)))
    y = y[rows]

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        left, right = width * centre - radius * 1.1, width * centre + radius * 1.25
        upper, lower = top + thick - radius * tilt, top + thick + radius * tilt * 1.5
        box = (left, upper - rows.start, right, lower - rows.start)
        draw.ellipse([side * scale for side in box], fill=200)

    fallen = softened_shape((width, len(y)), paint, short * 0.02)
    part = scale_colour(light[rows], 1 - np.float32(0.55) * fallen)

    across = np.clip(x / radius, -1, 1)
    depth = np.sqrt(1 - across * across)
    upper = top + depth * radius * tilt
    side = smooth(-0.7, 0.7, y - upper) * smooth(0.7, -0.7, y - upper - thick)
    side = side * (np.abs(x) < radius)
    albedo = np.broadcast_to(colour, (1, width, 3)).astype(np.float32)
    turned_side = lit(
        albedo, unit(across, np.zeros_like(across), depth + 1e-3), idea.palette, gloss=0.15
    )
    part = mix(part, np.broadcast_to(turned_side * np.float32(0.8), part.shape), side)
    disc = smooth(1.01, 0.985, (x / radius) ** 2 + ((y - top) / (radius * tilt)) ** 2)
    sheen = (0.86 + 0.14 * smooth(radius, -radius, x))[..., None]
    top_light = np.broadcast_to(linear(shift_colour(colour, 0.04)) * sheen, part.shape)
    light[rows] = mix(part, top_light, disc)
    return Stage(light, (top + radius * tilt * 0.30) / height, 0.0, "studio")


def soft_gradient(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """Large clouds of colour with spheres floating in them, near ones out of focus."""
    x, y = grid(width, height)
    aspect = width / height
    base = gradient([idea.palette[3], idea.palette[2], idea.palette[1]], y * 0.9 + 0.15 * x)
    light = linear(base)
    for colour in (idea.palette[5], idea.palette[4], idea.palette[6], idea.palette[2]):
        at_x, at_y, reach = rng.random(), rng.random(), 0.10 + 0.14 * rng.random()
        near = np.exp(-(((x - at_x) * aspect) ** 2 + (y - at_y) ** 2) / reach)
        light = mix(light, linear(colour), near * np.float32(0.62))
    light = _spheres(light, idea, rng)
    centre = middle(idea, (width, height))
    halo = np.exp(-(((x - centre) * aspect) ** 2 + (y - 0.52) ** 2) / 0.12)
    light = mix(light, linear(idea.palette[4]), halo * np.float32(0.35))
    return Stage(light.astype(np.float32), None)


def _spheres(light: Field, idea: Idea, rng: np.random.Generator) -> Field:
    height, width = light.shape[:2]
    short = min(width, height)
    centre = middle(idea, (width, height))
    # Around the centre, which belongs to the subject and its title.
    for angle in np.linspace(0, 2 * math.pi, 7)[:-1] + rng.random():
        away = 0.40 + 0.16 * rng.random()
        centre_x = width * (centre + away * math.cos(angle))
        centre_y = height * (0.54 + away * 0.85 * math.sin(angle))
        radius = short * (0.02 + 0.07 * rng.random() ** 1.5)
        colour = idea.palette[(5, 6, 3, 4)[int(rng.integers(4))]]
        if idea.title and (
            abs(centre_y / height - 0.44) < 0.30 and centre_x < width * 0.55
            if title_beside(idea, (width, height))
            else centre_y - radius < height * below_title(idea, (width, height))
        ):
            continue  # it would be behind the letters
        haze = max(0.8, (radius / short - 0.05) * short * 0.35)
        left, top = int(centre_x - radius * 1.6), int(centre_y - radius * 1.6)
        size = int(radius * 3.2)
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + size), min(height, top + size)
        if x1 - x0 < 6 or y1 - y0 < 6:
            continue
        dx = (np.arange(x0, x1, dtype=np.float32)[None, :] - centre_x) / radius
        dy = (np.arange(y0, y1, dtype=np.float32)[:, None] - centre_y) / radius
        out = np.sqrt(dx * dx + dy * dy)
        normals = unit(
            dx + 0 * dy, dy + 0 * dx, np.sqrt(np.clip(1 - out * out, 0, 1)) + np.float32(0.02)
        )
        albedo = np.broadcast_to(colour, (*out.shape, 3)).astype(np.float32)
        ball = lit(albedo, normals, idea.palette, gloss=0.12)
        cover = blur(np.clip((1 - out) * radius + 0.5, 0, 1).astype(np.float32), haze)
        light[y0:y1, x0:x1] = mix(light[y0:y1, x0:x1], ball, cover)
    return light
