"""When a run worked: its executions, its items, and how long it waited for a person."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from rivya_flows.planning.queue.events import (
    AnswerGiven,
    CacheAnswered,
    ItemCompleted,
    ItemFailed,
    OfItem,
    PoolRefused,
    PurchaseIntended,
    QuestionAsked,
    RunEnded,
    RunResumed,
    Stamped,
)
from rivya_flows.planning.queue.item_state import IN_FLIGHT, TERMINAL, ItemState
from rivya_flows.planning.queue.reducer import BUDGET
from rivya_flows.planning.queue.state import State

_Name = tuple[str, str]
"""Step and key of an item."""


@dataclass(frozen=True)
class Span:
    """Unix seconds from one entry to another; `end` is None while it lasts."""

    begin: float
    end: float | None = None


class Times:
    """What the entries of a journal say about time, collected entry by entry.

    Attributes:
        executions: Of the run. One that died ends with its last entry.
        waits: From each question to its answer or missed deadline, by step and key.
    """

    def __init__(self) -> None:
        self.executions: tuple[Span, ...] = ()
        self.waits: dict[_Name, tuple[Span, ...]] = {}
        self._first: dict[_Name, float] = {}
        self._last: dict[_Name, float] = {}
        self._at = 0.0

    def add(self, entry: Stamped) -> None:
        """Takes the next entry."""
        event, at = entry.event, entry.at
        if isinstance(event, RunResumed):
            self._end_execution(self._at)
            self.executions += (Span(at),)
        elif isinstance(event, RunEnded):
            self._end_execution(at)
        elif isinstance(event, OfItem) and not isinstance(event, PoolRefused):
            self._add_to_item(event, at)
        if not isinstance(event, AnswerGiven):  # one may come after its execution has died
            self._at = at

    def _end_execution(self, at: float) -> None:
        if self.executions and self.executions[-1].end is None:
            self.executions = (*self.executions[:-1], replace(self.executions[-1], end=at))

    def _add_to_item(self, event: OfItem, at: float) -> None:
        name = event.step, event.key
        served = isinstance(event, CacheAnswered) and event.outputs is not None
        if served or isinstance(event, PurchaseIntended | QuestionAsked):
            self._first.setdefault(name, at)
        if isinstance(event, QuestionAsked):
            self.waits[name] = (*self.waits.get(name, ()), Span(at))
        elif isinstance(event, AnswerGiven | ItemCompleted | ItemFailed):
            known = self.waits.get(name, ())
            if known and known[-1].end is None:
                self.waits[name] = (*known[:-1], replace(known[-1], end=at))
        self._last[name] = at

    def copy(self) -> Times:
        """The same, which later entries do not change."""
        made = copy.copy(self)
        made.waits, made._first, made._last = dict(self.waits), dict(self._first), dict(self._last)
        return made

    def of_run(self) -> dict[str, Any]:
        """The fields of a receipt: its executions, and its questions about the budget."""
        asked = [
            span for (step, _), waits in self.waits.items() if step == BUDGET for span in waits
        ]
        return {
            "execution_times": [_document(one, "began_at", "ended_at") for one in self.executions],
            "waits": [_document(one, "asked_at", "answered_at") for one in asked],
        }

    def of_item(self, state: State, step_id: str, item: ItemState) -> dict[str, Any]:
        """The fields of an item of a receipt."""
        span = self._span(state, step_id, item)
        return {
            "began_at": _iso(span.begin if span else None),
            "ended_at": _iso(span.end if span else None),
            "waits": [
                _document(one, "asked_at", "answered_at")
                for one in self.waits.get((step_id, item.key), ())
            ],
        }

    def _span(self, state: State, step_id: str, item: ItemState) -> Span | None:
        """From its first purchase or question to its last entry; None if it did nothing.

        The journal does not say when free work began: then it is when all that it needs had ended.
        """
        name = step_id, item.key
        end = self._last.get(name) if item.phase in TERMINAL else None
        begin = self._first.get(name)
        if begin is None and (end is not None or item.phase in IN_FLIGHT):
            at = self._at if end is None else end
            begun = [span.begin for span in self.executions if span.begin <= at]
            begin = min(at, max([*begun[-1:], *self._ends_before(state, step_id, item.key)]))
        return None if begin is None else Span(begin, end)

    def _ends_before(self, state: State, step_id: str, key: str) -> Iterator[float]:
        """When each item ended that an item needs."""
        planned = state.planned(step_id)
        for needed in planned.upstream:
            every = (item.key for item in state.steps[needed].items or ())
            for one in (key,) if needed == planned.itemwise else every:
                if (needed, one) in self._last:
                    yield self._last[needed, one]


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, to the millisecond, with ``Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _document(span: Span, begin: str, end: str) -> dict[str, str | None]:
    return {begin: iso(span.begin), end: _iso(span.end)}


def _iso(at: float | None) -> str | None:
    return None if at is None else iso(at)
