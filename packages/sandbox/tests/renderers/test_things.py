"""Subjects that prompts name."""

from __future__ import annotations

import pytest

from rivya_sandbox.renderers.drawings import DRAWINGS
from rivya_sandbox.renderers.lettering import glyph_mask
from rivya_sandbox.renderers.things import GLYPH_OF_WORD, glyph_of, named_glyph


def test_every_synonym_has_a_glyph_that_is_drawn() -> None:
    missing = [
        word
        for word, glyph in GLYPH_OF_WORD.items()
        if glyph not in DRAWINGS and glyph_mask(glyph, 32).width == 1
    ]
    assert not missing


@pytest.mark.parametrize("words", [("lamp", "lamps"), ("watch", "watches"), ("rocket", "rockets")])
def test_a_plural_has_the_glyph_of_its_singular(words: tuple[str, str]) -> None:
    one, several = (glyph_of(word) or named_glyph(word) for word in words)
    assert one == several


def test_an_unknown_word_has_no_glyph() -> None:
    assert glyph_of("zyzzyva") is None
    assert named_glyph("zyzzyva") is None
