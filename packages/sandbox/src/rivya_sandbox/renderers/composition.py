"""The subject on its stage: shadow, reflection, its own light."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from rivya_sandbox.renderers.colour import mix, rgb, scale_colour, tint_field
from rivya_sandbox.renderers.field import Field, blur, softened_shape
from rivya_sandbox.renderers.light import Solid
from rivya_sandbox.renderers.studio import Stage

_WARM = rgb("ffdca6")


def place_subject(
    stage: Stage,
    thing: Solid,
    centre: tuple[float, float],
    *,
    ambient: Field | None = None,
    flat: bool = False,
) -> Field:
    """Linear light of the stage with the subject on it.

    Args:
        stage: The subject stands on its ground, or floats if it has none.
        thing: May be larger than the stage.
        centre: Of the thing, as shares of width and height; on a ground only the first counts.
        flat: True on a drawn background, which lamps do not light.
        ambient: Display colour that tints the thing a little, or None.
    """
    light = stage.light.copy()
    height, width = light.shape[:2]
    rows = np.nonzero(thing.cover.max(axis=1) > 0.3)[0]
    foot = int(rows[-1]) if rows.size else thing.cover.shape[0] - 1
    top = int(rows[0]) if rows.size else 0
    left = int(width * centre[0] - thing.cover.shape[1] / 2)
    if stage.ground is None:
        upper = int(height * centre[1] - (foot + top) / 2)
        _drop_shadow(light, thing, left, upper)
    else:
        upper = int(height * stage.ground) - foot
        _contact_shadow(light, thing, left, upper, foot)
        if stage.mirror:
            _reflection(light, thing, left, upper + foot + 1, foot, stage.mirror)
    if thing.glow and not flat:
        light = _lit_up(light, thing.glow, left, upper)
    tinted = thing.light
    if ambient is not None:
        tint = ambient / max(float(ambient.max()), 0.2)
        tinted = thing.light * (0.8 + 0.2 * tint)
    _paste(light, tinted, thing.cover, left, upper)
    return light


def _paste(light: Field, pixels: Field, cover: Field, left: int, upper: int) -> None:
    height, width = light.shape[:2]
    x0, y0 = max(0, left), max(0, upper)
    x1, y1 = min(width, left + cover.shape[1]), min(height, upper + cover.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - upper : y1 - upper, x0 - left : x1 - left]
    light[y0:y1, x0:x1] = mix(light[y0:y1, x0:x1], pixels[part], cover[part])


def _contact_shadow(light: Field, thing: Solid, left: int, upper: int, foot: int) -> None:
    """A wide soft shadow away from the key light, and a dark contact shadow."""
    height, width = light.shape[:2]
    low = thing.cover[max(0, foot - int(thing.cover.shape[0] * 0.12)) : foot + 1]
    columns = np.nonzero(low.max(axis=0) > 0.3)[0]
    if not columns.size:
        return
    wide = float(columns[-1] - columns[0])
    flat = max(6.0, wide * 0.13)
    # Things stand on a round base seen from above, whose middle is a little over its front edge.
    x, y = left + (columns[0] + columns[-1]) / 2, upper + foot - wide * 0.05
    cast = (x - wide * 0.52, y - flat * 0.75, x + wide * 0.78, y + flat * 0.95)
    touch = (x - wide * 0.48, y - flat * 0.36, x + wide * 0.48, y + flat * 0.36)
    sigma = width * 0.022
    x0, y0 = max(0, int(cast[0] - 3 * sigma)), max(0, int(cast[1] - 3 * sigma))
    x1, y1 = min(width, int(cast[2] + 3 * sigma)), min(height, int(cast[3] + 3 * sigma))
    if x1 <= x0 or y1 <= y0:
        return
    around = light[y0:y1, x0:x1]
    soft = _soft_ellipse(around, (x0, y0), cast, 150, sigma)
    tight = _soft_ellipse(around, (x0, y0), touch, 215, width * 0.006)
    darker = 1 - np.float32(0.62) * np.clip(soft + tight * np.float32(0.8), 0, 1)
    for channel in range(3):
        around[..., channel] *= darker


def _soft_ellipse(
    part: Field, corner: tuple[int, int], box: tuple[float, ...], grey: int, sigma: float
) -> Field:
    """A blurred disc in a part of the picture whose upper left pixel is `corner`.

    `box` and `sigma` are in pixels of the picture.
    """

    def paint(draw: ImageDraw.ImageDraw, scale: float) -> None:
        left, top = ((box[side] - corner[side]) * scale for side in (0, 1))
        right, bottom = ((box[side + 2] - corner[side]) * scale for side in (0, 1))
        draw.ellipse((left, top, right, bottom), fill=grey)

    return softened_shape((part.shape[1], part.shape[0]), paint, sigma)


def _drop_shadow(light: Field, thing: Solid, left: int, upper: int) -> None:
    height, width = light.shape[:2]
    cast = np.zeros((height, width, 1), np.float32)
    right, down = int(thing.cover.shape[1] * 0.05), int(thing.cover.shape[0] * 0.09)
    ones = np.ones((*thing.cover.shape, 1), np.float32)
    _paste(cast, ones, thing.cover, left + right, upper + down)
    light[:] = scale_colour(light, 1 - np.float32(0.42) * blur(cast[..., 0], width * 0.025))


def _reflection(
    light: Field, thing: Solid, left: int, upper: int, foot: int, strength: float
) -> None:
    rows = min(int(thing.cover.shape[0] * 0.4), light.shape[0] - upper, foot + 1)
    if rows < 5:
        return
    mirrored = thing.light[: foot + 1][::-1][:rows]
    cover = thing.cover[: foot + 1][::-1][:rows]
    fade = np.linspace(1, 0, rows, dtype=np.float32)[:, None] ** 1.6 * np.float32(strength)
    soft = blur(mirrored, max(1.0, light.shape[1] * 0.003)) * np.float32(0.8)
    _paste(light, soft, cover * fade, left, upper)


def _lit_up(light: Field, glow: tuple[float, float, float], left: int, upper: int) -> Field:
    """The stage as the thing's own lamp lights it."""
    height, width = light.shape[:2]
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32(left + glow[0])
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(upper + glow[1])
    away = (x * x + y * y) / np.float32(glow[2] ** 2)
    # A lamp adds little to a bright scene and dominates a dark one.
    dark = float(np.clip(1.15 - 2.2 * light[::8, ::8].mean(), 0.25, 1))
    pool = tint_field(
        (np.exp(-away * 1.2) * 1.5 + np.exp(-away * 0.25) * 0.5) * dark, _WARM * _WARM
    )
    lighted: Field = light * (1 - 0.38 * dark + pool) + pool * 0.045
    return lighted
