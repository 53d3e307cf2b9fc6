"""The items of a step, with aggregates over all of them.

A set of items is an integer; bit n stands for the n-th item. It takes one bit of memory an item, and
its lowest bit is the first item.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import add, sub
from typing import NamedTuple, overload

from rpds import HashTrieMap

from rivya_flows.planning.queue.item_state import TERMINAL, ItemState, Phase
from rivya_flows.planning.queue.table import Table
from rivya_flows.steps.request import PriceClass

UNCLOSED = ("planned", "intended", "accepted", "uncertain")
"""States of a purchase that may still succeed."""


class Tally(NamedTuple):
    """Sums over items.

    Attributes:
        spent: Credits spent or held.
        committed: With those of purchases that are planned but not journaled yet.
        saved: Credits that the cache saved.
        size: Bytes of evaluated arguments.
        unclosed: Items whose last purchase may still succeed.
        cached: Completed items with outputs from the cache.
        unpaid: Items that could not be paid.
        waiting, …, failed: Items in that phase.
    """

    spent: int = 0
    committed: int = 0
    saved: int = 0
    size: int = 0
    unclosed: int = 0
    cached: int = 0
    unpaid: int = 0
    waiting: int = 0
    ready: int = 0
    looking: int = 0
    uploading: int = 0
    buying: int = 0
    running: int = 0
    completed: int = 0
    skipped: int = 0
    failed: int = 0

    def plus(self, other: Tally) -> Tally:
        """The sums of both."""
        return Tally(*map(add, self, other))

    def minus(self, other: Tally) -> Tally:
        """The sums without those of the other."""
        return Tally(*map(sub, self, other))

    @property
    def ended(self) -> int:
        """Items that have ended."""
        return self.completed + self.skipped + self.failed

    @property
    def open(self) -> int:
        """Items whose purchase or work is under way."""
        return self.buying + self.running

    @property
    def in_flight(self) -> int:
        """Items that will bring an event by themselves."""
        return self.looking + self.uploading + self.buying + self.running

    def of(self, phase: Phase) -> int:
        """Items in a phase."""
        return self[_PLACE_OF_PHASE[phase]]


_PLACE_OF_PHASE = {phase: Tally._fields.index(phase.value) for phase in Phase}
_ONE_IN = {phase: tuple(int(one is phase) for one in Phase) for phase in Phase}
"""The last fields of the tally of one item, which name the phases in their order."""


def tally_of(item: ItemState) -> Tally:
    """The sums over one item."""
    committed = spent = 0
    for purchase in item.purchases:
        held = purchase.held
        committed += held
        if purchase.status != "planned":
            spent += held
    last = item.last
    return Tally(
        spent,
        committed,
        item.saved,
        item.size,
        int(last is not None and last.status in UNCLOSED),
        int(item.cached and item.phase is Phase.COMPLETED),
        int(item.unpaid),
        *_ONE_IN[item.phase],
    )


@dataclass(frozen=True, eq=False)
class Items(Sequence[ItemState]):
    """The items of a step in order; replacing one costs about the square root of their number.

    Attributes:
        table: By key.
        tally: Sums over all of them.
        waiting: Set of those that wait for their upstream.
        ended: Set of those that have ended.
        due: Set of those that are ready and not examined yet.
        gates: Sets of gated items by price class.
        bought_by: Number of unanswered purchases by price class; None if the request is unknown.
    """

    table: Table[ItemState]
    tally: Tally
    waiting: int
    ended: int
    due: int
    gates: HashTrieMap[PriceClass, int]
    bought_by: HashTrieMap[PriceClass | None, int]

    @classmethod
    def of(cls, items: Iterable[ItemState]) -> Items:
        """These items; their keys differ."""
        return _counted(Table({item.key: item for item in items}))

    def with_all(self, items: Iterable[ItemState]) -> Items:
        """Other states of the same items, in the same order."""
        return _counted(self.table.with_values(tuple(items)))

    def __len__(self) -> int:
        return len(self.table)

    def __iter__(self) -> Iterator[ItemState]:
        return iter(self.table)

    @overload
    def __getitem__(self, place: int) -> ItemState: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ItemState]: ...
    def __getitem__(self, place: int | slice) -> ItemState | Sequence[ItemState]:
        if isinstance(place, slice):
            return tuple(self)[place]
        return self.table.at(range(len(self))[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Items) and self.table == other.table

    __hash__ = None  # type: ignore[assignment]  # items hold dictionaries

    def get(self, key: str) -> ItemState:
        """The item of a key.

        Raises:
            KeyError: There is none.
        """
        return self.table[key]

    def those(self, chosen: int) -> Iterator[ItemState]:
        """The items of a set, in order."""
        for place in places(chosen):
            yield self.table.at(place)

    def follow(self, source: Items) -> bool:
        """Whether these have the keys of the others, in their order."""
        return self.table.places is source.table.places

    def replaced(self, item: ItemState) -> Items:
        """These with another state of one of them."""
        place = self.table.places[item.key]
        old, bit = self.table.at(place), 1 << place
        if old is item:
            return self
        changes = (
            self.tally.minus(tally_of(old)).plus(tally_of(item)),
            _put(self.waiting, bit, item.phase is Phase.WAITING),
            _put(self.ended, bit, item.phase in TERMINAL),
            _put(self.due, bit, _is_due(item)),
            _with_gate(self.gates, bit, old, item),
            _with_price(self.bought_by, old, item),
        )
        return Items(self.table.replaced(place, item), *changes)


def _counted(table: Table[ItemState]) -> Items:
    """The plain count over all items."""
    tally, waiting, ended, due = Tally(), 0, 0, 0
    gates: dict[PriceClass, int] = {}
    bought_by: dict[PriceClass | None, int] = {}
    for place, item in enumerate(table):
        bit = 1 << place
        tally = tally.plus(tally_of(item))
        waiting = _put(waiting, bit, item.phase is Phase.WAITING)
        ended = _put(ended, bit, item.phase in TERMINAL)
        due = _put(due, bit, _is_due(item))
        if (gate := _gate(item)) is not None:
            gates[gate] = gates.get(gate, 0) | bit
        if item.phase is Phase.BUYING:
            bought_by[_price(item)] = bought_by.get(_price(item), 0) + 1
    return Items(table, tally, waiting, ended, due, HashTrieMap(gates), HashTrieMap(bought_by))


def _put(chosen: int, bit: int, holds: bool) -> int:
    return chosen | bit if holds else chosen & ~bit


def _is_due(item: ItemState) -> bool:
    return item.phase is Phase.READY and not item.gated and not item.waits_for_person


def _price(item: ItemState) -> PriceClass | None:
    return None if item.request is None else item.request.price_class


def _gate(item: ItemState) -> PriceClass | None:
    return _price(item) if item.phase is Phase.READY and item.gated else None


def _with_gate(
    gates: HashTrieMap[PriceClass, int], bit: int, old: ItemState, new: ItemState
) -> HashTrieMap[PriceClass, int]:
    before, after = _gate(old), _gate(new)
    if before == after:
        return gates
    if before is not None:
        left = gates[before] & ~bit
        gates = gates.insert(before, left) if left else gates.remove(before)
    return gates if after is None else gates.insert(after, gates.get(after, 0) | bit)


def _with_price(
    counts: HashTrieMap[PriceClass | None, int], old: ItemState, new: ItemState
) -> HashTrieMap[PriceClass | None, int]:
    if (old.phase is Phase.BUYING) is (new.phase is Phase.BUYING):
        return counts  # the request of an item does not change while it is bought
    if new.phase is Phase.BUYING:
        return counts.insert(_price(new), counts.get(_price(new), 0) + 1)
    left = counts[_price(old)] - 1
    return counts.insert(_price(old), left) if left else counts.remove(_price(old))


def places(chosen: int) -> Iterator[int]:
    """The places of a set, in order."""
    while chosen:
        low = chosen & -chosen
        yield low.bit_length() - 1
        chosen ^= low


def first(chosen: int) -> int:
    """The first place of a set that is not empty."""
    return (chosen & -chosen).bit_length() - 1
