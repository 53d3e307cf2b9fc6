"""`compose` and `layout`: finish films and stills on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from rivya_cut import composition
from rivya_cut.terms import FORMATS, RENDERER_VERSION, Platform
from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import (
    CUT,
    CutMedium,
    Slot,
    is_medium,
    media_in,
    whole_forms,
    with_media,
    written_path,
)
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.output_types import (
    BOOLEAN,
    BY_SIZE,
    NUMBER,
    PROSE,
    Shape,
    Unknown,
    list_of,
    local_asset,
    map_of,
)
from rivya_flows.language.field_errors import MAPS, report_error
from rivya_flows.language.field_types import EVALUATED, Takes, fields_of, keys_of
from rivya_flows.language.final_cut import (
    CUT_PARTS,
    PART_OF_SPEC,
    SPEECH,
    computable,
    known_cues,
    medium_kind,
)
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.similar_names import nearest
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.cut_lengths import length_problems
from rivya_flows.steps.cut_rules import CARD_KEYS, cut_problems, end_card_problems, idle_problems
from rivya_flows.steps.cut_shapes import computed_problems, wrong_kind
from rivya_flows.steps.cut_speech import Speech, speech_in
from rivya_flows.steps.kind import Kind, Names, given_fields
from rivya_flows.steps.request import (
    ItemRequest,
    ItemRequestError,
    content_hash,
    medium_of,
    named_file,
)

_MAX_REPORTED = 10
_MAX_FOUND = 100
"""A list that an expression gives may have 100,000 wrong members."""

_CUES = list_of(map_of({"start": NUMBER, "end": NUMBER, "text": PROSE}))
_TAKES = {key: Takes(slot.kinds, is_examined=True) for key, slot in CUT.fields.items()} | {
    "narration": Takes(
        CUT.fields["narration"].kinds, is_examined=True, instead={"list": MAPS["narration"]}
    ),
    "image": Takes(("asset", "text"), is_file=True, media=("image",)),
}

ComposeWith = computable(
    composition.Composition,
    "ComposeWith",
    "What `compose` takes.",
    parts=PART_OF_SPEC,
    takes=_TAKES,
    literal=("loudness",),
    without=("look", "shrink"),
)
LayoutWith = computable(
    composition.Layout,
    "LayoutWith",
    "What `layout` takes.",
    parts=PART_OF_SPEC,
    takes=_TAKES,
    without=("look", "shrink"),
)


class Cut(Kind):
    """Finishes media on this machine; 0 credits."""

    idle = ("retry", "regenerate", "fallback", "quality", "max_parallel", "budget", "repeat")
    takes_brand = True
    reads = ("clips",)
    row = ("by", "captions", "poster", "posters", "gif", "timeline", "loudness", "lost")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        if given.is_written:
            values = whole_forms(given.values)
            found = chain(
                cut_problems(self.uses, values), length_problems(values), computed_problems(values)
            )
            given.report(replace(one, path=written_path(one.path, given.values)) for one in found)
            given.report(idle_problems(given.values))
            return None
        arguments = world.branding.complete_arguments(given.values)
        if not given.is_complete:
            for message in _mistakes(self, arguments, world.files):
                given.problem("wrong-value", message, None)
            return None
        made, request_hash = cut_request(self, arguments, world.files)
        return ItemRequest(self.uses, made, request_hash=request_hash)

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        """The media that it gives, with hints for those that other arguments would give."""
        made, is_film = local_asset(self.media), self.media == "video"
        speech = Speech()
        if is_film:
            speech = speech_in({**arguments, "clips": _with_shapes(arguments.get("clips"), names)})
        has_text = speech.has_text or arguments.get("captions") is not None
        if speech.speaks or has_text:
            spoken = map_of({"cues": _CUES} if has_text else {})
            made = replace(made, fields={**(made.fields or {}), SPEECH: spoken})
        formats, extras = arguments.get("formats"), arguments.get("extras") or ()
        plain = isinstance(extras, list | tuple) and not any("${{" in str(one) for one in extras)
        absent = {
            name: f"add `extras: [{extra}]` to that step"
            for name, extra in _EXTRA_OF.items()
            if plain and extra not in extras and is_film
        }
        each = (
            {"asset": made} if not is_film or "clean" in absent else {"asset": made, "clean": made}
        )
        platforms = arguments.get("for")
        sizes = formats if isinstance(formats, list) else []
        sizes = [
            *sizes,
            *(platforms if isinstance(platforms, list) else [platforms] if platforms else ()),
        ]
        known = bool(sizes) and all(
            isinstance(one, str) and one in (*FORMATS, *get_args(Platform)) for one in sizes
        )
        known = known and (formats is None or isinstance(formats, list))
        member, named = map_of(each, absent), BY_SIZE if formats is platforms is None else ""
        fields: dict[str, Shape] = {
            "asset": made,
            "assets": list_of(made),
            "by": Shape(
                "map", dict.fromkeys(sizes, member) if known else None, member, title=named
            ),
            "lost": list_of(PROSE),
        }
        if not is_film:
            return given_fields(fields)
        fields |= {
            "captions": map_of({"cues": _CUES, "estimated": BOOLEAN, "language": PROSE}),
            "poster": local_asset("image"),
            "posters": list_of(local_asset("image")),
            "timeline": PROSE,
            "gif": local_asset("image"),
            "loudness": map_of({"lufs": NUMBER, "true_peak": NUMBER}),
        }
        if not has_text:
            absent = {**absent, "captions": "add `captions:` to that step"}
        lacks = {name: hint for name, hint in absent.items() if fields.pop(name, None)}
        return given_fields(fields, lacks)

    def files(self, arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
        for one in media_in(whole_forms(arguments)):
            yield one._replace(path=written_path(one.path, arguments))

    def elsewhere(self, keys: Collection[str]) -> Mapping[str, str]:
        own = keys_of(self.takes)
        hints: dict[str, str] = {}
        for key in keys:
            parts = [part for part, model in CUT_PARTS.items() if key in fields_of(model)]
            if parts and key not in own and not nearest(key, own):
                hints[key] = f"write it inside {' or '.join(map('`{}`'.format, parts))}"
        if "title" in hints:
            hints["title"] += ", or `overlays: [{text: …}]` to show it over the pictures"
        return hints


_EXTRA_OF = {
    "poster": "poster",
    "posters": "poster",
    "gif": "gif",
    "clean": "clean",
    "timeline": "otio",
}
"""The extra that makes an output."""


class Compose(Cut):
    uses = "compose"
    says = "Makes a film of videos, images and audio on your machine; 0 credits."
    takes = ComposeWith
    outputs = (
        *("asset", "assets", "by", "captions", "poster", "posters", "gif", "timeline"),
        *("loudness", "lost"),
    )
    media = "video"

    def required_argument(self) -> str:
        return "clips"


class Layout(Cut):
    uses = "layout"
    says = "Finishes an image with texts, logos and formats on your machine; 0 credits."
    takes = LayoutWith
    outputs = ("asset", "assets", "by", "lost")
    media = "image"


def _with_shapes(written: Any, names: Names) -> Any:
    """A written argument with the shapes of its expressions."""
    if isinstance(written, list):
        return [_with_shapes(one, names) for one in written]
    if isinstance(written, Mapping):
        return {key: _with_shapes(one, names) for key, one in written.items()}
    is_computed = isinstance(written, str) and "${{" in written
    return Unknown(names.shape_of(written)) if is_computed else written


def cut_request(
    kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> tuple[dict[str, Any], str]:
    """The arguments with defaults and media filled in, without nulls and short forms, and
    the hash of the request. Raises an `ItemRequestError` with all mistakes.
    """
    if problems := _mistakes(kind, arguments, files):
        raise ItemRequestError("; ".join(problems))
    given, look = _own_arguments(arguments)
    model = kind.takes.model_validate(given, context=EVALUATED)
    made = model.model_dump(mode="json", by_alias=True, exclude_none=True) | look
    for part in (made.get("captions"), *(clip.get("captions") for clip in made.get("clips", ()))):
        if part and part.get("cues"):
            part.pop("file", None)
    made = with_media(made, lambda one: _checked_medium(one, files))
    media = [medium_of(one.value, one.kinds[0], files, _place(one.path)) for one in media_in(made)]
    sources = iter(media)
    hashed = with_media(made, lambda _: next(sources).source)
    return made, content_hash([kind.uses, RENDERER_VERSION, hashed], media)


def _mistakes(kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]) -> list[str]:
    """What is wrong with arguments that are evaluated as far as they are known: the first few."""
    found = islice(_all_mistakes(kind, arguments, files), _MAX_FOUND)
    return list(dict.fromkeys(found))[:_MAX_REPORTED]


def _all_mistakes(
    kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> Iterator[str]:
    given, _ = _own_arguments(arguments)
    try:
        kind.takes.model_validate(given, context=EVALUATED)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report = DiagnosticCollector("", "")
            report_error(details, (), report)
            yield from (_message(details["loc"], one) for one in report.diagnostics)
    named = with_media(given, lambda one: named_file(one.value, files))
    for found in (*cut_problems(kind.uses, named), *end_card_problems(named)):
        yield _message(found.path, found)
    for medium in media_in(given):
        try:
            if not isinstance(medium.value, Unknown):
                _checked_medium(medium, files)
        except ItemRequestError as error:
            yield str(error)


def _checked_medium(medium: CutMedium, files: Mapping[str, Asset]) -> Any:
    """A checked medium; remote files are downloaded when it runs."""
    value = named_file(medium.value, files)
    name = _place(medium.path)
    if isinstance(value, str):
        try:
            kind = medium.kinds[0] if len(medium.kinds) == 1 else None
            value = resolve(value, kind=kind, root=None, inside=False)
        except ValueError as error:
            raise ItemRequestError(f"{name!r}: {error}") from error
        found = medium_kind(value.get("url"))
    else:
        medium_of(value, medium.kinds[0], files, name)
        found = medium_kind(value)
    if found is not None and found not in medium.kinds:
        # An extension such as .mp4 may be of a video or of audio.
        if isinstance(medium.value, str) and len(medium.kinds) == 1:
            return value
        raise ItemRequestError(wrong_kind((name,), found, medium.kinds).message)
    return value


def _own_arguments(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a spec says, without nulls; and the look, which is that of its brand."""
    whole: dict[str, Any] = without_nulls(whole_forms(arguments))
    given = {key: value for key, value in whole.items() if value is not None}
    if isinstance(clips := given.get("clips"), list):
        given["clips"] = [*map(_with_speech, clips)]
    look = {"look": given.pop("look")} if "look" in given else {}
    return given, look


