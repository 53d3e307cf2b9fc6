"""What does not fit together in the arguments of `compose` and `layout`, literal, computed or evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from rivya_cut.composition import MAX_TRANSITION, is_medium_map
from rivya_cut.terms import STILL_SECONDS, TransitionKind
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import (
    Kind as ShapeKind,
    Shape,
    Unknown,
    has_unknown,
)
from rivya_flows.language.expressions.values import as_text, is_number
from rivya_flows.language.field_types import is_later, keys_of
from rivya_flows.language.final_cut import (
    CUT_PARTS,
    MEDIA_KINDS,
    SPEECH,
    is_medium,
    known_cues,
    media_in,
)
from rivya_flows.language.syntax.media_references import kind_of
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.steps.arguments import any_of, place_name, word_problems, wrong_shape

_FILE: tuple[ShapeKind, ...] = ("asset", "text")
_FITS: Mapping[str, tuple[ShapeKind, ...]] = {
    "clips": ("asset", "text", "map", "list"),
    "overlays": ("map",),
    "formats": ("text",),
    "extras": ("text",),
    **dict.fromkeys(("media", "image", "audio"), _FILE),
    **dict.fromkeys(("width", "level"), ("number",)),
    **dict.fromkeys(("seconds", "start"), ("number", "text")),
    **dict.fromkeys(("kind", "motion", "position", "style", "language"), ("text",)),
    **dict.fromkeys(("text", "title", "line"), TEXTS),
    **dict.fromkeys(("duck", "speaks"), ("boolean",)),
}
"""The kinds that a computed value takes, by its key, or by the list that it is in."""

_LISTS = {
    "clips": "write .assets of a step with several items",
    "overlays": 'write [{text: "…"}], with one text in each map',
    "formats": "write a list such as ['9:16', '1:1']",
    "extras": "write a list such as [poster, srt]",
}
"""How each list is written whose members may be computed together."""

Values = Mapping[str, Any]

CARD_KEYS = ("title", "line", "image")
"""What an end card shows."""


def cut_problems(uses: str, arguments: Values) -> Iterator[Diagnostic]:
    """What is wrong with the arguments of a `compose` or `layout`, taken together; what is not known is right."""
    given = {key: value for key, value in arguments.items() if value is not None}
    for key in ("clips", "formats"):
        if given.get(key) in ([], ()):
            yield _missing((key,), f"{key!r} is empty", "add an item, or remove it")
    for key in ("formats", "extras"):
        members = _members(given.get(key))
        for index, one in enumerate(members):
            if isinstance(one, str) and one in members[:index]:
                yield _wrong((key, index), f"{preview(one)} is there twice", "remove it")
    yield from _overlays(uses, given)
    if uses == "compose":
        yield from _empty_media(given)
        yield from _pictures(given)
        yield from _captions(given)
        yield from start_problems(given)
        for index, clip in _maps(given.get("clips")):
            medium, start = clip.get("media"), clip.get("start")
            kind = medium.shape.media if isinstance(medium, Unknown) else medium_kind(medium)
            if kind == "image" and is_number(start) and start > 0:
                hint = "remove it; `seconds` is how long it is shown"
                yield _needless(
                    ("clips", index, "start"), "'start' has no effect on an image", hint
                )
            if kind == "image" and clip.get("speaks") is True:
                hint = "remove it, and write `narration:` for a voice over the image"
                yield _needless(("clips", index, "speaks"), "an image does not speak", hint)


def _pictures(given: Values) -> Iterator[Diagnostic]:
    if "clips" not in given:
        hint = 'write `clips: "${{ steps.NAME.asset }}"`'
        yield _missing(("clips",), "'clips' is missing", hint)
    if given.get("length") == "speech" and not speech_in(given).speaks:
        hint = "add `narration:`, or remove it: then the film is as long as its clips"
        yield _wrong(("length",), "there is no speech to take the length from", hint)
    transition = given.get("transition")
    if isinstance(transition, Mapping) and "seconds" in transition and "kind" not in transition:
        message = "'seconds' has no effect on a cut, which a transition without 'kind' is"
        hint = "write `kind: fade` beside it, or remove it"
        yield _needless(("transition", "seconds"), message, hint)


def _empty_media(given: Values) -> Iterator[Diagnostic]:
    parts: list[tuple[Path, Any]] = [
        (("clips", index, "media"), clip) for index, clip in _maps(given.get("clips"))
    ]
    for path, part in (*parts, (("music", "audio"), given.get("music"))):
        key = str(path[-1])
        if isinstance(part, Mapping) and part.get(key, "") is None:
            yield _missing(path, f"{key!r} is empty", f"write a value after `{key}:`")
    for name in ("clips", "audio"):
        for index, medium in enumerate(_members(given.get(name))):
            if medium is None:
                message = "a file must be a path or a URL, not nothing"
                hint = "write a path such as photos/logo.png"
                yield Diagnostic("wrong-type", message, hint, path=(name, index))


def _captions(given: Values) -> Iterator[Diagnostic]:
    captions, extras, known = given.get("captions"), given.get("extras"), speech_in(given)
    if captions is None:
        for index, extra in enumerate(_members(extras)):
            if extra == "clean" or (extra == "srt" and not known.has_text):
                message = f"{extra!r} has no effect without `captions`"
                yield _wrong(("extras", index), message, "add `captions:`, or remove it")
        return
    if not isinstance(captions, Mapping):
        return
    if is_later(file := captions.get("file")):
        message = "'file' cannot be an expression: it is read before the run"
        path: Path = ("captions", "file")
        yield Diagnostic("expression-not-allowed", message, "write its path", path=path)
    by_text = captions.get("text") is not None
    by_file = file is not None or bool(captions.get("cues"))
    if not by_text and not by_file and not known.has_text:
        hint = 'write `text: "${{ steps.NAME.text }}"`, or `file: captions.srt`'
        yield _missing(("captions", "text"), "captions need 'text' or 'file'", hint)
    elif by_text and str(captions["text"]).endswith((".srt", ".vtt")):
        hint = f"write `captions: {{file: {captions['text']}}}`"
        yield _wrong(("captions", "text"), "this would be shown as a text", hint)
    elif by_text and by_file:
        message = "captions take 'text' or 'file', not both"
        yield _needless(("captions", "file"), message, "remove one of them")
    elif by_text and not known.speaks:
        hint = (
            "add `narration:`, `speaks: true` to a clip that speaks, "
            "or give captions with their times as `file: captions.srt`"
        )
        yield _missing(("captions", "text"), "there is no speech to time the captions by", hint)


class Speech(NamedTuple):
    """Whether somebody speaks in a clip or a film, and whether it is known what is said."""

    speaks: bool = False
    has_text: bool = False


def speech_in(given: Values) -> Speech:
    """Whether the clips or the sound of a film speak, and whether the text is known before its own captions."""
    clips = given.get("clips")
    found = [_clip_speech(one) for one in (clips if isinstance(clips, list | tuple) else [clips])]
    leads = given.get("narration") is not None or given.get("audio") is not None
    return Speech(leads or any(one.speaks for one in found), any(one.has_text for one in found))


def _clip_speech(clip: Any) -> Speech:
    if isinstance(clip, Unknown):
        return speech_of_shape(clip.shape)
    if not isinstance(clip, Mapping):
        return Speech()
    if clip.get("speaks") is False:
        return Speech()
    known = _clip_speech(clip["media"]) if "media" in clip else Speech()
    if (cues := known_cues(clip)) is not None:
        known = Speech(True, bool(cues))
    return Speech(
        known.speaks or bool(clip.get("speaks")), known.has_text or bool(clip.get("cues"))
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
        return Speech("speaks" in fields or known.speaks, known.has_text)
    made = fields.get(SPEECH)
    return Speech() if made is None else Speech(True, "cues" in (made.fields or {}))


def _overlays(uses: str, given: Values) -> Iterator[Diagnostic]:
    for index, overlay in _maps(given.get("overlays")):
        path: Path = ("overlays", index)
        named = [key for key in ("image", "text") if overlay.get(key) is not None]
        if not named:
            hint = "write `text: …`, or `image: logo.png`"
            yield _missing((*path, "text"), "an overlay needs 'image' or 'text'", hint)
        elif len(named) == 2:
            message = "an overlay takes 'image' or 'text', not both"
            yield _needless((*path, "text"), message, "write two overlays")
        for key in ("start", "seconds") if uses == "layout" else ():
            if overlay.get(key):
                message = f"{key!r} has no effect in a layout"
                yield _needless((*path, key), message, "remove it")


def end_card_problems(given: Values) -> Iterator[Diagnostic]:
    """Whether an end card shows nothing; a brand may fill it in before."""
    card = given.get("end_card")
    if card is True or (isinstance(card, Mapping) and not any(map(card.get, CARD_KEYS))):
        message = "an end card needs 'title', 'line' or 'image', and the spec has no brand with one"
        yield _missing(("end_card", "title"), message, "write `title: …`")


def start_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips that begin after the end of their video."""
    clips = _members(given.get("clips"))
    for index, clip in enumerate(clips):
        length = shown_seconds(clip)
        if length is not None and length <= 0:
            message = f"clip {index + 1} starts after the end of its video"
            yield _wrong(_at(clips, index, "start"), message, "write an earlier second")


