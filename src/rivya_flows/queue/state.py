"""The state of a run: what its journal says so far.

`State.change` and `State.expand` alone change items, and keep each sum and set that depends on them.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heappush
from typing import Any, NamedTuple, TypeAlias, TypeVar

from rivya_flows.language.workflow import WARN_AT, OnUnfit, Part, Step
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.questions.question import Question, QuestionName
from rivya_flows.queue.events import AnswerGiven, Fork, Unpaid
from rivya_flows.queue.items import ItemState, Phase, Tally, new_item
from rivya_flows.steps.request import PriceClass, PricedBy, UploadedFile, UploadName

ChargedPrices: TypeAlias = dict[str, list[tuple[int, int]]]
"""Highest credits charged, by model and parameters: billed length and credits, shortest first."""


def note_price(charges: ChargedPrices, by: PricedBy, credits: int) -> None:
    lengths = charges.setdefault(by.model, [])
    at = bisect_left(lengths, (by.length, 0))
    if at == len(lengths) or lengths[at][0] != by.length:
        lengths.insert(at, (by.length, credits))
    elif lengths[at][1] < credits:
        lengths[at] = (by.length, credits)


def charged_price(charges: ChargedPrices, price: PriceClass) -> int | None:
    """What the service charged for such a request, or for the next longer text, if it has."""
    if price.is_function:
        return price.max  # the service does not bill it
    lengths = charges.get(price.by.model, ())
    at = bisect_left(lengths, (price.by.length, 0))
    return lengths[at][1] if at < len(lengths) else None


def reserve_of(charges: ChargedPrices, price: PriceClass) -> int:
    """Credits that a purchase reserves: what the service charged before, else the catalogue price."""
    charged = charged_price(charges, price)
    if charged is not None:
        return max(price.min, charged)
    return price.min if price.max is None else price.max


@dataclass(eq=False)
class StepState:
    """One step."""

    planned: PlannedStep
    items: dict[str, ItemState] = field(default_factory=dict)  # by key, in the order of the list
    expanded: bool = False  # its list of items is known
    before: dict[str, ItemState] = field(
        default_factory=dict
    )  # items that wait for their list again
    balances: dict[str, int | None] = field(default_factory=dict)  # by `before` and `after`
    places: dict[str, int] = field(default_factory=dict)  # of the items in the list, by key
    tally: Tally = field(default_factory=Tally)
    due: set[str] = field(default_factory=set)  # keys of items that can start now
    # By price, a heap of the places and keys of items whose purchase is blocked, and of some that are
    # not any more.
    gates: dict[PriceClass, list[tuple[int, str]]] = field(default_factory=dict)
    examined: bool = False  # its items were looked at since their list, and its source, are known
    fields: dict[str, Any] = field(default_factory=dict)  # its outputs, until an item changes
    # By lists that its items come from: the key of each by its places in them.
    origins: dict[tuple[str, ...], dict[tuple[int, ...], str]] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        return self.expanded and self.tally.ended == len(self.items)

    @property
    def status(self) -> str:
        """completed, cached, skipped, failed, or `running` while it is not settled."""
        if not self.settled:
            return "running"
        failed, done = (self.tally.phases[one] for one in (Phase.FAILED, Phase.COMPLETED))
        everything = failed and failed == len(self.items)
        if self.tally.unpaid or failed > self.planned.step.allow_failures or everything:
            return "failed"
        if self.items and not done:
            return "skipped"
        return "cached" if done and self.tally.cached == done else "completed"

    def sort(self, item: ItemState, old: ItemState | None = None) -> None:
        if item.is_due:
            self.due.add(item.key)
        else:
            self.due.discard(item.key)
        gate = item.gate
        if gate is not None and not (old and old.gate == gate):
            heappush(self.gates.setdefault(gate, []), (self.places[item.key], item.key))


class PoolLimit(NamedTuple):
    """What a pool allows this run, after it did not cover a purchase.

    Attributes:
        most: Credits that this run may commit: those it held then, and what was left.
        sure: This run had no open purchase then, whose credits might have come back unseen.
        declined: A person does not want the pool to be tried again.
    """

    name: str
    until: datetime | None
    most: int
    sure: bool
    declined: bool = False


class Rest(NamedTuple):
    """All that is left to buy: it must fit cap, balance and pools before anything more is bought.

    Attributes:
        least: Credits of all that is not planned yet; None: they must be computed.
        is_over: They do not fit.
        probe: Step and key of the item whose intent asks the pools for all of it.
    """

    least: int | None = None
    is_over: bool = False
    probe: tuple[str, str] | None = None


@dataclass(eq=False)
class State:
    """A whole run."""

    plan: RunPlan
    run_id: str
    service: str
    nonce: str
    started_at: datetime
    now: datetime
    cap: int | None  # budget in credits; None: there is none
    cache: str | None
    enough: int | None = None  # credits that a person agreed to, or all that the plan may cost
    wallet: str | None = None
    fork: Fork | None = None
    again: frozenset[str] = frozenset()  # steps of a fork that are made again
    steps: dict[str, StepState] = field(init=False)
    tally: Tally = field(default_factory=Tally)
    unsettled: Counter[Part] = field(init=False)  # steps of each part that have not ended
    unsettled_inside: Counter[str] = field(init=False)  # and of each namespace, by its id
    # Namespaces all of whose steps have ended since their `include` step was looked at.
    ended_inside: set[str] = field(default_factory=set)
    # Items that the last event changed, by step and key, as they were before; None for new ones.
    changed: dict[tuple[str, str], ItemState | None] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)  # steps that the next turn looks at
    gated: set[str] = field(
        default_factory=set
    )  # steps with items that wait for a price or a limit
    reading: set[str | None] = field(
        default_factory=set
    )  # steps whose balance is asked; None: the run
    charges: ChargedPrices = field(default_factory=dict)
    uploads: dict[UploadName, UploadedFile] = field(default_factory=dict)
    awaiting: dict[UploadName, list[tuple[str, str]]] = field(
        default_factory=dict
    )  # items, by upload
    # Equal requests of one run are counted: by hash, step and key, which of them an item is.
    claims: dict[tuple[str, str, str], int] = field(default_factory=dict)
    claimed: Counter[str] = field(default_factory=Counter)  # how many have a hash
    answers: dict[str, AnswerGiven] = field(default_factory=dict)  # by label of the question
    deadlines: dict[QuestionName, datetime | None] = field(default_factory=dict)
    missed: dict[QuestionName, datetime | None] = field(default_factory=dict)  # passed unanswered
    asking: tuple[Question, ...] = ()  # open questions
    asks: int = 0  # how often they were asked
    left: bool = False  # no one answers in this execution
    unpaid: Unpaid | None = None  # why nothing more is bought
    refused_cap: int | None = None  # a higher budget that a person declined
    pool: PoolLimit | None = None
    rehearses: bool = False  # nothing is bought, so the budgets of steps do not apply
    # Credits that this run may commit by the last balance that this execution read: those it held
    # then, and the balance; None before.
    funds: int | None = None
    # Set once a list became known, until all that is left is known to fit cap, balance and pools.
    rest: Rest | None = None
    ended: str | None = None  # how the last execution ended
    balances: dict[str, int | None] = field(default_factory=dict)  # of the run: `before`, `after`

    def __post_init__(self) -> None:
        self.steps = {}
        self.unsettled, self.unsettled_inside = Counter(), Counter()
        self.follow(self.plan)

    @property
    def seller(self) -> str:
        """The service, and the wallet if it has a name: another one's results are not taken."""
        return self.service if self.wallet is None else f"{self.service} {self.wallet}"

    def planned_step(self, step_id: str) -> PlannedStep:
        return self.plan.steps[step_id]

    def spec(self, step_id: str) -> Step:
        return self.plan.steps[step_id].step

    def item(self, step_id: str, key: str) -> ItemState:
        return self.steps[step_id].items[key]

    def each(self) -> Iterator[tuple[str, ItemState]]:
        for step_id, step in self.steps.items():
            for item in step.items.values():
                yield step_id, item

    def change(self, step_id: str, item: ItemState) -> None:
        """Replaces an item of an expanded step."""
        step = self.steps[step_id]
        old, was_settled = step.items[item.key], step.settled
        self.changed.setdefault((step_id, item.key), old)
        step.items[item.key] = item
        for tally in (step.tally, self.tally):
            tally.count(old, -1)
            tally.count(item)
        step.sort(item, old)
        for purchase in item.purchases:
            if purchase.named is not None:
                note_price(self.charges, purchase.priced_by, purchase.named)
        self._touch(step_id, was_settled=was_settled)

    def expand(self, step_id: str, items: Iterable[ItemState] | None) -> None:
        """Gives a step its items, or others; None makes it wait for its list again."""
        old = self.steps[step_id]
        step = StepState(old.planned, expanded=items is not None)
        step.balances = old.balances
        if items is None:
            step.before = old.items or old.before
        step.items = {item.key: item for item in items or ()}
        step.places = {key: place for place, key in enumerate(step.items)}
        for item in old.items.values():
            self.tally.count(item, -1)
        for key, item in step.items.items():
            if (before := old.items.get(key)) is not item:
                self.changed.setdefault((step_id, key), before)
            step.tally.count(item)
            self.tally.count(item)
            step.sort(item)
        self.steps[step_id] = step  # whole, for those who look at a running run
        self._touch(step_id, was_settled=old.settled)

    def follow(self, plan: RunPlan) -> None:
        """Takes a plan, which may have further steps; the items of those that it knows begin to wait."""
        known = self.steps
        added = {name: StepState(one) for name, one in plan.steps.items() if name not in known}
        for name in plan.steps.keys() & known.keys():
            known[name].planned = plan.steps[name]
        # In the order of the plan; first, for those who look at a running run.
        self.steps = {name: added.get(name) or known[name] for name in plan.steps}
        self.plan = plan
        for name, step in added.items():
            self.unsettled[step.planned.part] += 1
            self.unsettled_inside[step.planned.space] += 1
            if step.planned.items is not None:
                self.expand(name, (new_item(one) for one in step.planned.items))

    def _touch(self, step_id: str, *, was_settled: bool) -> None:
        step = self.steps[step_id]
        self.unsettled[step.planned.part] += was_settled - step.settled
        space = step.planned.space
        self.unsettled_inside[space] += was_settled - step.settled
        if step.settled and not self.unsettled_inside[space]:
            self.ended_inside.add(space)
        if step.gates:
            self.gated.add(step_id)
        else:
            self.gated.discard(step_id)
        step.fields.clear()
        self.touched.add(step_id)

    def copy(self, **changes: Any) -> State:
        """Another state of the run, which changes on its own: a copy costs time by the number of items."""
        made: State = _copy_of(self)
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    @property
    def busy(self) -> bool:
        """Whether work is in flight that will bring an event."""
        return bool(self.reading or self.awaiting or self.tally.in_flight)

    @property
    def spent(self) -> int:
        """Credits spent or held, all attempts counted."""
        return self.tally.spent

    @property
    def on_unfit(self) -> OnUnfit:
        """What it does if what is left does not fit."""
        budget = self.plan.workflow.budget
        return "fail" if budget is None else budget.on_unfit

    def cache_mode(self, step_id: str) -> str:
        """Whether finished work of other runs is taken for a step."""
        return self.spec(step_id).cache or self.cache or self.plan.workflow.cache

    def step_credits_left(self, step_id: str, *, planned: bool = True) -> int | None:
        """What the budget of a step still covers, for its rounds too; None if it has none.

        Purchases that are only `planned` count, unless they are those of a rehearsal.
        """
        limits = self.planned_step(step_id).budget
        if limits is None or limits.credits is None:
            return None
        tallies = [self.steps[name].tally for name in self.plan.bought_with(step_id)]
        held = sum(one.committed if planned else one.spent for one in tallies)
        return max(0, limits.credits - held)

    @property
    def warns_at(self) -> float | None:
        """Credits spent at which the run warns of its cap, unless that covers what was agreed to."""
        budget = self.plan.workflow.budget
        if not self.cap or (self.enough is not None and self.cap >= self.enough):
            return None
        return self.cap * (budget.warn_at if budget else WARN_AT)

    @property
    def saved(self) -> int:
        return self.tally.saved


T = TypeVar("T")


def _copy_of(value: T) -> T:
    """The value with other containers; what lies in them is frozen, but for steps and sums."""
    made = copy.copy(value)
    if isinstance(made, dict):
        if isinstance(next(iter(made.values()), None), list | StepState):
            made.update({key: _copy_of(one) for key, one in made.items()})
    elif isinstance(made, State | StepState | Tally):
        for name, one in vars(made).items():
            if isinstance(one, dict | list | set | Tally):
                setattr(made, name, _copy_of(one))
    return made
