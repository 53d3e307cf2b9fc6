"""The label round a turned product, with the name of the brand if the prompt has one."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from rivya_sandbox.renderers.colour import brightness, mix, to_bytes
from rivya_sandbox.renderers.field import Field, smooth
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.lettering import STYLES, fitted_mask, space_capitals
from rivya_sandbox.renderers.profiles import TurnedProfile
from rivya_sandbox.renderers.surface import Surface

_WIDTH = 900  # pixels for the half turn that can be seen


def draw_label(
    profile: TurnedProfile, surface: Surface, kind: str, idea: Idea, rng: np.random.Generator
) -> tuple[Field, Field]:
    """The label as it lies on the surface.

    Args:
        profile: With a label.
        surface: Of the product.
        kind: Key of `PROFILES`.
        idea: Has the name of the brand; without one a ring stands there.
        rng: Chooses paper and letters.

    Returns:
        Display colours ``(height, width, 3)``, and where they cover, 0 to 1.
    """
    first, last = profile.label or (0.0, 1.0)
    widest = max(radius for _, radius in profile.outline)
    height = max(8, int(_WIDTH * (last - first) / (widest * math.pi)))
    printed = kind in ("can", "cup")  # straight on the body, without paper
    paper = idea.main_colour if printed else idea.palette[4 if rng.random() < 0.75 else 0]
    texture = Image.new("RGB", (_WIDTH, height), to_bytes(paper))
    if kind == "can":
        _draw_dots(texture, idea, rng)
    _draw_brand(texture, idea, paper, profile.band, rng, plain=kind == "cup")

    # About as many pixels as will be seen, or thin strokes would break up.
    seen = max(0.05, min(1.0, surface.height * widest * math.pi / _WIDTH))
    small = max(8, int(_WIDTH * seen)), max(4, int(height * seen))
    pixels = np.asarray(texture.resize(small, Image.Resampling.LANCZOS), np.float32)
    down = surface.down
    turn = np.arcsin(surface.across) / np.float32(math.pi) + np.float32(0.5)
    where = smooth(first - 0.002, first + 0.002, down) * smooth(last + 0.002, last - 0.002, down)
    where = where * smooth(profile.band + 0.004, profile.band - 0.004, np.abs(turn - 0.5))
    # Only what the label covers is worth a look.
    rows, columns = (np.nonzero(where.any(axis=axis))[0] for axis in (1, 0))
    seen_part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else ()
    printed_on = np.zeros((*where.shape, 3), np.float32)
    along, across = ((down - first) / (last - first))[seen_part], turn[seen_part]
    printed_on[seen_part] = _sample(pixels / np.float32(255), along, across)
    return printed_on, where


def _sample(pixels: Field, along: Field, across: Field) -> Field:
    """`pixels` between their centres, at shares of their height and width."""
    rows, columns = pixels.shape[:2]
    y = np.clip(along * rows - 0.5, 0, rows - 1.001).astype(np.float32)
    x = np.clip(across * columns - 0.5, 0, columns - 1.001).astype(np.float32)
    top, left = y.astype(np.int32), x.astype(np.int32)
    at, flat = top * columns + left, pixels.reshape(-1, 3)
    shares = (x - left).astype(np.float32), (y - top).astype(np.float32)
    upper = mix(flat.take(at, 0), flat.take(at + 1, 0), shares[0])
    lower = mix(flat.take(at + columns, 0), flat.take(at + columns + 1, 0), shares[0])
    return mix(upper, lower, shares[1])


def _draw_dots(texture: Image.Image, idea: Idea, rng: np.random.Generator) -> None:
    draw = ImageDraw.Draw(texture)
    width, height = texture.size
    for index in range(7):
        x, y = rng.random() * width, rng.random() * height
        radius = height * (0.06 + 0.14 * rng.random())
        colour = to_bytes(idea.palette[(6, 2, 3, 1, 4, 6, 2)[index]])
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    box = (width * 0.22, height * 0.34, width * 0.78, height * 0.66)
    draw.rounded_rectangle(box, height * 0.03, fill=to_bytes(idea.main_colour))


def _draw_brand(
    texture: Image.Image,
    idea: Idea,
    paper: Field,
    band: float,
    rng: np.random.Generator,
    *,
    plain: bool,
) -> None:
    width, height = texture.size
    ink = to_bytes(idea.palette[0 if brightness(paper) > 0.45 else 4])
    draw = ImageDraw.Draw(texture)
    if idea.brand is not None:
        style = STYLES[int(rng.integers(3))]
        brand = idea.brand if len(idea.brand) <= 16 else idea.brand.split()[0]
        letters = space_capitals(brand) if style != "serif" else brand
        mask = fitted_mask(letters, style, width * min(band * 1.55, 0.48), height * 0.34)
        texture.paste(ink, ((width - mask.width) // 2, int(height * 0.45) - mask.height // 2), mask)
    elif not plain:
        x, y, radius = width / 2, height * 0.42, height * 0.16
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ink, width=8)
        draw.ellipse((x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2), fill=ink)
    if not plain:
        accent = to_bytes(idea.palette[6])
        draw.line((width * 0.4, height * 0.7, width * 0.6, height * 0.7), accent, height // 60 + 2)
