"""What runs now in a run, and when it will probably end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from rivya_flows.plans.names import round_title
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.queue.items import TERMINAL, Phase
from rivya_flows.queue.state import State, StepState
from rivya_flows.receipt.phrases import roughly, seconds_text
from rivya_flows.steps.pick import mode_of

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

    def doing(self, usual: Mapping[str, float]) -> str:
        """What it does now, with the seconds that a job of the step usually takes, where they are known."""
        seconds = usual.get(self.step) if self.now.endswith("at work") else None
        return f"{self.now}, usually {seconds_text(int(max(1, seconds)))}" if seconds else self.now


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
