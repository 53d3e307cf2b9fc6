"""What the media on a contact sheet were made from, back to the files that the run was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rivya_flows.assets import assets_in
from rivya_flows.receipt.embedding import Embedder, SheetMedium
from rivya_flows.receipt.model import Card, Receipt
from rivya_flows.receipt.summary import manner

_MAX_DEPTH, _MAX_OF_ONE, _MAX_OF_PAGE = 8, 24, 1500
"""Generations of a medium, sources of one place of the page, and of all of it."""


@dataclass(frozen=True)
class Source:
    """A medium, and what it was made from.

    Attributes:
        card: None stands for `more` sources that are left out.
        picture: To draw small; None if it is no picture, or stands right above.
        anchor: Of the medium, or of the step that made it; "" if the page has neither.
        pick: The pick that chose it, and who picked; empty if none did.
        again: The page tells above what it was made from.
    """

    card: Card | None
    picture: SheetMedium | None = None
    anchor: str = ""
    pick: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    again: bool = False
    more: int = 0


class Origins:
    """Finds the sources of media of one page."""

    def __init__(self, receipt: Receipt, embedder: Embedder, steps: Iterable[str]) -> None:
        self._embedder, self._steps, self._left = embedder, frozenset(steps), _MAX_OF_PAGE
        self._shown: frozenset[str] = frozenset()
        self._cards = {card.sha256: card for card in reversed(receipt.assets)}
        self._picked = _picked(receipt)
        self._places: dict[str, tuple[bool, str]] = {}

    def of(self, value: Any, item: tuple[str, str] | None = None) -> tuple[Source, ...]:
        """The sources of the media in a value, each once.

        Args:
            item: Step and key of the item whose card shows the media: what it says is not repeated,
                only what it took.
        """
        shown = [asset.sha256 for asset in assets_in(value)]
        found: dict[Any, str] = {}
        for sha256 in shown:
            card = self._cards.get(sha256)
            if card is None or card.made_by is None:
                continue
            name = card.made_by.step, card.made_by.key
            if name == item:
                found |= {one: one for one in card.made_by.parents}
            else:
                found.setdefault(name, sha256)  # the formats of one film have one maker
        self._shown = frozenset(shown)
        return self._sources(found.values(), set(), [_MAX_OF_ONE], 0)

    def _sources(
        self, hashes: Iterable[str], seen: set[str], left: list[int], depth: int
    ) -> tuple[Source, ...]:
        known = [one for one in hashes if one in self._cards]
        told = known[: max(0, min(left[0], self._left))]
        left[0] -= len(told)
        self._left -= len(told)
        sources = tuple(self._source(one, seen, left, depth) for one in told)
        more = len(known) - len(told)
        return (*sources, Source(None, more=more)) if sources and more else sources

    def _source(self, sha256: str, seen: set[str], left: list[int], depth: int) -> Source:
        card = self._cards[sha256]
        maker, sources = card.made_by, tuple[Source, ...]()
        picture, anchor = self._place(sha256)
        if maker and not anchor and maker.step in self._steps:
            anchor = f"step-{maker.step}"
        again = sha256 in seen
        seen.add(sha256)
        if maker and not again and depth < _MAX_DEPTH:
            sources = self._sources(maker.parents, seen, left, depth + 1)
        pick = () if again else self._picked.get(sha256, ())
        return Source(card, picture, anchor, pick, sources, again)

    def _place(self, sha256: str) -> tuple[SheetMedium | None, str]:
        """The picture of a medium, if it can be shown, and its anchor, if the page has it."""
        # What stands right above is not shown again.
        media = [] if sha256 in self._shown else self._embedder.of_hash(sha256)
        if not media:
            return None, ""
        [medium] = media
        # What the page shows nowhere else is here if it is small: the folder of a run has no copy.
        embedded = medium.source.startswith("data:")
        is_shown, anchor = self._places.setdefault(
            sha256, (medium.original is not None or embedded, medium.anchor)
        )
        picture = medium if is_shown and medium.kind == "image" else None
        return picture, anchor if is_shown and (picture or medium.original) else ""


def _picked(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """The first pick that chose a medium, and who picked, by hash."""
    found: dict[str, tuple[str, str]] = {}
    for name, choice in receipt.choices():
        for one in choice.candidates:
            if one.picked and one.sha256:
                found.setdefault(one.sha256, (name, manner(choice).removeprefix("picked ")))
    return found
