"""Computed values in the arguments of `compose` and `layout`: of the right kinds, with known keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rivya_cut import composition
from rivya_cut.composition import is_medium_map
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.cut_places import Slot, Values, is_medium, values_in
from rivya_flows.language.expressions.output_types import Shape, Unknown, has_unknown
from rivya_flows.language.field_types import keys_of
from rivya_flows.language.final_cut import MODEL_OF
from rivya_flows.language.syntax.tree import Path
from rivya_flows.language.wording import an, preview
from rivya_flows.steps.arguments import any_of, place_name, word_problems, wrong_shape

_LISTS = {
    "clips": "write .assets of a step with several items",
    "overlays": 'write [{text: "…"}], with one text in each map',
    "formats": "write a list such as ['9:16', '1:1']",
    "extras": "write a list such as [poster, srt]",
    "for": "write a list such as [tiktok, youtube]",
}
"""How each list is written whose members may be computed together."""


def computed_problems(arguments: Values) -> Iterator[Diagnostic]:
    """Computed values in arguments that do not fit, and media of a wrong kind."""
    stills = "image" in arguments
    for path, value, slot in values_in(arguments):
        if isinstance(value, Unknown) and path:
            yield from _shape_problems(path, value.shape, slot, stills=stills, inside=len(path) > 1)
        elif slot.media and has_unknown(value) and not is_medium(value):  # others with the files
            message = f"{_name_at(path)!r} takes {any_of(slot.kinds)}, but this is {preview(value)}"
            hint = "give one asset, without { } or [ ]"
            yield Diagnostic("wrong-type", message, hint, path=path)


def _shape_problems(
    path: Path, shape: Shape, slot: Slot, *, stills: bool, inside: bool
) -> Iterator[Diagnostic]:
    """What does not fit in a computed value; `inside` of an argument, for a whole one is examined before."""
    fits = slot.kinds
    if fits == ("number", "text") and shape.is_prose:
        fits = ("number",)  # words of a model are no time
    name = _name_at(path)
    if isinstance(path[-1], int) and slot.alone:
        fits = ("list", *fits)  # a list among clips is its clips
    if inside and shape.kind not in ("any", *fits):
        yield wrong_shape(path, shape, fits)
        return
    if shape.kind == "list":
        held = slot if slot.member is None else slot.member
        if shape.member is None:
            return
        if shape.member.kind not in ("any", *held.kinds):
            message = f"{name!r} takes a list of {held.kinds[0]} values, but this is a list of {shape.member.kind} values"
            hint = _LISTS.get(name, "give a list of other values")
            yield Diagnostic("wrong-type", message, hint, path=path)
            return
        slot, shape = held, shape.member
    takes_media = slot.media or (slot.alone == "media" and _media_of(slot))
    if shape.kind == "map" and slot.fields:
        yield from _map_problems(path, shape, slot, stills=stills)
    elif takes_media:
        if inside or slot.fields:
            yield from word_problems(name, shape, path)
        yield from _wrong_media(path, shape, ("image",) if stills else takes_media)


def _media_of(slot: Slot) -> tuple[str, ...]:
    """The media of a map that has one, or a list of them."""
    media = slot.fields["media"]
    return media.media or (media.member.media if media.member else ())


def _map_problems(path: Path, shape: Shape, slot: Slot, *, stills: bool) -> Iterator[Diagnostic]:
    """The keys of a computed map, or of each in a list."""
    fields = shape.fields
    if not fields or is_medium_map(fields):
        return
    name = _name_at(path)
    if slot.alone == "media" and "media" not in fields:
        what = "a clip" if slot.model is composition.Clip else "a sound"
        if {"asset", "assets"} & fields.keys():
            message = f"{what} is one asset, but this is a whole step or item"
            hint = "write .asset after it; .assets instead of .items gives a list of them"
        else:
            message = f"{what} is one asset, but this is a map without 'media'"
            hint = "write one asset, or {media: …}"
        yield Diagnostic("wrong-type", message, hint, path=path)
        return
    known = MODEL_OF.get(slot.model)
    for key, one in fields.items():
        if key in slot.fields:
            yield from _shape_problems(
                (*path, key), one, slot.fields[key], stills=stills, inside=True
            )
        elif known is not None:
            hint = f"there are: {', '.join(keys_of(known))}"
            message = f"unknown key {key!r} in {name!r}"
            yield Diagnostic("unknown-key", message, hint, path=path)


def _wrong_media(path: Path, shape: Shape, kinds: tuple[str, ...]) -> Iterator[Diagnostic]:
    found = [shape.media] if shape.media else shape.either
    if shape.kind == "asset" and (wrong := [one for one in found if one not in kinds]):
        yield wrong_kind(path, wrong[0], kinds)


def _name_at(path: Path) -> str:
    """The key of a value in messages; of a medium, which may stand alone, that of its part."""
    if len(path) > 2 and path[-2] == "media":
        path = path[:-1]
    return place_name(path[:-1] if len(path) > 1 and path[-1] == "media" else path)


def wrong_kind(path: Path, found: str, kinds: Sequence[str]) -> Diagnostic:
    """Reports a medium of a kind that its place does not take."""
    wanted = " or ".join(map(an, kinds))
    message = f"{_name_at(path)!r} takes {wanted}, but this is {an(found)}"
    return Diagnostic("wrong-type", message, f"use {wanted}, or remove it", path=path)
