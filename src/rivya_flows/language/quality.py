"""What a spec says of the quality of its media, and the faults of a measured medium by it.

A fault is measured, not seen: `FAULTS` says of each what it finds, and docs/reference/quality.md what it misses.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from rivya_cut.measures import Measures
from rivya_flows.assets import Outputs
from rivya_flows.language.field_types import SpecModel
from rivya_flows.language.wording import preview

FaultName = Literal["black", "frozen", "silent", "clipped", "short", "shape", "blank"]
FAULTS: tuple[FaultName, ...] = get_args(FaultName)
OnFault = Literal["fail", "warn", "regenerate", "fallback"]


def _share(value: Any) -> float:
    found = (
        re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3})?) ?%", value) if isinstance(value, str) else None
    )
    if found is None or not 0 < float(found[1]) <= 100:
        raise ValueError(f"{preview(value)} is no share; {_share_hint(value)}")
    return float(found[1]) / 100


def _share_hint(value: Any) -> str:
    """What to write instead; 1 may mean either percent or the whole."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value == 1:
        return "write it in percent, above 0% and at most 100%, such as 80%"
    percent = 100 * value if value < 1 else value
    return f"write {_percent(percent / 100)}" if 0 < percent <= 100 else _share_hint(None)


def _percent(share: float) -> str:
    return f"{100 * share:g}%"


Share = Annotated[
    float, BeforeValidator(_share, json_schema_input_type=str), PlainSerializer(_percent)
]
"""A part of a whole, above 0 and at most 1; written in percent."""


def _as_written(percent: str) -> Any:
    """A default that the reference and the JSON Schema show in percent."""
    return Field(percent, validate_default=True)


class Limits(SpecModel):
    """From which measure on a medium has a fault, each in percent.

    Attributes:
        black: Of the length of a film: how much of it is black. A picture is black or not.
        frozen: Of the length of a film: its longest stretch without motion.
        silent: Of the length of a sound, or of a film that was asked for with sound: how much of it is silent.
        clipped: Of the samples of a sound: how many are within 1 dB of full scale.
        short: Of the length that was asked for: how much is missing.
        shape: Of the aspect that was asked for: by how much the picture differs from it.
        blank: Of the pictures of a film, or of a still: how much of the picture is of one colour.
    """

    black: Share = _as_written("80%")
    frozen: Share = _as_written("75%")
    silent: Share = _as_written("90%")
    clipped: Share = _as_written("4%")
    short: Share = _as_written("10%")
    shape: Share = _as_written("5%")
    blank: Share = _as_written("90%")


class Quality(SpecModel):
    """Which media of a step are refused although they were paid, and what is bought instead.

    Attributes:
        refuse: The faults for which a medium is refused; others are warnings.
        then: What happens to an item whose medium is refused: it fails, or is bought once more under the same budget, or
            its `fallback` is bought. `warn` refuses nothing.
        limits: From which measure on a medium has a fault.
    """

    refuse: Annotated[tuple[FaultName, ...], Field(min_length=1)] = FAULTS
    then: OnFault = "fail"
    limits: Limits = Limits()


MEASURED = Quality(then="warn")
"""Of a step that says nothing: its media are measured, and nothing is refused."""


@dataclass(frozen=True)
class Expected:
    """What a request asked for, as far as it says so.

    Attributes:
        seconds: How long the medium lasts.
        aspect: Width by height.
        sound: Whether it must be heard.
        media: What it is: a film with sound is good for a sound too.
    """

    seconds: float | None = None
    aspect: float | None = None
    sound: bool = False
    media: str | None = None


class Fault(NamedTuple):
    """A fault of a medium: its name, and what was measured, for people."""

    name: FaultName
    text: str


_NAMES: dict[str, str] = {"image": "a picture", "video": "a film", "audio": "a sound"}


def faults(found: Measures, expected: Expected, limits: Limits) -> tuple[Fault, ...]:
    """The faults of a measured medium, in the order of `FAULTS`."""
    return tuple(_faults(found, expected, limits))


def texts_of(found: Iterable[Fault]) -> tuple[str, ...]:
    """Faults for people: of a black film, that it is frozen and blank too is not said."""
    each = [*found]
    hidden = ("frozen", "blank") if any(one.name == "black" for one in each) else ()
    return tuple(one.text for one in each if one.name not in hidden)


