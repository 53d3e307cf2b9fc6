"""The files of a rendering have names and sizes that follow from the cut."""

from __future__ import annotations

from rivya_cut.composition import Composition
from rivya_cut.results import sizes_of


def not_asked() -> tuple[int, int]:
    raise AssertionError("not asked")


def test_formats_are_shrunk_to_even_sizes_and_else_have_their_own() -> None:
    work = Composition(formats=("9:16", "4:5"))
    assert sizes_of(work, not_asked) == {"9x16.mp4": (1080, 1920), "4x5.mp4": (1080, 1350)}
    small = work.model_copy(update={"shrink": 4})
    assert sizes_of(small, not_asked) == {"9x16.mp4": (270, 480), "4x5.mp4": (270, 338)}
    assert sizes_of(small.model_copy(update={"formats": ()}), lambda: (64, 64)) == {
        "film.mp4": (64, 64)
    }
