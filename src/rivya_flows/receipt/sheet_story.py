"""How long the steps of a run worked, and how long they asked a person, for its contact sheet."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from rivya_flows.receipt.model import Execution, Item, Receipt, Step
from rivya_flows.receipt.phrases import seconds_text

Stretch = tuple[float, float]
"""From one moment to a later one, in Unix seconds."""


class StepTime(NamedTuple):
    """How long a step worked, in seconds and percent of the longest; its items at one time count once.

    `took` and `asked` say it in words, empty where there is nothing to say; `label` is all of it.
    """

    seconds: float
    share: float
    took: str
    asked: str
    label: str


def fold_steps(steps: Sequence[Step]) -> list[tuple[Step, list[Step]]]:
    """The steps of the spec itself, each with the credits of all that is inside an `include` or a `repeat`, and that."""
    inside: dict[str, list[Step]] = {}
    for step in steps:
        inside.setdefault(step.part_of or step.id, []).append(step)
    return [
        (
            step.model_copy(update={"credits": sum(one.credits for one in inside[step.id])}),
            inside[step.id],
        )
        for step in steps
        if step.part_of is None
    ]


def step_times(receipt: Receipt, steps: Sequence[Step]) -> list[StepTime]:
    """The times of the steps of `fold_steps`, in their order; empty before anything has begun."""
    now = _last_moment(receipt)
    driven = merge(_stretch(one.began_at, one.ended_at, now) for one in receipt.execution_times)
    if not driven or all(item.began_at is None for step in steps for item in step.items):
        return []
    found = [_step_time(step.id, inside, driven, now) for step, inside in fold_steps(steps)]
    longest = max(one.seconds for one in found) or 1.0
    return [one._replace(share=round(100 * one.seconds / longest, 2)) for one in found]


def _last_moment(receipt: Receipt) -> float:
    """What still runs lasts until then."""
    worked: list[Execution | Item] = [*receipt.execution_times, *(one for _, one in receipt.each())]
    moments = [at for one in worked for at in (one.began_at, one.ended_at)]
    moments += [
        at
        for _, item in receipt.each()
        for wait in item.waits
        for at in (wait.asked_at, wait.answered_at)
    ]
    return max((at.timestamp() for at in moments if at), default=0.0)


def _stretch(begin: datetime, end: datetime | None, now: float) -> Stretch:
    begun = begin.timestamp()
    # A clock may have been put back.
    return begun, max(begun, now if end is None else end.timestamp())


def _step_time(
    step_id: str, inside: Sequence[Step], driven: Sequence[Stretch], now: float
) -> StepTime:
    works, waits = list[Stretch](), list[Stretch]()
    begun = [item for one in inside for item in one.items if item.began_at is not None]
    for item in begun:
        assert item.began_at is not None
        is_open = item.ended_at is None and item.status in ("running", "suspended")
        whole = _stretch(item.began_at, item.ended_at, now if is_open else 0.0)
        asked = [_stretch(one.asked_at, one.answered_at, now) for one in item.waits]
        works += within(without(whole, asked), driven)  # between two executions nothing drives it
        waits += asked
    if not begun:
        return StepTime(0.0, 0.0, "", "", f"{step_id}: did not run")
    seconds, waited = length(merge(works)), length(merge(waits))
    took = seconds_text(seconds)
    parts = [f"worked for {took}"]
    parts += [f"asked a person for {seconds_text(waited)}"] if waits else []
    parts += [f"{len(begun)} items"] if len(begun) > 1 else []
    # A run that has just asked has not waited yet.
    asking = f"{seconds_text(waited)} asked" if waited >= 0.05 else "asked"
    label = f"{step_id}: {', '.join(parts)}"
    return StepTime(seconds, 0.0, took, asking if waits else "", label)


def merge(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time in order, each moment once."""
    found: list[Stretch] = []
    for begin, end in sorted(stretches):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def within(stretches: Iterable[Stretch], frames: Sequence[Stretch]) -> list[Stretch]:
    """The parts of stretches that lie in frames, which are in order and share no time."""
    ends = [end for _, end in frames]
    found: list[Stretch] = []
    for begin, end in stretches:
        for at in range(bisect_left(ends, begin), len(ends)):
            first, last = frames[at]
            if first > end:
                break
            found.append((max(begin, first), min(end, last)))
    return found


def without(stretch: Stretch, taken: Iterable[Stretch]) -> list[Stretch]:
    """The parts of a stretch that are in none of those that are taken."""
    inside = merge(within(taken, [stretch]))
    edges = [stretch[0], *(edge for one in inside for edge in one), stretch[1]]
    return [pair for pair in zip(edges[::2], edges[1::2], strict=True) if pair[0] < pair[1]]


def length(stretches: Iterable[Stretch]) -> float:
    """Seconds of stretches that share none."""
    return sum(end - begin for begin, end in stretches)