def _with_speech(clip: Any) -> Any:
    """A clip with what is known to be said in its medium, unless it says itself that it does not speak."""
    media = clip.get("media") if isinstance(clip, Mapping) else None
    if not isinstance(media, list) or not any(
        isinstance(one, Mapping) and SPEECH in one for one in media
    ):
        return clip
    cues = known_cues(media[0]) if len(media) == 1 else None
    bare = [
        {key: part for key, part in one.items() if key != SPEECH}
        if isinstance(one, Mapping)
        else one
        for one in media
    ]
    speech = {} if cues is None or clip.get("speaks") is False else {"speaks": True, "cues": cues}
    return {**clip, "media": bare, **speech}


def without_nulls(value: Any, slot: Slot = CUT) -> Any:
    """A list without nulls; null for a map of which all that it shows is null or an empty text."""
    if slot.member is not None and isinstance(value, list | tuple):
        members = (without_nulls(one, slot.member) for one in value)
        return [one for one in members if one is not None]
    if not slot.fields or not isinstance(value, Mapping) or is_medium(value):
        return value
    shows = {*_CONTENTS.get(slot.model, ())} & value.keys()
    given = {
        key: without_nulls(one, slot.fields[key]) if key in slot.fields else one
        for key, one in value.items()
    }
    blank = {key for key in shows if _is_blank(given[key])}
    return None if shows and shows == blank else {**given, **dict.fromkeys(blank)}


_CONTENTS: Mapping[type[BaseModel] | None, Collection[str]] = {
    composition.Clip: ("media",),
    composition.Sound: ("media",),
    composition.Overlay: ("media", "text"),
    composition.Transcript: ("text", "file", "cues"),
    composition.Captions: ("text", "file", "cues"),
    composition.EndCard: CARD_KEYS,
}
"""What each part shows or plays: at least one of these."""


def _is_blank(value: Any) -> bool:
    return value in (None, []) or (isinstance(value, str) and not value.strip())


def _message(path: tuple[str | int, ...], found: Diagnostic) -> str:
    message = f"{_place(path)}: {found.message}" if len(path) > 1 else found.message
    return f"{message}; {found.hint}" if found.hint else message


def _place(path: tuple[str | int, ...]) -> str:
    """The text of a path: ``clips[0].seconds``; of a medium, which may stand alone, that of its part."""
    if len(path) > 1 and path[-2:] == ("media", 0):
        path = path[:-2]
    elif len(path) > 1 and path[-1] == "media":
        path = path[:-1]
    return "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in path)[1:]