def length_problems(given: Values) -> Iterator[Diagnostic]:
    """Clips too short for their transitions, and overlays that would never be seen; once media are bought no
    reason to fail: a transition then takes half of a clip at most.
    """
    clips, overlap = _members(given.get("clips")), overlap_seconds(given.get("transition"))
    if not clips or overlap is None:
        return
    lengths = [shown_seconds(one) for one in clips]
    for index, length in enumerate(lengths):
        joins = (index > 0) + (index < len(clips) - 1)
        if length is not None and 0 < length < joins * overlap:
            taken = f"{joins * overlap:g} s of transitions"
            message = (
                f"clip {index + 1} is shown for {length:g} s, which is shorter than its {taken}"
            )
            hint = "show it longer, or make the transition shorter"
            yield _wrong(_at(clips, index, "seconds"), message, hint)
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths) or {"narration", "audio", "length"} & given.keys():
        return
    end = sum(known) - overlap * (len(known) - 1)
    for index, overlay in _maps(given.get("overlays")):
        start = overlay.get("start")
        if is_number(start) and start >= end > 0:
            message = f"the overlay starts at {start:g} s, but the clips end at {end:g} s"
            yield _wrong(("overlays", index, "start"), message, "write an earlier second")


def drawn_texts(given: Values) -> Iterator[str]:
    """The texts that are drawn, as far as they are known."""
    captions, card = given.get("captions"), given.get("end_card")
    found = [one.get("text") for _, one in _maps(given.get("overlays"))]
    if isinstance(captions, Mapping) and captions.get("style") != "none":
        cues = _maps(captions.get("cues"))
        found += [captions.get("text"), *(one.get("text") for _, one in cues)]
    if isinstance(card, Mapping):
        found += [card.get("title"), card.get("line")]
    yield from (as_text(one) for one in found if isinstance(one, str) or is_number(one))


