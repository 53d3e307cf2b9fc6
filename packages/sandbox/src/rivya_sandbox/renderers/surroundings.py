"""A place behind a table, as the picture itself, or as a print of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from rivya_sandbox.renderers import landscape, mountains, outdoors
from rivya_sandbox.renderers.arrangement import table_edge
from rivya_sandbox.renderers.colour import (
    gradient,
    grey,
    linear,
    mix,
    rgb,
    scale_colour,
    shift_colour,
    tint_field,
    to_bytes,
    tone_map,
    with_lightness,
)
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    blurred_small,
    clouds,
    grid,
    mask_of,
    noise,
    resize,
    smooth,
)
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.interiors import ROOMS
from rivya_sandbox.renderers.looks import picture_of
from rivya_sandbox.renderers.palettes import PALETTES
from rivya_sandbox.renderers.studio import Stage
from rivya_sandbox.renderers.vocabulary import INDOORS, WITHOUT_GROUND

View = Callable[[int, int, Idea, np.random.Generator], Field]

_PAVED = frozenset(("city", "street", "market", "kitchen", "bathroom", "gym", "shop"))


def _steps(codes: str) -> tuple[Field, ...]:
    return tuple(map(rgb, codes.split()))


# From dark to light.
_TIMES = {
    "night": _steps("060a1a 121d44 2a4076 6d8cc0 dfe8fb"),
    "rain": _steps("1b242c 3c4a56 6f7f8c aab6bf e3e9ec"),
    "dusk": _steps("1e1338 6a2f63 d1583f f59a5a ffdc9a"),
    "dawn": _steps("2b3560 7a6a9e d99aa3 f8cfae fff2df"),
    "snow": _steps("24323f 54707f 8fa9b8 c9d8e2 f6fafc"),
    "fog": _steps("2c363c 5d6b73 93a1a7 c3ccd0 eef1f2"),
}
_DAY = _steps("12314a 2f74b0 6fb0dc b5daee f6fbff")
_DAYS = {
    "mountains": PALETTES["arctic"][:5],
    "desert": _steps("3b1c14 8a4a2a d99a5a f2c98b fdf0d2"),
    "space": PALETTES["royal"][:5],
    "bokeh": PALETTES["hearth"][:5],
}
_VEHICLES = frozenset("🚗🚙🏍🛵🚲🛺🚚")
_WOOD = (rgb("2a170c"), rgb("6b4020"), rgb("a06a38"), rgb("cf9a5c"))


def table(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A table top in front of a place that is out of focus, as a lens would show it."""
    edge_at = table_edge(width, height)
    # What will be blurred needs no more than half the pixels each way.
    small = max(64, width // 2), max(64, height // 2)
    behind = _lens_blur(_place(*small, idea, rng), min(small) * 0.008)
    sandy = idea.place in ("beach", "desert") and "table" not in idea.looks
    texture = (_sand if sandy else _wood if _is_wooden(idea) else _stone)(width, idea, rng)
    first = int(height * (edge_at - 0.03))  # the row from which on the table may be seen
    top = _in_perspective(texture, width, height, edge_at, first)
    y = grid(width, height)[1][first:]
    up = max(0.0, 0.62 - edge_at)  # of the sky is left out, so that a horizon stays in sight
    whole = math.ceil(height * (edge_at + 0.005))  # from here on nothing else is seen
    above = int(height * up)
    light = np.zeros((height, width, 3), np.float32)
    light[:whole] = np.clip(
        resize(behind, width, height, rows=slice(above, above + whole)), 0, None
    )
    mirrored = blur(behind[::-1], min(behind.shape[:2]) * 0.04)
    mirrored = np.roll(mirrored, round(len(behind) * (2 * edge_at - 1 + up)), axis=0)
    mirrored = resize(mirrored, width, height, "linear", slice(first, None))
    near = np.clip((y - edge_at) / (1 - edge_at), 0, 1)
    top = scale_colour(top, 0.55 + 0.75 * grey(mirrored) + 0.15 * near)
    top += mirrored * (0.22 * (1 - near))[..., None]
    top = mix(blur(top, min(width, height) * 0.006), top, smooth(0.05, 0.35, near))
    edge = smooth(edge_at - 0.004, edge_at + 0.004, y)
    light[first:] = mix(light[first:], top, edge)
    return Stage(light, edge_at + 0.125, 0.20, idea.place)


def view(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A place as the picture itself, in focus, with room for a thing in the foreground."""
    place = idea.place
    light = _place(width, height, idea, rng)
    if idea.subject and place in ("city", "forest", *INDOORS):
        soft = resize(_lens_blur(light, min(width, height) * 0.008), width, height)
        light = np.clip(soft, 0, None)  # a cubic enlargement may undershoot
    if idea.subject and idea.subject[1] in _VEHICLES and place in ("mountains", "desert", "forest"):
        landscape.lay_road(light, idea)
    mirror = 0.35 if place in ("sea", "lake") else 0.0
    low = 0.90 if width > 0.7 * height else 0.78
    ground = None if place in WITHOUT_GROUND else min(low, _GROUNDS.get(place or "", low))
    return Stage(light, ground, mirror, place)


def print_place(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Stage:
    """A place in a few flat colours, as on a poster or in a comic."""
    stage = view(width, height, idea, rng)
    display = picture_of(tone_map(stage.light))
    short = min(width, height)
    calm = display.resize((width // 2, height // 2), Image.Resampling.BOX)
    calm = calm.filter(ImageFilter.MedianFilter(5 if short > 400 else 3))
    few = calm.quantize(12, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    few = few.filter(ImageFilter.ModeFilter(5)).resize((width, height), Image.Resampling.BICUBIC)
    flat = linear(np.asarray(few, np.float32) / np.float32(255))
    return replace(stage, light=flat * np.float32(0.82), mirror=0.0)


def _place(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """The place of the idea at its time of day and in its weather; linear light."""
    place = idea.place or "room"
    if place in ROOMS:
        return ROOMS[place](width, height, idea, rng)
    scenery = replace(idea, palette=_daylight(idea))
    light = VIEWS[place](width, height, scenery, rng)
    if "fog" in idea.looks:
        y = grid(width, height)[1]
        haze = smooth(0.15, 0.55, y) * smooth(1.1, 0.6, y) * np.float32(0.55)
        light = mix(light, linear(scenery.palette[3]), haze)
    return light


def _daylight(idea: Idea) -> tuple[Field, ...]:
    """The palette of a place outside: five steps by time of day and weather, and own accents."""
    if idea.looks & {"neon", "noir"}:
        return idea.palette
    time = next((name for name in _TIMES if name in idea.looks), idea.place or "")
    return *_TIMES.get(time, _DAYS.get(time, _DAY)), *idea.palette[5:]


def _is_wooden(idea: Idea) -> bool:
    words = set(idea.words)
    if words & {"marble", "stone", "concrete", "metal", "steel", "glass"}:
        return False
    wooden = words & {"wood", "wooden", "oak", "walnut", "pine", "rustic", "table", "desk", "warm"}
    return bool(wooden) or idea.place not in _PAVED


def _lens_blur(light: Field, radius: float) -> Field:
    """A blur that keeps bright points bright, as a wide aperture does; on a grid that it needs."""
    bright: Field = np.sqrt(blurred_small(light * light, radius))
    return mix(bright, blurred_small(light, radius), 0.4)


def _in_perspective(texture: Field, width: int, height: int, edge: float, first: int) -> Field:
    """A flat texture as it lies on the table, from the row `first` of the picture on."""
    rows, columns = texture.shape[:2]
    y = (np.arange(first, height) / height - edge) / (1 - edge)
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


def _sand(width: int, idea: Idea, rng: np.random.Generator) -> Field:
    size = max(width, 640)
    ripple = np.sin(
        np.arange(256)[:, None] / 6 + 3 * resize(noise(rng, size // 4, 64, 5), size, 256)
    )
    grain = rng.standard_normal((256, size)).astype(np.float32)
    dusky = idea.looks & {"night", "dusk", "rain"}
    base = rgb("8a7a66" if "night" in idea.looks else "cfa87c" if dusky else "e3c593")
    return tint_field((0.92 + 0.06 * ripple + 0.03 * grain).astype(np.float32), linear(base))


def _stone(width: int, idea: Idea, rng: np.random.Generator) -> Field:
    size = max(width, 640)
    base = with_lightness(idea.palette[3], 0.80, 0.35)
    cloud = resize(clouds(rng, size // 2, 128, 6, 5), size, 256)
    veins = np.exp(-np.abs(resize(clouds(rng, size // 2, 128, 4, 5), size, 256)) * 16)
    tone = 1 + 0.06 * cloud - 0.28 * veins
    return tint_field(tone, linear(base))


def city(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """A street between buildings, with lit windows and the lights of traffic."""
    palette = idea.palette
    night = "night" in idea.looks
    dim = night or bool(idea.looks & {"dusk", "rain", "neon"})
    y = grid(width, height)[1]
    dusk = (palette[1], palette[2], palette[3], palette[4])
    day = (
        shift_colour(palette[3], 0.1, 0.7),
        shift_colour(palette[4], 0.02),
        palette[4],
        palette[3],
    )
    dark = (shift_colour(palette[0], -0.04), palette[0], palette[1], palette[2])
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
        light += tint_field(
            mask_of(windows), warm * np.float32((0.5 + 0.6 * near) if dim else 0.25)
        )
    road = smooth(0.70, 0.78, y)
    light = mix(light, linear(palette[1]) * np.float32(0.5), road)
    return light + _discs(width, height, idea, rng, 46, low=0.40, high=0.78)


def lights(width: int, height: int, idea: Idea, rng: np.random.Generator) -> Field:
    """Discs of light on a dark ground, as fairy lights far out of focus."""
    palette = idea.palette
    x, y = grid(width, height)
    base = gradient(
        [shift_colour(palette[0], -0.02), palette[1], shift_colour(palette[0], 0.03)],
        y + 0.25 * (x - 0.5),
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


_GROUNDS = {"sea": 0.74, "lake": 0.78}
VIEWS: dict[str, View] = {
    "mountains": mountains.mountains,
    "lake": mountains.mountains,
    "sea": landscape.sea,
    "beach": outdoors.beach,
    "underwater": outdoors.underwater,
    "forest": landscape.forest,
    "garden": outdoors.garden,
    "meadow": outdoors.meadow,
    "desert": landscape.desert,
    "sky": outdoors.open_sky,
    "space": landscape.space,
    "city": city,
    "street": outdoors.street,
    "market": outdoors.market,
    "balcony": outdoors.balcony,
    "bokeh": lights,
}
