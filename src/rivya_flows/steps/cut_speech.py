"""Who speaks in a film, and whether it is known what is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rivya_flows.language.cut_places import Values, each_of
from rivya_flows.language.expressions.output_types import Shape, Unknown
from rivya_flows.language.final_cut import SPEECH, known_cues


class Speech(NamedTuple):
    """Whether somebody speaks in a clip or a film, and whether it is known what is said."""

    speaks: bool = False
    has_text: bool = False


def speech_in(given: Values) -> Speech:
    """Whether the clips or the sounds of a film speak, and whether the text is known before its own captions."""
    found = [*map(clip_speech, each_of(given.get("clips")))]
    leads = any(map(is_speech, sounds_in(given)))
    return Speech(leads or any(one.speaks for one in found), any(one.has_text for one in found))


def sounds_in(given: Values) -> list[Any]:
    """The sounds of the whole film, of which an unknown list is one."""
    music = given.get("music")
    # Music repeats, unless it says that it does not.
    music = {"repeat": True, **music} if isinstance(music, Mapping) and "role" in music else None
    found = [given.get("narration"), music, *each_of(given.get("audio"))]
    return [one for one in found if one is not None]


def is_speech(sound: Any) -> bool:
    """Whether a sound is speech, or may be."""
    role = sound.get("role") if isinstance(sound, Mapping) else None
    return role in (None, "speech") or isinstance(role, Unknown)


def clip_speech(clip: Any) -> Speech:
    """The speech of a clip, or of a medium."""
    if isinstance(clip, Unknown):
        return speech_of_shape(clip.shape)
    if not isinstance(clip, Mapping):
        return Speech()
    if (cues := known_cues(clip)) is not None:
        return Speech(True, bool(cues))
    narrated, captioned = (clip.get(key) is not None for key in ("narration", "captions"))
    if clip.get("speaks") is False:
        return Speech(narrated, captioned)
    media = [*map(clip_speech, each_of(clip.get("media")))]
    return Speech(
        narrated or bool(clip.get("speaks")) or any(one.speaks for one in media),
        captioned or bool(clip.get("cues")) or any(one.has_text for one in media),
    )


def speech_of_shape(shape: Shape) -> Speech:
    """The speech of a clip, or of the clips of a list, of this shape."""
    if shape.kind == "list":
        return Speech(True, True) if shape.member is None else speech_of_shape(shape.member)
    fields = shape.fields or {}
    if shape.kind == "any" or (shape.kind == "map" and shape.fields is None):
        return Speech(True, True)
    if shape.kind == "map":
        known = speech_of_shape(fields["media"]) if "media" in fields else Speech()
        speaks = bool({"speaks", "narration"} & fields.keys()) or known.speaks
        return Speech(speaks, "captions" in fields or known.has_text)
    made = fields.get(SPEECH)
    return Speech() if made is None else Speech(True, "cues" in (made.fields or {}))
