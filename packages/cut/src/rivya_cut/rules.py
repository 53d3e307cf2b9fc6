"""What does not fit together in a cut, found before anything is decoded."""

from __future__ import annotations

from importlib.util import find_spec

from rivya_client.errors import MediaError
from rivya_cut.composition import Composition, Layout
from rivya_cut.sources import named_overlays


def check(work: Composition | Layout) -> None:
    """Pass a cut that makes sense.

    Raises:
        MediaError: A part is missing, has no effect, or contradicts another; says which.
    """
    if isinstance(work, Composition):
        _check_picture(work)
        _check_captions(work)
        _check_extras(work)
    for name, one in named_overlays(work).items():
        if (one.media is None) == (one.text is None):
            message = f"{name}: expected `media` or `text`, one of the two"
            raise MediaError(message, "write two overlays to show both")


def _check_picture(work: Composition) -> None:
    if not work.clips:
        raise MediaError("there is no picture: `clips` has no medium", "give one")
    speaks = any(one.role == "speech" for one in work.sounds.values())
    speaks = speaks or any(clip.speaks or clip.narration for clip in work.clips)
    if work.length == "speech" and not speaks:
        raise MediaError("length: there is no speech", "give a `narration`")


def _check_captions(work: Composition) -> None:
    of_clips = {f"clips[{at}].captions": one.captions for at, one in enumerate(work.clips)}
    for name, captions in {"captions": work.captions, **of_clips}.items():
        if captions is not None and captions.text and captions.cues:
            raise MediaError(
                f"{name}: expected `text`, `file` or `cues`, one of them", "remove one"
            )


def _check_extras(work: Composition) -> None:
    if work.posters > 1 and "poster" not in work.extras:
        message = "posters: there is no `poster` among the `extras`"
        raise MediaError(message, "add it, or remove `posters`")
    if "otio" in work.extras and find_spec("opentimelineio") is None:
        raise MediaError(
            "extras: `otio` needs OpenTimelineIO, which is not installed",
            "install its extra `otio`",
        )
