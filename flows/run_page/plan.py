"""The plan on the run's page: the graph, then the cost of each item."""

from __future__ import annotations

from collections.abc import Iterator

from rivya_flows.app.prepare import verdict
from rivya_flows.catalogue.prices import Price
from rivya_flows.flows.run_page.artifact import Artifact
from rivya_flows.ledger.phrases import total_of
from rivya_flows.planning.markdown import Marked, table, text
from rivya_flows.planning.mermaid import mermaid
from rivya_flows.planning.names import label
from rivya_flows.planning.plan import RunPlan
from rivya_flows.planning.pricing.estimate import RUNTIME, Estimate, ItemEstimate, StepEstimate

MOST_ROWS = 200


def draw_plan(plan: RunPlan, priced: Estimate) -> Artifact:
    """A Mermaid graph with prices, a table of the items, the totals, and whether they fit the budget."""
    rows = [row for step in priced.steps for row in _rows(step)]
    more = len(rows) - MOST_ROWS
    head = ("item", "model", "credits", "")
    lines = [
        f"```mermaid\n{mermaid(plan, priced)}\n```",
        "",
        table(head, rows[:MOST_ROWS], right=[2]),
        *([f"\nand {more} more items"] if more > 0 else []),
        "",
        _money(priced),
        *(["", text(verdict(priced))] if priced.budget is not None else []),
    ]
    return Artifact("markdown", "\n".join(lines), "The steps and their prices")


def _rows(step: StepEstimate) -> Iterator[tuple[object, ...]]:
    if step.skipped:
        yield (step.id, "", "", f"skipped: {step.skipped}")
        return
    for item in step.items:
        name = f"{step.id} × …" if item.key == RUNTIME else label(step.id, item.key)
        yield (name, item.model or Marked(f"*{text(step.uses)}*"), _cost(item.price), _note(item))


def _cost(price: Price) -> str:
    if price.max is None:
        return f"{price.min} or more"
    return str(price.min) if price.min == price.max else f"{price.min} to {price.max}"


def _note(item: ItemEstimate) -> str:
    if item.cached:
        before = item.price.assumption if item.taken_from else "bought before"
        return f"{before}, saves {item.saved}" if item.saved else str(before)
    return "" if item.price.max == 0 else item.price.assumption or ""


def _money(priced: Estimate) -> str:
    parts = [f"**{text(total_of(priced))}**"]
    if priced.spent:
        parts.append(f"{priced.spent} spent before")
    if priced.saved:
        parts.append(f"{priced.saved} saved")
    if priced.budget is not None:
        parts.append(f"budget {priced.budget}")
    if priced.balance is not None:
        parts.append(f"balance {priced.balance}")
    return ", ".join(parts)
