"""Draws a still in each format, with its overlays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from PIL import Image, ImageChops, ImageFilter

from rivya_flows.media.drawing.layers import overlay_layers
from rivya_flows.media.edit import Layout
from rivya_flows.media.probe import on_ground, upright
from rivya_flows.media.rendered import sizes_of
from rivya_flows.media.rendering.reframe import (
    GROUND_BLUR,
    GROUND_SCALE,
    Placement,
    Size,
    bars,
    edges_over,
    focus_of,
    ground_light,
    placement,
    soft_seam,
    window,
)


def laid_out(layout: Layout, tell: Callable[[str], None]) -> Iterator[tuple[str, Image.Image]]:
    """File name and picture of each format; `tell` is told what lies on an overlay for want of room.

    An image keeps its transparency, unless there are bars beside it.

    Raises:
        MediaError: The image is not one, too large, or broken.
    """
    image = upright(layout.image)
    for name, size in sizes_of(layout, lambda: image.size, ".png").items():
        drawn = _reframed(image, size, layout).convert("RGBA")
        layers = dict(overlay_layers(layout.overlays, size, layout.look, lambda *_: True))
        for index, layer in sorted(layers.items()):
            if not layer.clear:
                tell(f"overlays[{index}] lies on another in {name}: there is no room for both")
            drawn.alpha_composite(layer.image, (layer.x, layer.y))
        yield name, drawn if image.mode == "RGBA" else drawn.convert("RGB")


def _reframed(image: Image.Image, size: Size, layout: Layout) -> Image.Image:
    if size == image.size:
        return image
    place = placement(image.size, size, layout.reframe, "none")
    focus = focus_of(on_ground(image, "white"), place.region)
    box = window(image.size, place.region, focus)
    inner = image.resize(place.region, Image.Resampling.LANCZOS, box=box)
    if place.region == size:
        return inner
    ground = _ground(image, place, layout)
    cover = inner.getchannel("A") if inner.mode == "RGBA" else Image.new("L", inner.size, 255)
    if layout.reframe == "blur":
        cover = ImageChops.multiply(cover, soft_seam(place))
    ground.paste(inner, place.corner, cover)
    return ground


def _ground(image: Image.Image, place: Placement, layout: Layout) -> Image.Image:
    if layout.reframe == "pad":
        return Image.new("RGB", place.size, bars(layout.look))
    tiny = (place.size[0] // GROUND_SCALE, place.size[1] // GROUND_SCALE)
    opaque = on_ground(image, "white")
    light = ground_light(opaque.convert("L"))
    small = edges_over(opaque, tiny).filter(ImageFilter.GaussianBlur(GROUND_BLUR))
    small = small.point([round(value * light) for value in range(256)] * 3)
    return small.resize(place.size, Image.Resampling.BICUBIC)
