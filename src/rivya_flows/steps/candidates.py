"""Which candidates a `pick` takes, and what it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SkipValidation

from rivya_flows.assets import Outputs
from rivya_flows.language.canonical import digest

if TYPE_CHECKING:
    from rivya_flows.steps.request import ItemRequest

Candidate = Mapping[str, JsonValue]
"""An item of a step, with its `key`."""

Order = Literal["max", "min"]
OnTimeout = Literal["first", "judge", "fail", "approve"]


class JudgeArguments(BaseModel):
    """The judge of a pick, evaluated."""

    model: str
    criteria: tuple[JsonValue, ...]
    least: int | float = 0
    frames: int | None = None


class PickArguments(BaseModel):
    """The evaluated arguments of a pick or a review.

    Attributes:
        candidates: What is chosen from, or looked at.
        reviewers: Of a review: who is asked; empty: anyone.
        need: Of a review: how many must approve; None: all reviewers, or one.
        values: What `best` compares, by key; None in other modes, and of a candidate that it leaves out.
        picked: The keys that were chosen; empty before that, and where a rule chooses.
    """

    model_config = ConfigDict(frozen=True)

    candidates: Annotated[Sequence[Candidate], SkipValidation] = Field(alias="from")
    mode: str = "first"
    count: int = 1
    order: Order = "max"
    values: Mapping[str, int | float | None] | None = None
    judge: JudgeArguments | None = None
    question: JsonValue = None
    timeout: int | float | None = None
    on_timeout: OnTimeout = "fail"
    sign: bool = False
    reviewers: tuple[str, ...] = ()
    need: int | None = None
    picked: tuple[str, ...] = ()

    @property
    def frames(self) -> int | None:
        """By how many frames its judge sees a film; None if it sees none."""
        return None if self.judge is None else self.judge.frames

    @property
    def needed(self) -> int:
        """How many must approve."""
        return self.need or len(self.reviewers) or 1


_UNFINISHED = ("failed", "skipped", "running")


def text_of(one: Candidate) -> str | None:
    """What a candidate says; None if its `text` is none, as a value of a loop of that name may be."""
    text = one.get("text")
    return text if isinstance(text, str) else None


def is_available(one: Candidate) -> bool:
    """Whether it can be picked: it has a medium, or is a chat item that was answered."""
    if one.get("asset"):
        return True
    # A value of a loop may be called `text` too; then the item may have failed all the same.
    answered = bool(text_of(one)) or one.get("json") is not None
    return answered and one.get("status") not in _UNFINISHED


def available(items: Iterable[Candidate]) -> list[Candidate]:
    """The items that can be picked, in their order."""
    return [one for one in items if is_available(one)]


def question_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked about candidates, and whom."""
    names = ("mode", "question", "count", "judge", "reviewers", "need")
    return {name: arguments.get(name) for name in names}


def question_hash(request: ItemRequest) -> str:
    """Of what is asked about which candidates: the same media and texts under the same keys."""
    asked = [*question_of(request.arguments).values()]
    return digest([asked, [_content(one) for one in available(request.pick.candidates)]])


def _content(one: Candidate) -> list[Any]:
    asset = one.get("asset")
    held = asset if isinstance(asset, dict) else {}
    medium = held.get("sha256") or held.get("file_id") or held.get("url")
    return [str(one["key"]), medium, text_of(one), one.get("json")]


def best(
    values: Iterable[tuple[str, float | None]],
    count: int,
    order: Literal["max", "min"] = "max",
    least: float | None = None,
) -> tuple[str, ...]:
    """The keys of the best values in their order; empty if fewer than `count` are eligible."""
    eligible = [
        (key, value)
        for key, value in values
        if value is not None and (least is None or value >= least)
    ]
    sign = -1 if order == "max" else 1
    ranked = sorted(eligible, key=lambda one: sign * one[1])
    return tuple(key for key, _ in ranked[:count]) if len(ranked) >= count else ()


def chosen_keys(pick: PickArguments) -> tuple[str, ...]:
    """The keys that a pick chooses: those picked, else the best, else the first."""
    if pick.picked:
        return pick.picked
    if pick.values is not None:
        return best(pick.values.items(), pick.count, pick.order)
    return tuple(str(one["key"]) for one in available(pick.candidates)[: pick.count])


def pick_outputs(candidates: Iterable[Candidate], keys: Sequence[str]) -> Outputs | None:
    """The outputs of a pick of these keys, in the order of choice; None if one is not available."""
    found = {str(one.get("key")): one for one in available(candidates)}
    chosen = [found[key] for key in keys if key in found]
    if not chosen or len(chosen) != len(keys):
        return None
    first = chosen[0]
    return {
        "asset": first.get("asset"),
        "key": first.get("key"),
        "item": {**first},
        "items": [{**one} for one in chosen],
        "assets": [one["asset"] for one in chosen if one.get("asset")],
    }


def picked_from(arguments: Mapping[str, JsonValue]) -> Outputs | None:
    """The outputs of a pick by its arguments; None if there is nothing to pick."""
    pick = PickArguments.model_validate(arguments)
    return pick_outputs(pick.candidates, chosen_keys(pick))


def nothing_to_pick(request: ItemRequest) -> str | None:
    """Why a pick cannot choose as many as it must; None if it can, and for any other request."""
    if request.decides is None:
        return None
    pick = request.pick
    count, found = pick.count, len(available(pick.candidates))
    if not found:
        what = "review" if request.uses == "review" else "pick from"
        return f"there is nothing to {what}: no item has an asset or a text"
    if found < count:
        return f"{count} must be picked, and there are only {found} candidates"
    if pick.values is not None and not chosen_keys(pick):
        numbers = sum(value is not None for value in pick.values.values())
        if not numbers:
            return "there is nothing to pick from: `by` is null for every candidate"
        return f"{count} must be picked, and `by` has a number for only {numbers} candidates"
    return None
