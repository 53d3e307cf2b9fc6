"""The end of a run on its page: outputs, costs, and the link to the contact sheet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rivya_flows.assets import Asset
from rivya_flows.flows.run_page.artifact import Artifact
from rivya_flows.flows.run_page.media import Address, Poster, as_markdown
from rivya_flows.ledger.continuing import next_step
from rivya_flows.ledger.model import Choice, Receipt
from rivya_flows.ledger.phrases import credits_of, model_of
from rivya_flows.ledger.provenance import Recorded, recorded_asset
from rivya_flows.ledger.summary import (
    account_line,
    candidate_facts,
    decision,
    films,
    told,
    troubles,
)
from rivya_flows.planning.markdown import code, gallery, link, quotation, table, text
from rivya_flows.planning.names import label
from rivya_flows.planning.questions.presentation import answering_command, blank_answer, round_note

MOST_ROWS = 1_000
MOST_MEDIA = 60
_MOST_TROUBLES = 20
_MOST_FILMS = 30
_MOST_CANDIDATES = 60


def draw_outputs(
    receipt: Receipt,
    report: str | None,
    address: Address,
    poster: Poster,
    *,
    deployed: bool,
) -> Artifact:
    """The run's outputs with their media, what went wrong, and the link to the contact sheet.

    Args:
        report: The URL of the contact sheet; None if it has none.
    """
    lines = [f"**{text(receipt.status)}**: {text(told(receipt))}", ""]
    if counted := account_line(receipt):
        lines += [text(counted), ""]
    show = _Showing(address, poster, _makers(receipt), receipt.media)
    for name, value in receipt.outputs.items():
        lines += [f"### {text(name)}", "", *show.value(name, value), ""]
    lines += draw_choices(receipt, deployed=deployed)
    if made := films(receipt):
        shown = made[:_MOST_FILMS]
        lines += ["### Films and layouts", "", *(f"* {text(one)}" for one in shown)]
        more = len(made) - _MOST_FILMS
        lines += [*([f"* and {more} more lines in the receipt"] if more > 0 else []), ""]
    failures = troubles(receipt)
    if failures:
        shown = failures[:_MOST_TROUBLES]
        lines += ["### What went wrong", "", *(f"* {text(one)}" for one in shown)]
        more = len(failures) - _MOST_TROUBLES
        lines += [*([f"* and {more} more"] if more > 0 else []), ""]
    if receipt.status != "suspended" and (following := next_step(receipt, deployed=deployed)):
        lines += ["### What next", "", following.markdown, ""]
    if report:
        lines.append(link("Contact sheet: all pictures, films, prompts and credits", report))
    else:
        command = f"rivya-flows receipt {_id(receipt)} --out DIR"
        lines.append(f"`{command}` writes the contact sheet, with the media beside it.")
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
    more = len(receipt.ledger) - MOST_ROWS
    rest = f"; {more} more purchases are in the receipt" if more > 0 else ""
    description = f"{credits_of(credits.spent)} spent{saved}{rest}"
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
            (self._key(one) or f"{name} {n}", one, url)
            for n, one in _count(stills)
            if (url := self.address(one))
        ]
        pictures = [(title, self.poster(one) or url, url) for title, one, url in found[: self.left]]
        if len(pictures) == len(values) <= self.left:
            self.left -= len(pictures)
            yield gallery(pictures)
            return
        for number, one in _count(values):
            yield from self.value(f"{name} {number}", one)

    def _key(self, asset: Asset) -> str:
        return self.makers.get(asset.sha256, ("", ""))[1]


def _count(values: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    return enumerate(values, 1)


def _makers(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """What first made each medium, by hash: step and key, with the format that it has."""
    makers: dict[str, tuple[str, str]] = {}
    for step, item in receipt.each():
        for asset in item.media:
            words = (item.key, *item.formats.get(asset.sha256, ()))
            makers.setdefault(asset.sha256, (step.id, " ".join(filter(None, words))))
    return makers


def _id(receipt: Receipt) -> str:
    """The run id for use between backticks."""
    return receipt.run_id.replace("`", "'")
