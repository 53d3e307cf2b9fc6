"""Stills from a prompt."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
from PIL import Image

from rivya_flows.sandbox.renderers import frame
from rivya_flows.sandbox.renderers.composition import placed
from rivya_flows.sandbox.renderers.encode import encode_picture
from rivya_flows.sandbox.renderers.field import seeded
from rivya_flows.sandbox.renderers.finish import developed, rained_on, snowed_on
from rivya_flows.sandbox.renderers.idea import Idea, imagine
from rivya_flows.sandbox.renderers.inflated import inflated
from rivya_flows.sandbox.renderers.light import Solid
from rivya_flows.sandbox.renderers.looks import picture_of, with_look
from rivya_flows.sandbox.renderers.order import Order, Rendered
from rivya_flows.sandbox.renderers.poster import poster
from rivya_flows.sandbox.renderers.profiles import PROFILES
from rivya_flows.sandbox.renderers.sculpture import sculpture
from rivya_flows.sandbox.renderers.studio import Stage, neon_room, soft_gradient, wall_and_floor
from rivya_flows.sandbox.renderers.surroundings import table, view
from rivya_flows.sandbox.renderers.titling import set_mark, set_title, titled_height
from rivya_flows.sandbox.renderers.turned import turned

Builder = Callable[[int, int, Idea, np.random.Generator], Stage]

_STAGES: dict[str, Builder] = {
    "studio": wall_and_floor,
    "table": table,
    "gradient": soft_gradient,
    "poster": poster,
    "neon": neon_room,
    "view": view,
}


def render_stills(order: Order) -> list[Rendered]:
    """The pictures of an order without references, as many as it asks for."""
    size = frame.picture_size(order, frame.asked_ratio(order) or Fraction(1))
    kind = frame.picture_format(order)
    return [
        encode_picture(draw(order.prompt, order.seed + index, size), kind)
        for index in range(frame.picture_count(order))
    ]


def draw(prompt: str, seed: int, size: tuple[int, int], *, marked: bool = True) -> Image.Image:
    """An RGB picture of `size` pixels (width, height) that shows what `prompt` names.

    Equal arguments give an equal picture on one machine; on another processor the last bit of
    a colour may differ.
    """
    idea = imagine(prompt, seed)
    rng = seeded("still", prompt, seed, size)
    stage = _STAGES[idea.layout](*size, idea, rng)
    light = stage.light
    if idea.layout != "view" or idea.subject is not None:
        thing = _thing(idea, stage, size, rng)
        tint = idea.palette[3] if idea.layout in ("table", "neon", "view") else None
        flat = idea.layout == "poster"
        light = placed(stage, thing, _centre(idea, size, rng), ambient=tint, flat=flat)
    if "rain" in idea.looks:
        light = rained_on(light, rng)
    if "snow" in idea.looks and idea.layout in ("table", "view"):
        light = snowed_on(light, rng)
    display = developed(light, rng, flat=idea.layout == "poster")
    picture = picture_of(with_look(display, idea.looks, rng))
    if idea.title:
        neon = idea.palette[3] if idea.layout == "neon" else None
        set_title(picture, idea.title, idea.palette, rng, glow=neon)
    if marked:
        set_mark(picture)
    return picture


def _thing(idea: Idea, stage: Stage, size: tuple[int, int], rng: np.random.Generator) -> Solid:
    """What the picture is about, as large as the format and the title above it allow."""
    width, height = size
    room = (stage.ground or 0.88) - (titled_height(size) if idea.title else 0.10)
    length = min(height * room * 0.93, width * 0.88) * (0.95 + 0.05 * rng.random())
    if idea.subject is None:
        return sculpture(int(length * 0.9), idea, rng)
    kind, name = idea.subject
    if kind == "turned":
        return turned(name, length / max(1.0, PROFILES[name].scale), idea, rng)
    lean = {"poster": 12.0, "gradient": 14.0}.get(idea.layout, 4.0)
    glyph = inflated(name, int(length), float(rng.uniform(-lean, lean)), idea, rng)
    return glyph or sculpture(int(length * 0.9), idea, rng)


def _centre(idea: Idea, size: tuple[int, int], rng: np.random.Generator) -> float:
    if idea.layout != "table" or size[0] <= size[1]:
        return 0.5
    return 0.5 + 0.12 * (rng.random() - 0.5)
