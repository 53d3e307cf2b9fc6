"""Emoji outlines as soft, coloured, lit objects."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rivya_sandbox.renderers.colour import brightness, rgb, shift_colour
from rivya_sandbox.renderers.drawings import DRAWINGS
from rivya_sandbox.renderers.field import Field, blur, mask_of, resize, slopes, smooth, soften
from rivya_sandbox.renderers.idea import Idea
from rivya_sandbox.renderers.inked import enamel_pin, ink_drawing
from rivya_sandbox.renderers.lettering import glyph_mask
from rivya_sandbox.renderers.light import Normals, Solid, lit, unit
from rivya_sandbox.renderers.things import NATURAL_COLOURS

Labels = NDArray[np.int32]

_GRID = 512  # pixels; the geometry is kept and enlarged or reduced
_OPEN = frozenset("🚲👓🔑⚓✂🎡🛴🪑🔗🕸")  # what their strokes enclose is air
_FACES = frozenset("👩👨👧👦👶👴👵")  # whose features would be holes in a body
_HOLED = frozenset("💍📿")  # of which the largest room alone is
# Of which the rooms above a share of the height are, under a handle or between arms.
_HANDLED = {"👜": 0.42, "🛍": 0.20, "🎒": 0.14, "🪣": 0.30, "🏋": 1.0, "🧘": 1.0}
_LINE = 28  # pixels; the width of an outline's stroke, and a little more
# x, y and reach of the light of things that shine, in shares of their size.
_FLAMES = {"🪔": (0.72, 0.25, 0.8), "💡": (0.5, 0.4, 0.8), "🎆": (0.5, 0.4, 0.9)}


@dataclass(frozen=True)
class _Geometry:
    """What does not depend on colour.

    Attributes:
        regions: For each pixel the number of its region, 0 outside.
        areas: Pixels of each region, by number.
        dark: Where the drawing is solid: eyes, tyres.
        ink: The drawing's strokes, 0 to 1.
        cover: 0 to 1.
        normals: Unit vectors.
        shade: Light that reaches hollows, about 0.6 to 1.1.
    """

    regions: Labels
    areas: tuple[int, ...]
    dark: Field
    ink: Field
    cover: Field
    normals: Normals
    shade: Field


def inflate(
    character: str, room: tuple[float, float], angle: float, idea: Idea, rng: np.random.Generator
) -> Solid | None:
    """An emoji as an object that fills `room` (width, height in pixels), turned by `angle` degrees.

    Returns:
        None when the font lacks the character.
    """
    geometry = _geometry(character, round(angle))
    if geometry is None:
        return None
    size = _size_for(room, geometry.cover)
    colours = _colours(character, geometry, idea, rng)
    albedo = colours.take(geometry.regions, axis=0)
    albedo = np.stack([soften(albedo[..., channel], 2) for channel in range(3)], axis=-1)
    cover = geometry.cover
    if "enamel" in idea.looks and character not in _OPEN:
        light, cover = enamel_pin(albedo, geometry.ink * (1 - geometry.dark), cover, idea)
    elif (idea.looks & {"comic", "flat"} or character in _FACES) and character not in _OPEN:
        filled = geometry.dark if geometry.areas[-1] > max(geometry.areas[:-1]) else 0
        light = ink_drawing(albedo, geometry.ink * (1 - filled), geometry.normals, idea)
    else:
        gloss = (0.10, 0.22, 0.42)[int(rng.integers(3))]  # clay, vinyl, glaze
        if "comic" in idea.looks:  # inked later, where every shine would get a line of its own
            gloss = 0.0
        light = lit(
            albedo,
            geometry.normals,
            idea.palette,
            gloss=gloss,
            metal=0.6 if idea.metal else 0.0,
            own_rim=0.85,
        )
        light = np.clip(light * geometry.shade[..., None], 0, None)
    how = "sharp" if size < _GRID else "cubic"
    # Cut after it was enlarged, the edge is as sharp as the picture.
    half = 0.5 * min(1.0, 0.55 * _GRID / size)
    flame = _FLAMES.get(character)
    glow = (flame[0] * size, flame[1] * size, flame[2] * size) if flame else None
    return Solid(
        np.clip(resize(light, size, size, how), 0, None),
        smooth(0.52 - half, 0.52 + half, resize(cover, size, size, how)),
        glow,
    )


def _size_for(room: tuple[float, float], cover: Field) -> int:
    """Side of the square canvas with which what is seen of the thing just fits into `room`."""
    rows, columns = (np.nonzero(cover.max(axis=axis) > 0.3)[0] for axis in (1, 0))
    if not rows.size:
        return int(min(room))
    wide, tall = float(np.ptp(columns) + 1) / _GRID, float(np.ptp(rows) + 1) / _GRID
    return max(8, int(min(room[0] / wide, room[1] / tall)))


def _colours(character: str, geometry: _Geometry, idea: Idea, rng: np.random.Generator) -> Field:
    """A colour for each region; regions of about one size (wheels, eyes, wings) share it."""
    choices = _choices(character, idea, rng)
    main = choices[0]
    table = np.zeros((len(geometry.areas), 3), np.float32)
    table[0] = main
    groups: list[tuple[int, Field]] = []
    solid = geometry.areas[-1]
    # What is filled solidly is a mark on most things, and the greatest part of a few.
    whole = solid > max(geometry.areas[:-1])
    if whole:
        groups.append((solid, main))
    for region in sorted(range(1, len(geometry.areas) - 1), key=lambda one: -geometry.areas[one]):
        area = geometry.areas[region]
        shared = next((colour for of, colour in groups if abs(area / of - 1) < 0.12), None)
        if shared is None:
            shared = choices[min(len(groups), len(choices) - 1)]
            groups.append((area, shared))
        table[region] = shared
    if whole:
        table[-1] = main
    else:
        table[-1] = shift_colour(main, -0.40 if brightness(main) > 0.3 else 0.28, 0.7)
    return table


def _choices(character: str, idea: Idea, rng: np.random.Generator) -> list[Field]:
    """Colours for the regions, largest first: as the prompt names them, or as nature has them."""
    main = idea.main_colour
    if brightness(main) < 0.12:
        main = shift_colour(main, 0.12)
    codes = NATURAL_COLOURS.get(character, "").split()
    if codes:  # of which a prompt may name the first two otherwise: a blue fox has a white chin
        natural = [main if code == "main" else rgb(code) for code in codes]
        if codes[0] != "main" and "main" in codes:  # a white screen with buttons in that colour
            return natural
        return [main, *idea.colours[1:], *natural[len(idea.colours) :]] if idea.colours else natural
    second = idea.colours[1] if len(idea.colours) > 1 else idea.palette[4]
    if idea.ground is not None:  # which may be as light
        second = shift_colour(main, 0.14 if brightness(main) < 0.55 else -0.18, 0.8)
    third = [
        idea.palette[6],
        shift_colour(main, 0.16, 0.6),
        shift_colour(main, -0.14),
        idea.palette[3],
    ]
    rng.shuffle(third)
    return [main, second, *third]


@lru_cache(maxsize=8)  # some megabytes each
def _geometry(character: str, angle: int) -> _Geometry | None:
    ink = _ink(character, angle)
    if ink is None:
        return None
    spaces = label_regions(ink < 0.5)
    outside = int(spaces[0, 0])
    counts = np.bincount(spaces.ravel())
    inside = [one for one in range(1, len(counts)) if one != outside and counts[one] > 40]
    for hole in _holes(character, inside, spaces, ink):
        inside.remove(hole)
        spaces = np.where(spaces == hole, outside, spaces)
    if character in _OPEN:
        inside = []
        cover, dark = blur(ink, 1.0), np.zeros_like(ink)
    else:
        # At the border as smooth as the drawing's own edge; what the strokes enclose is covered.
        border = blur((spaces == outside).astype(np.float32), 1.2) > 0.02
        cover = blur(np.where(border, ink, np.float32(1)), 0.8)
        dark = smooth(0.90, 0.97, blur(ink, 8.0))

    renumber = np.zeros(len(counts) + 1, np.int32)
    renumber[inside] = np.arange(1, len(inside) + 1)
    solid = len(inside) + 1
    regions = renumber[spaces]
    inner = regions > 0
    regions[dark > 0.5] = solid
    regions = np.where(cover > 0.02, _grown(regions, _LINE), 0).astype(np.int32)

    height = _height(cover, inner, dark)
    if character in _OPEN:
        height = height * np.float32(0.4)  # thin tubes would be all rim and shine
    gy, gx = slopes(height)
    normals = unit(-gx * 1.15, -gy * 1.15, np.full_like(gx, 0.9))
    shade = np.clip(1 - (blur(height, 13) - height) / np.float32(32), 0.6, 1.1)
    areas = (0, *(int(counts[one]) for one in inside), int((dark > 0.5).sum()))
    return _Geometry(regions, areas, dark, ink, cover, normals, shade)


def _holes(character: str, rooms: list[int], spaces: Labels, ink: Field) -> list[int]:
    """Which of the rooms that strokes enclose are air."""
    if character in _HOLED and rooms:
        return [max(rooms, key=lambda one: int((spaces == one).sum()))]
    if character not in _HANDLED:
        return []
    rows = np.nonzero(ink.max(axis=1) > 0.5)[0]
    lowest = rows[0] + _HANDLED[character] * np.ptp(rows)
    return [one for one in rooms if np.nonzero(spaces == one)[0].mean() < lowest]


def _ink(character: str, angle: int) -> Field | None:
    size = int(_GRID * 0.82)
    mask = DRAWINGS[character](size) if character in DRAWINGS else glyph_mask(character, size)
    if mask.size == (1, 1):
        return None
    turn = math.radians(abs(angle))
    width = mask.width * math.cos(turn) + mask.height * math.sin(turn)
    height = mask.width * math.sin(turn) + mask.height * math.cos(turn)
    scale = (_GRID - 40) / max(width, height, max(mask.size) * 0.96)
    mask = mask.resize(
        (max(1, int(mask.width * scale)), max(1, int(mask.height * scale))),
        Image.Resampling.LANCZOS,
    )
    canvas = Image.new("L", (_GRID, _GRID), 0)
    canvas.paste(mask, ((_GRID - mask.width) // 2, (_GRID - mask.height) // 2))
    return mask_of(canvas.rotate(angle, Image.Resampling.BICUBIC) if angle else canvas)


def _height(cover: Field, inner: NDArray[np.bool_], dark: Field) -> Field:
    """How far the surface stands out: the whole body, its parts, and the solid marks."""
    body = _balloon(cover, (60, 40, 24, 10, 4))
    parts = _balloon(inner.astype(np.float32) * (1 - dark), (30, 20, 16, 8, 3))
    body /= max(float(body.max()), 1e-3)
    parts /= max(float(parts.max()), 1e-3)
    scale = np.float32(_GRID / 640)
    return blur((body * 150 + parts * 22 + blur(dark, 5) * 12) * scale, 3.2)


def _balloon(mask: Field, rounds: tuple[int, ...]) -> Field:
    """Height of a skin blown up over a mask: the root of a Poisson solution, coarse to fine."""
    height, width = mask.shape
    skin: Field | None = None
    for level, times in enumerate(rounds):
        scale = 2 ** (len(rounds) - 1 - level)
        small = max(8, width // scale), max(8, height // scale)
        inside = np.clip(resize(mask, *small, "box"), 0, 1)
        skin = np.zeros_like(inside) if skin is None else resize(skin, *small, "linear")
        push = np.float32(scale * scale * 0.25)
        for _ in range(times):
            edge = np.pad(skin, 1)
            around = edge[:-2, 1:-1] + edge[2:, 1:-1] + edge[1:-1, :-2] + edge[1:-1, 2:]
            skin = (np.float32(0.25) * around + push) * inside
    return np.sqrt(np.clip(skin if skin is not None else mask, 0, None))


def _grown(regions: Labels, times: int) -> Labels:
    """Regions after they have grown by `times` pixels into the lines between them."""
    grown = regions.copy()
    for _ in range(times):
        edge = np.pad(grown, 1)
        for near in (edge[:-2, 1:-1], edge[2:, 1:-1], edge[1:-1, :-2], edge[1:-1, 2:]):
            np.copyto(grown, near, where=grown == 0)
    return grown


def label_regions(mask: NDArray[np.bool_]) -> Labels:
    """Numbers, from 1, of the 4-connected regions of a mask; 0 where it is false."""
    height, width = mask.shape
    steps = np.diff(np.pad(mask.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(height + 1)).tolist()
    start, end = starts.tolist(), ends.tolist()
    for row in range(1, height):
        above, here = first[row - 1], first[row]
        while above < first[row] and here < first[row + 1]:
            if start[above] < end[here] and start[here] < end[above]:
                one, other = root(above), root(here)
                parent[max(one, other)] = min(one, other)
            if end[above] < end[here]:
                above += 1
            else:
                here += 1
    _, numbers = np.unique([root(run) for run in range(len(rows))], return_inverse=True)
    # Each run adds its number where it starts and takes it away where it ends; the running sum
    # over the flat picture paints it. An end at the right border falls on the next row's start.
    changes = np.zeros(height * width + 1, np.int64)
    np.add.at(changes, rows * width + starts, numbers + 1)
    np.add.at(changes, rows * width + ends, -(numbers + 1))
    return np.cumsum(changes)[:-1].reshape(height, width).astype(np.int32)