def _at(clips: Sequence[Any], index: int, key: str) -> Path:
    clip = clips[index]
    has = isinstance(clip, Mapping) and clip.get(key) is not None
    return ("clips", index, key) if has else ("clips", index)


def overlap_seconds(transition: Any) -> float | None:
    """Seconds for which two clips overlap; None if not known."""
    if transition is None:
        return 0.0
    if not isinstance(transition, Mapping):
        return None
    kind, seconds = transition.get("kind", "cut"), transition.get("seconds", 0.4)
    if kind == "cut":
        return 0.0
    known = kind in get_args(TransitionKind) and is_number(seconds) and seconds <= MAX_TRANSITION
    return float(seconds) if known else None


def shown_seconds(clip: Any) -> float | None:
    """How long a clip is shown; None if that is not known. Not above 0: nothing is left of it."""
    in_map = isinstance(clip, Mapping) and "media" in clip
    medium = clip["media"] if in_map else clip
    seconds = clip.get("seconds") if in_map else None
    start = clip.get("start", 0.0) if in_map else 0.0
    left = None
    if isinstance(medium, Mapping) and is_number(medium.get("duration_seconds")):
        left = medium["duration_seconds"] - start if is_number(start) else None
    elif medium_kind(medium) == "image":
        left = STILL_SECONDS if seconds is None else None
    if is_number(seconds) and (left is None or left > 0):
        return float(seconds) if seconds > 0 else None  # the model of a clip reports another
    return left if seconds is None or is_number(seconds) else None


def medium_kind(medium: Any) -> str | None:
    """Kind of a medium: of an asset, or by the extension of a path or URL; None if not known."""
    if isinstance(medium, Mapping):
        kind = medium.get("kind")
        return kind if isinstance(kind, str) else None
    return kind_of(medium) if isinstance(medium, str) and not is_later(medium) else None


def wrong_kind(path: Path, found: str, kinds: Sequence[str]) -> Diagnostic:
    """Reports a medium of a kind that its place does not take."""
    wanted = " or ".join(map(an, kinds))
    message = f"{place_name(path)!r} takes {wanted}, but this is {an(found)}"
    return Diagnostic("wrong-type", message, f"use {wanted}, or remove it", path=path)


