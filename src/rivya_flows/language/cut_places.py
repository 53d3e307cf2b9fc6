"""The places of a cut: what each takes, by the models of `rivya_cut`; and the values and media at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path as FilePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel

from rivya_cut.composition import Alone, Clip, Composition, Layout, is_medium_map
from rivya_cut.durations import DurationError, seconds_of
from rivya_cut.fields import LIST, SECONDS, DrawnText, MediaKinds
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import (
    Kind,
    Shape,
    Unknown,
    list_of,
    map_of,
    of_data,
)
from rivya_flows.language.syntax.tree import Path

Values = Mapping[str, Any]
"""Arguments of a `compose` or a `layout`, by name."""

_TIME: tuple[Kind, ...] = ("number", "text")
_KINDS: Mapping[Any, tuple[Kind, ...]] = {
    FilePath: ("text",),
    str: ("text",),
    bool: ("boolean",),
    int: ("number",),
    float: ("number",),
}


@dataclass(frozen=True)
class Slot:
    """What a place of a cut takes.

    Attributes:
        kinds: The kinds of a computed value.
        model, fields: Of a map: its plain model, and what each of its keys takes.
        member: What each member of a list takes, of which there are `most`.
        alone: The key of a map for which a value alone stands; "" if none does. Of a list, whether one
            value stands for it.
        media: Of a medium: the kinds that it may be.
        choices: Of a word: all that it can be.
    """

    kinds: tuple[Kind, ...]
    model: type[BaseModel] | None = None
    fields: Mapping[str, Slot] = field(default_factory=dict, hash=False)
    member: Slot | None = None
    most: int | None = None
    alone: str = ""
    media: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()


def _slot(held: Any, marks: tuple[Any, ...] = ()) -> Slot:
    origin, inside = get_origin(held), get_args(held)
    if origin is Annotated:
        return _slot(inside[0], (*inside[1:], *marks))
    if origin in (Union, UnionType):
        either = [_slot(one, marks) for one in inside if one is not NoneType]
        kinds = {kind: None for one in either for kind in one.kinds}
        return replace(either[0], kinds=_TIME if {*_TIME} == {*kinds} else tuple(kinds))
    if origin is Literal:
        return Slot(("text",), choices=inside)
    if origin is tuple:
        member, one = _slot(inside[0]), LIST in marks
        most = next((mark.max_length for mark in marks if isinstance(mark, MaxLen)), None)
        fits: tuple[Kind, ...] = ("list", *(member.kinds if one else ()))
        return Slot(fits, member=member, most=most, alone="[]" if one else "")
    if issubclass(held, BaseModel):
        fields = fields_in(held)
        alone = next((mark.key for mark in marks if isinstance(mark, Alone)), "")
        one_alone = fields[alone].kinds if alone else ()
        return Slot(("map", *(k for k in one_alone if k != "list")), held, fields, alone=alone)
    if media := next((mark.kinds for mark in marks if isinstance(mark, MediaKinds)), None):
        return Slot(("asset", "text"), media=media)
    if any(isinstance(mark, DrawnText) for mark in marks):
        return Slot(TEXTS)
    return Slot(_TIME if SECONDS in marks else _KINDS.get(held, ("map",)))


def fields_in(model: type[BaseModel]) -> dict[str, Slot]:
    """What each key of a map takes."""
    items = model.model_fields.items()
    return {info.alias or key: _slot(info.annotation, tuple(info.metadata)) for key, info in items}


CUT = Slot(("map",), fields=fields_in(Composition) | fields_in(Layout))
"""What the arguments of `compose` and `layout` take."""


def parts_in(slot: Slot) -> Iterator[Slot]:
    """The maps at all places inside of one, each as often as it has a place."""
    for inner in slot.fields.values():
        held = inner.member or inner
        if held.model is not None:
            yield held
            yield from parts_in(held)


def values_in(value: Any, slot: Slot = CUT, at: Path = ()) -> Iterator[tuple[Path, Any, Slot]]:
    """Each value in arguments without short forms that has a place, with its path; the outer ones first."""
    yield at, value, slot
    if slot.member is not None and isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from values_in(one, slot.member, (*at, index))
    elif isinstance(value, Mapping) and not is_medium(value):
        for key in (one for one in value if one in slot.fields):
            yield from values_in(value[key], slot.fields[key], (*at, key))


class CutMedium(NamedTuple):
    """A medium in the arguments of a step, its path from these, and what it may be.

    Its value is an asset, a text, an expression, or a map with `url` or `file_id`; never None.
    """

    path: tuple[str | int, ...]
    value: Any
    kinds: tuple[str, ...]


def is_medium(value: Any) -> bool:
    """Whether a value is one medium as a map, such as an asset or `{url: …}`."""
    return isinstance(value, Mapping) and is_medium_map(value)


def media_in(arguments: Mapping[str, Any]) -> Iterator[CutMedium]:
    """All media in the arguments of a `compose` or `layout` without short forms, in their order; no whole
    expressions for maps and lists. A layout, which has an `image`, shows no films.
    """
    stills = ("image",) if "image" in arguments else None
    for path, value, slot in values_in(arguments):
        if slot.media and value is not None:
            yield CutMedium(path, value, stills or slot.media)


def with_media(arguments: Mapping[str, Any], change: Callable[[CutMedium], Any]) -> dict[str, Any]:
    """A copy of the arguments with what `change` gives for each of `media_in`, called in their order."""
    made: Any = deepcopy(dict(arguments))
    for one in media_in(arguments):
        *holders, last = one.path
        holder = made
        for step in holders:
            holder = holder[step]
        holder[last] = change(one)
    found: dict[str, Any] = made
    return found


def whole_forms(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a `compose` or `layout` without short forms: one clip is a list, a list of clips
    among clips is its clips, as is one with `zip`, a text or a medium alone is a map, and `2s` is a number.
    """
    whole: dict[str, Any] = _whole(arguments, CUT)
    return whole


