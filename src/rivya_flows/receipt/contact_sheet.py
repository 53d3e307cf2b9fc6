"""Contact sheets of a run and of a batch: HTML pages that need no network."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rivya_client.printable import one_line
from rivya_flows.assets import assets_in
from rivya_flows.plans.names import is_round, label
from rivya_flows.program import NAME, callable_here
from rivya_flows.questions.question import Candidate
from rivya_flows.receipt.continuing import continuation
from rivya_flows.receipt.embedding import AssetPath, AssetUrl, Embedder, Rendering, SheetMedium
from rivya_flows.receipt.model import Choice, EarlierCandidate, Item, Receipt, Step
from rivya_flows.receipt.pages import rendered, text_of
from rivya_flows.receipt.questions import answering_command, blank_answer
from rivya_flows.receipt.sheet_graph import graph
from rivya_flows.receipt.sheet_origins import Origins
from rivya_flows.receipt.sheet_time import timeline
from rivya_flows.receipt.summary import DONE

_NOT_NEEDED = ("skipped", "suspended", "running")
_MAX_ROW_MEDIA = 6
"""Media of one row on the sheet of a batch; the sheet of the row has all."""

_MAX_ROW_TEXT = 600  # characters of a text there
_UNFINISHED = ("running", "suspended")  # outputs without a value may still get one
_NOT_DONE = ("failed", "skipped", "cancelled", "suspended")


class Card(NamedTuple):
    """An item, with its media; of one that is rendered in formats they are in `rendering`."""

    item: Item
    media: list[SheetMedium]
    rendering: Rendering | None


Offers = list[tuple[Candidate | EarlierCandidate, list[SheetMedium]]]
"""Candidates with their media."""


class Asked(NamedTuple):
    """An open question of a run; `earlier` are the rounds before, the latest first, by number."""

    name: str
    item: Item
    choice: Choice
    offers: Offers
    earlier: list[tuple[int, Offers]]


def contact_sheet(
    receipt: Receipt,
    asset_path: AssetPath,
    *,
    beside: Path | None = None,
    asset_url: AssetUrl | None = None,
) -> str:
    """The page of a run: open questions, outputs, credits by step, every item with its prompt and price.

    It holds small pictures and small files, and links the others, see `Embedder`.
    """
    embedder = Embedder.of([receipt], asset_path, beside, asset_url)
    asked = [choice for _, choice in receipt.choices() if choice.waiting]
    first = [one.sha256 for choice in asked for one in choice.candidates if one.sha256]
    embedder.draw([*first, *(one.sha256 for one in assets_in(receipt.outputs))])
    # In the order of the page: a medium is embedded where it comes first.
    questions = [*_questions(receipt, embedder)]
    outputs = [(name, value, embedder.media(value)) for name, value in receipt.outputs.items()]
    if receipt.status in _UNFINISHED:
        outputs = [one for one in outputs if one[2] or text_of(one[1])]
    steps = [_as_begun(step) for step in receipt.steps if _is_shown(step)]
    cards = [[_card(item, embedder) for item in step.items] for step in steps]
    blanks = {one.name: blank_answer(one.choice.keys, one.choice.count) for one in questions}
    ended = not questions and receipt.status in ("failed", "cancelled")
    view = {
        "receipt": receipt,
        "comparing": _comparing(receipt),
        "questions": questions,
        "command_begin": callable_here(answering_command(receipt.run_id, {})),
        "command": callable_here(answering_command(receipt.run_id, blanks)),
        "following": continuation(receipt) if ended else None,
        "kept": [*_kept(receipt)],
        "outputs": outputs,
        "steps": [*zip(steps, cards, strict=True)],
        "origins": Origins(receipt, embedder, [step.id for step in steps]),
        "timeline": timeline(receipt, steps),
        "graph": graph(steps),
        "troubles": [(step, item) for step in steps for item in step.items if _is_trouble(item)],
        "served": asset_url is not None,
    }
    return rendered("contact_sheet.html", view)


@dataclass(frozen=True)
class SheetRow:
    """A row of a batch on its contact sheet, with what names it and the cells that tell it from others."""

    number: int
    name: str
    status: str
    credits: int
    reason: str | None
    folder: Path | None
    receipt: Receipt | None
    title: str = ""
    mark: str = ""
    facts: Sequence[tuple[str, str]] = ()

    @property
    def price(self) -> str:
        """The first of the facts that is a price; "" without one."""
        return next((text for name, text in self.facts if _is_price(name, text)), "")

    @property
    def other_facts(self) -> list[tuple[str, str]]:
        """The facts that are no price."""
        return [one for one in self.facts if not _is_price(*one)]


def _is_price(name: str, text: str) -> bool:
    return "price" in name or any(unicodedata.category(letter) == "Sc" for letter in text)


class BatchCard(NamedTuple):
    """A row of a batch, with the link to its sheet, its first media and texts by name, and how many `more`."""

    row: SheetRow
    link: str
    media: list[tuple[str, SheetMedium]]
    texts: list[tuple[str, str]]
    more: int


def batch_sheet(
    rows: Sequence[SheetRow],
    *,
    title: str,
    document: Mapping[str, Any],
    before: int,
    asset_path: AssetPath,
    beside: Path,
) -> str:
    """The page of a batch: every row with its outputs, price and state, and links to its own pages.

    Args:
        document: As of ``batch --json``, without its rows.
        before: Credits that earlier executions spent; the balances are those of the last one alone.
    """
    receipts = [row.receipt for row in rows if row.receipt]
    embedder = Embedder.of(receipts, asset_path, beside)
    shown = [[*assets_in(row.receipt and row.receipt.outputs)][:_MAX_ROW_MEDIA] for row in rows]
    # The first of each row before the second of any.
    ranked = sorted((index, one.sha256) for media in shown for index, one in enumerate(media))
    embedder.draw([sha256 for _, sha256 in ranked], others=False)
    cards = [_batch_card(row, embedder) for row in rows]
    view = {"title": title, "batch": document, "before": before, "cards": cards}
    return rendered("batch_sheet.html", view)


def _batch_card(row: SheetRow, embedder: Embedder) -> BatchCard:
    media: list[tuple[str, SheetMedium]] = []
    texts: list[tuple[str, str]] = []
    more = 0
    for name, value in (row.receipt.outputs if row.receipt else {}).items():
        assets = [*assets_in(value)]
        kept = assets[: _MAX_ROW_MEDIA - len(media)]
        found = [one for asset in kept for one in embedder.of_hash(asset.sha256)]
        media += [(" · ".join(filter(None, [name, one.about.key])), one) for one in found]
        more += len(assets) - len(kept)
        if not assets and (text := text_of(value)):
            short = text if len(text) <= _MAX_ROW_TEXT else f"{text[: _MAX_ROW_TEXT - 1]}…"
            texts.append((name, short))
    link = embedder.link_to(row.folder / "contact-sheet.html") if row.folder else ""
    return BatchCard(row, link, media, texts, more)


def _questions(receipt: Receipt, embedder: Embedder) -> Iterator[Asked]:
    """The open questions of a run; none unless a person may answer."""

    def shown(candidates: Iterable[Candidate | EarlierCandidate]) -> Offers:
        return [(one, embedder.of_hash(one.sha256)) for one in candidates]

    for step, item in receipt.each():
        if (choice := item.choice) and choice.waiting:
            offers = shown(choice.candidates)
            earlier = [
                (number, shown(one for one in choice.earlier if one.round == number))
                for number in reversed(range(choice.round))
            ]
            # A terminal would act on what a pasted name has; such a name then fits no question.
            name = one_line(label(step.id, item.key))
            yield Asked(name, item, choice, offers, [one for one in earlier if one[1]])


def _card(item: Item, embedder: Embedder) -> Card:
    rendering = embedder.rendering(item)
    return Card(item, [] if rendering else embedder.of_item(item.assets), rendering)


def _is_trouble(item: Item) -> bool:
    """Whether it is named on top; what waits for an answer is asked there."""
    asks = item.status == "suspended" and item.choice and item.choice.waiting
    return item.status in _NOT_DONE and not asks


def _is_shown(step: Step) -> bool:
    """Not a round of a pick that nothing was bought for."""
    return not is_round(step.id) or any(item.status not in _NOT_NEEDED for item in step.items)


def _as_begun(step: Step) -> Step:
    """A step; ``waiting``, with nothing to show, before any of its items begins."""
    if step.status != "running" or any(item.began_at for item in step.items):
        return step
    return step.model_copy(update={"status": "waiting", "items": ()})


def _kept(receipt: Receipt) -> Iterator[str]:
    """What a run that goes on does not buy again."""
    for step in receipt.steps:
        if done := sum(one.status in DONE for one in step.items):
            many = f" ({done} of {len(step.items)})" if len(step.items) > 1 else ""
            yield f"{step.id}{many}"


def _comparing(receipt: Receipt) -> str:
    """The command that compares a fork with its run; "" of other runs."""
    if receipt.fork is None:
        return ""
    words = [NAME, "compare", receipt.fork.run_id, receipt.run_id, "--open"]
    return callable_here(shlex.join(words))
