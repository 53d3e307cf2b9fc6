"""`review`: asks people whether something is approved, and buys it again with their notes if it is not."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, JsonValue

from rivya_flows.assets import Outputs, as_asset
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.diagnostic_report import suggest
from rivya_flows.language.expressions.inference import TEXTS
from rivya_flows.language.expressions.output_types import BOOLEAN, PROSE, Shape, list_of, map_of
from rivya_flows.language.expressions.resolve import is_computed
from rivya_flows.language.field_types import Count, Name, Seconds, SpecModel, Takes, Value
from rivya_flows.language.matrix import item_keys
from rivya_flows.language.wording import preview
from rivya_flows.steps.arguments import Arguments, World
from rivya_flows.steps.candidates import Candidate
from rivya_flows.steps.kind import UNPAID, Kind, Names, Surroundings, WrittenStep, given_fields
from rivya_flows.steps.request import ItemRequest, ItemRequestError

USES = "review"
Verdict = Literal["approve", "changes"]
APPROVE: Verdict = "approve"
CHANGES: Verdict = "changes"
VERDICTS = (APPROVE, CHANGES)
MAX_REVIEWERS, MAX_REVIEWER = 20, 60
"""Reviewers of a step, and characters of the name of one."""


class ChangesWith(SpecModel):
    """What happens when somebody asks for changes.

    Attributes:
        redo: The steps that are bought again, with the notes in their prompts; so is all that lies
            between them and the review.
        rounds: How often.
    """

    redo: Annotated[tuple[Name, ...], Field(min_length=1, max_length=20)]
    rounds: Annotated[Count, Field(ge=1, le=5)] = 1


class ReviewWith(SpecModel):
    """What `review` takes.

    Attributes:
        media: What is reviewed: an asset or a text, or a list of them.
        question: The question to the reviewers.
        reviewers: Names; left out: anyone who is asked.
        need: How many must approve; left out: all `reviewers`, or 1.
        changes: What is bought again when somebody asks for changes; left out: changes fail the step.
        timeout: How long the question stays open in each round, in seconds or such as `72h`.
        on_timeout: What happens when no one has asked for changes by then.
    """

    media: Annotated[
        Value, Takes(("list", "asset", *TEXTS), hint='write "${{ steps.NAME.asset }}"')
    ]
    question: Annotated[Value, Takes(TEXTS)] = None
    reviewers: Annotated[Value, Takes(("list",), hint="write [legal, brand]")] = None
    need: Annotated[Count, Field(ge=1, le=MAX_REVIEWERS)] | None = None
    changes: ChangesWith | None = None
    timeout: Seconds | None = None
    on_timeout: Literal["fail", "approve"] = "fail"


class Review(Kind):
    uses = USES
    says = "Asks people whether media are approved."
    takes = ReviewWith
    outputs = ("approved", "media", "notes", "by")
    idle = ("retry", *UNPAID)
    reads = ("media",)
    is_for_results = False
    passes_on = True
    row = ("choice",)
    is_quick = True
    brackets = ("{{", "}}")

    def request(self, given: Arguments, world: World) -> ItemRequest | None:
        named = given.get("reviewers")
        if isinstance(named, list) and not any(map(is_computed, named)):
            for wrong in _reviewer_problems(named, given.get("need")):
                given.report([wrong])
        if given.problems or not given.is_complete:
            return None
        listed = media_to_review(given.get("media"))
        arguments: dict[str, JsonValue] = {**given.values, "from": [{**one} for one in listed]}
        return ItemRequest(self.uses, arguments, decides="person")

    def gives(self, arguments: Mapping[str, Any], names: Names) -> Shape:
        media = names.shape_of(arguments.get("media"))
        note = map_of({"text": PROSE, "by": PROSE, "answer": PROSE})
        fields = {"approved": BOOLEAN, "media": media, "notes": list_of(note), "by": list_of(PROSE)}
        return given_fields(fields, {"asset": "use .media", "assets": "use .media"})

    def check(
        self, given: Arguments, step: WrittenStep, around: Surroundings
    ) -> Iterator[Diagnostic]:
        arguments = step.arguments or {}
        if "on_timeout" in arguments and arguments.get("timeout") is None:
            message = "'on_timeout' has no effect without a 'timeout'"
            yield Diagnostic(
                "needless-key", message, "add `timeout: 72h`", path=("on_timeout",), at_key=True
            )
        changes = given.get("changes")
        if isinstance(changes, Mapping):
            yield from _redo_problems(changes.get("redo"), step, around)


def _reviewer_problems(named: Sequence[Any], need: Any) -> Iterator[Diagnostic]:
    path = ("reviewers",)
    if not named or len(named) > MAX_REVIEWERS:
        message = f"'reviewers' takes 1 to {MAX_REVIEWERS} names, not {len(named)}"
        yield Diagnostic("wrong-value", message, "leave it out to ask anyone", path=path)
    for index, one in enumerate(named):
        if not (isinstance(one, str) and one.strip() and len(one) <= MAX_REVIEWER):
            message = f"a reviewer must be a name of at most {MAX_REVIEWER} characters, not {preview(one)}"
            yield Diagnostic("wrong-value", message, "write [legal, brand]", path=(*path, index))
    if len({str(one).casefold() for one in named}) < len(named):
        yield Diagnostic("wrong-value", "a reviewer is named twice", "name each once", path=path)
    if named and isinstance(need, int) and need > len(named):
        many = "is only 1 reviewer" if len(named) == 1 else f"are only {len(named)} reviewers"
        message = f"{need} must approve, and there {many}"
        yield Diagnostic("wrong-value", message, f"write at most {len(named)}", path=("need",))


_PROMPTED = ("generate", "chat", "include")


def _redo_problems(redo: Any, step: WrittenStep, around: Surroundings) -> Iterator[Diagnostic]:
    """Steps that cannot be bought again with notes."""
    path = ("changes", "redo")
    if step.loops:
        message = f"a review with `changes` has no {step.loops[0]!r}"
        yield Diagnostic(
            "needless-key", message, "review all in one step, as a list", path=path[:1], at_key=True
        )
    before = {name: one.reads for name, one in around.siblings.items()}
    for index, name in enumerate(redo if isinstance(redo, list | tuple) else ()):
        source, at = around.siblings.get(str(name)), (*path, index)
        if source is None:
            prompted = (
                key
                for key, one in around.siblings.items()
                if one.kind and one.kind.uses in _PROMPTED
            )
            hint = suggest(str(name), prompted)
            yield Diagnostic("unknown-step", f"unknown step {preview(name)}", hint, path=at)
        elif name not in steps_between(before, [name], step.id):
            message = f"the media of the review do not come from {name!r}, so buying it again changes nothing"
            yield Diagnostic("wrong-value", message, "name a step that they are made from", path=at)
        elif source.kind is not None and source.kind.uses not in _PROMPTED:
            message = f"{name!r} has no prompt that could take the notes"
            yield Diagnostic(
                "wrong-value", message, "name a generate, chat or include step", path=at
            )


def steps_between(
    before: Mapping[str, Collection[str]], redo: Collection[str], owner: str
) -> tuple[str, ...]:
    """The steps of `redo` that a step depends on, and all between them and it, in the order of `before`.

    Args:
        before: The steps that each step depends on itself.
    """
    needed, waiting = set[str](), [*before.get(owner, ())]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += before.get(name, ())
    found = {*redo} & needed
    grows = True
    while grows:
        more = {name for name in needed - found if not found.isdisjoint(before.get(name, ()))}
        found |= more
        grows = bool(more)
    return tuple(name for name in before if name in found)


def media_to_review(media: JsonValue) -> list[Candidate]:
    """What a review shows, each with a unique key: the format of a medium, or its number."""
    found: list[dict[str, JsonValue]] = []
    for number, one in enumerate(media if isinstance(media, list) else [media], 1):
        if (asset := as_asset(one)) is not None:
            sides = asset.width, asset.height
            name = _FORMATS.get(round(sides[0] / sides[1], 2)) if sides[0] and sides[1] else None
            found.append({"key": name or str(number), "asset": one})
        elif isinstance(one, str):
            found.append({"key": str(number), "text": one})
        elif isinstance(one, Mapping) and (one.get("asset") or isinstance(one.get("text"), str)):
            found.append({"key": str(number), **one})
        else:
            raise ItemRequestError(f"'media' takes media and texts, not {preview(one)}")
    names = [str(one["key"]) for one in found]
    if len({*names}) < len(names):
        names = [str(number) for number in range(1, len(names) + 1)]
    keys = item_keys(found, names)
    return [{**one, "key": key.text} for one, key in zip(found, keys, strict=True)]


_FORMATS = {1.78: "16:9", 0.56: "9:16", 1.0: "1:1", 0.8: "4:5", 1.33: "4:3", 0.75: "3:4"}


# --- Notes: `0:04 the logo is cut`, `9:16, 0:04 (40%, 62%): the logo is cut`, `poster, (40%, 62%): too dark` ---

_NOTE = re.compile(
    r"(?:(?P<medium>[^,;\s][^,;]{0,40}), ?)?"
    r"(?=\d{1,3}:[0-5]|\(\d)"  # a time, a point, or both
    r"(?:(?P<minutes>\d{1,3}):(?P<seconds>[0-5]\d(?:\.\d{1,3})?))?"
    r"(?: ?\((?P<x>\d{1,3})%, ?(?P<y>\d{1,3})%\))?"
    r"[ :–-]+(?P<text>.+)"
)


class Note(SpecModel):
    """A remark of a reviewer.

    Attributes:
        medium: The key of the medium that it is about; None: it does not say.
        second: Of that medium; None: of the whole, or of a picture.
        x, y: The point in the frame, in percent from the left and the top; None: the whole frame.
    """

    text: str
    medium: str | None = None
    second: float | None = None
    x: int | None = None
    y: int | None = None


def read_notes(written: str) -> tuple[Note, ...]:
    """The remarks in a note, which ``;`` separates: ``0:04 the logo is cut; 0:09 too loud``."""
    found = []
    for part in filter(None, map(str.strip, _PARTS.split(written))):
        if (match := _NOTE.fullmatch(part)) is None:
            found.append(Note(text=part))
            continue
        minutes, seconds = match["minutes"], match["seconds"]
        second = None if minutes is None else int(minutes) * 60 + float(seconds)
        x, y = (None if match[axis] is None else min(100, int(match[axis])) for axis in "xy")
        found.append(Note(text=match["text"], medium=match["medium"], second=second, x=x, y=y))
    return tuple(found)


_PARTS = re.compile(r";\s")


class GivenAnswer(BaseModel):
    """What a reviewer answered in a round, counted from 0; `by` is None without a name.

    Attributes:
        is_last: Whether the round is the one that was approved.
    """

    by: str | None
    answer: str
    note: str
    round: int
    is_last: bool


def review_outputs(arguments: Mapping[str, JsonValue]) -> Outputs:
    """The outputs of an approved review, by its arguments and the `answers` of all rounds."""
    given = arguments.get("answers")
    answers = [GivenAnswer.model_validate(one) for one in given] if isinstance(given, list) else []
    notes: list[JsonValue] = [
        {**note.model_dump(), "by": one.by, "answer": one.answer, "round": one.round + 1}
        for one in answers
        for note in read_notes(one.note)
    ]
    by = [one.by for one in answers if one.answer == APPROVE and one.is_last and one.by]
    return {
        "approved": True,
        "media": arguments["media"],
        "notes": notes,
        "by": [*dict.fromkeys(by)],
    }
