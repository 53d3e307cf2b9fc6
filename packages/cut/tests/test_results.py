"""The files of a rendering have names and sizes that follow from the cut."""

from __future__ import annotations

from rivya_cut.results import Target, film_names, targets_of


def not_asked() -> tuple[int, int]:
    raise AssertionError("not asked")


def test_formats_and_platforms_are_shrunk_to_even_sizes_and_else_a_film_has_its_own() -> None:
    made = targets_of(("9:16", "4:5"), not_asked, platforms=("tiktok",))
    assert made == (
        Target("9x16.mp4", (1080, 1920)),
        Target("4x5.mp4", (1080, 1350)),
        Target("tiktok.mp4", (1080, 1920), "tiktok"),
    )
    assert film_names(("9:16", "4:5"), platforms=("tiktok",)) == tuple(one.name for one in made)
    [small] = targets_of((), not_asked, 4, ("linkedin",))
    assert small == Target("linkedin.mp4", (270, 338), "linkedin")
    assert targets_of((), lambda: (64, 64)) == (Target("film.mp4", (64, 64)),)
