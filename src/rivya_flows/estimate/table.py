"""The table of a plan for people: a row for each item, and what its prices assume."""

from __future__ import annotations

from rivya_client.catalogue.prices import price_range
from rivya_flows.estimate.estimate import Estimate, StepEstimate
from rivya_flows.language.wording import cut

_PLAIN = ("free", "fixed price of the default request")
_MOST_ALIKE = 3
"""Items of an `include` that have all their rows although they have the same prices."""

_Item = tuple[str, str]
"""Step and key."""


def plan_table(found: Estimate) -> tuple[list[list[str]], list[str]]:
    """Step, item, model, credits and remarks of each row, and the notes to which remarks refer by number."""
    rows, notes, alike = list[list[str]](), list[str](), _alike(found)
    for step in found.steps:
        if step.campaign and not alike.get(step.campaign, 1):
            continue
        if step.skipped:
            rows.append([step.id, "", "", "–", f"skipped: {step.skipped}"])
        for index, item in enumerate(step.items):
            if not (number := alike.get((step.id, item.key), 1)):
                continue
            assumption, remarks = item.price.assumption, list[str]()
            if item.cached:
                remarks.append(f"{assumption if item.taken_from else 'cached'}, saves {item.saved}")
            elif assumption not in _PLAIN:
                if assumption not in notes:
                    notes.append(assumption)
                remarks.append(f"[{notes.index(assumption) + 1}]")
            remarks += [] if index else _about(step)
            if number > 1:
                remarks.append(f"and {number - 1} more with the same steps and prices")
            price, name = price_range(item.price.min, item.price.max), "" if index else step.id
            rows.append([name, cut(item.key), item.model or step.uses, price, "; ".join(remarks)])
    return rows, [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]


def _about(step: StepEstimate) -> list[str]:
    """What is said of a step beside its first item."""
    seconds = step.usual_seconds or 0
    about = {
        f"at most {step.at_most} in all": step.at_most is not None,
        f"usually {round(seconds) if seconds >= 10 else seconds:,g} s": seconds >= 1,
        f"{step.usual_rounds} rounds are usual": (step.usual_rounds or 0) > 1,
        f"by {', '.join(step.axes)}": step.axes,
    }
    return [text for text, holds in about.items() if holds]


def _alike(found: Estimate) -> dict[_Item, int]:
    """Of many items of an `include` with the same steps and prices: how many the first stands for, 0 of the others."""
    prices: dict[_Item, list[object]] = {}
    for step in found.steps:
        if step.campaign:
            each = [
                (one.key, one.model, one.price.min, one.price.max, one.saved) for one in step.items
            ]
            prices.setdefault(step.campaign, []).append((step.uses, step.skipped, each))
    same: dict[tuple[str, str], list[_Item]] = {}
    for campaign, inside in prices.items():
        same.setdefault((campaign[0], repr(inside)), []).append(campaign)
    many = [one for one in same.values() if len(one) > _MOST_ALIKE]
    return {one: 0 if at else len(group) for group in many for at, one in enumerate(group)}
