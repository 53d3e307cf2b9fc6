"""The evaluated arguments of a `compose` or `layout`: checked, complete, and with their hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import ValidationError

from rivya_flows.assets import Asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.build_models import report_error
from rivya_flows.language.checks.final_cut import (
    cut_problems,
    end_card_problems,
    medium_kind,
    unused_start,
    wrong_kind,
)
from rivya_flows.language.cut_terms import RENDERER_VERSION
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.values import Later
from rivya_flows.language.field_types import EVALUATED
from rivya_flows.language.final_cut import MEDIUM_IN, CutMedium, media_in, with_media
from rivya_flows.language.step_arguments import WITH_MODELS
from rivya_flows.language.syntax.media_references import resolve
from rivya_flows.steps.request import (
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


def cut_request(
    uses: str, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> tuple[dict[str, Any], str]:
    """The arguments with defaults and media filled in, and the hash of the request.

    A clip is a map ``{"media", "seconds", "start", "motion"}``. Nulls in lists, arguments that are
    not given, and defaults without effect are left out. Media are assets, ``{"url": …}`` or ``{"file_id": …}``.

    Raises:
        ItemRequestError: A value is wrong; all mistakes.
    """
    given = {key: _without_nulls(key, value) for key, value in arguments.items()}
    if problems := list(cut_mistakes(uses, given, files)):
        raise ItemRequestError("; ".join(problems))
    model = WITH_MODELS[uses].model_validate(_of_spec(given), context=EVALUATED)
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
    return made, content_hash([uses, RENDERER_VERSION, hashed], media)


def cut_mistakes(
    uses: str, arguments: Mapping[str, Any], files: Mapping[str, Asset]
) -> Iterator[str]:
    """What is wrong with arguments that are evaluated as far as they are known; the first few."""
    return islice(dict.fromkeys(islice(_mistakes(uses, arguments, files), _MAX_FOUND)), _MAX_TOLD)


def _mistakes(uses: str, arguments: Mapping[str, Any], files: Mapping[str, Asset]) -> Iterator[str]:
    given = {key: _without_nulls(key, value) for key, value in arguments.items()}
    given = {key: value for key, value in given.items() if value is not None}
    try:
        WITH_MODELS[uses].model_validate(_of_spec(given), context=EVALUATED)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report = DiagnosticCollector("", "")
            report_error(details, (), report)
            yield from (_message(details["loc"], one) for one in report.diagnostics)
    # Defaults are among the values, so that `fit` is checked with the spec alone.
    named = {key: value for key, value in given.items() if key != "fit"}
    named = with_media(named, lambda one: named_file(one.value, files))
    for found in (*cut_problems(uses, named), *end_card_problems(named)):
        # All stills of a failed run may be missing; only the attempt fails then, as before.
        if found.path != ("images",) or found.code != "missing-key":
            yield _message(found.path, found)
    for index, clip in enumerate(_listed(named.get("clips"))):
        if isinstance(clip, Mapping) and medium_kind(clip.get("media")) == "image":
            for found in unused_start(clip, ("clips", index)):
                yield _message(found.path, found)
    for medium in media_in(given):
        try:
            if not isinstance(medium.value, Later):
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
