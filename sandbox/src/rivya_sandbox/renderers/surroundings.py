"""Nearby places, out of focus behind a table: rooms, streets, lights."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers import landscape, mountains
from rivya_sandbox.renderers.colour import (
    gradient,
    grey,
    linear,
    mix,
    rgb,
    scaled,
    shifted,
    tinted,
    to_bytes,
    with_lightness,
)
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    blurred_small,
    clouds,
    grid,
    length,
    mask_of,
    noise,
    resize,
    smooth,
)
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.studio import Stage

View = Callable[[int, int, Idea, np.random.Generator], Field]

_TABLE = 0.74  # height of the table's far edge, from the top
# A light, soft request gets no dark background.
_AIRY = frozenset(
    [
        "pastel",
        "soft",
        "airy",
        "bright",
        "fresh",
        "clean",
        "minimal",
        "minimalist",
        "light",
        "spa",
        "daylight",
    ]
)
_VEHICLES = frozenset("🚗🚙🏍🛵🚲🛺🚚")
_WOOD = (rgb("2a170c"), rgb("6b4020"), rgb("a06a38"), rgb("cf9a5c"))


def table(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A table top in front of a place that is out of focus, as a lens would show it."""
    place = idea.place
    if "street" in idea.looks:
        place = "city"
    # Alternatives for the same words, so that variants differ.
    if place == "room":
        place = ("room", "bokeh", "city")[idea.seed % 4 % 3]
    elif place == "bokeh" and idea.seed % 4 == 2:
        place = "room"
    if place is None:
        places = ("room", "bokeh", "mountains", "sea", "forest")
        if _AIRY & set(idea.words):
            places = ("room", "room", "mountains", "sea", "sea")
        place = places[int(rng.integers(5))]
    # What will be blurred needs no more than half the pixels each way.
    small = max(64, width // 2), max(64, height // 2)
    # Roofs before a bright sky would still be steps where lights are discs already.
    softness = 0.024 if place == "city" else 0.012
    behind = _lens_blur(VIEWS[place](*small, idea, rng), max(small) * softness)
    texture = _wood(width, idea, rng) if _is_wooden(idea, rng) else _stone(width, idea, rng)
    first = int(height * (_TABLE - 0.03))  # the row from which on the table may be seen
    top = _in_perspective(texture, width, height, first)
    y = grid(width, height)[1][first:]
    whole = math.ceil(height * (_TABLE + 0.005))  # from here on nothing else is seen
    light = np.zeros((height, width, 3), np.float32)
    light[:whole] = np.clip(resize(behind, width, height, rows=slice(0, whole)), 0, None)
    mirrored = blur(behind[::-1], min(behind.shape[:2]) * 0.04)
    mirrored = np.roll(mirrored, round(len(behind) * (2 * _TABLE - 1)), axis=0)
    mirrored = resize(mirrored, width, height, "linear", slice(first, None))
    near = np.clip((y - _TABLE) / (1 - _TABLE), 0, 1)
    top = scaled(top, 0.55 + 0.75 * grey(mirrored) + 0.15 * near)
    top += mirrored * (0.22 * (1 - near))[..., None]
    top = mix(blur(top, min(width, height) * 0.006), top, smooth(0.05, 0.35, near))
    edge = smooth(_TABLE - 0.004, _TABLE + 0.004, y)
    light[first:] = mix(light[first:], top, edge)
    return Stage(light, _TABLE + 0.125, 0.20)


def view(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A place as the picture itself, in focus, with room for a thing in the foreground."""
    place = idea.place or "mountains"
    light = VIEWS[place](width, height, idea, rng)
    if place == "room" or (idea.subject and place in ("city", "forest")):
        soft = resize(_lens_blur(light, min(width, height) * 0.008), width, height)
        light = np.clip(soft, 0, None)  # a cubic enlargement may undershoot
    if idea.subject and idea.subject[1] in _VEHICLES and place in ("mountains", "desert", "forest"):
        landscape.lay_road(light, idea)
    return Stage(light, _GROUNDS.get(place, 0.90), 0.35 if place == "sea" else 0.0)


def _is_wooden(idea: Idea, rng: np.random.Generator) -> bool:
    words = set(idea.words)
    if words & {"marble", "stone", "concrete", "metal", "steel", "glass"}:
        return False
    wooden = words & {"wood", "wooden", "oak", "walnut", "pine", "rustic", "table", "desk", "warm"}
    return bool(wooden) or rng.random() < 0.5


def _lens_blur(light: Field, radius: float) -> Field:
    """A blur that keeps bright points bright, as a wide aperture does; on a grid that it needs."""
    bright: Field = np.sqrt(blurred_small(light * light, radius))
    return mix(bright, blurred_small(light, radius), 0.4)


def _in_perspective(texture: Field, width: int, height: int, first: int) -> Field:
    """A flat texture as it lies on the table, from the row `first` of the picture on."""
    rows, columns = texture.shape[:2]
    y = (np.arange(first, height) / height - _TABLE) / (1 - _TABLE)
    away = 1 / (0.45 + np.clip(y, 0, 1))
    row = np.clip((2.3 - away) / 1.65 * (rows - 1), 0, rows - 1).astype(int)
    x = np.arange(width) / width - 0.5
    column = np.clip((x[None, :] * away[:, None] * 0.42 + 0.5) * (columns - 1), 0, columns - 1)
    at = row[:, None] * columns + column.astype(int)
    laid: Field = texture.reshape(-1, 3).take(at, axis=0)
    return laid


def _wood(width: int, idea: Idea, rng: np.random.Generator) -> Field:
    size = max(width, 640)
    rings = resize(noise(rng, size // 8, 256, 22), size, 256) * 0.5
    fibres = resize(rng.standard_normal((256, size // 64)).astype(np.float32), size, 256, "linear")
    grain = np.sin((np.arange(256)[:, None] / 9.0 + rings * 2.4).astype(np.float32))
    tone = 0.48 + 0.13 * grain + 0.09 * fibres
    plank = (np.arange(256) // 64)[:, None]
    tone = tone + 0.10 * np.sin(plank * 5.1)
    joint = smooth(0.0, 1.6, np.abs((np.arange(256) % 64) - 1.0))[:, None]
    lit = linear(gradient(list(_WOOD), tone.astype(np.float32))) * (0.35 + 0.65 * joint)[..., None]
    return lit.astype(np.float32)


def _stone(width: int, idea: Idea, rng: np.random.Generator) -> Field:
    size = max(width, 640)
    base = with_lightness(idea.palette[3], 0.80, 0.35)
    cloud = resize(clouds(rng, size // 2, 128, 6, 5), size, 256)
    veins = np.exp(-np.abs(resize(clouds(rng, size // 2, 128, 4, 5), size, 256)) * 16)
    tone = 1 + 0.06 * cloud - 0.28 * veins
    return tinted(tone, linear(base))


def room(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A living room: a wall, a window, a shelf, a picture, a plant."""
    palette = idea.palette
    evening = (
        bool({"evening", "night", "dusk", "शाम", "रात"} & set(idea.words)) or "night" in idea.looks
    )
    wall = with_lightness(palette[2], 0.40 if evening else 0.74, 0.55)
    picture = Image.new("RGB", (width, height), to_bytes(wall))
    draw = ImageDraw.Draw(picture)
    left = rng.random() < 0.5

    def at(x: float, y: float) -> tuple[float, float]:
        return ((x if left else 1 - x) * width, y * height)

    def box(x0: float, y0: float, x1: float, y1: float, colour: Field) -> None:
        (ax, ay), (bx, by) = at(x0, y0), at(x1, y1)
        draw.rectangle((min(ax, bx), ay, max(ax, bx), by), fill=to_bytes(colour))

    frame = with_lightness(palette[1], 0.30 if evening else 0.9, 0.4)
    pane = rgb("5c7fb0") if evening else rgb("fffaf0")
    box(0.04, 0.08, 0.40, 0.60, frame)
    for column in range(2):
        for row in range(2):
            x, y = 0.055 + column * 0.17, 0.095 + row * 0.245
            box(x, y, x + 0.155, y + 0.225, pane)
    box(0.62, 0.14, 0.86, 0.40, frame)
    box(0.635, 0.155, 0.845, 0.385, palette[4])
    box(0.68, 0.20, 0.80, 0.34, palette[5])
    box(0.55, 0.545, 1.0, 0.565, frame)
    for index in range(7):
        x = 0.60 + 0.045 * index
        tall = 0.05 + 0.05 * rng.random()
        colours = (palette[1], palette[5], palette[6], palette[3], palette[0])
        box(x, 0.545 - tall, x + 0.035, 0.545, colours[int(rng.integers(5))])
    leaf = rgb("4d7a45") if not evening else rgb("2d4a30")
    for index in range(9):
        centre = at(0.46 + 0.05 * rng.standard_normal(), 0.50 + 0.07 * rng.standard_normal())
        reach = width * (0.03 + 0.02 * rng.random())
        draw.ellipse(
            (
                centre[0] - reach,
                centre[1] - reach * 1.7,
                centre[0] + reach,
                centre[1] + reach * 1.7,
            ),
            fill=to_bytes(shifted(leaf, 0.02 * index - 0.08)),
        )
    light = linear(np.asarray(picture, np.float32) / np.float32(255))
    across, down = grid(width, height)
    fall: Field = np.exp((-across if left else across - 1) * 2.2) * smooth(1.0, 0.3, down)
    light = light * 0.55 if evening else scaled(light, 0.62 + 0.75 * fall)
    if evening:
        for _ in range(5):
            spot = rng.random(), 0.2 + 0.45 * rng.random(), 0.006 + 0.01 * rng.random()
            away = length((across - spot[0]) * width / height, down - spot[1])
            light += tinted(smooth(spot[2] * 1.3, spot[2], away) * 1.6, linear(rgb("ffc77a")))
    return light


def city(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A street between buildings, with lit windows and the lights of traffic."""
    palette = idea.palette
    night = "night" in idea.looks
    dim = night or rng.random() < 0.6
    y = grid(width, height)[1]
    dusk = (palette[1], palette[2], palette[3], palette[4])
    day = (shifted(palette[3], 0.1, 0.7), shifted(palette[4], 0.02), palette[4], palette[3])
    dark = (shifted(palette[0], -0.04), palette[0], palette[1], palette[2])
    stops = dark if night else dusk if dim else day
    sky = linear(gradient(stops, y / 0.7)) * np.float32(1.0 if night else 0.62)
    light = np.broadcast_to(sky, (height, width, 3))
    centre = 0.4 + 0.2 * rng.random()
    for layer in range(3):
        near = layer / 2
        houses = Image.new("L", (width, height), 0)
        windows = Image.new("L", (width, height), 0)
        draw, glow = ImageDraw.Draw(houses), ImageDraw.Draw(windows)
        at = -0.05
        while at < 1.05:
            wide = (0.07 + 0.08 * rng.random()) * (1 + 0.5 * near)
            # Houses stand taller at the sides, so that a street opens in the middle.
            aside = min(1.0, abs(at + wide / 2 - centre) * 2.4)
            top = 0.66 - (0.10 + 0.55 * aside * (0.5 + 0.5 * near)) * (0.75 + 0.4 * rng.random())
            if aside < 0.12 + 0.22 * near:
                at += wide
                continue
            draw.rectangle((at * width, top * height, (at + wide) * width, height), fill=255)
            step = width * (0.028 + 0.016 * near)
            for row in np.arange(top * height + step, height * 0.76, step * 1.9):
                for column in np.arange((at + 0.02) * width, (at + wide - 0.03) * width, step):
                    if rng.random() < (0.34 if dim else 0.18):
                        strength = int(40 + 200 * rng.random() ** 2)
                        box = (column, row, column + step * 0.55, row + step * 1.0)
                        glow.rectangle(box, fill=strength)
            at += wide * (1.0 + 0.06 * rng.random())
        tone = mix(linear(palette[2]), linear(palette[0]), 0.25 + (0.55 if dim else 0.3) * near)
        light = mix(light, tone * np.float32(0.8), mask_of(houses))
        warm = linear(rgb("ffd9a0")) if layer != 1 else linear(palette[4])
        light += tinted(mask_of(windows), warm * np.float32((0.5 + 0.6 * near) if dim else 0.25))
    road = smooth(0.70, 0.78, y)
    light = mix(light, linear(palette[1]) * np.float32(0.5), road)
    return light + _discs(width, height, idea, rng, 46, low=0.40, high=0.78)


def lights(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Discs of light on a dark ground, as fairy lights far out of focus."""
    palette = idea.palette
    x, y = grid(width, height)
    base = gradient(
        [shifted(palette[0], -0.02), palette[1], shifted(palette[0], 0.03)], y + 0.25 * (x - 0.5)
    )
    light = linear(base) * np.float32(0.8)
    for _ in range(3):
        light += _discs(width, height, idea, rng, 22, low=0.02, high=0.78)
    return light


def _discs(
    width: int,
    height: int,
    idea: Idea,
    rng: np.random.Generator,
    count: int,
    *,
    low: float,
    high: float,
) -> Field:
    layer = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(layer)
    short = min(width, height)
    warm = rgb("ffd08a")
    for _ in range(count):
        radius = short * (0.012 + 0.035 * rng.random() ** 1.5)
        x, y = rng.random() * width, (low + (high - low) * rng.random()) * height
        choices = (idea.palette[5], idea.palette[6], idea.palette[3], warm, warm)
        colour = choices[int(rng.integers(5))] * np.float32(0.30 + 0.55 * rng.random())
        draw.ellipse(
            (x - radius, y - radius, x + radius, y + radius),
            fill=to_bytes(colour * np.float32(0.7)),
            outline=to_bytes(colour),
            width=max(1, int(radius * 0.10)),
        )
    soft = blur(np.asarray(layer, np.float32) / np.float32(255), short * 0.003)
    return linear(soft) * np.float32(1.3)


_GROUNDS: dict[str, float | None] = {"sea": 0.74, "space": None}
VIEWS: dict[str, View] = {
    "mountains": mountains.mountains,
    "sea": landscape.sea,
    "forest": landscape.forest,
    "desert": landscape.desert,
    "space": landscape.space,
    "room": room,
    "city": city,
    "bokeh": lights,
}
