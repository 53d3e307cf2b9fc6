"""What does not fit together in the arguments of `compose` and `layout`, literal or evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from rivya_cut import composition
from rivya_cut.platforms import too_fast
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import (
    Slot,
    Values,
    is_medium,
    maps_in,
    members_of,
    values_in,
    whole_forms,
)
from rivya_flows.language.expressions.output_types import Unknown, has_unknown
from rivya_flows.language.expressions.values import as_text, is_number
from rivya_flows.language.field_errors import EXAMPLES
from rivya_flows.language.field_types import is_later
from rivya_flows.language.final_cut import medium_kind
from rivya_flows.language.matrix import unequal
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import preview
from rivya_flows.steps.cut_lengths import platforms_in, start_problems
from rivya_flows.steps.cut_speech import clip_speech, speech_in

CARD_KEYS = ("title", "line", "image")
"""What an end card shows."""


def cut_problems(uses: str, arguments: Values) -> Iterator[Diagnostic]:
    """What is wrong with the arguments of a `compose` or `layout`, taken together; what is not known is right."""
    given = {key: value for key, value in arguments.items() if value is not None}
    for key in ("clips", "formats", "for"):
        if given.get(key) in ([], ()):
            yield _missing((key,), f"{key!r} is empty", "add an item, or remove it")
    for key in ("formats", "extras", "for"):
        members = members_of(given.get(key))
        for index, one in enumerate(members):
            if isinstance(one, str) and one in members[:index]:
                yield _wrong((key, index), f"{preview(one)} is there twice", "remove it")
    for path, value, slot in values_in(given):
        yield from _empty_media(path, value, slot)
        if slot.member and slot.member.media and len(members_of(value)) > (slot.most or inf):
            message = f"{path[-1]!r} has {len(value)} items"
            yield Diagnostic("out-of-range", message, f"write at most {slot.most}", path=path)
        if slot.model is composition.Overlay and isinstance(value, Mapping):
            yield from _overlay(uses, value, path)
    if uses == "compose":
        yield from _pictures(given)
        yield from _captions(given)
        yield from start_problems(given)
        for index, clip in maps_in(given.get("clips")):
            yield from _caption_problems(clip.get("captions"), ("clips", index, "captions"))
            kind, start = _kind_of(clip), clip.get("start")
            if kind == "image" and is_number(start) and start > 0:
                hint = "remove it; `seconds` is how long it is shown"
                yield _needless(
                    ("clips", index, "start"), "'start' has no effect on an image", hint
                )
            if kind == "image" and clip.get("speaks") is True:
                hint = "remove it, and write `narration:` for a voice over the image"
                yield _needless(("clips", index, "speaks"), "an image does not speak", hint)


def idle_problems(given: Values) -> Iterator[Diagnostic]:
    """Keys of a film without effect, as it is written; no reason to fail once values are evaluated."""
    clips = given.get("clips")
    for index, written in maps_in(clips if isinstance(clips, list) else [clips]):
        if "zip" in written or is_medium(written):
            continue  # what all of them have may have an effect on some
        path: Path = ("clips", index)
        [clip] = whole_forms({"clips": [written]})["clips"]
        if index == 0 and clip.get("transition") is not None:
            message = "'transition' has no effect on the first clip: nothing is before it"
            hint = "write it in the clip after it, or beside `clips` for all"
            yield _needless((*path, "transition"), message, hint)
        media = members_of(clip.get("media"))
        if clip.get("split") is not None and len(media) == 1 and not _may_be_list(media[0]):
            message = "'split' has no effect on one medium"
            yield _needless((*path, "split"), message, "write `media: [a.mp4, b.mp4]`")
        for key in ("speed", "volume") if _kind_of(clip) == "image" else ():
            if clip.get(key) is not None:
                yield _needless((*path, key), f"{key!r} has no effect on an image", "remove it")
        captions = clip.get("captions")
        if isinstance(captions, Mapping) and captions.get("text") and not clip_speech(clip).speaks:
            hint = "add `narration:` to this clip, or `speaks: true` if it speaks itself"
            yield _missing((*path, "captions", "text"), _UNTIMED, hint)
    if given.get("audio") in ([], ()):
        yield _missing(("audio",), "'audio' is empty", "add an item, or remove it")
    if is_number(fps := given.get("fps")):
        for message in too_fast(platforms_in(given), fps):
            yield _wrong(("fps",), message, "write a lower rate, or remove it")
    extras = given.get("extras")
    plain = not has_unknown(extras) and "poster" not in members_of(extras)
    if given.get("posters") is not None and plain:
        hint = "add `extras: [poster]`, or remove it"
        yield _needless(("posters",), "'posters' has no effect without `extras: [poster]`", hint)


_UNTIMED = "there is no speech to time the captions by"


def _may_be_list(value: Any) -> bool:
    return isinstance(value, Unknown) and value.shape.kind in ("any", "list")


def _kind_of(clip: Values) -> str | None:
    """The kind of the medium of a clip; None if not known, or of several."""
    media = members_of(clip.get("media"))
    if len(media) != 1:
        return None
    return media[0].shape.media if isinstance(media[0], Unknown) else medium_kind(media[0])


def _pictures(given: Values) -> Iterator[Diagnostic]:
    if "clips" not in given:
        hint = 'write `clips: "${{ steps.NAME.asset }}"`'
        yield _missing(("clips",), "'clips' is missing", hint)
    if given.get("length") == "speech" and not speech_in(given).speaks:
        hint = "add `narration:`, or remove it: then the film is as long as its clips"
        yield _wrong(("length",), "there is no speech to take the length from", hint)
    for path, value, slot in values_in(given):
        is_map = slot.model is composition.Transition and isinstance(value, Mapping)
        if is_map and "seconds" in value and "kind" not in value:
            message = "'seconds' has no effect on a cut, which a transition without 'kind' is"
            hint = "write `kind: fade` beside it, or remove it"
            yield _needless((*path, "seconds"), message, hint)


def _empty_media(path: Path, value: Any, slot: Slot) -> Iterator[Diagnostic]:
    if slot.alone == "media" and isinstance(value, Mapping) and not is_medium(value):
        at = (*path, "media")
        if "zip" in value:
            yield from _zip_problems(value["zip"], (*path, "zip"))
        elif "media" in value and value["media"] in (None, [], [None]):
            yield _missing(at, "'media' is empty", "write a value after `media:`")
        elif "media" not in value and slot.model is composition.Clip:
            yield _missing(at, "'media' is missing", f"add `media: {EXAMPLES['media']}`")
    elif slot.member is not None and slot.member.alone == "media":
        for index, one in enumerate(members_of(value)):
            if one is None:
                message = "a file must be a path or a URL, not nothing"
                hint = "write a path such as photos/logo.png"
                yield Diagnostic("wrong-type", message, hint, path=(*path, index))


def _zip_problems(lists: Any, path: Path) -> Iterator[Diagnostic]:
    """A `zip` that gives no clips."""
    for key, one in lists.items() if isinstance(lists, Mapping) else ():
        shape = one.shape.kind if isinstance(one, Unknown) else "list"
        if shape not in ("any", "list") or not isinstance(one, list | tuple | Unknown):
            message = f"{key!r} in a zip takes a list, but this is {preview(one)}"
            message = message if shape == "list" else message.rpartition(",")[0]
            yield Diagnostic("wrong-type", message, "write it beside `zip`", path=(*path, key))
    sizes = {
        key: len(one)
        for key, one in (lists.items() if isinstance(lists, Mapping) else ())
        if isinstance(one, list | tuple)
    }
    if len(set(sizes.values())) > 1:
        hint = "`steps.NAME.items` has a place for each item, also for one that failed"
        yield Diagnostic("unequal-lists", unequal(sizes), hint, path=path)


def _caption_problems(captions: Any, path: Path) -> Iterator[Diagnostic]:
    """What is wrong with the captions of a film or of a clip."""
    if not isinstance(captions, Mapping):
        return
    if is_later(file := captions.get("file")):
        message = "'file' cannot be an expression: it is read before the run"
        at = (*path, "file")
        yield Diagnostic("expression-not-allowed", message, "write its path", path=at)
    text = captions.get("text")
    if text is not None and str(text).endswith((".srt", ".vtt")):
        hint = f"write `captions: {{file: {text}}}`"
        yield _wrong((*path, "text"), "this would be shown as a text", hint)
    elif text is not None and (file is not None or captions.get("cues")):
        message = "captions take 'text' or 'file', not both"
        yield _needless((*path, "file"), message, "remove one of them")


def _captions(given: Values) -> Iterator[Diagnostic]:
    captions, extras, known = given.get("captions"), given.get("extras"), speech_in(given)
    if captions is None:
        clean = any(one.get("captions") for _, one in maps_in(given.get("clips")))
        works = {"clean": clean, "srt": known.has_text, "subtitles": known.has_text}
        for index, extra in enumerate(members_of(extras)):
            if isinstance(extra, str) and not works.get(extra, True):
                message = f"{extra!r} has no effect without `captions`"
                yield _wrong(("extras", index), message, "add `captions:`, or remove it")
        return
    yield from _caption_problems(captions, ("captions",))
    if not isinstance(captions, Mapping):
        return
    by_file = captions.get("file") is not None or bool(captions.get("cues"))
    if captions.get("text") is None and not by_file and not known.has_text:
        hint = 'write `text: "${{ steps.NAME.text }}"`, or `file: captions.srt`'
        yield _missing(("captions", "text"), "captions need 'text' or 'file'", hint)
    elif captions.get("text") is not None and not by_file and not known.speaks:
        hint = (
            "add `narration:`, `speaks: true` to a clip that speaks, "
            "or give captions with their times as `file: captions.srt`"
        )
        if not str(captions["text"]).endswith((".srt", ".vtt")):
            yield _missing(("captions", "text"), _UNTIMED, hint)


def _overlay(uses: str, overlay: Values, path: Path) -> Iterator[Diagnostic]:
    named = [key for key in ("media", "text") if overlay.get(key) is not None]
    if not named:
        hint = "write `text: …`, or `media: logo.png`"
        yield _missing((*path, "text"), "an overlay needs 'media' or 'text'", hint)
    elif len(named) == 2:
        message = "an overlay takes 'media' or 'text', not both"
        yield _needless((*path, "text"), message, "write two overlays")
    for key in ("start", "seconds", "motion") if uses == "layout" else ():
        if overlay.get(key):
            message = f"{key!r} has no effect in a layout"
            yield _needless((*path, key), message, "remove it")


def end_card_problems(given: Values) -> Iterator[Diagnostic]:
    """Whether an end card shows nothing; a brand may fill it in before."""
    card = given.get("end_card")
    if card is True or (isinstance(card, Mapping) and not any(map(card.get, CARD_KEYS))):
        message = "an end card needs 'title', 'line' or 'image', and the spec has no brand with one"
        yield _missing(("end_card", "title"), message, "write `title: …`")


def drawn_texts(given: Values) -> Iterator[str]:
    """The texts that are drawn, as far as they are known."""
    captions, card, clips = (
        given.get("captions"),
        given.get("end_card"),
        maps_in(given.get("clips")),
    )
    overlays = [given.get("overlays"), *(clip.get("overlays") for _, clip in clips)]
    found = [one.get("text") for listed in overlays for _, one in maps_in(listed)]
    if isinstance(captions, Mapping) and captions.get("style") != "none":
        for part in (captions, *(clip.get("captions") for _, clip in clips)):
            if isinstance(part, Mapping):
                cues = maps_in(part.get("cues"))
                found += [part.get("text"), *(one.get("text") for _, one in cues)]
    if isinstance(card, Mapping):
        found += [card.get("title"), card.get("line")]
    yield from (as_text(one) for one in found if isinstance(one, str) or is_number(one))


def _missing(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("missing-key", message, hint, path=path)


def _needless(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("needless-key", message, hint, path=path)


def _wrong(path: Path, message: str, hint: str) -> Diagnostic:
    return Diagnostic("wrong-value", message, hint, path=path)
