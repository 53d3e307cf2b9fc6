"""`inspect`: measures a medium on this machine, says what is wrong with it, and takes frames of it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, JsonValue

from rivya_cut.measures import MAX_FRAMES, Measures
from rivya_flows.assets import Asset, Outputs
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.common_params import number_of_seconds
from rivya_flows.language.expressions.output_types import (
    BOOLEAN,
    NUMBER,
    PROSE,
    Shape,
    Unknown,
    list_of,
    local_asset,
)
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.field_types import Count, SpecModel, Takes, Value
from rivya_flows.language.quality import Expected, Limits, faults, texts_of
from rivya_flows.language.syntax.media_references import kind_of
from rivya_flows.language.wording import preview
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.kind import UNPAID, Kind, Names, given_fields
from rivya_flows.steps.request import ItemRequest, content_hash, medium_of, named_file

_VERSION = 1
"""Of the measures and frames that are kept for later runs; another one takes them again."""


class InspectWith(SpecModel):
    """What `inspect` takes.

    Attributes:
        media: A picture, a film or a sound.
        frames: How many evenly spaced frames of a film it gives, 2 to 32: the first, the last, and those between.
        seconds: How long it should last, in seconds or such as `8s`.
        aspect: What its width to height should be, such as `9:16`.
        sound: Whether something should be heard; left out: only in a sound without a picture.
        limits: From which measure on a medium has a fault.
    """

    media: Annotated[
        Value,
        Takes(
            ("asset", "text"),
            is_file=True,
            instead={"list": "write `foreach: VALUE`, and `media: ${{ item }}`"},
        ),
    ]
    frames: Annotated[Count, Field(ge=2, le=MAX_FRAMES)] = 4
    seconds: Annotated[Value, Takes(("number", "text"), is_examined=True)] = None
    aspect: Annotated[Value, Takes(("text",), is_examined=True)] = None
    sound: Annotated[Value, Takes(("boolean",))] = None
    limits: Limits = Limits()


@dataclass(frozen=True)
class _Output:
    """A field of the outputs: its shape, and the kinds of media that have it."""

    shape: Shape
    of: tuple[str, ...] = ("image", "video", "audio")


_IMAGE = local_asset("image")
_PICTURES, _SOUNDS, _FILMS = ("image", "video"), ("video", "audio"), ("video",)
_OUTPUTS = {
    "ok": _Output(BOOLEAN),
    "faults": _Output(list_of(PROSE)),
    "reasons": _Output(list_of(PROSE)),
    "first_frame": _Output(_IMAGE, _PICTURES),
    "last_frame": _Output(_IMAGE, _PICTURES),
    "frames": _Output(list_of(_IMAGE), _PICTURES),
    "seconds": _Output(NUMBER, _SOUNDS),
    "width": _Output(NUMBER, _PICTURES),
    "height": _Output(NUMBER, _PICTURES),
    "black": _Output(NUMBER, _PICTURES),
    "frozen": _Output(NUMBER, _FILMS),
    "blank": _Output(NUMBER, _PICTURES),
    "sound": _Output(BOOLEAN, _SOUNDS),
    "silent": _Output(NUMBER, _SOUNDS),
    "clipped": _Output(NUMBER, _SOUNDS),
    "loudness": _Output(NUMBER, _SOUNDS),
    "peak": _Output(NUMBER, _SOUNDS),
}
_LACKED = {"image": "a picture", "video": "a film", "audio": "a sound"}
_EXPECTED = {"frames": _FILMS, "seconds": _SOUNDS, "aspect": _PICTURES, "sound": _SOUNDS}
"""The kinds of media for which an argument has an effect."""


class Inspect(Kind):
    uses = "inspect"
    says = "Measures a medium and takes frames of it on your machine; 0 credits."
    takes = InspectWith
    outputs = tuple(_OUTPUTS)
    idle = ("retry", "budget", *(key for key in UNPAID if key != "cache"))
    reads = ("media",)
    row = ("faults",)
    is_quick = True

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        media = given.media("media", world.files)
        given.report(_wrong_expectations(given))
        if given.is_written:
            given.report(_idle_expectations(given.values, media.kinds))
        if "media" not in given.values and not given.is_written:
            given.problem("missing-key", "'media' is nothing", "`if:` skips the step", "media")
        if given.problems or not given.is_complete:
            return None
        value = named_file(given.values["media"], world.files)
        arguments = {**given.values, "media": value}
        medium = medium_of(value, "image", world.files, "media")
        identity = [self.uses, _VERSION, {**arguments, "media": medium.source}]
        return ItemRequest(self.uses, arguments, request_hash=content_hash(identity, [medium]))

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        written = arguments.get("media")
        kind = None
        if isinstance(written, str):
            kind = names.shape_of(written).media if is_computed(written) else kind_of(written)
        fields = {name: one.shape for name, one in _OUTPUTS.items()}
        if kind is None:
            return given_fields(fields)
        lacks = {
            name: f"{_LACKED[kind]} has no {name.replace('_', ' ')}"
            for name, one in _OUTPUTS.items()
            if kind not in one.of
        }
        return given_fields({name: one for name, one in fields.items() if name not in lacks}, lacks)


def _wrong_expectations(given: Arguments) -> Iterator[Diagnostic]:
    """Values that no medium can have."""
    for name, read, example in (("seconds", _seconds, "8s"), ("aspect", _aspect, '"9:16"')):
        value = given.get(name)
        for one in value.possible if isinstance(value, Unknown) else (value,):
            try:
                read(one)
            except ValueError as error:
                yield Diagnostic("wrong-value", str(error), f"write {example}", path=(name,))


def _idle_expectations(
    arguments: Mapping[str, Any], kinds: Sequence[str | None]
) -> Iterator[Diagnostic]:
    """Arguments that mean nothing for a medium of that kind."""
    [kind] = kinds if len(kinds) == 1 else (None,)
    for name, able in _EXPECTED.items():
        if kind is not None and kind not in able and name in arguments:
            message = f"{name!r} has no effect on {_LACKED[kind]}"
            yield Diagnostic("needless-key", message, "remove it", path=(name,), at_key=True)


def _seconds(value: Any) -> float | None:
    """A number of seconds; ValueError for anything else."""
    if value is None:
        return None
    found = number_of_seconds(value)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < math.inf:
        raise ValueError(f"'seconds' must be a duration, not {preview(value)}")
    return float(found)


def _aspect(value: Any) -> float | None:
    """Width by height of a text such as `9:16`; ValueError for anything else."""
    if value is None:
        return None
    number = r"(\d{1,5}(?:\.\d{1,5})?)"
    found = re.fullmatch(f"{number}:{number}", value) if isinstance(value, str) else None
    if found is None or not float(found[1]) or not float(found[2]):
        raise ValueError(f"'aspect' must be width to height, not {preview(value)}")
    return float(found[1]) / float(found[2])


def inspection_outputs(asked: InspectWith, found: Measures, frames: Sequence[Asset]) -> Outputs:
    """The outputs of an item, by its arguments, the measures of its medium, and frames of that."""
    lasts, sound = found.media != "image", asked.sound
    is_heard = found.media == "audio" if sound is None else sound is True
    seconds = _seconds(asked.seconds) if lasts else None
    expected = Expected(seconds, _aspect(asked.aspect), lasts and is_heard)
    wrong = faults(found, expected, asked.limits)
    pictures: list[JsonValue] = [one.as_json() for one in frames]
    frozen = found.still / found.seconds if found.still is not None and found.seconds else None
    return {
        "ok": not wrong,
        "faults": [one.name for one in wrong],
        "reasons": [*texts_of(wrong)],
        "first_frame": pictures[0] if pictures else None,
        "last_frame": pictures[-1] if pictures else None,
        "frames": pictures or None,
        "frozen": None if frozen is None else min(frozen, 1.0),
        "sound": found.sound if lasts else None,
        **{name: getattr(found, name) for name in _MEASURED},
    }


_MEASURED = (
    "seconds",
    "width",
    "height",
    "black",
    "blank",
    "silent",
    "clipped",
    "loudness",
    "peak",
)
