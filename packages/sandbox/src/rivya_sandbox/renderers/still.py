"""Stills from a prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.arrangement import below_title, middle, title_beside
from rivya_sandbox.renderers.comic_strip import as_strip
from rivya_sandbox.renderers.composition import place_subject
from rivya_sandbox.renderers.drapery import silk
from rivya_sandbox.renderers.encode import encode_picture
from rivya_sandbox.renderers.field import seeded_generator
from rivya_sandbox.renderers.finish import develop, rained_on, snowed_on
from rivya_sandbox.renderers.idea import Idea, imagine
from rivya_sandbox.renderers.inflated import inflate
from rivya_sandbox.renderers.light import Solid
from rivya_sandbox.renderers.looks import picture_of, with_look
from rivya_sandbox.renderers.mark import set_mark, set_watermark
from rivya_sandbox.renderers.neon import neon_room
from rivya_sandbox.renderers.outdoors import under_blossoms
from rivya_sandbox.renderers.poster import poster
from rivya_sandbox.renderers.profiles import PROFILES
from rivya_sandbox.renderers.request import Rendered, RenderRequest
from rivya_sandbox.renderers.sculpture import sculpture
from rivya_sandbox.renderers.studio import Stage, soft_gradient, wall_and_floor
from rivya_sandbox.renderers.surroundings import print_place, table, view
from rivya_sandbox.renderers.titling import Where, set_title
from rivya_sandbox.renderers.turned import turn_profile
from rivya_sandbox.renderers.vocabulary import INDOORS
from rivya_sandbox.renderers.wording import drawn_prompt, watermark

Builder = Callable[[int, int, Idea, np.random.Generator], Stage]

_STAGES: dict[str, Builder] = {
    "studio": wall_and_floor,
    "table": table,
    "gradient": soft_gradient,
    "poster": poster,
    "print": print_place,
    "neon": neon_room,
    "silk": silk,
    "view": view,
}


def render_stills(request: RenderRequest) -> list[Rendered]:
    """The requested number of pictures, without references."""
    size = frame.picture_size(request, frame.asked_ratio(request) or Fraction(1))
    kind = frame.picture_format(request)
    prompt, text = drawn_prompt(request), watermark(request)
    results = []
    for index in range(frame.picture_count(request)):
        picture = draw(prompt, request.seed + index, size)
        if text:
            set_watermark(picture, text)
        results.append(encode_picture(picture, kind))
    return results


def draw(prompt: str, seed: int, size: tuple[int, int], *, marked: bool = True) -> Image.Image:
    """An RGB picture of `size` pixels (width, height) that shows what `prompt` names.

    Equal arguments give an equal picture on one machine; on another processor the last bit of
    a colour may differ.
    """
    idea = imagine(prompt, seed)
    rng = seeded_generator("still", prompt, seed)
    picture = (
        as_strip(idea, size, rng, _draw_idea) if idea.in_panels else _draw_idea(idea, size, rng)
    )
    if idea.title:
        neon = idea.palette[3] if idea.layout == "neon" else None
        where: Where = "left" if title_beside(idea, size) else "top"
        set_title(picture, idea.title, idea.palette, rng, where=where, glow=neon)
    if marked:
        set_mark(picture)
    return picture


def _draw_idea(idea: Idea, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """The picture of an idea in its look, without letters."""
    stage = build_stage(idea, size, rng)
    outdoors = idea.layout in ("table", "view", "print", "neon") and stage.place not in INDOORS
    if "snow" in idea.looks and outdoors:  # behind the subject, whose label stays legible
        stage = replace(stage, light=snowed_on(stage.light, rng))
    flower = idea.subject == ("glyph", "🌸")
    if "blossom" in idea.looks and not flower and stage.place not in INDOORS - {"studio"}:
        stage = replace(stage, light=under_blossoms(stage.light, idea, rng))
    light = stage.light
    if idea.layout not in ("view", "print") or idea.subject is not None:
        thing = _thing(idea, stage, size, rng)
        tint = idea.palette[3] if idea.layout in ("table", "neon", "view") else None
        flat = idea.layout in ("poster", "print")
        titled = idea.title is not None and not title_beside(idea, size)
        centre = middle(idea, size), (below_title(idea, size) + 0.96) / 2 if titled else 0.535
        light = place_subject(stage, thing, centre, ambient=tint, flat=flat)
    if "rain" in idea.looks and outdoors:
        light = rained_on(light, rng)
    display = develop(light, rng, flat=idea.layout in ("poster", "print"))
    return picture_of(with_look(display, idea.looks, rng))


def build_stage(idea: Idea, size: tuple[int, int], rng: np.random.Generator) -> Stage:
    """What is behind and under the subject of an idea."""
    return _STAGES[idea.layout](*size, idea, rng)


def _thing(idea: Idea, stage: Stage, size: tuple[int, int], rng: np.random.Generator) -> Solid:
    """The subject, as large as the format and the title allow."""
    width, height = size
    above = below_title(idea, size)
    # Around a subject on silk some cloth must show.
    room = (stage.ground or (0.80 if idea.layout == "silk" else 0.88)) - above
    spread = 0.90 + 0.10 * rng.random()
    if "margins" in idea.words:  # wide ones, so that 9:16 or 1:1 can be cut from the picture
        spread *= 0.66 if width > height else 0.80
    beside = title_beside(idea, size)
    length = min(height * room * 0.93, width * (0.44 if beside else 0.88)) * spread
    if idea.subject is None:
        return sculpture(int(length * 0.9), idea, rng)
    kind, name = idea.subject
    if kind == "turned":
        # Low objects may be larger than true to scale beside a bottle.
        profile = PROFILES[name]
        flame = 1.3 if name == "candle" else 1.0
        tall = height * room * 0.93 / max(profile.scale * flame, 0.74)
        widest = 2 * max(radius for _, radius in profile.outline) * profile.scale
        handle = 1.3 if name == "cup" else 1.0
        across = width * (0.36 if beside else 0.60) / (widest * handle)
        return turn_profile(name, min(tall, across) * spread, idea, rng)
    lean = {"poster": 12.0, "gradient": 14.0}.get(idea.layout, 4.0)
    share = width * (0.42 if beside else 0.80)
    fits = min(share, height * room * 1.25) * spread, height * room * 0.90 * spread
    glyph = inflate(name, fits, float(rng.uniform(-lean, lean)), idea, rng)
    return glyph or sculpture(int(length * 0.9), idea, rng)
