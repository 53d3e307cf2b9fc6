"""Own line drawings, for objects that the emoji font draws in an outdated form."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageDraw

_FINE = 3  # drawn larger and scaled down, for smooth edges


def _smartphone(size: int) -> Image.Image:
    """The back of a telephone: a slab with three lenses and a lamp on an island."""
    canvas = _Canvas(size, 0.50)
    canvas.fill(0.94, 0.26, 1.0, 0.40)  # a key
    canvas.box(0.0, 0.0, 0.97, 1.0, 0.19)
    canvas.box(0.08, 0.04, 0.80, 0.40, 0.17)
    for x, y in ((0.29, 0.135), (0.29, 0.305), (0.59, 0.22)):
        canvas.disc(x, y, 0.10)
    canvas.disc(0.60, 0.335, 0.03)
    return canvas.to_mask()


def _screen(size: int) -> Image.Image:
    """The front of a telephone with an app: a card, a chart and a row of buttons."""
    canvas = _Canvas(size, 0.52)
    canvas.box(0.0, 0.0, 1.0, 1.0, 0.17)
    canvas.box(0.075, 0.04, 0.925, 0.96, 0.11)
    canvas.box(0.17, 0.14, 0.83, 0.36, 0.07)
    for at, top in enumerate((0.60, 0.53, 0.56, 0.46)):
        left = 0.19 + 0.165 * at
        canvas.box(left, top, left + 0.115, 0.70, 0.03)
    canvas.box(0.17, 0.78, 0.83, 0.88, 0.10)
    return canvas.to_mask()


def _packet(size: int) -> Image.Image:
    """A pouch that stands, with a sealed top and a label."""
    canvas = _Canvas(size, 0.68)
    canvas.shape([(0.03, 0.0), (0.97, 0.0), (0.97, 0.11), (0.93, 0.16), (0.96, 0.5), (1.0, 0.96),
                  (0.94, 1.0), (0.06, 1.0), (0.0, 0.96), (0.04, 0.5), (0.07, 0.16), (0.03, 0.11)])  # fmt: skip
    canvas.stroke([(0.03, 0.105), (0.97, 0.105)])
    canvas.box(0.21, 0.34, 0.79, 0.76, 0.04)
    canvas.stroke([(0.34, 0.48), (0.66, 0.48)])
    canvas.stroke([(0.40, 0.60), (0.60, 0.60)])
    return canvas.to_mask()


class _Canvas:
    """A mask drawn in shares of its width and height, in the stroke of the emoji font."""

    def __init__(self, size: int, ratio: float) -> None:
        self._tall, self._wide = size * _FINE, int(size * _FINE * ratio)
        self._mask = Image.new("L", (self._wide, self._tall), 0)
        self._draw = ImageDraw.Draw(self._mask)
        self._line = int(self._tall * 0.028)

    def box(self, x0: float, y0: float, x1: float, y1: float, round_by: float) -> None:
        """A rounded rectangle, empty inside."""
        ends = [(x0 * self._wide, y0 * self._tall), (x1 * self._wide - 1, y1 * self._tall - 1)]
        radius = round_by * self._wide
        self._draw.rounded_rectangle(ends, radius, fill=0, outline=255, width=self._line)

    def fill(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """A solid rectangle."""
        ends = (x0 * self._wide, y0 * self._tall, x1 * self._wide, y1 * self._tall)
        self._draw.rectangle(ends, fill=255)

    def disc(self, x: float, y: float, radius: float) -> None:
        """A solid circle; the radius is a share of the width."""
        reach = radius * self._wide
        middle = x * self._wide, y * self._tall
        ends = [(middle[0] - reach, middle[1] - reach), (middle[0] + reach, middle[1] + reach)]
        self._draw.ellipse(ends, fill=255)

    def shape(self, points: list[tuple[float, float]]) -> None:
        """A closed outline."""
        self.stroke([*points, points[0]])

    def stroke(self, points: list[tuple[float, float]]) -> None:
        """A line with round corners, inside the mask."""
        edge = self._line / 2
        placed = [
            (
                min(max(x * self._wide, edge), self._wide - edge - 1),
                min(max(y * self._tall, edge), self._tall - edge - 1),
            )
            for x, y in points
        ]
        self._draw.line(placed, fill=255, width=self._line, joint="curve")

    def to_mask(self) -> Image.Image:
        """The mask at its size."""
        size = (self._wide // _FINE, self._tall // _FINE)
        return self._mask.resize(size, Image.Resampling.BOX)


SCREEN, PACKET = "\ue000", "\ue001"
"""Things that no emoji shows."""

# A mask of a given height in pixels for each character that is not drawn as in the font.
DRAWINGS: dict[str, Callable[[int], Image.Image]] = {
    "📱": _smartphone,
    SCREEN: _screen,
    PACKET: _packet,
}
