"""The state of a run, which the queue derives from the journal.

Aggregates over all items (credits held, items in flight, unsettled steps) are updated in `with_step`,
`with_item` and `with_steps`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from rpds import HashTrieMap, List

from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.language.workflow import WARN_AT, Step
from rivya_flows.planning.plan import PlannedStep, RunPlan
from rivya_flows.planning.pricing.quoted_prices import QuotedPrices, with_quote
from rivya_flows.planning.queue.actions import Question, QuestionName
from rivya_flows.planning.queue.events import AnswerGiven, Fork, Unpaid
from rivya_flows.planning.queue.item_state import ItemState
from rivya_flows.planning.queue.items import Items, Tally
from rivya_flows.planning.queue.table import Table
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.request import UploadedFile, UploadName


@dataclass(frozen=True)
class StepState:
    """One step.

    Attributes:
        items: None until a run-time fan-out is expanded.
        balances: The balance `before` its first action and `after` its last purchase, once read;
            None if the service did not answer.
        reading: The balance that is being read.
        fields: Its output fields, computed at the first read.
    """

    items: Items | None = field(hash=False)
    balances: Mapping[str, int | None] = field(default_factory=dict, hash=False)
    reading: Literal["before", "after"] | None = None
    fields: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def settled(self) -> bool:
        """All its items have ended."""
        return self.items is not None and self.items.tally.ended == len(self.items)

    @property
    def tally(self) -> Tally:
        """Sums over its items."""
        return Tally() if self.items is None else self.items.tally


@dataclass(frozen=True)
class RunTotals:
    """Aggregates over all steps.

    Attributes:
        tally: Sums over all items.
        unsettled: Number of steps of each part that have not ended.
        reading: Number of steps whose balance is being read.
        gated: Steps with gated items.
    """

    tally: Tally = field(default_factory=Tally)
    unsettled: Mapping[Part, int] = field(default_factory=dict, hash=False)
    reading: int = 0
    gated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, plan: RunPlan, steps: Iterable[tuple[str, StepState]]) -> RunTotals:
        """The plain count over all steps."""
        totals = cls(unsettled=dict.fromkeys(PARTS, 0))
        for step_id, step in steps:
            totals = totals.changed(step_id, plan.steps[step_id].part, _NOTHING, step)
        return totals

    def changed(self, step_id: str, part: Part, old: StepState, new: StepState) -> RunTotals:
        """These with one step replaced."""
        unsettled, gated = self.unsettled, self.gated
        if old.settled is not new.settled:
            unsettled = {**unsettled, part: unsettled[part] + (1 if old.settled else -1)}
        holds = new.items is not None and len(new.items.gates) > 0
        if holds is not (step_id in gated):
            gated = gated | {step_id} if holds else gated - {step_id}
        tally = self.tally
        if old.items is not new.items:
            tally = tally.minus(old.tally).plus(new.tally)
        reading = self.reading - (old.reading is not None) + (new.reading is not None)
        return RunTotals(tally, unsettled, reading, gated)


NO_ITEMS = Items.of(())
_NOTHING = StepState(NO_ITEMS)
"""A step without items: settled, and it adds nothing to the totals."""


@dataclass(frozen=True)
class PoolLimit:
    """What a pool of the store left to this run when it refused a purchase.

    Attributes:
        name: Of the pool.
        until: End of its period, UTC; None for one that covers all time.
        most: Credits that this run may commit: those it held then, and what was left.
        sure: This run had no open purchase then, whose credits might have come back unseen.
        declined: A person does not want the pool to be tried again.
    """

    name: str
    until: datetime | None
    most: int
    sure: bool
    declined: bool = False


@dataclass(frozen=True)
class Rest:
    """All that is left to buy, which must fit as a whole before anything more is bought.

    Budget, balance and pools count; a pool is asked by the first purchase.

    Attributes:
        least: Credits; None before it was priced.
        is_over: It does not fit, and no open purchase can change that.
        asking: Step and key of the item whose purchase asks the pools; None before one does.
    """

    least: int | None = None
    is_over: bool = False
    asking: tuple[str, str] | None = None


@dataclass(frozen=True)
class State:
    """A whole run.

    Attributes:
        steps: By name, in the order of the plan.
        totals: Sums over them.
        touched: Steps that changed since the queue last advanced them.
        quoted: Prices that the service has charged.
        uploads: Media that the service has; None while they are uploaded.
        uploading: Number of those that are uploaded now.
        awaiting: Items that wait for an upload: step and key.
        cap: Budget in credits, or None.
        pool: What a pool allows, where one refused a purchase of this execution; None otherwise.
        funds: Credits that this run may commit by the last balance that this execution read: those it
            held then, and the balance; None before.
        rest: Set once a list became known, until what is left is known to fit the cap, the balance and
            all pools.
        enough: A cap of at least this much warns of nothing: the price that somebody agreed to, or all
            that the plan may cost; None without one.
        fork: The run that finished work is taken from; None for none.
        again: Steps for which nothing is taken, from that run or from the cache.
        claims: The ordinal of each item among those with an equal request, by the hash of the
            request, step and key.
        claimed: Number of items with an equal request, by the hash of the request.
        answers: Of questions that are closed, by ``step`` or ``step[key]``.
        deadlines: Of all questions that were asked, by step, key and round; None for no deadline.
        missed: The deadlines that failed a pick which is open again.
        asking: Questions that a person, or their deadline, is about to answer.
        left: Nobody answers in this execution.
        unpaid: Why this execution buys nothing more; None if it buys.
        ended: The status of this execution, once it has ended.
        balances: Of the whole run, as those of a step.
    """

    plan: RunPlan
    run_id: str
    service: str
    nonce: str
    started_at: datetime
    now: datetime
    steps: Table[StepState] = field(hash=False)
    totals: RunTotals
    cap: int | None
    cache: str | None
    enough: int | None = None
    wallet: str | None = None
    fork: Fork | None = field(default=None, hash=False)
    again: frozenset[str] = frozenset()
    touched: frozenset[str] = frozenset()
    quoted: QuotedPrices = field(default_factory=HashTrieMap, hash=False)
    uploads: HashTrieMap[UploadName, UploadedFile | None] = field(
        default_factory=HashTrieMap, hash=False
    )
    uploading: int = 0
    awaiting: HashTrieMap[UploadName, List[tuple[str, str]]] = field(
        default_factory=HashTrieMap, hash=False
    )
    claims: HashTrieMap[tuple[str, str, str], int] = field(default_factory=HashTrieMap, hash=False)
    claimed: HashTrieMap[str, int] = field(default_factory=HashTrieMap, hash=False)
    answers: Mapping[str, AnswerGiven] = field(default_factory=dict, hash=False)
    deadlines: Mapping[QuestionName, datetime | None] = field(default_factory=dict, hash=False)
    missed: Mapping[QuestionName, datetime | None] = field(default_factory=dict, hash=False)
    asking: tuple[Question, ...] = ()
    left: bool = False
    unpaid: Unpaid | None = None
    refused_cap: int | None = None
    pool: PoolLimit | None = None
    funds: int | None = None
    rest: Rest | None = None
    ended: str | None = None
    balances: Mapping[str, int | None] = field(default_factory=dict, hash=False)
    reading: Literal["before", "after"] | None = None

    @property
    def seller(self) -> str:
        """The service, and the wallet if it has a name: another one's results are not taken."""
        return self.service if self.wallet is None else f"{self.service} {self.wallet}"

    def planned(self, step_id: str) -> PlannedStep:
        """A step of the plan."""
        return self.plan.steps[step_id]

    def spec(self, step_id: str) -> Step:
        """A step as it was written."""
        return self.plan.steps[step_id].step

    def item(self, step_id: str, key: str) -> ItemState:
        """One item.

        Raises:
            KeyError: There is no such item.
        """
        items = self.steps[step_id].items
        if items is None:
            raise KeyError((step_id, key))
        return items.get(key)

    def with_step(self, step_id: str, step: StepState) -> State:
        """This state with one step replaced."""
        return self._with(**self._step_changes(step_id, step))

    def with_item(self, step_id: str, item: ItemState) -> State:
        """This state with one item of an expanded step replaced."""
        step, quoted = self.steps[step_id], self.quoted
        assert step.items is not None
        for purchase in item.purchases:
            if purchase.named is not None:
                quoted = with_quote(quoted, purchase.priced_by, purchase.named)
        changed = StepState(step.items.replaced(item), step.balances, step.reading)
        return self._with(quoted=quoted, **self._step_changes(step_id, changed))

    def _step_changes(self, step_id: str, step: StepState) -> dict[str, Any]:
        place = self.steps.places[step_id]
        part, old = self.planned(step_id).part, self.steps.at(place)
        return {
            "steps": self.steps.replaced(place, step),
            "totals": self.totals.changed(step_id, part, old, step),
            "touched": self.touched if step_id in self.touched else self.touched | {step_id},
        }

    def _with(self, **changes: Any) -> State:
        """As `dataclasses.replace`, which takes a quarter of a replay for this many fields."""
        made = object.__new__(State)
        made.__dict__.update(self.__dict__, **changes)
        return made

    def with_steps(self, steps: Mapping[str, StepState]) -> State:
        """This state with all steps replaced."""
        table = self.steps.with_values(tuple(steps.values()))
        totals = RunTotals.of(self.plan, table.items())
        return replace(self, steps=table, totals=totals, touched=frozenset(steps))

    def each(self) -> Iterator[tuple[str, ItemState]]:
        """All items, in the order of the plan."""
        for step_id, step in self.steps.items():
            for item in step.items or ():
                yield step_id, item

    @property
    def spent(self) -> int:
        """Credits spent or held, all attempts counted."""
        return self.totals.tally.spent

    @property
    def committed(self) -> int:
        """`spent`, and purchases that are planned but not journaled yet."""
        return self.totals.tally.committed

    @property
    def warns_at(self) -> float | None:
        """Credits spent at which the run warns that its budget runs out; None without a cap.

        The cap may come from the command line or a batch, without a `budget` in the spec. One that was
        agreed to as the price of the plan, or covers it, is no reason to warn.
        """
        budget = self.plan.workflow.budget
        if not self.cap or (self.enough is not None and self.cap >= self.enough):
            return None
        return self.cap * (budget.warn_at if budget else WARN_AT)

    @property
    def saved(self) -> int:
        """Credits that the cache saved."""
        return self.totals.tally.saved


