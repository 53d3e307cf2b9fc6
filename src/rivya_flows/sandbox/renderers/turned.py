"""Turned products: bottles, jars, cans, cups and lamps, seen slightly from above."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rivya_flows.sandbox.renderers.colour import brightness, linear, mix, rgb, shifted
from rivya_flows.sandbox.renderers.field import Field, blur, smooth
from rivya_flows.sandbox.renderers.idea import Idea
from rivya_flows.sandbox.renderers.label import draw_label
from rivya_flows.sandbox.renderers.light import Normals, Solid, lit, over, unit
from rivya_flows.sandbox.renderers.profiles import OPEN_TOPS, PROFILES, Profile

_STEPS = 800  # of an outline
_BRASS = rgb("c79a45")
_STEEL = rgb("cfd4da")
_WARM = np.array([1.0, 0.72, 0.40], np.float32)  # linear light of a bulb or flame
_LIQUIDS = {"tea": rgb("b5651d"), "matcha": rgb("7f9a3f"), "coffee": rgb("3b2013")}


@dataclass(frozen=True)
class Surface:
    """The visible side of a turned object; all fields share one grid.

    Attributes:
        height: Of the object, pixels.
        x: Pixels right of the axis, ``(1, width)``.
        y: Pixels below the top, ``(rows, 1)``.
        down: Distance from the top in heights, bent by the view from above.
        across: -1 at the left edge, 1 at the right.
        normals: Unit vectors.
        cover: 0 to 1.
        top_radius: Pixels.
        tilt: Sine of the angle from above.
    """

    height: float
    x: Field
    y: Field
    down: Field
    across: Field
    normals: Normals
    cover: Field
    top_radius: float
    tilt: float


@dataclass(frozen=True)
class _Material:
    albedo: Field
    gloss: float
    metal: Field


def turned(kind: str, size: float, idea: Idea, rng: np.random.Generator) -> Solid:
    """A turned object of `kind`, a key of `profiles.PROFILES`; a bottle is `size` pixels tall."""
    profile = PROFILES[kind]
    surface = _surface(profile, size * profile.scale, 0.24 if kind == "cup" else 0.16, kind)
    if kind == "lamp":
        return _lamp(surface, idea)
    glass = kind not in OPEN_TOPS and kind != "can" and not idea.metal and rng.random() < 0.4
    material = _dressed(kind, profile, surface, idea, rng, glass=glass)
    light = lit(
        material.albedo,
        surface.normals,
        idea.palette,
        gloss=material.gloss,
        metal=material.metal,
    )
    if glass:
        light = _as_glass(light, surface, profile, idea)
    body = _with_top(kind, Solid(light, surface.cover), surface, material, idea)
    if kind == "cup":
        return over(over(_handle(surface, idea), body), _steam(surface, rng))
    return _with_flame(body, surface) if kind == "candle" else body


def _surface(profile: Profile, height: float, tilt: float, kind: str) -> Surface:
    radii = np.array([radius for _, radius in profile.outline])
    widest = float(radii.max()) * height
    side = height * (0.34 if kind == "cup" else 0.06)
    above = height * {"cup": 0.55, "candle": 0.45}.get(kind, 0.06)
    x = np.arange(-math.ceil(widest + side), math.ceil(widest + side) + 1, dtype=np.float32)
    y = np.arange(-int(above), int(height * 1.14), dtype=np.float32)
    x, y = x[None, :], y[:, None]

    at = np.linspace(0, 1, _STEPS)
    outline = np.interp(at, [down for down, _ in profile.outline], radii)
    window = np.hanning(profile.rounding) / np.hanning(profile.rounding).sum()
    outline = np.convolve(np.pad(outline, profile.rounding // 2, "edge"), window, "valid")
    slope = np.gradient(outline, at)

    def radius(down: Field) -> Field:
        return np.interp(np.clip(down, 0, 1), at, outline).astype(np.float32) * np.float32(height)

    # A point nearer to the viewer appears lower, so the height under a pixel depends on the
    # radius there, which depends on the height: a few rounds settle it.
    down = np.broadcast_to(y / np.float32(height), (y.size, x.size))
    for _ in range(4):
        depth = np.sqrt(np.clip(radius(down) ** 2 - x * x, 0, None))
        down = (y - np.float32(tilt) * depth) / np.float32(height)
    wide = radius(down)
    across = np.clip(x / np.maximum(wide, 1e-3), -1, 1)
    cover = np.clip(wide - np.abs(x) + 0.5, 0, 1) * ((down >= 0) & (down <= 1))
    steep = np.interp(np.clip(down, 0, 1), at, slope).astype(np.float32)
    flat = 1 / np.sqrt(1 + steep * steep)
    normals = unit(across * flat, 0.10 - steep * flat, np.sqrt(1 - across * across) * flat)
    return Surface(
        height=height,
        x=x,
        y=y,
        down=down,
        across=across,
        normals=normals,
        cover=cover.astype(np.float32),
        top_radius=float(outline[0]) * height,
        tilt=tilt,
    )


def _dressed(
    kind: str,
    profile: Profile,
    surface: Surface,
    idea: Idea,
    rng: np.random.Generator,
    *,
    glass: bool,
) -> _Material:
    body = idea.main_colour
    shape = (*surface.cover.shape, 3)
    albedo = np.broadcast_to(body, shape).astype(np.float32)
    metal = np.full(surface.cover.shape, 0.7 if idea.metal else 0.0, np.float32)
    if glass:
        edge = np.clip((1 - surface.normals[2]) ** 1.6 + 0.25, 0, 1)
        albedo = mix(np.broadcast_to(shifted(body, 0.12, 0.7), shape), albedo, edge)
        filled = smooth(profile.cap + 0.10, profile.cap + 0.12, surface.down) * np.float32(0.6)
        albedo = mix(albedo, albedo * (0.55 + 0.45 * body), filled)
    if kind == "vase":
        albedo = _banded(albedo, surface, idea, rng)
    if profile.cap:
        brass = rng.random() < 0.5
        cap = _BRASS if brass else idea.palette[0 if brightness(body) > 0.45 else 4]
        capped = smooth(profile.cap + 0.002, profile.cap - 0.002, surface.down)
        albedo = mix(albedo, cap, capped)
        metal = np.maximum(metal * (1 - capped), capped * np.float32(0.75 if brass else 0.0))
    if kind == "can":
        ends = np.maximum(smooth(0.087, 0.083, surface.down), smooth(0.923, 0.927, surface.down))
        albedo = mix(albedo, _STEEL, ends)
        metal = np.maximum(metal, np.maximum(ends * np.float32(0.85), np.float32(0.25)))
    if profile.label:
        pixels, where = draw_label(profile, surface.down, surface.across, kind, idea, rng)
        albedo = mix(albedo, pixels, where)
        metal = metal * (1 - where * np.float32(0.6))
    gloss = 1.15 if glass else 0.75 if kind == "can" else (0.35, 0.9)[int(rng.integers(2))]
    return _Material(albedo, gloss, metal)


def _banded(albedo: Field, surface: Surface, idea: Idea, rng: np.random.Generator) -> Field:
    down = surface.down
    if rng.random() < 0.5:
        stripes: Field = smooth(0.1, 0.3, np.sin(down * 46)) * smooth(0.42, 0.43, down)
        stripes = stripes * smooth(0.72, 0.71, down)
    else:
        turn = np.arcsin(surface.across) / math.pi * 10 + down * 9
        stripes = smooth(-0.15, 0.15, np.sin(turn * 2 * math.pi))
        stripes = stripes * smooth(0.40, 0.41, down) * smooth(0.74, 0.73, down)
    return mix(albedo, idea.palette[4], stripes)


def _as_glass(light: Field, surface: Surface, profile: Profile, idea: Idea) -> Field:
    """Dark edges and a bright caustic low on the side away from the light."""
    bare = smooth(profile.cap, profile.cap + 0.01, surface.down)
    if profile.label:
        first, last = profile.label
        labelled = smooth(first, first + 0.01, surface.down) * smooth(
            last, last - 0.01, surface.down
        )
        bare = bare * (1 - labelled * smooth(0.85, 0.75, np.abs(surface.across)))
    caustic = np.exp(-((surface.across - 0.35) ** 2) / 0.06) * smooth(0.55, 0.95, surface.down)
    tint = linear(shifted(idea.main_colour, 0.25, 0.8)) * np.float32(0.45)
    edge = smooth(0.80, 0.99, np.abs(surface.across)) * np.float32(0.35) * bare
    clear: Field = (light + (caustic * bare)[..., None] * tint) * (1 - edge[..., None])
    return clear


def _ellipse(surface: Surface, radius: float, centre_y: float = 0.0) -> Field:
    """Cover of a horizontal disc around the axis, in pixels of softness at its border."""
    flat = max(radius * surface.tilt, 1.0)
    inside = 1 - (surface.x / max(radius, 1.0)) ** 2 - ((surface.y - centre_y) / flat) ** 2
    return np.clip(inside * flat * 0.5 + 0.5, 0, 1)


def _with_top(kind: str, body: Solid, surface: Surface, material: _Material, idea: Idea) -> Solid:
    radius = surface.top_radius
    top = _ellipse(surface, radius)
    side = smooth(1, -1, (surface.x + surface.y) / max(radius, 1.0))[..., None]
    if kind not in OPEN_TOPS:
        colour = _STEEL if kind == "can" else _cap_colour(material, surface)
        lid = linear(colour) * (0.62 + 0.5 * side)
        return over(body, Solid(lid, top))
    rim = linear(shifted(idea.main_colour, 0.06)) * (0.7 + 0.4 * side)
    wall = linear(shifted(idea.main_colour, -0.22, 0.9)) * (0.5 + 0.9 * (1 - side))
    inner = _ellipse(surface, radius * 0.94)
    opened = over(over(body, Solid(rim, top)), Solid(wall, inner))
    if kind == "vase":
        return opened
    depth = surface.height * (0.075 if kind == "cup" else 0.05)
    liquid = _liquid(idea) if kind == "cup" else rgb("fbf0d8")
    sheen = 0.75 + 0.7 * smooth(0.2, -0.9, surface.x / radius + surface.y / (radius * 0.5))
    level = _ellipse(surface, radius * 0.90, depth) * inner
    crema = 1 - _ellipse(surface, radius * 0.80, depth)
    tone = mix(
        np.broadcast_to(liquid, (*level.shape, 3)), shifted(liquid, 0.14), crema * np.float32(0.8)
    )
    return over(opened, Solid(linear(tone) * sheen[..., None], level))


def _cap_colour(material: _Material, surface: Surface) -> Field:
    row = int(np.argmin(np.abs(surface.y[:, 0] - surface.height * 0.03)))
    colour: Field = material.albedo[row, surface.x.size // 2]
    return colour


def _liquid(idea: Idea) -> Field:
    words = set(idea.words)
    if "matcha" in words:
        return _LIQUIDS["matcha"]
    return _LIQUIDS["tea" if words & {"tea", "chai", "चाय", "kulhad"} else "coffee"]


def _handle(surface: Surface, idea: Idea) -> Solid:
    """A ring behind the right side of a cup."""
    height = surface.height
    radius, thick = height * 0.21, height * 0.056
    dx, dy = surface.x - height * 0.46, surface.y - height * 0.46
    dx = dx / np.float32(0.95)
    distance = np.sqrt(dx * dx + dy * dy) + np.float32(1e-3)
    off = np.clip((distance - radius) / thick, -1, 1)
    normals = unit(off * dx / distance, off * dy / distance, np.sqrt(1 - off * off) + 0.05)
    cover = np.clip((thick - np.abs(distance - radius)) + 0.5, 0, 1).astype(np.float32)
    albedo = np.broadcast_to(idea.main_colour, (*cover.shape, 3)).astype(np.float32)
    return Solid(lit(albedo, normals, idea.palette, gloss=0.6), cover)


def _steam(surface: Surface, rng: np.random.Generator) -> Solid:
    """Two wisps above a cup."""
    height = surface.height
    rise = np.clip(-surface.y / (height * 0.5), 0, 1)
    veil = np.zeros_like(surface.cover)
    for start in (-0.12, 0.10):
        phase = rng.random() * 6
        middle = height * (start + 0.05 * np.sin(rise * 6 + phase) + 0.03 * rise)
        width = height * (0.022 + 0.06 * rise)
        veil = veil + np.exp(-(((surface.x - middle) / width) ** 2)) * smooth(0, 0.15, rise)
    veil = blur(veil.astype(np.float32), height * 0.012) * smooth(1.0, 0.35, rise)
    white = np.broadcast_to(np.float32(0.95), (*veil.shape, 3)).astype(np.float32)
    return Solid(white, np.clip(veil * np.float32(0.38), 0, 0.6))


def _with_flame(body: Solid, surface: Surface) -> Solid:
    height = surface.height
    lift = (-surface.y + height * 0.02) / (height * 0.30)
    width = height * 0.055 * np.sqrt(np.clip(lift, 0, 1)) * np.clip(1 - lift, 0, 1) ** 0.6 * 2.2
    cover = np.clip((width - np.abs(surface.x)) * 0.6, 0, 1) * ((lift > 0) & (lift < 1))
    core = np.exp(-((surface.x / (height * 0.03)) ** 2)) * np.clip(1 - lift, 0, 1)
    light = _WARM * (1.5 + 2.5 * core[..., None]) + np.float32(0.2)
    flame = Solid(light.astype(np.float32), cover.astype(np.float32))
    wax = np.exp(-(((surface.down - 0.05) / 0.22) ** 2))[..., None] * _WARM * np.float32(0.55)
    glowing = Solid(body.light + wax.astype(np.float32), body.cover)
    row = float(-surface.y[0, 0] - height * 0.12)
    return Solid(
        over(glowing, flame).light,
        np.maximum(body.cover, flame.cover),
        (surface.x.size / 2, row, height * 1.3),
    )


def _lamp(surface: Surface, idea: Idea) -> Solid:
    """A table lamp that is switched on: a shade of cloth on a stem of metal."""
    down = surface.down
    shade = smooth(0.396, 0.392, down)
    named = idea.colours[0] if idea.colours and not idea.metal else None
    cloth = named if named is not None else rgb("f3dfbd")
    metal_colour = idea.colours[0] if idea.metal and idea.colours else _BRASS
    albedo = mix(
        np.broadcast_to(metal_colour, (*down.shape, 3)), np.broadcast_to(cloth, (3,)), shade
    )
    polished = (1 - shade) * np.float32(0.8)
    light = lit(albedo, surface.normals, idea.palette, gloss=0.5, metal=polished)
    # The bulb shows through the cloth: brightest at two thirds of the way down the shade.
    bulb = np.exp(-(((down - 0.25) / 0.16) ** 2)) * np.exp(-((surface.across / 0.85) ** 2))
    weave = 1 + 0.03 * np.sin(np.arcsin(surface.across) * 90) * np.ones_like(down)
    through = linear(cloth) * _WARM * 1.25 * (0.34 + 1.0 * bulb * weave)[..., None]
    hem = np.exp(-(((down - 0.386) / 0.006) ** 2)) + np.exp(-(((down - 0.008) / 0.006) ** 2))
    light = mix(light, light * 0.35 + through, shade) * (1 - 0.35 * np.clip(hem, 0, 1))[..., None]
    below = np.exp(-np.clip(down - 0.396, 0, 1) / 0.25) * (1 - shade)
    light = light * (1 + (1.4 * below)[..., None] * _WARM)
    body = Solid(light.astype(np.float32), surface.cover)
    glare = linear(shifted(cloth, 0.2)) * _WARM * np.float32(2.6)
    opened = over(
        body,
        Solid(
            np.broadcast_to(glare, body.light.shape).astype(np.float32),
            _ellipse(surface, surface.top_radius),
        ),
    )
    centre_y = float(-surface.y[0, 0] + surface.height * 0.26)
    return Solid(opened.light, opened.cover, (surface.x.size / 2, centre_y, surface.height * 0.75))
