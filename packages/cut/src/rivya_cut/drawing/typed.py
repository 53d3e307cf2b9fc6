"""Texts that are written letter by letter: what of their letters is seen."""

from __future__ import annotations

import re

from PIL import Image, ImageChops

from rivya_cut.drawing.type import Setting, right_to_left
from rivya_cut.line_breaks import GLUE, graphemes, words_of

# Arabic and its like, and the scripts of India: letters of a word are joined.
_JOINED = re.compile("[\u0600-\u08ff\u0900-\u0dff\u1800-\u18af\ufb50-\ufdff\ufe70-\ufefc]")


def count_letters(text: str) -> int:
    """The characters of a text without its spaces."""
    return len(graphemes("".join(text.split())))


def steps_of(text: str) -> list[int]:
    """How many letters are seen after each step: one more, or a word more of a script that joins letters."""
    found: list[int] = []
    count = 0
    for word in words_of(text):
        letters = count_letters(word.removeprefix(GLUE))
        count += letters
        found += [count] if _JOINED.search(word) else range(count - letters + 1, count + 1)
    return found


def show_letters(letters: Setting, count: int | None) -> Image.Image:
    """The picture with its first letters only, the rest transparent; whole for None."""
    if count is None:
        return letters.image
    seen = Image.new("L", letters.image.size)
    for row, line in enumerate(letters.lines):
        inside = [at for at, one in enumerate(graphemes(line)) if one != " "]
        visible, count = inside[:count], max(0, count - len(inside))
        if visible:
            # Its outline at the side where it begins, and at the other once the line is whole.
            sides = [1.0, float(visible == inside)]
            before, after = reversed(sides) if right_to_left(line) else sides
            for box in letters.boxes(row, 0, visible[-1] + 1, before, after):
                seen.paste(255, box)
    image = letters.image.copy()
    image.putalpha(ImageChops.multiply(seen, image.getchannel("A")))
    return image