def _members(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()


def _maps(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    return [(index, one) for index, one in enumerate(_members(value)) if isinstance(one, Mapping)]


def _missing(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("missing-key", message, hint, path=path)


def _needless(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("needless-key", message, hint, path=path)


def _wrong(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("wrong-value", message, hint, path=path)


def computed_problems(key: str, value: Any) -> Iterator[Diagnostic]:
    """Computed values inside an argument that do not fit, and media of a wrong kind."""
    for place, inner in _expressions(key, value):
        path = (key, *place)
        fits = _FITS.get(place_name(path), ())  # the model reports a list where there is none
        if key == "clips" and len(place) == 1:
            yield from _list_problems(key, inner.shape, path)
        if fits[:2] == ("number", "text") and inner.shape.is_prose:
            fits = ("number",)  # words of a model are no time
        if fits and inner.shape.kind not in ("any", *fits):
            yield wrong_shape(path, inner.shape, fits)
    for medium in media_in({key: value}):
        name = place_name(medium.path)
        if isinstance(medium.value, Unknown):
            if medium.path[0] in CUT_PARTS:
                yield from word_problems(name, medium.value.shape, medium.path)
            yield from _wrong_media(medium.path, medium.value.shape, medium.kinds)
        elif has_unknown(medium.value) and not is_medium(medium.value):  # others with the files
            message = f"{name!r} takes {any_of(_FILE)}, but this is {preview(medium.value)}"
            hint = "give one asset, without { } or [ ]"
            yield Diagnostic("wrong-type", message, hint, path=medium.path)
    if isinstance(value, Unknown):
        yield from _list_problems(key, value.shape, (key,))
        if key == "clips":
            yield from word_problems(key, value.shape, (key,)) if value.shape.kind == "list" else ()
            yield from _wrong_media((key,), value.shape, MEDIA_KINDS[(key,)])


def _list_problems(key: str, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """A computed part of a film, or a list of them, of another kind or with keys that no part has."""
    listed = shape.member if shape.kind == "list" else None
    if listed is not None and key in _LISTS and listed.kind not in ("any", *_FITS[key]):
        fits = _FITS[key]
        message = (
            f"{key!r} takes a list of {fits[0]} values, but this is a list of {listed.kind} values"
        )
        yield Diagnostic("wrong-type", message, _LISTS[key], path=path)
    if key in CUT_PARTS:
        yield from _unknown_keys(key, listed or shape, path)
    if key == "clips" and (listed is not None or len(path) > 1):
        yield from _clip_problems(listed or shape, path)


def _expressions(key: str, value: Any) -> Iterator[tuple[Path, Unknown]]:
    """Expressions inside a list or a map of arguments, with their places in it."""
    if key not in CUT_PARTS and key not in ("formats", "extras"):
        return
    for index, one in enumerate(value) if isinstance(value, list) else ((None, value),):
        at: Path = () if index is None else (index,)
        if isinstance(one, dict):
            for name, part in one.items():
                if isinstance(part, Unknown) and name in _FITS:
                    yield (*at, name), part
        elif index is not None and isinstance(one, Unknown):
            yield at, one


def _unknown_keys(part: str, shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """The keys of a computed map, or of each in a list, that a part of a film does not have."""
    fields = shape.fields if shape.kind == "map" else None
    if not fields or is_medium_map(fields) or (part == "clips" and "media" not in fields):
        return
    known = CUT_PARTS[part]
    for name in (one for one in fields if one not in known.model_fields):
        hint = f"there are: {', '.join(keys_of(known))}"
        yield Diagnostic("unknown-key", f"unknown key {name!r} in {part!r}", hint, path=path)


def _clip_problems(shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """A map as a clip that is neither a medium nor has one as `media`, such as a whole step."""
    fields = shape.fields if shape.kind == "map" else None
    if not fields or "media" in fields or is_medium_map(fields):
        return
    if {"asset", "assets"} & fields.keys():
        message = "a clip is one asset, but this is a whole step or item"
        hint = "write .asset after it; .assets instead of .items gives a list of them"
    else:
        message = "a clip is one asset, but this is a map without 'media'"
        hint = "write one asset, or {media: …}"
    yield Diagnostic("wrong-type", message, hint, path=path)


def _wrong_media(path: Path, shape: Shape, kinds: tuple[str, ...]) -> Iterator[Diagnostic]:
    held = shape.member if shape.kind == "list" and shape.member is not None else shape
    found = [held.media] if held.media else held.either
    if held.kind == "asset" and (wrong := [one for one in found if one not in kinds]):
        yield wrong_kind(path, wrong[0], kinds)
