"""Progress of a run on stderr: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rivya_flows.cli.layout import Cell, clock, draw_table, roughly, wrap_line
from rivya_flows.cli.output import COLOURS, columns_of, draws, has_colours, live, print_above, tell
from rivya_flows.plans.names import label, round_title
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.queue import events
from rivya_flows.queue.items import TERMINAL, Phase
from rivya_flows.queue.state import State, StepState
from rivya_flows.receipt.news import News, describe_event
from rivya_flows.receipt.phrases import seconds_text
from rivya_flows.steps.pick import mode_of

if TYPE_CHECKING:  # imported where it is drawn, in a terminal only
    from rich.live import Live

_NOTHING: Mapping[tuple[str, str], float] = {}


@dataclass(frozen=True)
class StepRow:
    """One step as the live view shows it, together with all that is inside an `include` or a `repeat`."""

    step: str
    status: str
    items: str  # how many of them are done, such as ``2 of 4``; empty for a single one
    now: str
    credits: int
    inside: tuple[str, ...] = ()  # it, and the steps inside that have begun

    @property
    def name(self) -> str:
        """The step for people: ``stills, round 2`` of a round of a pick."""
        return round_title(self.step)

    @property
    def detail(self) -> str:
        """Where its items are."""
        return ", ".join(filter(None, (self.items, self.now)))


_PHASES = {
    Phase.LOOKING: "looking in the cache",
    Phase.UPLOADING: "uploading",
    Phase.BUYING: "buying",
    Phase.RUNNING: "at work",
    Phase.FAILED: "failed",
    Phase.SKIPPED: "skipped",
}
_LAST = 0.99  # the greatest share that a renderer reports


def rendering(share: float) -> str:
    """How much is rendered, for people; what follows the last frame has no measure."""
    return f"rendering {100 * share:.0f} %" if share < _LAST else "finishing"


def rows(state: State, shares: Mapping[tuple[str, str], float] = _NOTHING) -> tuple[StepRow, ...]:
    """The begun steps; `shares` says how much of an item is rendered, 0 to 1, by step and key."""
    rendered, found = _shares_by_step(state, shares), []
    for step_id, inside in begun_steps(state).items():
        current, tallies = state.steps[step_id], [state.steps[one].tally for one in inside]
        many, status, own = len(current.items) > 1, current.status, current.tally.phases
        if status == "running" and not any(one.in_flight or one.ended for one in tallies):
            status = "waiting"
        counts = [
            (own[phase] if phase in TERMINAL else sum(one.phases[phase] for one in tallies), text)
            for phase, text in _PHASES.items()
        ]
        numbered = many or len(inside) > 1
        parts = [f"{number} {text}" if numbered else text for number, text in counts if number]
        # Together, since those of a step render at once.
        if shares_inside := [share for one in inside for share in rendered.get(one, ())]:
            mean = rendering(sum(shares_inside) / len(shares_inside))
            parts = [*parts, mean] if numbered else [mean]
        is_counted = many and status != "skipped"
        items = f"{own[Phase.COMPLETED]} of {len(current.items)}" if is_counted else ""
        spent = sum(one.spent for one in tallies)
        found.append(StepRow(step_id, status, items, ", ".join(parts), spent, tuple(inside)))
    return tuple(found)


def _shares_by_step(
    state: State, shares: Mapping[tuple[str, str], float]
) -> dict[str, list[float]]:
    """The rendered shares of the items that still render, by step."""
    found: dict[str, list[float]] = {}
    for (step_id, key), share in shares.items():
        if state.item(step_id, key).phase is Phase.RUNNING:
            found.setdefault(step_id, []).append(share)
    return found


def begun_steps(state: State) -> dict[str, list[str]]:
    """The steps of the spec, without rounds that have not begun, and what belongs to each in the plan."""
    found: dict[str, list[str]] = {}
    for step_id in state.plan.order:
        of = state.planned_step(step_id).round_of
        if of is None or state.item(of[0], "").round >= of[1]:
            found.setdefault(state.plan.owners.get(step_id, step_id), []).append(step_id)
    return found


_FOLDED = ("completed", "cached", "skipped", "waiting", "running")
"""Statuses whose steps become one row where there is no room, in this order; no failed step does."""


def fold_rows(steps: Sequence[StepRow], most: int) -> tuple[StepRow, ...]:
    """At most so many rows, if one for all steps of a status is enough."""
    rest = list(steps)
    for status in _FOLDED:
        same = [row for row in rest if row.status == status]
        if len(rest) <= most:
            break
        if len(same) > 1:
            spare = len(rest) - most  # what runs is folded from its end, and no more than needed
            gone = same[-spare - 1 :] if status == "running" else same
            at = rest.index(gone[0])
            rest = [row for row in rest if row not in gone]
            credits = sum(row.credits for row in gone)
            rest.insert(at, StepRow(f"{len(gone)} steps", status, "", "", credits))
    return tuple(rest)


_BEGUN = 0.05  # of the frames, from where on they tell how long the rest takes
_FRAMES = 0.85  # of the time of a rendering; the rest is its end, which has no measure


def time_left(
    state: State,
    usual: Mapping[str, float],
    at_work: Mapping[str, float],
    shares: Mapping[tuple[str, str], float] = _NOTHING,
) -> str:
    """When a run will end: ``about 2 min left``; ``at least`` where that of a step is not known.

    Nothing if nothing is known, and once no step is left or the run has ended. By step, `usual` has the
    seconds that a job usually takes, and `at_work` those since it began, if it has not ended.
    """
    if state.ended:
        return ""
    rendered = _shares_by_step(state, shares)
    ends, is_known = {"": 0.0}, True
    for step_id in state.plan.parts["steps"]:
        planned, current = state.planned_step(step_id), state.steps[step_id]
        many, seconds = len(current.items) if current.expanded else 1, usual.get(step_id)
        worked, share = at_work.get(step_id, 0.0), sum(rendered.get(step_id, ()))
        share = (share and share + current.tally.ended) / max(many, 1)
        rest: float | None = 0.0
        if current.settled or planned.skipped or planned.round_of:
            pass
        elif share > _BEGUN:
            rest = worked / (_FRAMES * share) - worked if share < _LAST else None
        elif _may_ask(planned, current):
            rest = None
        elif seconds is not None:
            whole = seconds * math.ceil(many / (planned.step.max_parallel or many))
            rest = max(whole - worked, 0.1 * whole) if worked < 2 * whole else None
        elif not planned.kind.is_quick:
            rest = None
        is_known = is_known and rest is not None
        ends[step_id] = max(ends.get(one, 0.0) for one in ("", *planned.upstream)) + (rest or 0.0)
    left = max(ends.values())
    return f"{'about' if is_known else 'at least'} {roughly(left)} left" if left else ""


def _may_ask(planned: PlannedStep, step: StepState) -> bool:
    """Whether a step may wait for a person or a judge."""
    if planned.pick is None:
        return planned.review is not None
    mode = mode_of(planned.pick.mode)
    known = (one.request.decides for one in step.items.values() if one.request)
    return next(known, mode.decides if mode else None) != "rule"


_COLOURS = {**COLOURS, "waiting": "dim"}


class Screen(ABC):
    """A live table on stderr, as high as the terminal at most; lines go above it."""

    columns: ClassVar[tuple[str, ...]]
    still: ClassVar[Mapping[str, int]]

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._live: Live | None = None
        self._is_paused = False
        self._clock = clock
        self._began = clock()

    @abstractmethod
    def draw(self, most: int, seconds: float) -> Sequence[Sequence[Cell]]:
        """The rows of the table so many seconds after the beginning; more than `most` are folded."""

    @abstractmethod
    def sentence(self, seconds: float) -> str:
        """The progress in one line, if there is no row, or no room for a table."""

    @property
    def alive(self) -> bool:
        """Whether there is a terminal, and the table on it."""
        return self._live is not None

    def say(self, line: str) -> None:
        """Prints a line that stays."""
        if self._live is None:
            tell(*[""] * self._is_paused, line)  # below what is being typed
        else:
            print_above(self._live, line)

    def tell_news(self, lines: Sequence[News], prefix: str = "") -> None:
        """Prints the lines that the table does not show; all lines if there is no table."""
        for line in lines:
            if line.stays or not self.alive:
                self.say(prefix + line.text)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Draws the table while this lasts, if stderr is a terminal."""
        if draws(sys.stderr):
            self._start()
        try:
            yield
        finally:
            self._stop()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Leaves the terminal to something else while this lasts."""
        was_alive, self._is_paused = self.alive, True
        self._stop()
        try:
            yield
        finally:
            self._is_paused = False
            if was_alive:
                self._start()

    def _start(self) -> None:
        # A new one each time: a restarted one draws over the lines printed since.
        self._live = live(self._render)
        self._live.start(refresh=True)

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _render(self, height: int) -> Sequence[str]:
        # A `^C` that the terminal echoes behind the last line would wrap, and the table stand twice.
        width = max(1, columns_of(sys.stderr) - len("^C"))
        seconds, most = self._clock() - self._began, max(1, height - 3)
        coloured = has_colours(sys.stderr)
        while True:
            rows = self.draw(most, seconds)
            lines = (
                draw_table(self.columns, rows, width, self.still, coloured=coloured)
                if rows
                else None
            )
            if not lines:
                return wrap_line(self.sentence(seconds), width)[: height - 1]
            over = len(lines) - (height - 1)
            if over <= 0 or most == 1:
                return lines
            most = max(1, most - over)


LINE_SECONDS = 15.0  # between two lines about one rendering, where there is no table


class Progress(Screen):
    """The progress of a run; `listen` and `render` hear of it."""

    columns = ("!step", "!status", ">items", "now", ">?time", ">credits")
    still: ClassVar = {"status": 9, "items": 6, "now": 36, "time": 7, "credits": 10}

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self._state: State | None = None
        self._spent: int | None = None
        self._settled: set[str] | None = None
        self._shares: dict[tuple[str, str], float] = {}
        self._next_line: dict[tuple[str, str], float] = {}
        self._usual: Mapping[str, float] = {}
        self._times: dict[str, tuple[float, float | None]] = {}

    def expect(self, usual: Mapping[str, float]) -> None:
        """Shows the seconds that a job of a step usually takes, and what follows for all of them."""
        self._usual = usual

    def listen(self, event: events.Event, state: State) -> None:
        """Shows an event, and the state after it."""
        self.tell_news(describe_event(self._spent, event, state))
        self._note_times(state)
        self._state, self._spent = state, state.spent

    def render(self, step: str, key: str, share: float) -> None:
        """Shows how much of an item is rendered: in the table, or in a line now and then."""
        self._shares[step, key] = share
        now = self._clock()
        if now >= self._next_line.setdefault((step, key), now + LINE_SECONDS):
            self._next_line[step, key] = now + LINE_SECONDS
            if not self.alive:
                self.say(f"{label(step, key)} {rendering(share)}")

    def draw(self, most: int, seconds: float) -> Sequence[Sequence[Cell]]:
        """A row for each step, and a total."""
        if (state := self._state) is None:
            return ()
        now, shares = self._clock(), dict(self._shares)
        cells: list[tuple[Cell, ...]] = []
        for row in fold_rows(rows(state, shares), most):
            status = (row.status, _COLOURS.get(row.status, ""))
            usual = self._usual.get(row.step) if row.now.endswith("at work") else None
            doing = f"{row.now}, usually {seconds_text(int(max(1, usual)))}" if usual else row.now
            spans = [self._times[one] for one in row.inside if one in self._times]
            ends = [now if row.status == "running" or end is None else end for _, end in spans]
            time = clock(max(ends) - min(begin for begin, _ in spans)) if spans else ""
            cells.append((row.name, status, row.items, doing, time, str(row.credits or "")))
        at_work = {step: now - began for step, (began, end) in self._times.items() if end is None}
        left = time_left(state, self._usual, at_work, shares)
        return [*cells, ("total", "", "", left, clock(seconds), _budget_share(state))]

    def sentence(self, seconds: float) -> str:
        """How many steps are settled, and what they cost so far."""
        if (state := self._state) is None:
            return f"starting Prefect … {seconds_text(int(seconds))}"
        begun = [state.steps[step_id] for step_id in begun_steps(state)]
        settled = sum(step.settled for step in begun)
        return f"{settled} of {len(begun)} steps, {seconds_text(int(seconds))}, {_budget_share(state)} credits"

    def _note_times(self, state: State) -> None:
        """Notes when steps begin and end; what an earlier execution has done has no time."""
        before, now = self._settled, self._clock()
        self._settled = {step_id for step_id, step in state.steps.items() if step.settled}
        for step_id, step in state.steps.items():
            known = self._times.get(step_id)
            if known is None and not step.settled and (step.tally.in_flight or step.tally.ended):
                self._times[step_id] = now, None
            elif known is None and before is not None and step_id in self._settled - before:
                self._times[step_id] = now, now
            elif known is not None and step.settled and known[1] is None:
                self._times[step_id] = known[0], now


def _budget_share(state: State) -> str:
    return str(state.spent) if state.cap is None else f"{state.spent} of {state.cap}"
