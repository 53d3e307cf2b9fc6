"""Turned things that shine: a table lamp, the flame of a candle."""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.colour import linear, mix, rgb, scale_colour, shift_colour, tint_field
from rivya_sandbox.renderers.field import smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.light import Solid, lit, over
from rivya_sandbox.renderers.surface import Surface, ellipse

BRASS = rgb("c79a45")
_WARM = np.array([1.0, 0.72, 0.40], np.float32)  # linear light of a bulb or flame


def lamp(surface: Surface, idea: Idea) -> Solid:
    """A table lamp that is switched on: a shade of cloth on a stem of metal."""
    down = surface.down
    shade = smooth(0.396, 0.392, down)
    named = idea.colours[0] if idea.colours and not idea.metal else None
    cloth = named if named is not None else rgb("f3dfbd")
    metal_colour = idea.colours[0] if idea.metal and idea.colours else BRASS
    albedo = mix(
        np.broadcast_to(metal_colour, (*down.shape, 3)), np.broadcast_to(cloth, (3,)), shade
    )
    polished = (1 - shade) * np.float32(0.8)
    light = lit(albedo, surface.normals, idea.palette, gloss=0.5, metal=polished)
    # The bulb shows through the cloth: brightest at two thirds of the way down the shade.
    bulb = np.exp(-(((down - 0.25) / 0.16) ** 2)) * np.exp(-((surface.across / 0.85) ** 2))
    weave = 1 + 0.03 * np.sin(np.arcsin(surface.across) * 90) * np.ones_like(down)
    through = tint_field(0.34 + 1.0 * bulb * weave, linear(cloth) * _WARM * 1.25)
    hem = np.exp(-(((down - 0.386) / 0.006) ** 2)) + np.exp(-(((down - 0.008) / 0.006) ** 2))
    light = scale_colour(mix(light, light * 0.35 + through, shade), 1 - 0.35 * np.clip(hem, 0, 1))
    below = np.exp(-np.clip(down - 0.396, 0, 1) / 0.25) * (1 - shade)
    light *= 1 + tint_field(1.4 * below, _WARM)
    body = Solid(light.astype(np.float32), surface.cover)
    glare = linear(shift_colour(cloth, 0.2)) * _WARM * np.float32(2.6)
    opened = over(
        body,
        Solid(
            np.broadcast_to(glare, body.light.shape).astype(np.float32),
            ellipse(surface, surface.top_radius),
        ),
    )
    centre_y = float(-surface.y[0, 0] + surface.height * 0.26)
    return Solid(opened.light, opened.cover, (surface.x.size / 2, centre_y, surface.height * 0.75))


def with_flame(body: Solid, surface: Surface) -> Solid:
    """The candle `body` with a flame over its wax, which glows."""
    height = surface.height
    lift = (-surface.y + height * 0.02) / (height * 0.30)
    width = height * 0.055 * np.sqrt(np.clip(lift, 0, 1)) * np.clip(1 - lift, 0, 1) ** 0.6 * 2.2
    cover = np.clip((width - np.abs(surface.x)) * 0.6, 0, 1) * ((lift > 0) & (lift < 1))
    core = np.exp(-((surface.x / (height * 0.03)) ** 2)) * np.clip(1 - lift, 0, 1)
    light = _WARM * (1.5 + 2.5 * core[..., None]) + np.float32(0.2)
    flame = Solid(light.astype(np.float32), cover.astype(np.float32))
    wax = tint_field(np.exp(-(((surface.down - 0.05) / 0.22) ** 2)), _WARM * np.float32(0.55))
    glowing = Solid(body.light + wax, body.cover)
    row = float(-surface.y[0, 0] - height * 0.12)
    return Solid(
        over(glowing, flame).light,
        np.maximum(body.cover, flame.cover),
        (surface.x.size / 2, row, height * 1.3),
    )
