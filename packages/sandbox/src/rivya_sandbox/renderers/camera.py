"""A still filmed by a moving camera, frame by frame, on the planes of 4:2:0 video."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from rivya_sandbox.renderers.field import Field, grid, mask_of, resize, seeded_generator, slopes
from rivya_sandbox.renderers.h264 import Frame, planes_in, split_planes
from rivya_sandbox.renderers.references import crop_to
from rivya_sandbox.renderers.warp import Lines, Pairs, look, pair_pixels

_CELLS = 16  # each way, of the nearness
_ZOOM_ROOM = 1.22  # how much larger than the film a still is, so that a zoom stays sharp


@dataclass(frozen=True)
class Move:
    """Zoom and centre of the view at the start and at the end.

    The offset of the centre is a fraction of the still's size. No move cuts more than 9 % off
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
    "still": Move((1.04, 1.04)),
}
STILL = MOVES["still"]
# Whole words: a sunrise does not rise, and neither Japan nor a frying pan turns the camera.
_WORDS = tuple(
    (name, re.compile(rf"\b(?:{phrases})\b"))
    for name, phrases in (
        ("still", "static|stationary|locked(?:[- ]off)?|fixed camera|no camera (?:move|motion)\\w*"),
        ("out", "(?:zoom|pull|dolly|moves?|pulling|zooming)(?:s|ing)?[- ](?:out|back)|reveals?"),
        ("left", "(?:pan|move|slide|track)(?:s|ning|ing)?(?: to the)? left"),
        ("right", "(?:pan|move|slide|track)(?:s|ning|ing)?(?: to the)? right|slow pan|pan across"
                  "|camera pans?|panning"),
        ("up", "tilt(?:s|ing)? up|crane(?:s|ing)? up|(?:camera|shot) (?:rises|rising)|rise up|ascends?"),
        ("down", "tilt(?:s|ing)? down|crane(?:s|ing)? down|descends?|descending"),
    )
)  # fmt: skip


def move_for(prompt: str) -> Move:
    """The camera move that a prompt names; a slow push-in without one."""
    text = prompt.lower()
    return next((MOVES[name] for name, words in _WORDS if words.search(text)), MOVES["in"])


@dataclass(frozen=True)
class Shot:
    """A still, prepared for filming.

    Attributes:
        size: Of the film, width and height in pixels.
        planes: Luma of the still, larger than the film, and the two chroma planes half as large;
            each as `warp.pair_pixels` gives it.
        near: 0 to about 1, how near each pixel seems, for the film's luma and its chroma.
        move: Of the camera.
        phase: Of its slight drift, radians.
    """

    size: tuple[int, int]
    planes: tuple[Pairs, Pairs, Pairs]
    near: tuple[Field, Field]
    move: Move
    phase: float


def shot_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height at which a still for a film of `size` should be drawn, both even."""
    width, height = (int(side * _ZOOM_ROOM) // 2 * 2 for side in size)
    return width, height


def shot_of(picture: Image.Image, size: tuple[int, int], move: Move, seed: int) -> Shot:
    """The RGB picture, cropped to the film's ratio, as a shot."""
    fitted = crop_to(picture, shot_size(size))
    luma, blue, red = (pair_pixels(plane) for plane in split_planes(np.asarray(fitted)))
    near = Image.fromarray(_nearness(fitted))
    middles = (0.5, 0.5, _CELLS + 0.5, _CELLS + 0.5)  # its outer values lie on the frame's border
    nears = [
        np.asarray(near.resize(plane, Image.Resampling.BILINEAR, middles))
        for plane in (size, (size[0] // 2, size[1] // 2))
    ]
    phase = float(seeded_generator("drift", seed).random()) * 2 * math.pi
    return Shot(size, (luma, blue, red), (nears[0], nears[1]), move, phase)


def _nearness(picture: Image.Image) -> Field:
    """Nearness estimated from contrast and position, without a depth model."""
    grey = mask_of(picture.convert("L").resize((160, 160), Image.Resampling.BOX))
    down, right = slopes(grey)
    busy = Image.fromarray((np.clip(np.hypot(down, right) * 5, 0, 1) * 255).astype(np.uint8))
    detail = mask_of(busy.filter(ImageFilter.GaussianBlur(14)))
    y, x = np.mgrid[-1:1:160j, -1:1:160j]
    middle = np.exp(-((x / 0.6) ** 2 + ((y - 0.1) / 0.7) ** 2))
    near = detail / max(float(detail.max()), 1e-3) * 0.45 + middle * 0.65
    coarse = resize(near.astype(np.float32), _CELLS + 1, _CELLS + 1, "box")
    # The border of the frame stays in place, or the still's own border would show.
    edge = np.sin(np.linspace(0, np.pi, _CELLS + 1, dtype=np.float32))
    return coarse * edge * edge[:, None]


def view_at(shot: Shot, time: float) -> Frame:
    """The film at `time`, 0 at the start of the shot and 1 at its end, as `h264.Frame`.

    One continuous warp does zoom, pan and parallax, so nothing tears and no letter ghosts.
    """
    eased = time * time * (3 - 2 * time) * 0.5 + time * 0.5
    move = shot.move
    zoom = move.zoom[0] * (move.zoom[1] / move.zoom[0]) ** eased
    drift = 0.002 * math.sin(time * 5 + shot.phase), 0.0015 * math.sin(time * 7 + shot.phase)
    centre_x = move.x[0] + (move.x[1] - move.x[0]) * eased + drift[0]
    centre_y = move.y[0] + (move.y[1] - move.y[0]) * eased + drift[1]
    height, width = shot.planes[0].shape
    wide, tall = width / zoom, height / zoom
    left = min(max((width - wide) / 2 + centre_x * width, 0), width - wide)
    top = min(max((height - tall) / 2 + centre_y * height, 0), height - tall)
    push = (1 - 1 / zoom) * 0.34

    frame = np.empty((shot.size[1] * 3 // 2, shot.size[0]), np.uint8)
    luma, *chroma = planes_in(frame)
    for scale, near, sources in (
        (1, shot.near[0], [(shot.planes[0], luma)]),
        (2, shot.near[1], list(zip(shot.planes[1:], chroma, strict=True))),
    ):
        across, along = grid(*near.shape[::-1])
        # Pixels are sampled at their centre, half a pixel from where the grid begins.
        lines = Lines(
            np.clip((left + wide * across) / scale - 0.5, 0, width // scale - 1),
            np.clip((top + tall * along) / scale - 0.5, 0, height // scale - 1),
            wide / scale * ((0.5 - across) * push + centre_x * 0.35),
            tall / scale * ((0.5 - along) * push + centre_y * 0.35),
        )
        look(sources, lines, near)
    return frame
