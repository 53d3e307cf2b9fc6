"""Phrases about credits and jobs, for the terminal and Prefect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rivya_flows.plans.names import short_label

if TYPE_CHECKING:  # slow to import; the command `credits` does not need it
    from rivya_flows.assets import Asset
    from rivya_flows.estimate.estimate import Estimate
    from rivya_flows.estimate.films import Film
    from rivya_flows.queue.events import OtherRun, PoolTotal
    from rivya_flows.queue.items import ItemState, Purchase
    from rivya_flows.queue.state import State
    from rivya_flows.receipt.model import Item, Purchase as LedgerRow


EACH_PERIOD = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}
"""The period of a pool, in words."""


_NAMED = 3
"""Steps of a line, and other runs that the line of the wallet names."""


def credits_of(number: int) -> str:
    """``1 credit``, ``20 credits``."""
    return f"{number} credit" if number == 1 else f"{number} credits"


def seconds_text(seconds: float) -> str:
    """A length of time in at most two units: ``3.4 s``, ``2 min 5 s``, ``2 d 3 h``."""
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2])


def roughly(seconds: float) -> str:
    """A time that is not known well: ``25 s``, ``2 min``, ``5 h``, ``3 days``."""
    if seconds < 55:
        return f"{max(5, 5 * math.ceil(seconds / 5))} s"
    for unit, worth, most in (("min", 60, 90), ("h", 3_600, 48)):
        if (many := round(seconds / worth)) <= most:
            return f"{many} {unit}"
    return f"{round(seconds / 86_400)} days"


def measures(asset: Asset) -> list[str]:
    """``["1080 × 1920", "6.2 s"]``, as far as they are known."""
    parts = [f"{asset.width} × {asset.height}"] if asset.width and asset.height else []
    return parts if asset.duration_seconds is None else [*parts, f"{asset.duration_seconds:.1f} s"]


def film_length(films: Sequence[Film]) -> str:
    """``6.2 s``, ``6 to 8 s``, ``at least 6 s``, ``at most 8 s``, or as long as the narration, of one film or several."""
    least, tops = min(one.least for one in films), [one.most for one in films]
    most = None if None in tops else max(one for one in tops if one is not None)
    about = "about " if any(one.about for one in films) else ""
    if most is None:
        seconds = f"at least {about}{least:g} s" if least else "a time known in the run"
    elif least == most or not least:
        seconds = f"{'' if least else 'at most '}{about}{most:g} s"
    else:
        seconds = f"{about}{least:g} to {most:g} s"
    narrated = any(one.narrated for one in films)
    return (
        f"as long as the narration, {seconds}" if narrated and (most is None or about) else seconds
    )


def total_of(found: Estimate) -> str:
    """What a plan costs in all: ``3 credits``, ``at least 1, at most 7 credits``, ``at least 3 credits``."""
    if found.min == found.max:
        return credits_of(found.min)
    if found.max is None:
        return f"at least {credits_of(found.min)}"
    return f"at least {found.min}, at most {credits_of(found.max)}"


def without_bound(found: Estimate) -> str:
    """``what voice will cost at most is not known: metered by length …``."""
    steps_of: dict[str, list[str]] = {}
    for step, why in found.unbounded:
        steps_of.setdefault(why, []).append(step)
    named = (
        f"what {first_steps(steps)} will cost at most is not known: {why}"
        for why, steps in steps_of.items()
    )
    return "; ".join(named)


def first_steps(steps: Sequence[str], most: int = _NAMED) -> str:
    """The first steps, and how many more there are."""
    more = len(steps) - most
    named = ", ".join(steps[:most])
    return f"{named} and {more} more" if more > 0 else named


def budget_warning(state: State) -> str | None:
    """A sentence once the share `warn_at` of the cap is spent or held; None before."""
    if state.warns_at is None or state.spent < state.warns_at:
        return None
    return f"{state.spent} of {state.cap} budget credits spent or held"


def pool_left(pool: PoolTotal) -> str:
    """``pool acme: 120 of 500 credits left until 2026-12-01 (UTC)``."""
    until = "" if pool.until is None else f" until {pool.until:%Y-%m-%d} (UTC)"
    return f"pool {pool.name}: {pool.left} of {pool.credits} credits left{until}"


def other_runs(lost: int, runs: Sequence[OtherRun]) -> str:
    """``: run-20261127-… (casting) 21, run-20261127-… (stills) 12``, the first ones of many."""
    named = []
    for run in runs[:_NAMED]:
        held = f"up to {run.held} held by unanswered purchases" if run.held else ""
        spent = " and ".join(filter(None, [str(run.credits or ""), held]))
        named.append(f"{run.run_id} ({run.name}) {spent}")
    left = len(runs) - _NAMED
    more = [f"{left} more run{'s' * (left > 1)}"] if left > 0 else []
    # They may be those of another wallet: then they spent more than this one lost.
    surely = sum(one.credits for one in runs)
    exactly = surely <= lost <= surely + sum(one.held for one in runs)
    return (": " if exactly else " while others spent: ") + (
        ", ".join(named + more) or "other runs"
    )


def model_of(row: LedgerRow | Item) -> str:
    """The model of a purchase or of an item of a receipt: ``z-image``, ``z-image (fallback 1)``."""
    model = row.model or ""
    return f"{model} (fallback {row.alternative})" if model and row.alternative else model


def open_jobs(state: State) -> tuple[str, ...]:
    """Jobs that were bought and have not ended: ``film (10 credits, task_…)``."""
    return tuple(
        _purchase(step_id, item, bought)
        for step_id, item in state.each()
        for bought in item.purchases
        if bought.status in ("intended", "accepted")
    )


def unanswered_purchases(state: State) -> tuple[str, ...]:
    """Items whose newest purchase has no answer: it may have been made. As `open_jobs`."""
    return _lacking(state, "intended")


def uncollected_purchases(state: State) -> tuple[str, ...]:
    """Items without a result whose newest purchase was made, or may have been, as `open_jobs`."""
    return _lacking(state, "intended", "accepted", "succeeded", "uncertain")


def not_downloaded(state: State) -> tuple[str, ...]:
    """Items without a result whose newest job succeeded, as `open_jobs`."""
    return _lacking(state, "succeeded")


def _lacking(state: State, *statuses: str) -> tuple[str, ...]:
    return tuple(
        _purchase(step_id, item, item.last)
        for step_id, item in state.each()
        if item.outputs is None and item.last is not None and item.last.status in statuses
    )


def _purchase(step_id: str, item: ItemState, bought: Purchase) -> str:
    job = bought.task_id or "unanswered"
    return f"{short_label(step_id, item.key)} ({credits_of(bought.held)}, {job})"


def is_sandbox(service: str) -> bool:
    """Whether a service is the local sandbox, whose credits are play money."""
    return service.startswith("sandbox:")
