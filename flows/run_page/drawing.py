"""What the artifacts of a run say: plan, progress, outputs, picks and costs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_client.catalogue.prices import Price
from rivya_flows.assets import Asset
from rivya_flows.estimate.estimate import RUNTIME, Estimate, ItemEstimate, StepEstimate
from rivya_flows.estimate.mermaid import mermaid
from rivya_flows.flows.run_page.artifact import Address, Artifact, Poster, as_markdown
from rivya_flows.markdown import Marked, code, gallery, link, quotation, table, text
from rivya_flows.planning.questions.presentation import answering_command, blank_answer, round_note
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import RunPlan
from rivya_flows.preparation.prepare import verdict
from rivya_flows.queue.items import Phase
from rivya_flows.queue.state import State, StepState
from rivya_flows.receipt.continuing import next_step
from rivya_flows.receipt.model import Choice, Receipt
from rivya_flows.receipt.phrases import credits_of, model_of, total_of
from rivya_flows.receipt.provenance import Recorded, recorded_asset
from rivya_flows.receipt.summary import (
    account_line,
    candidate_facts,
    decision,
    films,
    told,
    troubles,
)

MOST_PLANNED, _MOST_STEPS = 200, 6
"""Items in the table of a plan, and steps at work that are named."""

MOST_ROWS = 1_000
MOST_MEDIA = 60
_MOST_TROUBLES = 20
_MOST_FILMS = 30
_MOST_CANDIDATES = 60


def draw_plan(plan: RunPlan, priced: Estimate) -> Artifact:
    """A Mermaid graph with prices, a table of the items, the totals, and whether they fit the budget."""
    rows = [row for step in priced.steps for row in _rows(step)]
    head = ("item", "model", "credits", "")
    lines = [
        f"```mermaid\n{mermaid(plan, priced)}\n```",
        "",
        table(head, rows[:MOST_PLANNED], right=[2]),
        *_more(rows, MOST_PLANNED, "\nand {} more items"),
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


def draw_progress(state: State) -> Artifact:
    """The share of the known items that have ended, the active steps and the credits so far.

    The percentage can fall when a fan-out adds items.
    """
    done = total = 0
    for step_id in state.plan.parts["steps"]:
        step = state.steps[step_id]
        total += len(step.items) if step.expanded else 1
        done += step.tally.ended
    percent = 100.0 if state.ended == "completed" else round(100 * done / max(total, 1), 1)
    saved = f", {state.saved} saved" if state.saved else ""
    credits = f"{credits_of(state.spent)}{saved}"
    return Artifact("progress", percent, f"{done} of {total} done{_active_steps(state)}; {credits}")


def _active_steps(state: State) -> str:
    if state.ended:
        return f", {state.ended}"
    active = [words for one in state.steps.items() if (words := _step(*one)) is not None]
    shown = [*active[:_MOST_STEPS], *_more(active, _MOST_STEPS, "{} more steps")]
    return f"; {', '.join(shown)}" if shown else ""


def _step(step_id: str, step: StepState) -> str | None:
    if not step.tally.in_flight:
        return None
    if len(step.items) == 1:
        # The run goes on while its page is drawn.
        does = (_DOES.get(item.phase, _DOES[Phase.RUNNING]) for item in step.items.values())
        return f"{step_id} {' '.join(does)}"
    return f"{step_id} {step.tally.ended} of {len(step.items)}"


_DOES = {
    Phase.LOOKING: "looks up an earlier result",
    Phase.UPLOADING: "is uploading",
    Phase.BUYING: "is buying",
    Phase.RUNNING: "is running",
}


def _more(found: Sequence[object], most: int, words: str) -> list[str]:
    """What stands in place of those after the first ones; empty if there are none."""
    return [words.format(len(found) - most)] if len(found) > most else []


def draw_outputs(
    receipt: Receipt, report: str | None, address: Address, poster: Poster, *, deployed: bool
) -> Artifact:
    """The run's outputs with their media, what went wrong, and the link to the contact sheet, if it has one."""
    lines = [f"**{text(receipt.status)}**: {text(told(receipt))}", ""]
    if counted := account_line(receipt):
        lines += [text(counted), ""]
    show = _Showing(address, poster, _makers(receipt), receipt.media)
    for name, value in receipt.outputs.items():
        lines += [f"### {text(name)}", "", *show.value(name, value), ""]
    lines += draw_choices(receipt, deployed=deployed)
    for title, found, most, rest in (
        ("Films and layouts", films(receipt), _MOST_FILMS, "* and {} more lines in the receipt"),
        ("What went wrong", troubles(receipt), _MOST_TROUBLES, "* and {} more"),
    ):
        if found:
            lines += [f"### {title}", "", *(f"* {text(one)}" for one in found[:most])]
            lines += [*_more(found, most, rest), ""]
    if receipt.status != "suspended" and (following := next_step(receipt, deployed=deployed)):
        lines += ["### What next", "", following.markdown, ""]
    if report:
        lines.append(link("Contact sheet: all pictures, films, prompts and credits", report))
    else:
        run_id = receipt.run_id.replace("`", "'")
        lines.append(
            f"`rivya-flows receipt {run_id} --out DIR` writes the contact sheet, with the media"
            " beside it."
        )
    return Artifact("markdown", "\n".join(lines), f"What {text(receipt.name)} made")


