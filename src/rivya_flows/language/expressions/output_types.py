"""The shapes of inputs and step outputs, as far as they are known before a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from rivya_flows.language.matrix import ItemKey, shared_keys
from rivya_flows.language.syntax.media_references import is_uploaded

Kind = Literal["any", "text", "number", "boolean", "list", "map", "asset"]


@dataclass(frozen=True)
class Shape:
    """What is known of a value.

    Attributes:
        fields: Of a map or an asset; None: any field may be there. Of a pair: by place.
        member: Of a list, and of a map whose keys are not known.
        media: Of an asset: its kind of medium; of one of several kinds, these are in `either`.
        lacks: Missing fields that one might expect, with the fix.
        is_prose: Of a text: it is prose or a name, and never a URL or the id of an upload.
        values: Of a text: all that it can be; empty where that is not known.
        session_of: Of the id of a session: the model of its chat, as written.
    """

    kind: Kind = "any"
    fields: Mapping[str, Shape] | None = None
    member: Shape | None = None
    length: int | None = None
    media: str | None = None
    either: tuple[str, ...] = ()
    lacks: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    is_prose: bool = False
    values: tuple[str, ...] = ()
    session_of: str | None = None


class Made(NamedTuple):
    """The step that makes the members of a list, and how many at least and at most."""

    step: str
    least: int
    most: int


@dataclass(frozen=True)
class Unknown:
    """A value that is not known yet.

    Attributes:
        least: Its least length in characters, if it is a text.
        possible: Literal values that it may have; others are not excluded.
        written: The text that it is computed from.
        is_name: Whether it is a name such as `steps.hero.asset`, which has a value in every run.
        made: What the plan says of all items or media of a step that fans out.
    """

    shape: Shape = Shape()
    least: int = 0
    possible: tuple[Any, ...] = ()
    written: str = ""
    is_name: bool = False
    made: Made | None = None


def has_unknown(value: Any) -> bool:
    """Whether any part of a value is not known yet."""
    if isinstance(value, Mapping | list | tuple):
        return any(map(has_unknown, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, Unknown)


Scope = Mapping[str, Shape]
"""The shapes of the names that an expression can use."""

ANY = Shape()
TEXT = Shape("text")
PROSE = Shape("text", is_prose=True)
NUMBER = Shape("number")
BOOLEAN = Shape("boolean")


RUN = Shape("map", dict.fromkeys(("id", "date", "scheduled_for"), PROSE))
"""The run itself, as the name `run` gives it."""

BY_SIZE = "by size"
"""Title of a map whose one key is a size in pixels, such as ``1024x576``."""

BY_PLACE = "by place"
"""Title of a map whose keys are places, from ``0`` on: the items of a fan-out over media."""

_KEYS = {BY_SIZE: r"[0-9]+x[0-9]+", BY_PLACE: r"[0-9]+"}


def asset(media: str | None = None) -> Shape:
    """A stored media file."""
    texts = dict.fromkeys(("kind", "path", "url", "mime_type", "sha256"), PROSE) | {"url": TEXT}
    numbers = dict.fromkeys(("width", "height", "duration_seconds"), NUMBER)
    return Shape("asset", {**texts, **numbers}, media=media)


def local_asset(media: str | None) -> Shape:
    """A media file that was made on this machine, and is at no address."""
    made = asset(media)
    fields = {name: shape for name, shape in (made.fields or {}).items() if name != "url"}
    hint = "it is made on your machine: a step with `uses: upload` gives it a .url"
    return replace(made, fields=fields, lacks={"url": hint})


def list_of(member: Shape) -> Shape:
    """A list of such members."""
    return Shape("list", member=member)


def map_of(fields: Mapping[str, Shape], lacks: Mapping[str, str] | None = None) -> Shape:
    """A map of just these fields."""
    return Shape("map", fields, lacks=lacks or {})


def of_data(value: Any) -> Shape:
    """The shape of a literal value; an expression in it is ``any``."""
    if isinstance(value, str):
        return ANY if "${{" in value else TEXT
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, int | float):
        return NUMBER
    if isinstance(value, dict):
        return map_of({key: of_data(part) for key, part in value.items()})
    if isinstance(value, list):
        return list_of(merge_shapes([of_data(member) for member in value]))
    return ANY


def of_text(text: str) -> Shape:
    """The shape of a text that an expression or an input gives: words, unless it may be an address."""
    return TEXT if ":" in text or is_uploaded(text) else PROSE


def merge_shapes(shapes: list[Shape]) -> Shape:
    """The common shape: maps are merged, since a missing field may be optional.

    Of several kinds, whether one is words: what takes none takes none of them.
    """
    if len({shape.kind for shape in shapes}) != 1:
        return Shape(is_prose=any(shape.is_prose for shape in shapes))
    first = shapes[0]
    if first.kind == "asset":
        kinds = sorted({kind for shape in shapes for kind in shape.either or (shape.media or "",)})
        media, either = (kinds[0] or None, ()) if len(kinds) == 1 else (None, tuple(kinds))
        whole = max(shapes, key=lambda shape: len(shape.fields or ()))
        return replace(whole, media=media, either=() if "" in either else either)
    if first.kind != "map" or any(shape.fields is None for shape in shapes):
        return first if all(shape == first for shape in shapes) else Shape(first.kind)
    fields: dict[str, Shape] = {}
    for shape in shapes:
        fields |= shape.fields or {}
    return map_of(fields)


def of_input(declared: Mapping[str, Any]) -> Shape:
    """The shape of an input, from its declaration as written."""
    match declared.get("type"):
        case "string" | "text" | "date" | "secret":
            return TEXT
        case "integer" | "number":
            return NUMBER
        case "boolean":
            return BOOLEAN
        case "list":
            return list_of(of_input({**declared, "type": declared.get("of"), "of": None}))
        case "map" if isinstance(fields := declared.get("fields"), Mapping):
            members = {name: one for name, one in fields.items() if isinstance(one, Mapping)}
            return map_of({str(name): of_input(one) for name, one in members.items()})
        case "enum":
            values = declared.get("values")
            if not isinstance(values, list):
                return ANY
            return merge_shapes([of_text(v) if isinstance(v, str) else of_data(v) for v in values])
        case "file":
            kind = declared.get("kind")
            fields = {"path": PROSE, "url": TEXT, "file_id": TEXT}
            return Shape("asset", fields, media=kind if isinstance(kind, str) else None)
        case _:
            return ANY


def of_include(outputs: Mapping[str, Shape] | None) -> Shape:
    """The output fields of an included spec; None: unknown."""
    given = Shape("map") if outputs is None else map_of(outputs)
    lacks = {name: f"write outputs.{name}" for name in outputs or ()}
    members = [
        one.member if one.kind == "list" and one.member else one for one in (outputs or {}).values()
    ]
    media = [one for one in members if one.kind == "asset"]
    assets = list_of(merge_shapes(media)) if media else Shape("list")
    return map_of({"outputs": given, "assets": assets, "status": PROSE, "credits": NUMBER}, lacks)


def of_key(keys: Iterable[ItemKey]) -> Shape:
    """The shape of the key of an item, which is one of these if there are any."""
    return replace(PROSE, values=tuple(one.text for one in keys))


def of_repeat(single: Shape) -> Shape:
    """The output fields of a step with `repeat`, from those of a round."""
    if single.fields is None:
        return ANY
    return replace(single, fields={**single.fields, "rounds": NUMBER, "met": BOOLEAN})


def of_fan_out(
    single: Shape,
    keys: tuple[ItemKey, ...] | None = None,
    values: Shape = ANY,
    *,
    by_place: bool = False,
) -> Shape:
    """The output fields of a step with several items.

    Args:
        keys: Of the items; None: not known.
        values: Of its loops, which are fields of each item; output fields win.
    """
    if single.fields is None:
        return ANY
    key = of_key(keys or ())
    given = None
    if values.fields is not None:
        given = {**values.fields, "key": key, **single.fields}
    item = Shape("map", given, lacks=single.lacks)
    by = Shape("map", member=item, title=BY_PLACE if by_place else "")
    if keys is not None:  # a key that several items were given names none of them
        shared = shared_keys(keys)
        named = {one.text: item for one in keys if one.text not in shared}
        by = Shape("map", named, item, lacks=shared)
    items = Shape("list", member=item, length=None if keys is None else len(keys))
    fields = {"items": items, "by": by, "status": PROSE, "credits": NUMBER}
    if "asset" in single.fields:
        fields["assets"] = list_of(single.fields["asset"])
    elif "assets" in single.fields:  # of an included spec
        fields["assets"] = single.fields["assets"]
    paths = {name: f"outputs.{name}" for name in single.fields.get("outputs", ANY).fields or ()}
    paths |= {name: name for name in given or single.fields}
    lacks = {
        name: f"the step has several items: use .items, .by['KEY'].{path}"
        + (", or .assets" if name == "asset" else "")
        for name, path in paths.items()
        if name not in (*fields, "key")
    }
    lacks["same"] = "only a step that fans out has it, inside `with`, `if` and `fallback`"
    return map_of(fields, lacks)


def field_of(shape: Shape, name: str) -> Shape | None:
    """The shape of a field or an item; None if it does not exist."""
    if shape.kind == "any":
        return ANY
    if shape.kind == "list":
        if not is_place(name):
            return None
        held = shape.length
        if shape.fields is not None and held:  # a pair
            return shape.fields.get(str(int(name) % held)) if -held <= int(name) < held else None
        return (shape.member or ANY) if held is None or -held <= int(name) < held else None
    if shape.kind in ("map", "asset"):
        if shape.title in _KEYS and not re.fullmatch(_KEYS[shape.title], name):
            return None
        if shape.fields is None:
            return shape.member or ANY
        return shape.fields.get(name)
    return ANY if shape.kind == "text" and is_place(name) else None


def is_place(name: str) -> bool:
    """Whether a step of a reference is an index of a list."""
    return re.fullmatch(r"-?[0-9]{1,18}", name) is not None
