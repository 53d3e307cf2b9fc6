"""What does not fit together in a cut, found before anything is decoded."""

from __future__ import annotations

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition, Layout


def check(work: Composition | Layout) -> None:
    """Pass a cut that makes sense.

    Raises:
        MediaError: A part is missing, has no effect, or contradicts another; says which.
    """
    if isinstance(work, Composition):
        _check_picture(work)
        _check_captions(work)
    for index, one in enumerate(work.overlays):
        if (one.image is None) == (one.text is None):
            message = f"overlays[{index}]: expected `image` or `text`, one of the two"
            raise MediaError(message, "write two overlays to show both")


def _check_picture(work: Composition) -> None:
    given = [f"`{key}`" for key in ("clips", "video", "images") if getattr(work, key)]
    if not given:
        raise MediaError(
            "there is no picture: none of `clips`, `video` and `images` has a medium",
            "give one of the three",
        )
    if len(given) > 1:
        message = f"expected one of `clips`, `video` and `images`, not {' and '.join(given)}"
        raise MediaError(message, "keep one of them")


def _check_captions(work: Composition) -> None:
    captions = work.captions
    if captions is not None and captions.text and captions.cues:
        raise MediaError("captions: expected `text`, `file` or `cues`, one of them", "remove one")