def draw_choices(receipt: Receipt, *, deployed: bool) -> list[str]:
    """What was picked, by whom, and the score of each candidate; `deployed` as of `next_step`."""
    chosen = [*receipt.choices()]
    lines = ["### Picks", ""] if chosen else []
    for name, choice in chosen:
        said = (
            _waits(receipt, name, choice, deployed=deployed)
            if choice.waiting
            else text(decision(choice))
        )
        question = f" ({text(choice.question)})" if choice.question else ""
        lines += [f"**{text(name)}**: {said}{question}", ""]
        if noted := round_note(choice.round, choice.notes):
            lines += [text(noted), ""]
        if choice.judge_error:
            lines += [f"no scores: {text(choice.judge_error)}", ""]
        rows = [
            (one.n, one.key, ", ".join(candidate_facts(one, choice.mode)), one.reason or "")
            for one in choice.candidates[:_MOST_CANDIDATES]
        ]
        if any(row[2] for row in rows):
            lines += [table(("", "candidate", "", ""), rows, right=[0]), ""]
    return lines


def _waits(receipt: Receipt, name: str, choice: Choice, *, deployed: bool) -> str:
    """How to answer; only a run that is suspended has *Resume*, not one that a deadline failed."""
    suspended = receipt.status == "suspended"
    if suspended and deployed:
        return "waits for an answer: *Resume*, in the menu of this run"
    answers = {name: blank_answer(choice.keys, choice.count)}
    command = answering_command(receipt.run_id, answers)
    return f"{'waits for an answer' if suspended else 'an answer still counts'}: {code(command)}"


def draw_ledger(receipt: Receipt) -> Artifact | None:
    """One row for each purchase; None if nothing was bought.

    Markdown and not a table of Prefect's: one UI renders its cells as Markdown and the other as
    text, so no escaping is safe in both.
    """
    rows = [
        (
            label(row.step, row.key),
            model_of(row),
            row.status,
            row.reserved,
            "" if row.final is None else row.final,
            row.task_id or "",
        )
        for row in receipt.ledger[:MOST_ROWS]
    ]
    if not rows:
        return None
    credits = receipt.credits
    saved = f", {credits.saved} saved" if credits.saved else ""
    rest = _more(receipt.ledger, MOST_ROWS, "; {} more purchases are in the receipt")
    description = "".join([f"{credits_of(credits.spent)} spent{saved}", *rest])
    head = ("item", "model", "status", "reserved", "credits", "job")
    return Artifact("markdown", table(head, rows, right=[3, 4]), description)


@dataclass
class _Showing:
    """Renders outputs with a limited number of media."""

    address: Address
    poster: Poster
    makers: Mapping[str, tuple[str, str]]
    media: Recorded
    left: int = MOST_MEDIA

    def value(self, name: str, value: Any) -> Iterator[str]:
        """An output or a part of it."""
        if value is None:
            yield "nothing"
        elif asset := recorded_asset(value, self.media):
            yield from self._medium(name, asset)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield from self._list(name, value)
        elif by := self._by_format(value):
            for key, asset in by:
                yield from self._medium(f"{name} {key}", asset)
        elif isinstance(value, str):
            yield quotation(value)
        else:
            yield quotation(json.dumps(value, ensure_ascii=False, indent=2, default=str))

    def _by_format(self, value: Any) -> list[tuple[str, Asset]]:
        """The media of the output `by` of a composition or a layout; empty if it is not one."""
        parts = value.items() if isinstance(value, Mapping) else ()
        made = ((key, one.get("asset")) for key, one in parts if isinstance(one, Mapping))
        found = ((key, recorded_asset(one, self.media)) for key, one in made)
        kept = [(key, asset) for key, asset in found if asset]
        return kept if len(kept) == len(parts) else []

    def _medium(self, name: str, asset: Asset) -> Iterator[str]:
        if self.left > 0:
            step, key = self.makers.get(asset.sha256, (name, ""))
            yield as_markdown(label(step, key), asset, self.address, self.poster)
        elif self.left == 0:
            yield "more media are on the contact sheet"
        self.left -= 1

    def _list(self, name: str, values: list[Any]) -> Iterator[str]:
        media = [known for one in values if (known := recorded_asset(one, self.media))]
        stills = [one for one in media if one.kind == "image"]
        found = [
            (self.makers.get(one.sha256, ("", ""))[1] or f"{name} {n}", one, url)
            for n, one in enumerate(stills, 1)
            if (url := self.address(one))
        ]
        pictures = [(title, self.poster(one) or url, url) for title, one, url in found[: self.left]]
        if len(pictures) == len(values) <= self.left:
            self.left -= len(pictures)
            yield gallery(pictures)
            return
        for number, one in enumerate(values, 1):
            yield from self.value(f"{name} {number}", one)


def _makers(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """What first made each medium, by hash: step and key, with the format that it has."""
    makers: dict[str, tuple[str, str]] = {}
    for step, item in receipt.each():
        for asset in item.media:
            words = (item.key, *item.formats.get(asset.sha256, ()))
            makers.setdefault(asset.sha256, (step.id, " ".join(filter(None, words))))
    return makers
