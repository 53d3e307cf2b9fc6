"""Where a picture goes in a frame of another shape, and how the camera moves over it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageFilter

from rivya_cut.composition import Look
from rivya_cut.terms import Motion, Reframe

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
_BRIGHT = (
    0.7,
    0.85,
)  # of white: edges of a picture whose copy keeps more of its light, and all of it

_NEARLY = 0.02  # a picture of nearly the shape of the frame gets no bars
_MAP = 64  # pixels of the small picture in which the focus is looked for
_STRONG = 96  # of 255: an edge that is stronger, as of letters, counts as this


def even(length: float) -> int:
    """Next even number: 4:2:0 keeps colour for every second pixel."""
    return max(2, round(length / 2) * 2)


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
    width, height = shape[0] * scale, shape[1] * scale
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


def edges_over(picture: Image.Image, size: Size) -> Image.Image:
    """A picture's two edges beside the bars, each stretched over half of a frame.

    What is further inside, such as a bright thing in the middle, would be a spot of light in the bars.
    """
    sides = picture.size[0] * size[1] < picture.size[1] * size[0]
    made = Image.new(picture.mode, size)
    for first, last, at in ((0.0, _EDGE, 0), (1 - _EDGE, 1.0, 1)):
        shares = (first, 0, last, 1) if sides else (0, first, 1, last)
        left, top, right, bottom = (a * b for a, b in zip(shares, picture.size * 2, strict=True))
        half = (-(-size[0] // 2), size[1]) if sides else (size[0], -(-size[1] // 2))
        part = picture.resize(half, Image.Resampling.BOX, box=(left, top, right, bottom))
        made.paste(part, (at * (size[0] - half[0]), at * (size[1] - half[1])))
    return made


@lru_cache(maxsize=8)
def soft_seam(place: Placement) -> Image.Image:
    """Transparent at the sides where the ground is seen, opaque from a tenth of the short side on."""
    (width, height), soft = place.region, min(place.region) // 20
    beside, above = soft * (width < place.size[0]), soft * (height < place.size[1])
    mask = Image.new("L", place.region)
    mask.paste(255, (beside, above, width - beside, height - above))
    return mask.filter(ImageFilter.BoxBlur((beside, above)))


def ground_light(luma: Image.Image) -> float:
    """How much of its light the blurred copy behind a picture keeps, 0.5 to 1.

    The copy sets off the picture by being darker. One on a white ground would be cut out of it, so a bright
    ground stays as bright.
    """
    small = luma.resize((8, 8), Image.Resampling.BOX).tobytes()
    edge = [value for at, value in enumerate(small) if at % 8 in (0, 7) or at // 8 in (0, 7)]
    dark, bright = _BRIGHT
    share = (sum(edge) / len(edge) / 255 - dark) / (bright - dark)
    return _DIM + (1 - _DIM) * min(1.0, max(0.0, share))


def bars(look: Look) -> str:
    """Colour beside a picture with `pad`: the main one of the brand, or black."""
    return look.colours[0] if look.colours else "#000000"
