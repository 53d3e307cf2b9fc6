"""Chooses the palette of a picture by the words of its prompt and its seed."""

from __future__ import annotations

from rivya_sandbox.renderers.colour import oklab, shift_colour, with_lightness
from rivya_sandbox.renderers.field import Field, seeded_generator
from rivya_sandbox.renderers.palettes import PALETTES, WORDS_OF_PALETTES

_NEON_TURNS = (0.0, 1.9, -0.75, 3.0)  # radians: pink and cyan, amber, violet, green


def palette_for(
    product: object, words: tuple[str, ...], looks: frozenset[str], seed: int, ground: Field | None
) -> tuple[Field, ...]:
    """Five display colours from dark to light, then two accents, for one variant of a prompt.

    Args:
        product: What the picture is of; equal ones get one palette where the prompt names none.
        words: Of the prompt, in lower case.
        looks: Keys of `vocabulary.LOOKS`.
        seed: Turns the colours a little.
        ground: Display colour that the prompt names for the background, or None.
    """
    if "noir" in looks:
        return PALETTES["mono"]
    scores = {
        name: sum(word in names for word in words) + 2 * (name in words)
        for name, names in WORDS_OF_PALETTES.items()
    }
    chance = seeded_generator("palette", product)
    rest = [name for name in PALETTES if name not in ("mono", "neon")]
    best = max(scores, key=lambda name: scores[name])
    name = "neon" if "neon" in looks else best if scores[best] else rest[chance.integers(len(rest))]
    turn = float(seeded_generator("hue", product, seed).normal(0, 0.06))
    if "neon" in looks:
        turn += _NEON_TURNS[chance.integers(len(_NEON_TURNS))]
    turned = tuple(shift_colour(colour, hue=turn) for colour in PALETTES[name])
    return turned if ground is None else _on_ground(turned, ground)


def _on_ground(palette: tuple[Field, ...], ground: Field) -> tuple[Field, ...]:
    """The palette with its middle steps close to the background that the prompt names."""
    light = float(oklab(ground)[0])
    step = 0.05 if light > 0.5 else 0.04
    return (
        with_lightness(ground, 0.20, 0.6),
        *(shift_colour(ground, step * index) for index in (-1, 0, 1)),
        with_lightness(ground, 0.97, 0.4),
        *palette[5:],
    )
