"""Pictures from references: the content stays; colours, light and technique change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from rivya_sandbox.renderers import frame
from rivya_sandbox.renderers.collage import collage
from rivya_sandbox.renderers.colour import (
    from_oklab,
    gradient,
    grey,
    linear,
    mix,
    oklab,
    scale_colour,
    shift_colour,
    tint_field,
)
from rivya_sandbox.renderers.encode import encode_picture
from rivya_sandbox.renderers.field import (
    Field,
    blur,
    grid,
    length,
    seeded_generator,
    slopes,
    smooth,
)
from rivya_sandbox.renderers.finish import develop, rained_on, snowed_on
from rivya_sandbox.renderers.idea import Idea, imagine
from rivya_sandbox.renderers.looks import picture_of, with_look
from rivya_sandbox.renderers.mark import set_mark, set_watermark
from rivya_sandbox.renderers.references import crop_to, open_picture
from rivya_sandbox.renderers.request import Rendered, RenderRequest
from rivya_sandbox.renderers.titling import Where, set_title, titled_height
from rivya_sandbox.renderers.wording import drawn_prompt, watermark

_MOST_REFERENCES = 6  # more would be too small to be recognized


def render_restyled(request: RenderRequest) -> list[Rendered]:
    """The requested number of pictures from references.

    Raises:
        ValueError: A reference cannot be used.
    """
    pictures = [open_picture(one) for one in request.references[:_MOST_REFERENCES]]
    ratio = frame.asked_ratio(request) or frame.ratio_of(*pictures[0].size)
    size = frame.picture_size(request, ratio)
    kind = frame.picture_format(request)
    prompt, text = drawn_prompt(request), watermark(request)
    title = imagine(prompt, 0).title if len(pictures) > 1 else None
    base = join_pictures(pictures, size, titled_height(size, title) if title else 0.0)
    where: Where | None = "top" if title else None
    results = []
    for index in range(frame.picture_count(request)):
        picture = restyle(base, prompt, request.seed + index, where)
        if text:
            set_watermark(picture, text)
        results.append(encode_picture(picture, kind))
    return results


def restyle(
    picture: Image.Image, prompt: str, seed: int, where: Where | None = None
) -> Image.Image:
    """The RGB picture in the style of `prompt`; its content stays in place.

    Style words (watercolor, pencil, neon, noir, …), colours, weather and words that are
    asked for act; the seed moves the light. A title is placed at `where`, or where the picture
    is calmer.
    """
    idea = imagine(prompt, seed)
    if idea.names_colours:  # as asked for in every variant
        idea = replace(idea, palette=imagine(prompt, 0).palette)
    rng = seeded_generator("restyle", prompt, seed, picture.size)
    display = np.asarray(picture, np.float32) / np.float32(255)
    display = _grade(display, idea)
    light = _relit(linear(display), idea, rng)
    if "neon" in idea.looks:
        light = _neon_edges(light, display, idea)
    if "rain" in idea.looks:
        light = rained_on(light, rng)
    if "snow" in idea.looks:
        light = snowed_on(light, rng)
    result = picture_of(with_look(develop(light, rng), idea.looks, rng))
    if idea.title:
        set_title(result, idea.title, idea.palette, rng, where=where or _calmer_side(result))
    set_mark(result)
    return result


def _calmer_side(picture: Image.Image) -> Where:
    """The side where a title covers less detail, such as other letters."""
    tones = np.asarray(picture.convert("L").resize((256, 256)), np.float32)
    down, right = slopes(tones)
    busy = np.hypot(down, right)[:, 20:-20]
    return "top" if busy[18:64].mean() < busy[-64:-18].mean() * 0.9 else "low"


def join_pictures(
    pictures: list[Image.Image], size: tuple[int, int], above: float = 0.0
) -> Image.Image:
    """One picture fills the frame; several share the area below `above`."""
    return crop_to(pictures[0], size) if len(pictures) == 1 else collage(pictures, size, above)


def _grade(display: Field, idea: Idea) -> Field:
    """Colours drawn towards the idea's palette: strongly when the prompt names colours."""
    strength = 0.75 if "neon" in idea.looks else 0.45 if idea.names_colours else 0.18
    lab = oklab(np.clip(display, 0.001, 1))
    level = lab[..., 0]
    low, high = np.percentile(level[::8, ::8], [2, 98])
    spread = np.clip((level - low) / max(high - low, 0.05), 0, 1)
    target = oklab(gradient(idea.palette[:5], spread))
    graded = np.concatenate(
        [
            mix(lab[..., :1], target[..., :1], 0.35 * strength),
            mix(lab[..., 1:], target[..., 1:], strength),
        ],
        axis=-1,
    )
    return from_oklab(graded)


def _relit(light: Field, idea: Idea, rng: np.random.Generator) -> Field:
    """Light from one side, as the seed has it; less of it at night."""
    height, width = light.shape[:2]
    x, y = grid(width, height)
    at_x, at_y = 0.25 + 0.5 * rng.random(), 0.2 + 0.25 * rng.random()
    near = np.exp(-(((x - at_x) * width / height) ** 2 + (y - at_y) ** 2) / 0.30)
    night = "night" in idea.looks or "neon" in idea.looks
    base, gain = (0.42, 0.75) if night else (0.86, 0.38)
    warm = linear(shift_colour(idea.palette[4], 0.05))
    strength = tint_field(base + gain * near, mix(np.ones(3, np.float32), warm, 0.35))
    lighted: Field = light * strength
    return lighted


def _neon_edges(light: Field, display: Field, idea: Idea) -> Field:
    """Outlines that glow, in one colour from the left and another from the right."""
    height, width = light.shape[:2]
    steep = length(*slopes(blur(grey(display), max(1.0, width * 0.0012))))
    edge = smooth(0.018, 0.075, steep)
    tint = mix(linear(idea.palette[3]), linear(idea.palette[5]), grid(width, height)[0])
    lines = scale_colour(np.broadcast_to(tint, (*edge.shape, 3)), edge)
    short = min(width, height)
    halo: Field = blur(lines, short * 0.012) * 1.8 + blur(lines, short * 0.04) * 1.4
    glowing: Field = light * 0.75 + lines * 1.1 + np.clip(halo, 0, None)
    return glowing
