"""`compose` and `layout`: finish films and stills on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

from pydantic import Field, ValidationError

from rivya_flows.assets import Asset
from rivya_flows.catalogue.catalogue import nearest
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_terms import FORMATS, RENDERER_VERSION, Extra, Fit, Format, Reframe
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.operations import TEXTS, repair
from rivya_flows.language.expressions.output_types import (
    ANY,
    BOOLEAN,
    BY_SIZE,
    NUMBER,
    WORDS,
    Kind as ShapeKind,
    Shape,
    Unknown,
    composed,
    has_unknown,
    list_of,
    map_of,
)
from rivya_flows.language.field_types import COMPUTABLE, EVALUATED, Number, SpecModel, Takes, Value
from rivya_flows.language.final_cut import (
    CUT_PARTS,
    MAX_CLIPS,
    MAX_FORMATS,
    MAX_OVERLAYS,
    MEDIA_KINDS,
    MEDIUM_IN,
    CaptionsWith,
    ClipWith,
    CutMedium,
    EndCardWith,
    MusicWith,
    OverlayWith,
    TransitionWith,
    is_medium_map,
    media_in,
    with_media,
)
from rivya_flows.language.model_errors import report_error
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown
from rivya_flows.steps.cut_rules import (
    cut_problems,
    end_card_problems,
    length_problems,
    medium_kind,
    unused_start,
    wrong_kind,
)
from rivya_flows.steps.given import Given, World, any_of, word_problems
from rivya_flows.steps.kind import Kind, Names, given_fields
from rivya_flows.steps.request import (
    ItemRequest,
    ItemRequestError,
    content_hash,
    medium_of,
    named_file,
)

_MAX_TOLD = 10
_MAX_FOUND = 100
"""A list that an expression gives may have 100,000 wrong members."""

_NOT_OF_A_SPEC = ("look",)
"""Arguments that a plan adds."""


_FILE: tuple[ShapeKind, ...] = ("asset", "text")
_FITS: Mapping[str, tuple[ShapeKind, ...]] = {
    "clips": ("asset", "text", "map"),
    "overlays": ("map",),
    "formats": ("text",),
    "extras": ("text",),
    **dict.fromkeys(("media", "image", "audio"), _FILE),
    **dict.fromkeys(("seconds", "start", "width", "level"), ("number",)),
    **dict.fromkeys(("kind", "motion", "position", "style", "language"), ("text",)),
    **dict.fromkeys(("text", "title", "line"), TEXTS),
    "duck": ("boolean",),
}
"""The kinds that a computed value takes, by its key, or by the list that it is in."""

_LISTS = {
    "clips": "write .assets of a step with several items",
    "overlays": 'write [{text: "…"}], with one text in each map',
    "formats": "write a list such as ['9:16', '1:1']",
    "extras": "write a list such as [poster, srt]",
}
"""How each list is written whose members may be computed together."""


_LIST = Takes(("list",), is_examined=True)
_MAP = Takes(("map",), is_examined=True)
_Overlays = Annotated[
    tuple[Annotated[OverlayWith, COMPUTABLE], ...] | None,
    Field(max_length=MAX_OVERLAYS),
    COMPUTABLE,
    _LIST,
]
_Formats = Annotated[
    tuple[Annotated[Format, COMPUTABLE], ...] | None,
    Field(max_length=MAX_FORMATS),
    COMPUTABLE,
    _LIST,
]
_Reframe = Annotated[Reframe, COMPUTABLE, Takes(("text",), is_examined=True)]


class ComposeWith(SpecModel):
    """What `compose` takes.

    Attributes:
        clips: Videos and images in order, or maps with `media`; or give `video` or `images`.
        video: The video; or give `images` or `clips`.
        images: Images shown one after the other; or give `video` or `clips`.
        narration: The speech: it sets the level, and the film is at least as long.
        music: Music under the whole film.
        audio: One audio or a list: the first leads, the others play under it. With `narration`
            all of them play under that.
        transition: How one clip follows the other.
        captions: What is said, as text in the picture.
        overlays: Images and texts over the film, the first at the bottom.
        end_card: A card after the last clip.
        formats: One film for each; left out, one film in the size of the first clip.
        reframe: How media fill a frame of another shape: `crop` cuts edges off, `pad` adds bars,
            `blur` fills with a blurred copy of their edges.
        extras: What else to make: a `poster`, a short `gif`, the captions as an `srt` file, and
            each film `clean`, without captions.
        loudness: Loudness of the result, in LUFS.
        fit: What the video does when the audio is longer; without `clips`.
    """

    clips: Annotated[
        tuple[Annotated[ClipWith, COMPUTABLE], ...] | None,
        Field(max_length=MAX_CLIPS),
        COMPUTABLE,
        Takes(
            ("list",),
            is_examined=True,
            instead={"asset": "write [ ] around it, or use .assets of a step with several items"},
        ),
    ] = None
    video: Annotated[Value, Takes(("asset", "text"), is_file=True, media=("video",))] = None
    images: Annotated[
        Value,
        Takes(
            ("list", "asset", "text"),
            is_file=True,
            media=("image",),
            schema={"type": ["array", "string"], "items": {"type": "string"}, "minItems": 1},
        ),
    ] = None
    narration: Annotated[Value, Takes(("asset", "text"), is_file=True, media=("audio",))] = None
    music: Annotated[
        MusicWith | None,
        COMPUTABLE,
        Takes(("map",), is_examined=True, instead={"asset": 'write `music: {audio: "VALUE"}`'}),
    ] = None
    audio: Annotated[Value, Takes(("list", "asset", "text"), is_file=True, media=("audio",))] = None
    transition: Annotated[TransitionWith | None, COMPUTABLE, _MAP] = None
    captions: Annotated[CaptionsWith | None, COMPUTABLE, _MAP] = None
    overlays: _Overlays = None
    end_card: Annotated[EndCardWith | None, COMPUTABLE, _MAP] = None
    formats: _Formats = None
    reframe: _Reframe = "crop"
    extras: Annotated[tuple[Annotated[Extra, COMPUTABLE], ...] | None, COMPUTABLE, _LIST] = None
    loudness: Annotated[Number, Field(ge=-40, le=-5)] = -16.0
    fit: Fit = "hold"


class LayoutWith(SpecModel):
    """What `layout` takes.

    Attributes:
        image: The image.
        overlays: Images and texts over it, the first at the bottom; `start` and `seconds` have no
            effect.
        formats: One picture for each; left out, one picture in the size of the image.
        reframe: How the image fills a frame of another shape: `crop` cuts edges off, `pad` adds
            bars, `blur` fills with a blurred copy of its edges.
    """

    image: Annotated[Value, Takes(("asset", "text"), is_file=True, media=("image",))]
    overlays: _Overlays = None
    formats: _Formats = None
    reframe: _Reframe = "crop"


class Cut(Kind):
    """Finishes media on this machine; 0 credits."""

    idle = ("retry", "regenerate", "fallback", "max_parallel")
    parts = CUT_PARTS
    takes_brand = True
    row = ("by", "captions", "poster", "gif", "loudness", "lost")
    media: str

    def request(self, given: Given, world: World) -> ItemRequest | None:
        if given.is_written:
            given.report(cut_problems(self.uses, given.values))
            for name, value in given.values.items():
                given.report(computed_problems(name, value))
            return None
        arguments = world.house.drawn(given.values)
        if not given.is_complete:
            for message in cut_mistakes(self, arguments, world.files):
                given.problem("wrong-value", message, None)
            return None
        made, request_hash = cut_request(self, arguments, world.files)
        return ItemRequest(self.uses, made, request_hash=request_hash)

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        return given_fields(*_cut_fields(arguments, composed(self.media), is_film=False))

    def files(self, arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
        return media_in(arguments)

    def elsewhere(self, keys: Collection[str]) -> Mapping[str, str]:
        own = [one.alias or name for name, one in self.takes.model_fields.items()]
        hints: dict[str, str] = {}
        for key in keys:
            parts = [
                part
                for part, model in CUT_PARTS.items()
                if any(key == (one.alias or name) for name, one in model.model_fields.items())
            ]
            if parts and key not in own and not nearest(key, own):
                hints[key] = f"write it inside {' or '.join(map('`{}`'.format, parts))}"
        if "title" in hints:
            hints["title"] += ", or `overlays: [{text: …}]` to show it over the pictures"
        return hints


class Compose(Cut):
    uses = "compose"
    says = "Makes a film of videos, images and audio on your machine; 0 credits."
    takes = ComposeWith
    outputs = ("asset", "assets", "by", "captions", "poster", "gif", "loudness", "lost")
    media = "video"

    def request(self, given: Given, world: World) -> ItemRequest | None:
        if given.is_written:
            given.report(length_problems(given.values))
        return super().request(given, world)

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        return given_fields(*_cut_fields(arguments, composed(self.media), is_film=True))

    def idle_defaults(self, own: Mapping[str, Any], defaults: Mapping[str, Any]) -> Collection[str]:
        has_clips = any(one.get("clips") is not None for one in (own, defaults))
        return ("fit",) if has_clips else ("transition",)

    def needed(self) -> str:
        return "clips"


class Layout(Cut):
    uses = "layout"
    says = "Finishes an image with texts, logos and formats on your machine; 0 credits."
    takes = LayoutWith
    outputs = ("asset", "assets", "by", "lost")
    media = "image"


def _cut_fields(
    arguments: Mapping[str, Any], made: Shape, *, is_film: bool
) -> tuple[dict[str, Shape], dict[str, str]]:
    """The media that `compose` or `layout` gives, and what it would give with other arguments."""
    given: dict[str, Shape] = {"asset": made, "assets": list_of(made)}
    formats, extras = arguments.get("formats"), arguments.get("extras") or ()
    plain = isinstance(extras, list | tuple) and not any("${{" in str(one) for one in extras)
    absent = {
        name: f"add `extras: [{name}]` to that step"
        for name in ("poster", "gif", "clean")
        if plain and name not in extras
    }
    each = {"asset": made} if not is_film or "clean" in absent else {"asset": made, "clean": made}
    names = formats if isinstance(formats, list) else []
    known = bool(names) and all(isinstance(one, str) and one in FORMATS for one in names)
    member = map_of(each, {} if not is_film else absent)
    named = BY_SIZE if formats is None else ""
    given["by"] = Shape("map", dict.fromkeys(names, member) if known else None, member, title=named)
    given["lost"] = list_of(WORDS)
    if not is_film:
        return given, {}
    cue = map_of({"start": NUMBER, "end": NUMBER, "text": WORDS})
    given |= {
        "captions": map_of({"cues": list_of(cue), "estimated": BOOLEAN, "language": WORDS}),
        "poster": composed("image"),
        "gif": composed("image"),
        "loudness": map_of({"lufs": NUMBER, "true_peak": NUMBER}),
    }
    lacks = {name: hint for name, hint in absent.items() if given.pop(name, None)}
    if arguments.get("captions") is None:
        del given["captions"]
        lacks["captions"] = "add `captions:` to that step"
    return given, lacks


def cut_request(
    kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> tuple[dict[str, Any], str]:
    """The arguments with defaults and media filled in, and the hash of the request.

    A clip is a map ``{"media", "seconds", "start", "motion"}``. Nulls in lists, arguments that are
    not given, and defaults without effect are left out. Media are assets, ``{"url": …}`` or ``{"file_id": …}``.

    Raises:
        ItemRequestError: A value is wrong; all mistakes.
    """
    given = {key: _without_nulls(key, value) for key, value in arguments.items()}
    if problems := list(cut_mistakes(kind, given, files)):
        raise ItemRequestError("; ".join(problems))
    model = kind.takes.model_validate(_of_spec(given), context=EVALUATED)
    made = {k: one for k, one in model.model_dump(mode="json").items() if one is not None}
    made |= {key: given[key] for key in _NOT_OF_A_SPEC if given.get(key) is not None}
    made |= {key: _listed(made[key]) for key in ("images", "audio") if key in made}
    for key, needs in (("reframe", ("clips", "formats")), ("fit", ("video", "images"))):
        if not made.keys() & set(needs):
            made.pop(key, None)  # the default of a key that has no effect
    if captions := made.get("captions"):
        captions["text"] = captions["text"] or ""
        if captions["file"] is None or captions["cues"]:
            del captions["file"]
    made = with_media(made, lambda one: _composed(one, files))
    media = [medium_of(one.value, one.kinds[0], files, _place(one.path)) for one in media_in(made)]
    sources = iter(media)
    hashed = with_media(made, lambda _: next(sources).source)
    return made, content_hash([kind.uses, RENDERER_VERSION, hashed], media)


def cut_mistakes(
    kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> Iterator[str]:
    """What is wrong with arguments that are evaluated as far as they are known; the first few."""
    return islice(dict.fromkeys(islice(_mistakes(kind, arguments, files), _MAX_FOUND)), _MAX_TOLD)


def _mistakes(kind: Cut, arguments: Mapping[str, Any], files: Mapping[str, Asset]) -> Iterator[str]:
    given = {key: _without_nulls(key, value) for key, value in arguments.items()}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        kind.takes.model_validate(_of_spec(given), context=EVALUATED)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report = DiagnosticCollector("", "")
            report_error(details, (), report)
            yield from (_message(details["loc"], one) for one in report.diagnostics)
    # Defaults are among the values, so that `fit` is checked with the spec alone.
    named = {key: value for key, value in given.items() if key != "fit"}
    named = with_media(named, lambda one: named_file(one.value, files))
    for found in (*cut_problems(kind.uses, named), *end_card_problems(named)):
        # All stills of a failed run may be missing; only the attempt fails then, as before.
        if found.path != ("images",) or found.code != "missing-key":
            yield _message(found.path, found)
    for index, clip in enumerate(_listed(named.get("clips"))):
        if isinstance(clip, Mapping) and medium_kind(clip.get("media")) == "image":
            for found in unused_start(clip, ("clips", index)):
                yield _message(found.path, found)
    for medium in media_in(given):
        try:
            if not isinstance(medium.value, Unknown):
                _composed(medium, files)
        except ItemRequestError as error:
            yield str(error)


def _composed(medium: CutMedium, files: Mapping[str, Asset]) -> Any:
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


def _without_nulls(key: str, value: Any) -> Any:
    """A list without nulls, and without maps whose medium is null; such a map alone is null."""
    if isinstance(value, list):
        kept = (_without_nulls(key, one) for one in value)
        return [one for one in kept if one is not None]
    if isinstance(value, Mapping) and not value.get("text"):
        medium = MEDIUM_IN.get(key) if key != "end_card" else None
        if medium in value and value[medium] is None:
            return None
    return value


def _of_spec(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key not in _NOT_OF_A_SPEC}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _message(path: tuple[str | int, ...], found: Diagnostic) -> str:
    message = f"{_place(path)}: {found.message}" if len(path) > 1 else found.message
    return f"{message}; {found.hint}" if found.hint else message


def _place(path: tuple[str | int, ...]) -> str:
    """A path as one writes it: ``clips[0].media``."""
    told = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return told.removeprefix(".")


def computed_problems(key: str, value: Any) -> Iterator[Diagnostic]:
    """Computed values inside an argument that do not fit, and media of a wrong kind."""
    for place, inner in _computed(key, value):
        path = (key, *place)
        fits = _FITS[str(next(step for step in reversed(path) if isinstance(step, str)))]
        if key == "clips" and len(place) == 1:
            yield from _clip_problems(inner.shape, path)
        if inner.shape.kind not in ("any", *fits):
            name = next((step for step in reversed(place) if isinstance(step, str)), key)
            found = inner.shape.kind
            message = f"{name!r} takes {any_of(fits) or an(fits[0])}, but this is {an(found)}"
            hint = repair(fits, inner.shape) or f"give {an(fits[0])}"
            yield Diagnostic("wrong-type", message, hint, path=path)
    for medium in media_in({key: value}):
        name = next(step for step in reversed(medium.path) if isinstance(step, str))
        if isinstance(medium.value, Unknown):
            if medium.path[0] in CUT_PARTS:
                yield from word_problems(name, medium.value.shape, medium.path)
            yield from _wrong_media(medium.path, medium.value.shape, medium.kinds)
        elif _is_no_file(medium.value):
            message = f"{name!r} takes {any_of(_FILE)}, but this is {shown(medium.value)}"
            hint = "give one asset, without { } or [ ]"
            yield Diagnostic("wrong-type", message, hint, path=medium.path)
    shape = value.shape if isinstance(value, Unknown) else ANY
    listed = shape.member if shape.kind == "list" else None
    if listed is not None and key in _LISTS and listed.kind not in ("any", *_FITS[key]):
        fits = _FITS[key]
        message = (
            f"{key!r} takes a list of {fits[0]} values, but this is a list of {listed.kind} values"
        )
        yield Diagnostic("wrong-type", message, _LISTS[key], path=(key,))
    if key == "clips":
        if isinstance(value, Unknown):
            if listed is not None:
                yield from _clip_problems(listed, (key,))
                yield from word_problems(key, shape, (key,))
            yield from _wrong_media((key,), shape, MEDIA_KINDS[(key,)])
        for index, clip in enumerate(value if isinstance(value, list) else ()):
            if isinstance(clip, dict) and _is_image(clip.get("media")):
                yield from unused_start(clip, (key, index))


def _computed(key: str, value: Any) -> Iterator[tuple[Path, Unknown]]:
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


def _clip_problems(shape: Shape, path: Path) -> Iterator[Diagnostic]:
    """A whole step, or an item of one, as a clip: it has a medium, but is none."""
    fields = shape.fields if shape.kind == "map" else None
    if fields and {"asset", "assets"} & fields.keys() and "media" not in fields:
        message = "a clip is one asset, but this is a whole step or item"
        hint = "write .asset after it; .assets instead of .items gives a list of them"
        yield Diagnostic("wrong-type", message, hint, path=path)


def _is_no_file(medium: Any) -> bool:
    """Whether it is a list, or a map of other keys than a file, with an expression inside.

    Those without one are reported with the files.
    """
    held = isinstance(medium, list) or (isinstance(medium, dict) and not is_medium_map(medium))
    return held and has_unknown(medium)


def _wrong_media(path: Path, shape: Shape, kinds: tuple[str, ...]) -> Iterator[Diagnostic]:
    held = shape.member if shape.kind == "list" and shape.member is not None else shape
    found = [held.media] if held.media else held.either
    if held.kind == "asset" and (wrong := [one for one in found if one not in kinds]):
        yield wrong_kind(path, wrong[0], kinds)


def _is_image(medium: Any) -> bool:
    if isinstance(medium, Unknown):
        return medium.shape.media == "image"
    return medium_kind(medium) == "image"
