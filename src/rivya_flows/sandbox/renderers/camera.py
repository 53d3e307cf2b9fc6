"""A still seen by a moving camera, frame by frame, on the planes of 4:2:0 video."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from PIL import Image, ImageFilter

from rivya_flows.sandbox.renderers.field import Field, mask_of, resize, seeded, slopes
from rivya_flows.sandbox.renderers.h264 import split_planes
from rivya_flows.sandbox.renderers.references import covered

Planes = tuple[Image.Image, Image.Image, Image.Image]

_CELLS = 16  # of the warp, each way
_ZOOM_ROOM = 1.22  # how much larger than the film a still is kept, so that a zoom stays sharp


@dataclass(frozen=True)
class Move:
    """Zoom and middle of the view at the start and at the end.

    The middle is off the still's middle by a share of its size. No move cuts more than 9 % off
    a side, so that titles stay whole.
    """

    zoom: tuple[float, float]
    x: tuple[float, float] = (0.0, 0.0)
    y: tuple[float, float] = (0.0, 0.0)


MOVES = {
    "in": Move((1.02, 1.13)),
    "out": Move((1.13, 1.02)),
    "left": Move((1.10, 1.12), x=(0.035, -0.035)),
    "right": Move((1.10, 1.12), x=(-0.035, 0.035)),
    "up": Move((1.10, 1.12), y=(0.035, -0.035)),
    "down": Move((1.10, 1.12), y=(-0.035, 0.035)),
}
STILL = Move((1.04, 1.04))
_WORDS = (
    ("out", ("zoom out", "pull back", "pull out", "pull-back", "reveal")),
    ("left", ("pan left", "pan to the left", "move left", "slide left")),
    ("right", ("pan right", "pan to the right", "move right", "slide right", "pan ")),
    ("up", ("tilt up", "rise", "rising", "crane up", "ascend")),
    ("down", ("tilt down", "crane down", "descend")),
)


def move_for(prompt: str) -> Move:
    """The camera move that a prompt names; a slow push-in without one."""
    text = prompt.lower()
    for name, phrases in _WORDS:
        if any(phrase in text for phrase in phrases):
            return MOVES[name]
    return MOVES["in"]


@dataclass(frozen=True)
class Shot:
    """A still, ready to be filmed.

    Attributes:
        size: Of the film, width and height in pixels.
        luma: Of the still, larger than the film.
        chroma: Half as large; both planes as one two-band picture, so that they are warped at once.
        near: 0 to 1 on the corners of the warp's cells: what should move as if closer.
        move: Of the camera.
        phase: Of its slight drift, radians.
    """

    size: tuple[int, int]
    luma: Image.Image
    chroma: Image.Image
    near: Field
    move: Move
    phase: float


def shot_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a still for a film of `size` should be drawn, both even."""
    width, height = (int(side * _ZOOM_ROOM) // 2 * 2 for side in size)
    return width, height


def shot_of(picture: Image.Image, size: tuple[int, int], move: Move, seed: int) -> Shot:
    """The RGB picture, cropped to the film's ratio, as a shot."""
    fitted = covered(picture, shot_size(size))
    planes = split_planes(np.asarray(fitted))
    luma, blue, red = (Image.fromarray(plane) for plane in planes)
    phase = float(seeded("drift", seed).random()) * 2 * math.pi
    return Shot(size, luma, Image.merge("LA", (blue, red)), _nearness(fitted), move, phase)


def _nearness(picture: Image.Image) -> Field:
    """Contrast and the lower middle stand for nearness: a cue without a depth model."""
    grey = mask_of(picture.convert("L").resize((160, 160), Image.Resampling.BOX))
    down, right = slopes(grey)
    busy = Image.fromarray((np.clip(np.hypot(down, right) * 5, 0, 1) * 255).astype(np.uint8))
    detail = mask_of(busy.filter(ImageFilter.GaussianBlur(14)))
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    middle = np.exp(-((x / 0.6) ** 2 + ((y - 0.1) / 0.7) ** 2))
    near = detail / max(float(detail.max()), 1e-3) * 0.45 + middle * 0.65
    return resize(near.astype(np.float32), _CELLS + 1, _CELLS + 1, "box")


def view_at(shot: Shot, time: float) -> Planes:
    """The planes of the film at `time`, 0 at the start of the shot and 1 at its end.

    One continuous warp does zoom, pan and parallax, so nothing tears and no letter ghosts.
    """
    eased = time * time * (3 - 2 * time) * 0.5 + time * 0.5
    move = shot.move
    zoom = move.zoom[0] * (move.zoom[1] / move.zoom[0]) ** eased
    drift = 0.002 * math.sin(time * 5 + shot.phase), 0.0015 * math.sin(time * 7 + shot.phase)
    centre_x = move.x[0] + (move.x[1] - move.x[0]) * eased + drift[0]
    centre_y = move.y[0] + (move.y[1] - move.y[0]) * eased + drift[1]
    width, height = shot.luma.size
    wide, tall = width / zoom, height / zoom
    left = min(max((width - wide) / 2 + centre_x * width, 0), width - wide)
    top = min(max((height - tall) / 2 + centre_y * height, 0), height - tall)

    across, along = np.meshgrid(*[np.linspace(0, 1, _CELLS + 1)] * 2)
    # The border of the frame stays in place, or the still's own border would show.
    near = shot.near * np.sin(np.pi * across) * np.sin(np.pi * along)
    push = (1 - 1 / zoom) * 0.34 * near
    x = left + wide * (across + (0.5 - across) * push + centre_x * 0.35 * near)
    y = top + tall * (along + (0.5 - along) * push + centre_y * 0.35 * near)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    half = shot.size[0] // 2, shot.size[1] // 2
    blue, red = _warped(shot.chroma, half, x / 2, y / 2).split()
    return _warped(shot.luma, shot.size, x, y), blue, red


def _warped(plane: Image.Image, size: tuple[int, int], x: Field, y: Field) -> Image.Image:
    corners = (np.s_[:-1, :-1], np.s_[1:, :-1], np.s_[1:, 1:], np.s_[:-1, 1:])
    sources = np.stack([part[at] for at in corners for part in (x, y)], axis=-1).reshape(-1, 8)
    mesh = list(zip(_cells(size), sources.tolist(), strict=True))
    return plane.transform(size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


@lru_cache(maxsize=8)
def _cells(size: tuple[int, int]) -> tuple[tuple[int, int, int, int], ...]:
    """The boxes of the warp's cells in a plane of this size, row by row."""
    columns = [round(index * size[0] / _CELLS) for index in range(_CELLS + 1)]
    rows = [round(index * size[1] / _CELLS) for index in range(_CELLS + 1)]
    return tuple(
        (left, top, right, bottom)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    )
