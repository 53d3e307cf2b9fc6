"""Lays out stills: an image with pictures and text over it, once for each format."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageChops, ImageFilter

from rivya_cut.composition import Layout
from rivya_cut.drawing.layers import overlay_layers
from rivya_cut.metadata import collect_tags, lost_metadata, png_info
from rivya_cut.reading import on_ground, probe, upright
from rivya_cut.rendering.overlays import no_room
from rivya_cut.rendering.reframe import (
    GROUND_BLUR,
    GROUND_SCALE,
    Placement,
    Size,
    bars,
    edges_over,
    focus_of,
    ground_lights,
    placement,
    soft_seam,
    window,
)
from rivya_cut.results import Rendered, targets_of
from rivya_cut.rules import check
from rivya_cut.sources import check_images, drawn_texts, losses, own_folder, sources_of


def lay_out(layout: Layout, folder: Path) -> Rendered:
    """Draw a still once for each format, as PNG, with its overlays; as `render`.

    An image keeps its transparency, unless there are bars beside it.
    """
    check(layout)
    with own_folder(folder) as work:
        check_images(layout)
        media, crowded = {}, []
        sources = sources_of(layout)
        image = upright(layout.image)
        info = png_info(collect_tags(sources))
        for one in targets_of(layout.formats, lambda: image.size, layout.shrink, suffix=".png"):
            name, size = one.name, one.size
            drawn = _reframe(image, size, layout).convert("RGBA")
            layers = dict(overlay_layers(layout.overlays, size, layout.look, lambda *_: True))
            for index, layer in sorted(layers.items()):
                if not layer.clear:
                    crowded.append(no_room(f"overlays[{index}]", name))
                drawn.alpha_composite(layer.image, (layer.x, layer.y))
            drawn = drawn if image.mode == "RGBA" else drawn.convert("RGB")
            drawn.save(work / name, "png", compress_level=1, pnginfo=info)
            media[name] = probe(work / name)
        made = [work / name for name in media]
        lost = losses(drawn_texts(layout), layout.look.font, crowded, lost_metadata(sources, made))
        for path in made:
            path.replace(folder / path.name)
    return Rendered(media, lost=lost)


def _reframe(image: Image.Image, size: Size, layout: Layout) -> Image.Image:
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
    lights = ground_lights(opaque.convert("L"), tiny)
    small = edges_over(opaque, tiny, lights).filter(ImageFilter.GaussianBlur(GROUND_BLUR))
    return small.resize(place.size, Image.Resampling.BICUBIC)