@dataclass(frozen=True)
class Wanted:
    """What the media of an item must be for its step."""

    expected: Expected
    quality: Quality

    def faults_of(self, found: Measures | None) -> tuple[Fault, ...]:
        """All faults of a medium; none of one that could not be measured."""
        return () if found is None else faults(found, self.expected, self.quality.limits)

    def refuses(self, fault: Fault) -> bool:
        return self.quality.then != "warn" and fault.name in self.quality.refuse

    def reasons_to_refuse(self, outputs: Outputs) -> tuple[Fault, ...]:
        """For which faults all media of a job are refused; none if one of them is good."""
        each = self._reasons_of_each(outputs)
        return tuple(fault for one in each for fault in one) if all(each) else ()

    def without_refused(self, outputs: Outputs) -> Outputs:
        """The outputs of a job with its good media alone; as they are, if none is good."""
        each = self._reasons_of_each(outputs)
        media, measures, refused = map(outputs.get, ("assets", MEASURES, REFUSED_MEDIA))
        if all(each) or not any(each) or not isinstance(media, list) or len(media) != len(each):
            return outputs
        good = [n for n, reasons in enumerate(each) if not reasons]
        assets = [media[n] for n in good]
        return {
            **outputs,
            "asset": assets[0],
            "assets": assets,
            MEASURES: [one for n, one in enumerate(_list(measures)) if n in good],
            REFUSED_MEDIA: [
                *_list(refused),
                *(one for n, one in enumerate(media) if n not in good),
            ],
        }

    def _reasons_of_each(self, outputs: Outputs) -> list[list[Fault]]:
        return [[*filter(self.refuses, self.faults_of(one))] for one in measures_in(outputs)]


NOT_MEASURED = "its quality is not known: it could not be measured"
"""Of a medium without measures, which is not refused."""

MEASURES = "measures"
"""The output that has the measures of each of `assets`; specs cannot name it."""

REFUSED_MEDIA = "refused"
"""The output that has the media of a job that were refused while others of it are good; specs cannot name it."""

_MEASURES = TypeAdapter(tuple[Measures | None, ...])


def measures_in(outputs: Outputs) -> tuple[Measures | None, ...]:
    """The measures of each medium of a job; None of one that could not be measured, none if they cannot be read."""
    with suppress(ValidationError):  # those of another version: nothing is refused for that
        return _MEASURES.validate_python(outputs.get(MEASURES, ()))
    return ()


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _faults(found: Measures, expected: Expected, limits: Limits) -> Iterator[Fault]:
    seconds = found.seconds or 0.0
    if found.black is not None and found.black >= limits.black:
        of = f"black for {found.black:.0%} of its {seconds:.1f} s"
        yield Fault("black", of if seconds else "its picture is black")
    if found.still is not None and seconds and found.still / seconds >= limits.frozen:
        yield Fault("frozen", f"without motion for {found.still:.1f} of its {seconds:.1f} s")
    needs_sound = expected.sound or found.media == "audio"
    if needs_sound and not found.sound:
        yield Fault("silent", "without a sound track")
    elif needs_sound and found.silent is not None and found.silent >= limits.silent:
        yield Fault("silent", f"silent for {found.silent:.0%} of its {seconds:.1f} s")
    if found.clipped is not None and found.clipped >= limits.clipped:
        yield Fault("clipped", f"{found.clipped:.1%} of its sound is within 1 dB of full scale")
    if expected.seconds and found.seconds and seconds < expected.seconds * (1 - limits.short):
        yield Fault("short", f"{seconds:.1f} s long, and {expected.seconds:g} s were asked for")
    asked = expected.media
    if asked in _NAMES and asked != found.media and not (asked == "audio" and found.sound):
        yield Fault("shape", f"is {_NAMES[found.media]}, and {_NAMES[asked]} was asked for")
    elif expected.aspect and found.width and found.height:
        aspect = found.width / found.height
        if max(aspect / expected.aspect, expected.aspect / aspect) - 1 >= limits.shape:
            size = f"{found.width}x{found.height}"
            yield Fault("shape", f"{size}, and {expected.aspect:.2f} to 1 was asked for")
    if found.blank is not None and found.blank >= limits.blank:
        yield Fault("blank", f"{found.blank:.0%} of its picture is of one colour")
