"""What the media on a contact sheet were made from, back to the files that the run was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rivya_flows.assets import assets_in
from rivya_flows.plans.names import label
from rivya_flows.receipt.embedding import Embedder, SheetMedium
from rivya_flows.receipt.model import Card, Maker, Receipt
from rivya_flows.receipt.summary import manner

_MAX_DEPTH, _MAX_OF_ONE, _MAX_OF_PAGE = 8, 24, 1500
"""Generations of a medium, sources of one place of the page, and of all of it."""

_MAX_PROMPT = 140  # characters
_GIVEN = "inputs."


@dataclass(frozen=True)
class Source:
    """A medium, and what it was made from.

    Attributes:
        picture: To draw small; None if it is no picture, or stands right above.
        anchor: Of the medium, or of the step that made it; "" if the page has neither.
        facts: Model, credits, task, in words.
        picked: Which pick chose it; "" if none did.
    """

    picture: SheetMedium | None
    anchor: str
    name: str
    facts: tuple[str, ...] = ()
    picked: str = ""
    by: str = ""
    prompt: str = ""
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
        sources = [self._source(one, seen, left, depth) for one in told]
        more = len(known) - len(told)
        return (*sources, Source(None, "", "", more=more)) if sources and more else tuple(sources)

    def _source(self, sha256: str, seen: set[str], left: list[int], depth: int) -> Source:
        card = self._cards[sha256]
        maker = card.made_by
        name = label(maker.step, maker.key) if maker else _given(card)
        picture, anchor = self._place(sha256)
        if maker and not anchor and maker.step in self._steps:
            anchor = f"step-{maker.step}"
        if sha256 in seen:
            return Source(picture, anchor, name, again=True)
        seen.add(sha256)
        if maker is None:
            return Source(picture, anchor, name, (), *self._picked.get(sha256, ("", "")))
        deeper = depth < _MAX_DEPTH
        sources = self._sources(maker.parents, seen, left, depth + 1) if deeper else ()
        told = (*self._picked.get(sha256, ("", "")), _short(maker.prompt or ""))
        return Source(picture, anchor, name, _facts(maker), *told, sources)

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
            sha256, (not medium.first or embedded, medium.anchor)
        )
        picture = medium if is_shown and medium.kind == "image" else None
        return picture, anchor if is_shown and (picture or not medium.first) else ""


def _given(card: Card) -> str:
    given = card.given_as or card.kind
    return f"input {given.removeprefix(_GIVEN)}" if given.startswith(_GIVEN) else given


def _facts(maker: Maker) -> tuple[str, ...]:
    paid = f"{maker.credits:,}\N{NO-BREAK SPACE}cr" if maker.credits else ""
    cached = "from the cache" if maker.cached else ""
    facts = (maker.model or maker.uses, paid, cached, maker.task_id)
    return tuple(one for one in facts if one)


def _short(prompt: str) -> str:
    text = " ".join(prompt.split())
    return text if len(text) <= _MAX_PROMPT else f"{text[: _MAX_PROMPT - 1]}…"


def _picked(receipt: Receipt) -> dict[str, tuple[str, str]]:
    """Which pick chose a medium and who picked, by hash; of several picks the first."""
    found: dict[str, tuple[str, str]] = {}
    for name, choice in receipt.choices():
        for one in choice.candidates:
            if one.picked and one.sha256:
                by = manner(choice).removeprefix("picked ")
                found.setdefault(one.sha256, (f"picked for {name}", by))
    return found
