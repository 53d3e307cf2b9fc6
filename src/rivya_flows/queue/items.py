"""The items of a run: phase, purchases and outputs of each, and sums over many of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from pydantic import JsonValue

from rivya_flows.assets import Outputs
from rivya_flows.plans.plan import PlannedItem, Variables
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, BroughtFile, Channel, Why
from rivya_flows.steps.candidates import question_hash
from rivya_flows.steps.request import FUNCTION, ItemRequest, PriceClass, PricedBy


class Phase(StrEnum):
    """The progress of an item."""

    WAITING = "waiting"  # for its upstream
    READY = "ready"  # evaluated; waits for a limit, a price or the budget
    LOOKING = "looking"  # in the cache
    UPLOADING = "uploading"
    BUYING = "buying"  # the POST was sent
    RUNNING = "running"  # a job, or free work
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"


UNANSWERED = "unanswered"
"""Code of a pick that failed because its deadline passed."""

TERMINAL = frozenset({Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED})
OPEN = frozenset({Phase.BUYING, Phase.RUNNING})
"""Its purchase or its work is under way."""
IN_FLIGHT = OPEN | {Phase.LOOKING, Phase.UPLOADING}
"""It will bring an event by itself."""

UNCLOSED = ("planned", "intended", "accepted", "uncertain")
"""States of a purchase that may still succeed."""


class Purchase(NamedTuple):
    """One paid POST and its outcome.

    Attributes:
        status: `planned` is not journaled yet, so nothing was sent; `intended` has no answer yet;
            `accepted` runs; `succeeded`, `failed` and `answered` are settled; `lost` was paid, and
            its media were refused; `refused` cost nothing; `uncertain` counts as spent.
        alternative: Which `fallback` of its step this is, counted from 1; 0 is as written.
        sent: What is known of the requests that were sent for it: `unknown` means that the service may
            have accepted one, as after an execution that ended without an answer.
        outputs: Of one that is `lost`: what its job gave.
    """

    n: int
    route: str
    idempotency_key: str
    body: str
    reserve: int
    intended_at: datetime
    priced_by: PricedBy = PricedBy()
    status: Literal[
        "planned",
        "intended",
        "accepted",
        "succeeded",
        "lost",
        "failed",
        "answered",
        "refused",
        "uncertain",
    ] = "intended"
    task_id: str | None = None
    reserved: int | None = None
    final: int | None = None
    error: str | None = None
    content: str | None = None
    session_id: str | None = None
    usage: Mapping[str, JsonValue] | None = None
    alternative: int = 0
    sent: Literal["never", "unknown"] = "never"
    outputs: Outputs | None = None
    why: Why | None = None

    @property
    def is_function(self) -> bool:
        """Whether the `work` of its kind buys, and not the service."""
        return self.route == FUNCTION.name

    @property
    def held(self) -> int:
        """Credits of the budget that this purchase takes now."""
        if self.status == "refused":
            return 0
        if self.final is not None:
            return self.final
        return self.reserve if self.reserved is None else self.reserved

    @property
    def named(self) -> int | None:
        """What the service charges for it; None before it said so."""
        return None if self.reserved is None else max(self.reserved, self.final or 0)


class Score(NamedTuple):
    """What a judge says of a candidate: 0 to 10, and why, as unchecked text."""

    key: str
    score: float
    reason: str


class SentBack(NamedTuple):
    """An answer that picked none, which ended a round; `proposed`: whether the judge would have picked, None without scores."""

    round: int
    channel: Channel
    proposed: bool | None


class ItemState(NamedTuple):
    """One item of a step.

    Attributes:
        repeats: The key of an earlier item if it was given the same one; else None.
        places: Of a matrix: where each of its values is in the list of its axis.
        requests: What it does, as written, then what it falls back to; empty until its arguments are
            evaluated.
        notes: What people asked to be different, one for each round; "" where they said nothing.
        seen: What was asked about what in each round that has ended: SHA-256 of it.
        reviews: Of a review: the answers that count, in their order; `turn`: how many answers this round
            has had; `asked`: SHA-256 of what they are about.
        held: Its answers ask for a round that the budget does not cover.
        alternative: Which of its requests `request` is; 0 is as written.
        gated: Ready, but a limit, an unknown price or the budget blocks its purchase.
        unpaid: It was not bought because it, or the rest, could not be paid; `allow_failures` does not
            cover it, unless the spec says `on_unfit: go_on`.
        inside: Credits of the steps inside an item of an `include`, which are not its own.
    """

    key: str
    variables: Variables
    phase: Phase = Phase.WAITING
    requests: tuple[ItemRequest, ...] = ()
    purchases: tuple[Purchase, ...] = ()
    outputs: Outputs | None = None
    reason: str | None = None
    code: str | None = None
    pool: str | None = None
    granted: int = 0
    asked_cache: bool = False
    cached: bool = False
    taken_from: str | None = None
    saved: int = 0
    picked: tuple[str, ...] | None = None
    answered_by: AnsweredBy | None = None
    round: int = 0
    notes: tuple[str, ...] = ()
    sent_back: tuple[SentBack, ...] = ()
    seen: tuple[str, ...] = ()
    reviews: tuple[AnswerGiven, ...] = ()
    turn: int = 0
    asked: str = ""
    held: bool = False
    scores: tuple[Score, ...] = ()
    judge_error: str | None = None
    judge_turns: int = 0
    alternative: int = 0
    gated: bool = False
    files: tuple[BroughtFile, ...] = ()
    unpaid: bool = False
    repeats: str | None = None
    inside: int = 0
    places: tuple[int, ...] = ()

    def fail(self, code: str, reason: str) -> ItemState:
        return self._replace(phase=Phase.FAILED, code=code, reason=reason)

    def skip(self, reason: str) -> ItemState:
        return self._replace(phase=Phase.SKIPPED, code=None, reason=reason)

    def reset(self) -> ItemState:
        """The item before its arguments are evaluated."""
        return self._replace(
            phase=Phase.WAITING,
            requests=(),
            outputs=None,
            reason=None,
            code=None,
            pool=None,
            asked_cache=False,
            gated=False,
            unpaid=False,
        )

    def with_purchase(self, purchase: Purchase) -> ItemState:
        """With a purchase in the place of the one of its number, or behind all others."""
        by_number = {one.n: one for one in (*self.purchases, purchase)}
        return self._replace(purchases=tuple(by_number.values()))

    @property
    def last(self) -> Purchase | None:
        return self.purchases[-1] if self.purchases else None

    @property
    def last_status(self) -> str | None:
        return self.purchases[-1].status if self.purchases else None

    @property
    def lost(self) -> tuple[Purchase, ...]:
        """Its purchases whose media were refused."""
        return tuple(one for one in self.purchases if one.status == "lost")

    @property
    def request(self) -> ItemRequest | None:
        """What it does now; None until its arguments are evaluated."""
        return self.requests[self.alternative] if self.requests else None

    @property
    def evaluated(self) -> ItemRequest:
        """What it does now, of an item whose arguments are evaluated."""
        return self.requests[self.alternative]

    @property
    def size(self) -> int:
        """Approximate bytes of memory of its evaluated arguments."""
        return sum(one.size for one in self.requests)

    @property
    def credits(self) -> int:
        """What it has cost, or holds while it runs."""
        return sum(one.held for one in self.purchases if one.status != "planned")

    @property
    def waits_for_person(self) -> bool:
        """Whether it is a pick without an answer, which no judge must be asked about first."""
        request = self.request if self.picked is None else None
        return request is not None and request.decides == "person" and not request.chats

    @property
    def is_due(self) -> bool:
        """Whether it is ready and was not looked at since."""
        return self.phase is Phase.READY and not self.gated and not self.waits_for_person

    @property
    def price(self) -> PriceClass | None:
        return None if self.request is None else self.request.price_class

    @property
    def gate(self) -> PriceClass | None:
        """Its price, if it is ready and its purchase is blocked; else None."""
        return self.price if self.gated and self.phase is Phase.READY else None


def new_item(planned: PlannedItem) -> ItemState:
    return ItemState(planned.key, planned.variables, repeats=planned.repeats, places=planned.places)


def next_round(item: ItemState, note: str) -> ItemState:
    """The item before what it looks at has been made again, with this note."""
    seen = [question_hash(item.request)] if item.request else []
    return item.reset()._replace(
        round=item.round + 1,
        notes=(*item.notes, note),
        seen=(*item.seen, *seen),
        turn=0,
        asked="",
        held=False,
        picked=None,
        scores=(),
        judge_error=None,
        judge_turns=0,
    )


@dataclass
class Tally:
    """Sums over items.

    Attributes:
        committed: `spent`, with purchases that are planned but not journaled yet.
        unanswered: Items in `BUYING` by the price of their purchase; None if it is not known.
    """

    spent: int = 0
    committed: int = 0
    saved: int = 0
    size: int = 0
    cached: int = 0
    unpaid: int = 0
    ended: int = 0
    phases: dict[Phase, int] = field(default_factory=lambda: dict.fromkeys(Phase, 0))
    unanswered: Counter[PriceClass | None] = field(default_factory=Counter)

    def count(self, item: ItemState, times: int = 1) -> None:
        """Adds an item; -1 takes it out again."""
        for bought in item.purchases:
            held = times * bought.held
            self.committed += held
            self.spent += held if bought.status != "planned" else 0
        self.saved += times * item.saved
        self.size += times * item.size
        self.cached += times * (item.cached and item.phase is Phase.COMPLETED)
        self.unpaid += times * item.unpaid
        self.phases[item.phase] += times
        self.ended += times * (item.phase in TERMINAL)
        if item.phase is Phase.BUYING:
            self.unanswered[price := item.price] += times
            if not self.unanswered[price]:
                del self.unanswered[price]

    @property
    def open(self) -> int:
        return sum(map(self.phases.__getitem__, OPEN))

    @property
    def in_flight(self) -> int:
        """Items that will bring an event by themselves."""
        return sum(map(self.phases.__getitem__, IN_FLIGHT))
