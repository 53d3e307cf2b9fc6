"""Checks of computed values inside the arguments of `compose` and `layout`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.checks.final_cut import medium_kind, unused_start, wrong_kind
from rivya_flows.language.checks.type_check import any_of, check_no_words
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.inference import known_shape
from rivya_flows.language.expressions.operations import TEXTS, repair
from rivya_flows.language.expressions.output_types import Kind, Scope, Shape
from rivya_flows.language.field_types import is_later
from rivya_flows.language.final_cut import CUT_PARTS, MEDIA_KINDS, is_medium_map, media_in
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, shown

_FILE: tuple[Kind, ...] = ("asset", "text")
_FITS: Mapping[str, tuple[Kind, ...]] = {
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


def check_cut_argument(
    key: str, value: Any, shape: Shape, scope: Scope, path: Path, report: DiagnosticCollector
) -> None:
    """Reports computed values inside an argument that do not fit, and media of a wrong kind."""
    for place, computed in _computed(key, value):
        inner = known_shape(computed, scope)
        fits = _FITS[str(next(step for step in reversed((key, *place)) if isinstance(step, str)))]
        if key == "clips" and len(place) == 1:
            _check_clip(inner, (*path, *place), report)
        if inner.kind not in ("any", *fits):
            name = next((step for step in reversed(place) if isinstance(step, str)), key)
            message = f"{name!r} takes {any_of(fits) or an(fits[0])}, but this is {an(inner.kind)}"
            hint = repair(fits, inner) or f"give {an(fits[0])}"
            report.add((*path, *place), "wrong-type", message, hint)
    for medium in media_in({key: value}):
        name = next(step for step in reversed(medium.path) if isinstance(step, str))
        if isinstance(medium.value, str) and is_later(medium.value):
            inner = known_shape(medium.value, scope)
            if medium.path[0] in CUT_PARTS:
                check_no_words(name, inner, (*path[:-1], *medium.path), report)
            report.add_inside(path[:-1], _wrong_media(medium.path, inner, medium.kinds))
        elif _is_no_file(medium.value):
            message = f"{name!r} takes {any_of(_FILE)}, but this is {shown(medium.value)}"
            hint = "give one asset, without { } or [ ]"
            report.add((*path[:-1], *medium.path), "wrong-type", message, hint)
    listed = shape.member if isinstance(value, str) and shape.kind == "list" else None
    if listed is not None and key in _LISTS and listed.kind not in ("any", *_FITS[key]):
        fits = _FITS[key]
        message = (
            f"{key!r} takes a list of {fits[0]} values, but this is a list of {listed.kind} values"
        )
        report.add(path, "wrong-type", message, _LISTS[key])
    if key == "clips":
        if isinstance(value, str):
            if shape.kind == "list" and shape.member is not None:
                _check_clip(shape.member, path, report)
                check_no_words(key, shape, path, report)
            report.add_inside(path[:-1], _wrong_media((key,), shape, MEDIA_KINDS[(key,)]))
        for index, clip in enumerate(value if isinstance(value, list) else ()):
            if isinstance(clip, dict) and _is_image(clip.get("media"), scope):
                report.add_inside(path[:-1], unused_start(clip, (key, index)))


def _computed(key: str, value: Any) -> Iterator[tuple[Path, str]]:
    """Expressions inside a list or a map of arguments, with their places in it."""
    if key not in CUT_PARTS and key not in ("formats", "extras"):
        return
    for index, one in enumerate(value) if isinstance(value, list) else ((None, value),):
        at: Path = () if index is None else (index,)
        if isinstance(one, dict):
            for name, part in one.items():
                if isinstance(part, str) and is_later(part) and name in _FITS:
                    yield (*at, name), part
        elif index is not None and isinstance(one, str) and is_later(one):
            yield at, one


def _check_clip(shape: Shape, path: Path, report: DiagnosticCollector) -> None:
    """Reports a whole step, or an item of one, as a clip: it has a medium, but is none."""
    fields = shape.fields if shape.kind == "map" else None
    if fields and {"asset", "assets"} & fields.keys() and "media" not in fields:
        message = "a clip is one asset, but this is a whole step or item"
        hint = "write .asset after it; .assets instead of .items gives a list of them"
        report.add(path, "wrong-type", message, hint)


def _is_no_file(medium: Any) -> bool:
    """Whether it is a list, or a map of other keys than a file, with an expression inside.

    Those without one are reported with the files.
    """
    held = isinstance(medium, list) or (isinstance(medium, dict) and not is_medium_map(medium))
    return held and "${{" in str(medium)


def _wrong_media(path: Path, shape: Shape, kinds: tuple[str, ...]) -> Iterator[Diagnostic]:
    held = shape.member if shape.kind == "list" and shape.member is not None else shape
    found = [held.media] if held.media else held.either
    if held.kind == "asset" and (wrong := [one for one in found if one not in kinds]):
        yield wrong_kind(path, wrong[0], kinds)


def _is_image(medium: Any, scope: Scope) -> bool:
    if isinstance(medium, str) and is_later(medium):
        return known_shape(medium, scope).media == "image"
    return medium_kind(medium) == "image"