def changed_items(before: State, after: State) -> Iterator[tuple[str, ItemState | None, ItemState]]:
    """Step, earlier state and state of each item that changed between two states of a run."""
    for old, step, step_id in zip(before.steps, after.steps, after.plan.order, strict=True):
        if old is step or step.items is None:
            continue
        known = old.items or NO_ITEMS
        for earlier, item in step.items.table.differing(known.table):
            yield step_id, earlier, item


def item_range(state: State, step_id: str) -> tuple[int, int]:
    """The least and the most members of ``steps.NAME.items``, as far as that is known now."""
    step, items = state.spec(step_id), state.steps[step_id].items
    if isinstance(step.with_, PickWith) and not step.fans_out:
        return step.with_.count, step.with_.count
    return (0, step.max_items) if items is None else (len(items), len(items))


def step_status(planned: PlannedStep, step: StepState) -> str:
    """completed, cached, skipped, failed, or `running` while it is not settled."""
    if not step.settled:
        return "running"
    tally = step.tally
    everything = tally.failed and tally.failed == tally.ended
    if tally.unpaid or tally.failed > planned.step.allow_failures or everything:
        return "failed"
    if tally.ended and not tally.completed:
        return "skipped"
    return "cached" if tally.completed and tally.cached == tally.completed else "completed"
