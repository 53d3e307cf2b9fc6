"""Where a picture goes in a frame of another shape, and how the camera moves over it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageChops, ImageFilter

from rivya_client.errors import MediaError
from rivya_cut.composition import Look
from rivya_cut.terms import Motion, Reframe, Split

Size = tuple[int, int]
Box = tuple[float, float, float, float]

ZOOM = 1.12
"""How far the camera moves in: at its end, the picture is larger by this."""
TRAVEL = 0.16
"""How far the camera pans, as a share of the width of the picture."""

GROUND_SCALE, GROUND_BLUR = 12, 4.0
"""The blurred copy behind a picture: how much smaller it is made, and blurred by how many pixels then."""

_EDGE = 0.1  # of a picture, at each side with a bar: over half of the frame
_DIM = 0.5  # the light that such a copy keeps
_BRIGHT = (0.7, 0.85)  # of white: an edge whose copy keeps more of its light, and all of it

_GAP = 0.004  # between media that share a frame, of its short side
_UNEQUAL = 0.5  # as bad as cells whose one side is 1.65 times the other
_NEARLY = 0.02  # a picture of nearly the shape of the frame gets no bars
_MAP = 64  # pixels of the small picture in which the focus is looked for
_STRONG = 96  # of 255: an edge that is stronger, as of letters, counts as this


def even(length: float) -> int:
    """Next even number: 4:2:0 keeps colour for every second pixel."""
    return max(2, round(length / 2) * 2)


@dataclass(frozen=True)
class Cell:
    """A part of a frame: all even."""

    left: int
    top: int
    size: Size


@dataclass(frozen=True)
class Placement:
    """Where a picture goes.

    Attributes:
        region: Size of the picture in the middle of the frame; the frame's, unless there are bars.
        canvas: Size in which the picture is prepared; larger than `region` if the camera moves.
    """

    size: Size
    region: Size
    canvas: Size
    motion: Motion

    @property
    def corner(self) -> tuple[int, int]:
        """Left and top of the region in the frame, even."""
        (width, height), (inner, lower) = self.size, self.region
        return (width - inner) // 4 * 2, (height - lower) // 4 * 2

    def camera(self, share: float) -> Box:
        """The part of the canvas that fills the region when `share` (0 to 1) of the shot is over."""
        width, height = self.canvas
        eased = (share + share * share * (3 - 2 * share)) / 2  # moves at both ends, without a jolt
        if self.motion in ("push-in", "pull-out"):
            eased = eased if self.motion == "push-in" else 1 - eased
            # Even steps in scale, not in size, look even.
            scale = 1 / ZOOM**eased
            left, top = width * (1 - scale) / 2, height * (1 - scale) / 2
            return left, top, width - left, height - top
        if self.motion in ("pan-left", "pan-right"):
            moved = (width - self.region[0]) * (eased if self.motion == "pan-right" else 1 - eased)
            return moved, 0.0, moved + self.region[0], float(height)
        return 0.0, 0.0, float(width), float(height)


def placement(source: Size, size: Size, reframe: Reframe, motion: Motion) -> Placement:
    """Where a picture of `source` pixels goes in a frame of even `size`."""
    region = size
    if reframe != "crop":
        scale = min(size[0] / source[0], size[1] / source[1])
        fits = source[0] * scale / size[0], source[1] * scale / size[1]
        if min(fits) < 1 - _NEARLY:
            region = (min(size[0], even(source[0] * scale)), min(size[1], even(source[1] * scale)))
    canvas = region
    if motion in ("push-in", "pull-out"):
        canvas = even(region[0] * ZOOM), even(region[1] * ZOOM)
    elif motion in ("pan-left", "pan-right"):
        canvas = even(region[0] * (1 + TRAVEL)), region[1]
    return Placement(size, region, canvas, motion)


def window(source: Size, shape: Size, focus: tuple[float, float] = (0.5, 0.5)) -> Box:
    """The largest part of a picture that has a shape, as near to the focus as it can be.

    `focus` is what should be in the middle, as shares of width and height.
    """
    scale = min(source[0] / shape[0], source[1] / shape[1])
    # Rounding may give more than there is of a long, thin picture.
    width, height = min(source[0], shape[0] * scale), min(source[1], shape[1] * scale)
    left = min(max(focus[0] * source[0] - width / 2, 0.0), source[0] - width)
    top = min(max(focus[1] * source[1] - height / 2, 0.0), source[1] - height)
    return left, top, left + width, top + height


def focus_of(image: Image.Image, shape: Size, source: Size | None = None) -> tuple[float, float]:
    """What should be in the middle where a picture is cut to a shape, as shares of width and height.

    It is the middle of the detail in the window that has most of it: the middle of all detail lies
    between a title and the thing below it. Detail counts less towards the borders, where titles and
    grounds are. `source` is the size of the picture itself, if it is squeezed.
    """
    small = image.convert("RGB").resize((_MAP, _MAP), Image.Resampling.BOX)
    # In each channel: things of the same brightness may differ in colour.
    red, green, blue = (band.filter(ImageFilter.FIND_EDGES) for band in small.split())
    edges = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    # The filter leaves the border as it was, which is no edge.
    edges = edges.crop((1, 1, _MAP - 1, _MAP - 1))
    side = edges.width
    inward = [(1 - ((at + 0.5) / side * 2 - 1) ** 2) ** 2 for at in range(side)]
    across, down = [0.0] * side, [0.0] * side
    for at, edge in enumerate(edges.tobytes()):
        y, x = divmod(at, side)
        weight = min(edge, _STRONG) ** 2 * inward[x] * inward[y]
        across[x] += weight
        down[y] += weight
    width, height = source or image.size
    left, top, right, bottom = window((width, height), shape)
    return _middle(across, (right - left) / width), _middle(down, (bottom - top) / height)


def _middle(weights: list[float], share: float) -> float:
    """Middle of the weights in the part that holds most of them, as a share of their line."""
    side = len(weights)
    part = max(1, round(side * share))
    held = [sum(weights[at : at + part]) for at in range(side - part + 1)]
    start = max(range(len(held)), key=lambda at: (held[at], -abs(at + part / 2 - side / 2)))
    if not held[start]:
        return 0.5
    inside = range(start, start + part)
    return sum(weights[at] * (at + 0.5) for at in inside) / held[start] / side


def edges_over(
    picture: Image.Image, size: Size, lights: Sequence[float] = (1.0, 1.0), zero: int = 0
) -> Image.Image:
    """A picture's two edges beside the bars, each stretched over half of a frame.

    What is further inside, such as a bright thing in the middle, would be a spot of light in the bars.
    Each keeps its share of the light above `zero`.
    """
    made = Image.new(picture.mode, size)
    half = size[0] - size[0] // 2, size[1]
    if not _has_bars_beside(picture.size, size):
        half = size[0], size[1] - size[1] // 2
    for at, (box, light) in enumerate(zip(_edges(picture.size, size), lights, strict=True)):
        part = picture.resize(half, Image.Resampling.BOX, box=box)
        dim = [round(zero + (value - zero) * light) for value in range(256)]
        part = part.point(dim * len(part.getbands()))
        made.paste(part, (at * (size[0] - half[0]), at * (size[1] - half[1])))
    return made


def ground_lights(luma: Image.Image, size: Size) -> list[float]:
    """How much of its light each half of the blurred copy behind a picture keeps, 0.5 to 1.

    The copy sets off the picture by being darker. One on a white ground would be cut out of it, so a bright
    edge stays as bright.
    """
    dark, bright = _BRIGHT
    found = []
    for box in _edges(luma.size, size):
        [light] = luma.resize((1, 1), Image.Resampling.BOX, box=box).tobytes()
        share = (light / 255 - dark) / (bright - dark)
        found.append(_DIM + (1 - _DIM) * min(1.0, max(0.0, share)))
    return found


def _has_bars_beside(picture: Size, size: Size) -> bool:
    """Left and right, not above and below."""
    return picture[0] * size[1] < picture[1] * size[0]


def _edges(picture: Size, size: Size) -> Iterator[Box]:
    """The parts of a picture beside its bars: left and right, or above and below."""
    width, height = picture
    for first, last in ((0.0, _EDGE), (1 - _EDGE, 1.0)):
        if _has_bars_beside(picture, size):
            yield width * first, 0.0, width * last, float(height)
        else:
            yield 0.0, height * first, float(width), height * last


def cells(size: Size, count: int, split: Split) -> list[Cell]:
    """The parts of a frame of even `size` that so many media share, with gaps between them."""
    # Equal ones that are nearly squares, if it can be; shorter rows first, since the wide ones lead.
    numbers = {"row": [1], "column": [count], "grid": range(1, count + 1)}[split]
    grids = [_in_rows(size, [(count + at) // rows for at in range(rows)]) for rows in numbers]
    fitting = [one for one in grids if min(min(cell.size) for cell in one) > 0]
    if not fitting:
        message = f"a frame of {size[0]} × {size[1]} pixels has no room for {count} media"
        raise MediaError(message, "give fewer, or a larger format")
    return min(fitting, key=_oddness)


def _in_rows(size: Size, rows: Sequence[int]) -> list[Cell]:
    gap = even(min(size) * _GAP)
    found = []
    lines = zip(rows, _parts(size[1], len(rows), gap), strict=True)
    for count, (top, height) in lines:
        columns = _parts(size[0], count, gap)
        found += [Cell(left, top, (width, height)) for left, width in columns]
    return found


def _parts(length: int, count: int, gap: int) -> Iterator[tuple[int, int]]:
    """Where each of the parts of an even length begins, and how long it is: all even."""
    ends = [round(at * (length + gap) / count / 2) * 2 for at in range(count + 1)]
    yield from ((begin, end - gap - begin) for begin, end in pairwise(ends))


def _oddness(grid: Sequence[Cell]) -> float:
    """How far the cells of a grid are from squares, on average, and from being equal."""
    stretch = sum(abs(math.log(one.size[0] / one.size[1])) for one in grid) / len(grid)
    widths = [one.size[0] for one in grid]
    return stretch + (_UNEQUAL if max(widths) - min(widths) > 2 else 0.0)


@lru_cache(maxsize=8)
def soft_seam(place: Placement) -> Image.Image:
    """Transparent at the sides where the ground is seen, opaque from a tenth of the short side on."""
    (width, height), soft = place.region, min(place.region) // 20
    beside, above = soft * (width < place.size[0]), soft * (height < place.size[1])
    mask = Image.new("L", place.region)
    mask.paste(255, (beside, above, width - beside, height - above))
    return mask.filter(ImageFilter.BoxBlur((beside, above)))


def bars(look: Look) -> str:
    """Colour beside a picture with `pad`: the main one of the brand, or black."""
    return look.colours[0] if look.colours else "#000000"
