"""Chooses the palette of a picture by the words of its prompt and its seed."""

from __future__ import annotations

import numpy as np

from rivya_sandbox.renderers.colour import oklab, shifted, with_lightness
from rivya_sandbox.renderers.field import Field, seeded
from rivya_sandbox.renderers.palettes import PALETTES, WORDS_OF_PALETTES
from rivya_sandbox.renderers.things import TURNED_OF_WORD, glyph_of

_NEAR, _ALIKE = 0.45, 0.25  # of `_apart`
_NEON_TURNS = (0.0, 1.9, -0.75, 3.0)  # radians: pink and cyan, amber, violet, green


def palette_for(
    prompt: str, words: tuple[str, ...], looks: frozenset[str], seed: int, ground: Field | None
) -> tuple[Field, ...]:
    """Five display colours from dark to light, then two accents, for one variant of a prompt.

    Args:
        prompt: Of the request.
        words: Of the prompt, in lower case.
        looks: Keys of `vocabulary.LOOKS`.
        seed: Neighbouring seeds get different palettes.
        ground: Display colour that the prompt names for the background, or None.
    """
    if "noir" in looks:
        return PALETTES["mono"]
    # A palette named in the prompt comes first.
    scores = {
        name: sum(word in names for word in words) + 2 * (name in words)
        for name, names in WORDS_OF_PALETTES.items()
    }
    fitting = sorted((name for name in scores if scores[name]), key=lambda name: -scores[name])[:4]
    others = [name for name in PALETTES if name not in fitting and name not in ("mono", "neon")]
    seeded("palettes", prompt).shuffle(others)
    if fitting and _names_a_mood(words):
        # Variants stay near the request.
        others = _related(fitting[0], others + fitting[1:])
        del fitting[1:]
    pool = (
        ["neon"]
        if "neon" in looks
        else fitting
        if len(fitting) > 3
        else [*fitting, *others[: 4 - len(fitting)]]
    )
    # Layouts repeat after four seeds; palettes are then shifted by one.
    chosen = PALETTES[pool[(seed + seed // 4) % len(pool)]]
    turn = float(seeded("hue", prompt, seed).normal(0, 0.06))
    if "neon" in looks:
        turn += _NEON_TURNS[seed % len(_NEON_TURNS)]
    turned = tuple(shifted(colour, hue=turn) for colour in chosen)
    return turned if ground is None else _on_ground(turned, ground)


def _names_a_mood(words: tuple[str, ...]) -> bool:
    """Whether a word names a palette and not a thing: "pastel", not "coffee"."""
    return any(
        word in moods and word not in TURNED_OF_WORD and not glyph_of(word)
        for word in words
        for moods in WORDS_OF_PALETTES.values()
    )


def _related(name: str, others: list[str]) -> list[str]:
    """`others` with the palettes nearest to `name` first, without two that are similar."""
    wanted = PALETTES[name]
    others = sorted(others, key=lambda other: _apart(PALETTES[other], wanted))
    far = max(_NEAR, 1.5 * _apart(PALETTES[others[0]], wanted))
    chosen: list[str] = []
    for other in others:
        alike = any(_apart(PALETTES[other], PALETTES[one]) < _ALIKE for one in chosen)
        if _apart(PALETTES[other], wanted) <= far and not alike:
            chosen.append(other)
    return chosen + [other for other in others if other not in chosen]


def _apart(first: tuple[Field, ...], second: tuple[Field, ...]) -> float:
    """The distance between the middle colours of two palettes."""
    pairs = zip(first[1:4], second[1:4], strict=True)
    return sum(float(np.abs(oklab(one) - oklab(other)).sum()) for one, other in pairs)


def _on_ground(palette: tuple[Field, ...], ground: Field) -> tuple[Field, ...]:
    """The palette with its middle steps close to the background that the prompt names."""
    light = float(oklab(ground)[0])
    step = 0.05 if light > 0.5 else 0.04
    return (
        with_lightness(ground, 0.20, 0.6),
        *(shifted(ground, step * index) for index in (-1, 0, 1)),
        with_lightness(ground, 0.97, 0.4),
        *palette[5:],
    )