def _whole(value: Any, slot: Slot) -> Any:
    if slot.alone and _is_alone(value, slot):
        value = [value] if slot.member else {slot.alone: value}
    if slot.member is not None and isinstance(value, list | tuple):
        members = (one for inner in value for one in _members(inner, slot))
        # More are refused; a list that many clips name would be many times in memory.
        most = slot.most + 1 if slot.alone and slot.most else None
        return [_whole(one, slot.member) for one in islice(members, most)]
    if slot.fields and isinstance(value, Mapping):
        return {
            key: _whole(one, slot.fields[key]) if key in slot.fields else one
            for key, one in value.items()
        }
    if slot.kinds == _TIME:
        with suppress(DurationError):  # the model reports it
            return seconds_of(value)
    return value


def _is_alone(value: Any, slot: Slot) -> bool:
    """Whether a value stands for a map, or for a list of it."""
    if isinstance(value, Unknown):
        return value.shape.kind in slot.kinds and value.shape.kind not in (
            ("list",) if slot.member else ("map", "list")
        )
    if isinstance(value, str):
        return "${{" not in value or slot.alone == "text"
    if slot.member is not None:
        return not isinstance(value, list | tuple | None)
    is_value = not isinstance(value, Mapping | list | tuple | None) or is_medium(value)
    return slot.alone == "media" and is_value


def _members(value: Any, slot: Slot) -> Iterable[Any]:
    """The members that a member of a list stands for."""
    if slot.alone and isinstance(value, list | tuple):
        return value
    if not isinstance(value, Mapping) or slot.member is None or slot.member.model is not Clip:
        return [value]
    rest, lists = {key: one for key, one in value.items() if key != "zip"}, value.get("zip")
    if lists is None or lists == {}:
        return [rest]
    if not isinstance(lists, Mapping):
        return [value]
    if all(isinstance(one, list | tuple) for one in lists.values()):
        if len({len(one) for one in lists.values()}) != 1:
            return [value]  # reported
        rows = zip(*lists.values(), strict=True)
        return (rest | dict(zip(lists, map(_asset_of, row), strict=True)) for row in rows)
    shapes = {key: _shape(one) for key, one in lists.items()}
    if any(one.kind not in ("any", "list") for one in shapes.values()):
        return [value]
    each = {key: _asset_of(one.member or Shape()) for key, one in shapes.items()}
    row = map_of({key: _shape(one) for key, one in rest.items()} | each)
    return [Unknown(list_of(row))]


def written_path(path: Path, arguments: Values) -> Path:
    """The path in arguments as they are written of a place in those without short forms."""
    slot = CUT.fields.get(str(path[0])) if len(path) > 1 else None
    written = arguments.get(str(path[0])) if slot and slot.member and slot.alone else None
    left = path[1] if len(path) > 1 else 0
    if slot is None or not isinstance(written, list | tuple) or not isinstance(left, int):
        return path
    for index, one in enumerate(written):
        count = sum(1 for _ in islice(_members(one, slot), left + 1))
        if left < count:
            inside = path[2:]
            if isinstance(one, list | tuple):
                inside = left, *inside
            elif isinstance(one, Mapping) and inside and inside[0] in (one.get("zip") or ()):
                inside = "zip", inside[0], left
            return path[0], index, *inside
        left -= count
    return path


def _asset_of(value: Any) -> Any:
    """The asset of an item of a step, null if it has none; another value as it is."""
    fields = (value.fields or {}) if isinstance(value, Shape) else value
    is_item = isinstance(fields, Mapping) and {"asset", "status"} <= fields.keys()
    return fields["asset"] if is_item else value


def _shape(value: Any) -> Shape:
    return value.shape if isinstance(value, Unknown) else of_data(value)


def members_of(value: Any) -> Sequence[Any]:
    """The members of a list; none of another value."""
    return value if isinstance(value, list | tuple) else ()


def each_of(value: Any) -> Sequence[Any]:
    """The members of a list, or a value alone."""
    return value if isinstance(value, list | tuple) else [value]


def maps_in(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """The maps in a list, with their places."""
    return [(index, one) for index, one in enumerate(members_of(value)) if isinstance(one, Mapping)]
