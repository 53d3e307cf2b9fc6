"""Objects of rotation: bottles, jars, cans, cups and lamps, seen slightly from above."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rivya_sandbox.renderers.colour import (
    brightness,
    linear,
    mix,
    rgb,
    scale_colour,
    shift_colour,
    tint_field,
)
from rivya_sandbox.renderers.field import Field, blur, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.label import draw_label
from rivya_sandbox.renderers.lamp import BRASS, lamp, with_flame
from rivya_sandbox.renderers.light import Solid, lit, over, unit, with_part
from rivya_sandbox.renderers.profiles import OPEN_TOPS, PROFILES, TurnedProfile
from rivya_sandbox.renderers.surface import Surface, ellipse, part_between, surface_of

_STEEL = rgb("cfd4da")
_LIQUIDS = {"tea": rgb("b5651d"), "matcha": rgb("7f9a3f"), "coffee": rgb("3b2013")}


@dataclass(frozen=True)
class _Material:
    albedo: Field
    gloss: float
    metal: Field


def turn_profile(kind: str, size: float, idea: Idea, rng: np.random.Generator) -> Solid:
    """A turned object of `kind`, a key of `profiles.PROFILES`; a bottle is `size` pixels tall."""
    profile = PROFILES[kind]
    surface = surface_of(profile, size * profile.scale, 0.24 if kind == "cup" else 0.16, kind)
    if kind == "lamp":
        return lamp(surface, idea)
    glass = kind not in OPEN_TOPS and kind != "can" and not idea.metal and rng.random() < 0.4
    material = _dress(kind, profile, surface, idea, rng, glass=glass)
    light = lit(
        material.albedo,
        surface.normals,
        idea.palette,
        # Inked later: every highlight would get its own outline.
        gloss=material.gloss * (0.3 if "comic" in idea.looks else 1.0),
        metal=material.metal,
    )
    if glass:
        light = _as_glass(light, surface, profile, idea)
    body = _with_top(kind, Solid(light, surface.cover), surface, material, idea)
    if kind == "cup":
        high = surface.height
        side, at = part_between(surface, (high * 0.17, high), (high * 0.15, high * 0.77))
        body = with_part(body, at, lambda part: over(_handle(side, idea), part))
        body, surface = _with_air(body, surface)
        air, at = part_between(surface, (-high * 0.5, high * 0.5), (-high, high * 0.1))
        return with_part(body, at, lambda part: _steaming(part, air, idea, rng))
    return with_flame(body, surface) if kind == "candle" else body


def _dress(
    kind: str,
    profile: TurnedProfile,
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
        albedo = mix(np.broadcast_to(shift_colour(body, 0.12, 0.7), shape), albedo, edge)
        filled = smooth(profile.cap + 0.10, profile.cap + 0.12, surface.down) * np.float32(0.6)
        albedo = mix(albedo, albedo * (0.55 + 0.45 * body), filled)
    if kind == "vase":
        albedo = _add_bands(albedo, surface, idea, rng)
    if profile.cap:
        brass = rng.random() < 0.5
        cap = BRASS if brass else idea.palette[0 if brightness(body) > 0.45 else 4]
        capped = smooth(profile.cap + 0.002, profile.cap - 0.002, surface.down)
        albedo = mix(albedo, cap, capped)
        metal = np.maximum(metal * (1 - capped), capped * np.float32(0.75 if brass else 0.0))
    if kind == "can":
        ends = np.maximum(smooth(0.087, 0.083, surface.down), smooth(0.923, 0.927, surface.down))
        albedo = mix(albedo, _STEEL, ends)
        metal = np.maximum(metal, np.maximum(ends * np.float32(0.85), np.float32(0.25)))
    if profile.label:
        pixels, where = draw_label(profile, surface, kind, idea, rng)
        albedo = mix(albedo, pixels, where)
        metal = metal * (1 - where * np.float32(0.6))
    gloss = 1.15 if glass else 0.75 if kind == "can" else (0.35, 0.9)[int(rng.integers(2))]
    return _Material(albedo, gloss, metal)


def _add_bands(albedo: Field, surface: Surface, idea: Idea, rng: np.random.Generator) -> Field:
    down = surface.down
    if rng.random() < 0.5:
        stripes: Field = smooth(0.1, 0.3, np.sin(down * 46)) * smooth(0.42, 0.43, down)
        stripes = stripes * smooth(0.72, 0.71, down)
    else:
        turn = np.arcsin(surface.across) / math.pi * 10 + down * 9
        stripes = smooth(-0.15, 0.15, np.sin(turn * 2 * math.pi))
        stripes = stripes * smooth(0.40, 0.41, down) * smooth(0.74, 0.73, down)
    return mix(albedo, idea.palette[4], stripes)


def _as_glass(light: Field, surface: Surface, profile: TurnedProfile, idea: Idea) -> Field:
    """Dark edges and a bright caustic low on the side away from the light."""
    bare = smooth(profile.cap, profile.cap + 0.01, surface.down)
    if profile.label:
        first, last = profile.label
        labelled = smooth(first, first + 0.01, surface.down) * smooth(
            last, last - 0.01, surface.down
        )
        bare = bare * (1 - labelled * smooth(0.85, 0.75, np.abs(surface.across)))
    caustic = np.exp(-((surface.across - 0.35) ** 2) / 0.06) * smooth(0.55, 0.95, surface.down)
    tint = linear(shift_colour(idea.main_colour, 0.25, 0.8)) * np.float32(0.45)
    edge = smooth(0.80, 0.99, np.abs(surface.across)) * np.float32(0.35) * bare
    return scale_colour(light + tint_field(caustic * bare, tint), 1 - edge)


def _with_top(kind: str, body: Solid, surface: Surface, material: _Material, idea: Idea) -> Solid:
    lid = _STEEL if kind == "can" else _cap_colour(material, surface)
    # Half as far again, since the ends of a flat ellipse are soft.
    wide, flat = surface.top_radius * 1.5, surface.top_radius * surface.tilt * 1.5 + 2
    seen, at = part_between(surface, (-wide, wide), (-flat, flat))
    return with_part(body, at, lambda part: _add_top(kind, part, seen, lid, idea))


def _add_top(kind: str, body: Solid, surface: Surface, lid: Field, idea: Idea) -> Solid:
    """A part of the body with a lid, or open and with what is in it."""
    radius = surface.top_radius
    top = ellipse(surface, radius)
    side = smooth(1, -1, (surface.x + surface.y) / max(radius, 1.0))[..., None]
    if kind not in OPEN_TOPS:
        return over(body, Solid(linear(lid) * (0.62 + 0.5 * side), top))
    rim = linear(shift_colour(idea.main_colour, 0.06)) * (0.7 + 0.4 * side)
    wall = linear(shift_colour(idea.main_colour, -0.22, 0.9)) * (0.5 + 0.9 * (1 - side))
    inner = ellipse(surface, radius * 0.94)
    opened = over(over(body, Solid(rim, top)), Solid(wall, inner))
    if kind == "vase":
        return opened
    depth = surface.height * (0.075 if kind == "cup" else 0.05)
    liquid = _liquid(idea) if kind == "cup" else rgb("fbf0d8")
    sheen = 0.75 + 0.7 * smooth(0.2, -0.9, surface.x / radius + surface.y / (radius * 0.5))
    level = ellipse(surface, radius * 0.90, depth) * inner
    crema = 1 - ellipse(surface, radius * 0.80, depth)
    tone = mix(
        np.broadcast_to(liquid, (*level.shape, 3)),
        shift_colour(liquid, 0.14),
        crema * np.float32(0.8),
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


def _with_air(body: Solid, surface: Surface) -> tuple[Solid, Surface]:
    """The body with room for steam above it, and the grid as large."""
    first = int(surface.y[0, 0])
    rows = int(surface.height * 0.55) + first
    light = np.pad(body.light, ((rows, 0), (0, 0), (0, 0)))
    cover = np.pad(body.cover, ((rows, 0), (0, 0)))
    y = np.arange(first - rows, first + len(body.cover), dtype=np.float32)[:, None]
    return Solid(light, cover, body.glow), replace(surface, y=y)


def _steaming(part: Solid, surface: Surface, idea: Idea, rng: np.random.Generator) -> Solid:
    """The air over a cup, with steam that has something of the cup's colour."""
    tint = linear(idea.main_colour) * np.float32(0.95) + linear(idea.palette[4]) * np.float32(0.36)
    under = mix(np.broadcast_to(tint, part.light.shape), part.light, part.cover)
    return over(Solid(under, part.cover), _steam(surface, rng))


def _steam(surface: Surface, rng: np.random.Generator) -> Solid:
    """Two wisps above a cup."""
    height = surface.height
    rise = np.clip(-surface.y / (height * 0.5), 0, 1)
    veil: Field = np.zeros((surface.y.size, surface.x.size), np.float32)
    for start in (-0.12, 0.10):
        phase = rng.random() * 6
        middle = height * (start + 0.05 * np.sin(rise * 6 + phase) + 0.03 * rise)
        width = height * (0.022 + 0.06 * rise)
        veil = veil + np.exp(-(((surface.x - middle) / width) ** 2)) * smooth(0, 0.15, rise)
    veil = blur(veil.astype(np.float32), height * 0.012) * smooth(1.0, 0.35, rise)
    white = np.broadcast_to(np.float32(0.95), (*veil.shape, 3)).astype(np.float32)
    return Solid(white, np.clip(veil * np.float32(0.38), 0, 0.6))
