"""Estimates what a run, or the rest of a run, costs."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from pydantic import JsonValue

from rivya_client.catalogue.prices import Price, price_of
from rivya_flows.estimate.films import Film, films
from rivya_flows.estimate.nulls import Nulls
from rivya_flows.language.expressions.resolve import ExpressionError
from rivya_flows.plans.names import RUNTIME
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.queue.actions import Action, AskCache, ReadBalance, Work
from rivya_flows.queue.evaluation import open_campaigns
from rivya_flows.queue.events import (
    BalanceRead,
    CacheAnswered,
    Event,
    ItemCompleted,
    PoolTotal,
    RunResumed,
    Why,
)
from rivya_flows.queue.foresight import Foreseen, Foresight, judge_price, prices_by_spec
from rivya_flows.queue.forks import asks_anew
from rivya_flows.queue.items import IN_FLIGHT, TERMINAL, ItemState, Phase
from rivya_flows.queue.judging import is_judged
from rivya_flows.queue.list_sizes import item_range
from rivya_flows.queue.outcomes import after_failure
from rivya_flows.queue.queue import step as advance
from rivya_flows.queue.state import State, StepState, reserve_of
from rivya_flows.steps.candidates import picked_from

LookUp = Callable[[AskCache], CacheAnswered | None]
"""Gives finished work of an equal request; None is a miss."""

Verdict = Literal["ok", "over_budget", "over_balance"]
Fit = Literal["fits", "may_exceed", "exceeds"]


@dataclass(frozen=True)
class ItemEstimate:
    """One item; `model`, then `fallback` may be bought, None if free or not known yet."""

    key: str
    model: str | None
    price: Price  # `max` has all that it may fall back to
    reserve: int = 0  # credits that its next purchase takes from the budget
    cached: bool = False
    saved: int = 0
    fallback: tuple[str | None, ...] = ()
    taken_from: str | None = None  # the forked run
    film: Film | None = None
    why: Why | None = None  # it is bought although an earlier run has one


@dataclass(frozen=True)
class StepEstimate:
    """One step; `skipped` says why it will not run, and `usual_seconds` is of one job of its slowest model.

    `usual_rounds` are those after which earlier runs decided, of what has rounds.
    """

    id: str
    uses: str
    items: tuple[ItemEstimate, ...]
    skipped: str | None
    usual_seconds: float | None = None
    brand_prompt: str | None = None
    at_most: int | None = None  # by its own budget, which covers its rounds too
    over: str | None = None  # what its own budget does not cover for certain
    axes: tuple[str, ...] = ()  # as of `RunPlan.axes_of`
    campaign: tuple[str, str] | None = (
        None  # the step and key of the outermost item that it is inside
    )
    usual_rounds: int | None = None


@dataclass(frozen=True)
class Estimate:
    """A priced plan: the credits still to spend; `max` is None if a price has no upper bound."""

    name: str
    steps: tuple[StepEstimate, ...]
    min: int
    max: int | None
    spent: int  # or held
    budget: int | None
    balance: int | None
    under_way: int = 0  # open purchases
    pools: tuple[PoolTotal, ...] = ()
    asks: bool = False  # what a pool does not cover becomes a question during the run

    @property
    def saved(self) -> int:
        """Credits that the cache saves."""
        return sum(item.saved for one in self.steps for item in one.items)

    @property
    def enough(self) -> int:
        """The least budget with which nothing that is certainly bought is refused."""
        return self.spent + sum(item.reserve for one in self.steps for item in one.items)

    @property
    def is_over_cap(self) -> bool:
        """Whether the remaining minimum does not fit the budget of the run itself."""
        return self.budget is not None and self.spent + self.min > self.budget

    @property
    def exceeded(self) -> PoolTotal | None:
        """The pool that does not cover the remaining minimum, unless the run asks then."""
        return next((one for one in self.pools if self.min > one.left and not self.asks), None)

    @property
    def over_step(self) -> StepEstimate | None:
        """The first step whose own budget does not cover its remaining minimum."""
        return next((one for one in self.steps if one.over), None)

    @property
    def verdict(self) -> Verdict:
        """Whether the remaining minimum fits the budget and each pool, then the balance."""
        if self.is_over_cap or self.exceeded is not None or self.over_step is not None:
            return "over_budget"
        if self.balance is not None and self.min > self.balance:
            return "over_balance"
        return "ok"

    @property
    def unbounded(self) -> tuple[tuple[str, str], ...]:
        """Each step without a known greatest price, and why."""
        found: dict[str, str] = {}
        for step in self.steps:
            for item in step.items:
                if item.price.max is None:
                    found.setdefault(step.id, item.price.assumption)
        return tuple(found.items())

    @property
    def most(self) -> int | None:
        """The most that is still spent, by its prices and its budget; None for no bound."""
        cap = None if self.budget is None else max(0, self.budget - self.spent)
        return min((one for one in (cap, self.max) if one is not None), default=None)

    @property
    def may_exceed(self) -> tuple[str, ...]:
        """The limits that its greatest price may exceed, by their words."""
        limits = [(f"the pool {one.name}", one.left, self.most) for one in self.pools]
        if self.budget is not None:
            limits.insert(0, (f"the budget of {self.budget}", self.budget - self.spent, self.max))
        if self.balance is not None:
            limits.append((f"the balance of {self.balance}", self.balance, self.most))
        return tuple(name for name, room, most in limits if most is None or most > room)

    @property
    def fit(self) -> Fit:
        """Whether it fits whatever its prices turn out to be, only perhaps, or not at all."""
        if self.verdict != "ok":
            return "exceeds"
        return "may_exceed" if self.may_exceed else "fits"

    def with_rounds(self, usual: Mapping[str, int]) -> Estimate:
        """The same, with the usual rounds of steps."""
        steps = (replace(one, usual_rounds=usual.get(one.id)) for one in self.steps)
        return replace(self, steps=tuple(steps)) if usual else self

    def as_json(self) -> dict[str, JsonValue]:
        """The document that `plan --json` prints."""
        return {
            "name": self.name,
            "credits": {"min": self.min, "max": self.max},
            "saved": self.saved,
            "spent": self.spent,
            "balance": self.balance,
            "budget": self.budget,
            "pools": [{**one.model_dump(mode="json"), "left": one.left} for one in self.pools],
            "verdict": self.verdict,
            "fit": self.fit,
            "unbounded": [{"step": step, "why": why} for step, why in self.unbounded],
            "steps": [
                {
                    "id": one.id,
                    "uses": one.uses,
                    "skipped": one.skipped,
                    "usual_seconds": one.usual_seconds,
                    "brand_prompt": one.brand_prompt,
                    **({} if one.at_most is None else {"at_most": one.at_most}),
                    **({} if one.usual_rounds is None else {"usual_rounds": one.usual_rounds}),
                    "items": [
                        {
                            "key": item.key,
                            "model": item.model,
                            "credits": {"min": item.price.min, "max": item.price.max},
                            "assumption": item.price.assumption,
                            "cached": item.cached,
                            "taken_from": item.taken_from,
                            "fallback": list(item.fallback),
                            "film": {
                                "seconds": {"min": item.film.least, "max": item.film.most},
                                "narrated": item.film.narrated,
                                "about": item.film.about,
                                "left_out": item.film.left_out,
                            }
                            if item.film
                            else None,
                            "why": item.why.model_dump() if item.why else None,
                        }
                        for item in one.items
                    ],
                }
                for one in self.steps
            ],
        }


def rehearse(
    state: State, at: datetime, look_up: LookUp, resume: RunResumed | None = None
) -> State:
    """Takes the state as far as it is known without buying anything: a purchase is never answered."""
    budget = resume.budget if resume and resume.budget is not None else state.cap
    state.cap = state.pool = None
    state.rehearses = True
    waiting = deque(advance(state, resume or RunResumed(at=at)))
    while waiting:
        event = _free_answer(waiting.popleft(), look_up)
        if event is not None:
            waiting += advance(state, event)
    state.cap, state.rehearses = budget, False
    return state


def remaining(
    state: State,
    resumed: RunResumed | None = None,
    look_up: LookUp = lambda _: None,
    balance: int | None = None,
    pools: tuple[PoolTotal, ...] = (),
    explain: Callable[[Estimate, State], Estimate] = lambda found, _: found,
) -> Estimate:
    """The prices of what a run buys after it is `resumed`, at once if None; spends and sends nothing.

    `explain` adds to the estimate of the rehearsed state why it buys that.
    """
    at = resumed.at if resumed else state.now
    rehearsed = rehearse(state.copy(ended=None), at, look_up, resumed)
    return explain(estimate(rehearsed, balance, pools=pools), rehearsed)


def estimate(
    state: State,
    balance: int | None,
    usual: Mapping[str, float] = MappingProxyType({}),
    pools: tuple[PoolTotal, ...] = (),
) -> Estimate:
    """The prices of a rehearsed state; `pools` are those that match the labels of the run."""
    prices = _Prices(usual, films(state), Foresight(state))
    steps = tuple(prices.of_step(state, name) for name in state.plan.steps)
    price = _price_of_all(state, steps)
    return Estimate(
        name=state.plan.workflow.name,
        steps=steps,
        min=price.min,
        max=price.max,
        spent=state.spent,
        budget=state.cap,
        balance=balance,
        under_way=sum(_is_bought(item) for _, item in state.each()),
        pools=pools,
        asks=state.on_unfit == "pause",
    )


def _free_answer(action: Action, look_up: LookUp) -> Event | None:
    if isinstance(action, ReadBalance):
        return BalanceRead(step=action.step, phase=action.phase, credits=None)
    if isinstance(action, AskCache):
        of = {"step": action.step, "key": action.key, "request_hash": action.request_hash}
        return look_up(action) or CacheAnswered(**of, outputs=None)
    if isinstance(action, Work) and "from" in action.arguments:
        picked = picked_from(action.arguments)
        return ItemCompleted(step=action.step, key=action.key, outputs=picked) if picked else None
    return None


@dataclass(frozen=True)
class _Prices:
    """Prices of the steps of a plan, asked for in its order.

    Attributes:
        usual: Seconds of one job, by model or step.
        unsure: Steps that a condition may skip.
        fresh: Steps that a fork buys again.
        lacking: Steps all of whose items need one of those that a condition may skip.
        nulls: Outputs of `include` steps that such a condition may leave null.
    """

    usual: Mapping[str, float]
    films: Mapping[tuple[str, str], Film]
    foresight: Foresight
    unsure: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)
    nulls: Nulls = field(default_factory=Nulls)

    def of_step(self, state: State, step_id: str) -> StepEstimate:
        """The prices of a step; those before it must have been asked for."""
        planned, current = state.planned_step(step_id), state.steps[step_id]
        uses = planned.step.uses
        if planned.skipped:
            return StepEstimate(
                step_id, uses, (), planned.skipped, campaign=state.plan.campaign_of(step_id)
            )
        seen = [self.foresight.of(step_id, item) for item in current.items.values()]
        waiting = [one.item for one in seen if one.runs and not one.item.requests]
        for item in self.nulls.skippable_items(state, planned, waiting):
            self.foresight.give_up(step_id, item, _IF_GIVEN)
        seen = [self.foresight.of(step_id, item) for item in current.items.values()]
        items = tuple(_item_estimate(state, planned, one) for one in seen)
        over_inside: str | None = None
        is_open = planned.conditional and not current.expanded
        if not current.expanded:
            one = None
            if planned.includes:
                one, over_inside = self._of_campaign(state, step_id)
            items = (_runtime_estimate(state, step_id, one),)
            if any(self.nulls.skippable_items(state, planned, [ItemState(RUNTIME, {})])):
                items, is_open = (_if(items[0], _IF_GIVEN),), True
        if planned.includes:
            self.nulls.add(state, planned, self.unsure)
        before = planned.upstream - planned.tolerates
        if planned.itemwise is not None and current.expanded:  # an item needs that which it follows
            before -= {planned.itemwise} - self.lacking
        lacking = sorted(before & self.unsure)
        if lacking:
            self.lacking.add(step_id)
            items = tuple(_if(item, f"only if {lacking[0]} is made") for item in items)
        if state.fork is not None:
            items = self._unless_taken(state, step_id, items, state.fork.run_id)
        if not current.settled and (lacking or is_open or any(not one.runs for one in seen)):
            self.unsure.add(step_id)
        if planned.part == "on_failure":
            items = tuple(_if(item, "only if the run fails") for item in items)
        if planned.round_of and state.item(planned.round_of[0], "").round < planned.round_of[1]:
            items = tuple(_if(item, only_if(state.plan, planned)) for item in items)
        items = tuple(replace(item, film=self.films.get((step_id, item.key))) for item in items)
        names = {
            one.model or f"{state.plan.workflow.name}/{step_id}" for one in items if not one.cached
        }
        known = [self.usual[name] for name in names if name in self.usual]
        seconds = round(max(known), 1) if known else None
        if planned.step.allow_failures or not any(one.price.min for one in items):
            over_inside = None
        return StepEstimate(
            step_id,
            uses,
            items,
            None,
            seconds,
            _brand_prompt(state, planned, items),
            state.step_credits_left(step_id, planned=False),
            _over_own_budget(state, step_id, items) or over_inside,
            state.plan.axes_of(step_id),
            state.plan.campaign_of(step_id),
        )

    def _unless_taken(
        self, state: State, step_id: str, items: tuple[ItemEstimate, ...], run_id: str
    ) -> tuple[ItemEstimate, ...]:
        """The items with what the forked run may give instead."""
        planned, current = state.planned_step(step_id), state.steps[step_id]
        used = planned.upstream - {*map(planned.name_of, planned.step.needs)}
        each = map(state.plan.steps_inside, planned.inside.values())
        is_new = used & self.fresh and not any(self.fresh.isdisjoint(inside) for inside in each)
        if step_id in state.again or _buys(current) or is_new:
            self.fresh.add(step_id)
        elif _is_waiting(current):
            waiting = list(current.items.values()) or [ItemState(RUNTIME, {})]
            new = asks_anew(state, step_id, (one for one in waiting if not one.asked_cache))
            new |= {one.key for one in waiting if one.asked_cache and not one.cached}
            if len(new) == len(waiting) and planned.pick is None:
                self.fresh.add(step_id)
            taken = f"or taken from {run_id}, if all that it uses is the same"
            return tuple(one if one.key in new else _if(one, taken) for one in items)
        return items

    def _of_campaign(self, state: State, step_id: str) -> tuple[ItemEstimate, str | None]:
        """One more item of an `include` step, whatever it is: all that the steps inside cost.

        Also what the budget of one of them does not cover, if it does not.
        """
        state = state.copy()
        try:
            open_campaigns(state, step_id, [RUNTIME])
        except ExpressionError:  # with any item, the step fails before it buys anything
            return ItemEstimate(RUNTIME, None, Price(0, 0, "too many steps for a plan")), None
        inside = state.plan.steps_inside(state.planned_step(step_id).inside[RUNTIME])
        prices = replace(self, foresight=Foresight(state))
        found = [prices.of_step(state, name) for name in inside]
        self.nulls.add(state, state.planned_step(step_id), self.unsure)
        price = _price_of_all(state, found)
        price = replace(price, assumption=f"each {price_of(price.min, price.max)}")
        reserve = sum(item.reserve for step in found for item in step.items)
        over = next(
            (f"its step {state.spec(one.id).id}: {one.over}" for one in found if one.over), None
        )
        return ItemEstimate(RUNTIME, None, price, reserve), over


_IF_GIVEN = "only if the outputs that it uses are not null"


def _over_own_budget(state: State, step_id: str, items: tuple[ItemEstimate, ...]) -> str | None:
    planned, left = state.planned_step(step_id), state.step_credits_left(step_id, planned=False)
    if planned.budget is None or planned.step.allow_failures:
        return None
    least = sum(one.price.min for one in items)
    if left is not None and least > left:
        return f"at least {price_of(least, least)}, and it has {left} left"
    most = planned.budget.per_item
    dearest = max((one.price.min for one in items if one.key != RUNTIME), default=0)
    if most is not None and dearest > most:
        return f"an item costs at least {price_of(dearest, dearest)}, and may cost {most}"
    return None


def _price_of_all(state: State, steps: Sequence[StepEstimate]) -> Price:
    """Of all steps together, each with its rounds as far as its own budget covers them."""
    found: defaultdict[str, defaultdict[str, list[Price]]] = defaultdict(lambda: defaultdict(list))
    caps = {step.id: step.at_most for step in steps if not step.over}
    for step in steps:
        rounds = found[state.plan.first_round(step.id)]
        for item in step.items:
            rounds[item.key].append(item.price)
    capped = []
    for first, by_key in found.items():
        budget = state.planned_step(first).budget
        per_item = None if budget is None or first not in caps else budget.per_item
        items = (
            _within(_sum(prices), None if key == RUNTIME else per_item)
            for key, prices in by_key.items()
        )
        capped.append(_within(_sum(items), caps.get(first)))
    return _sum(capped)


def _sum(prices: Iterable[Price]) -> Price:
    found = [*prices]
    return Price(sum(one.min for one in found), greatest(found), "")


def _within(price: Price, cap: int | None) -> Price:
    """A price as far as a budget covers it; without a greatest one a purchase may pass the budget."""
    if cap is None:
        return price
    most = None if price.max is None else min(price.max, cap)
    return replace(price, min=min(price.min, cap), max=most)


def only_if(plan: RunPlan, planned: PlannedStep) -> str:
    """When a step of a later round runs."""
    owner, _ = planned.round_of or ("", 0)
    if plan.steps[owner].step.uses == "review":
        return f"only if {owner} asks for changes"
    if plan.steps[owner].step.repeat is None:
        return "only if none of the first are picked"
    return f"only if {owner} is not done before: at most {len(plan.steps[owner].rounds)} rounds"


def _is_waiting(step: StepState) -> bool:
    return not step.expanded or step.tally.phases[Phase.WAITING] > 0


def _buys(step: StepState) -> bool:
    """Whether all that it gives is new: something is certainly bought, and nothing was taken."""
    return not step.tally.cached and any(
        item.phase not in TERMINAL
        and item.request is not None
        and item.request.buys
        and item.request.decides is None  # the choice may be the same again
        for item in step.items.values()
    )


def _brand_prompt(
    state: State, planned: PlannedStep, items: tuple[ItemEstimate, ...]
) -> str | None:
    """What the brand adds to the prompts of a step; None if nothing."""
    if not planned.kind.takes_words(planned.step.with_):
        return None
    branding = state.plan.world_of(planned).branding
    models = map(state.plan.catalogue.get, dict.fromkeys(item.model or "" for item in items))
    added = (branding.words_for(model, wanted=True) for model in models if model)
    return next(filter(None, added), None)


def _item_estimate(state: State, planned: PlannedStep, foreseen: Foreseen) -> ItemEstimate:
    item = foreseen.item
    request = item.request
    if item.cached:
        source = item.taken_from
        before = f"taken from {source}" if source else "an equal request was bought before"
        model = request.model if request else None
        free = Price(0, 0, before)
        return ItemEstimate(item.key, model, free, cached=True, saved=item.saved, taken_from=source)
    if item.phase not in TERMINAL and request is not None and is_judged(item):
        left = judge_price(state, planned, item, in_flight=_is_bought(item))
        chats = max(0, len(request.chats) - _is_bought(item))
        reserve = chats * reserve_of(state.charges, request.price_class)
        return ItemEstimate(item.key, request.model, left, reserve)
    if request is not None and _is_bought(item):
        return ItemEstimate(item.key, request.model, _rest_of_bought(planned, item))
    if item.phase in TERMINAL or _is_bought(item):
        reason = "already bought" if item.purchases else item.reason or "free"
        if item.phase is Phase.FAILED:
            reason = f"failed, not bought again: {item.reason}"
        return ItemEstimate(item.key, request.model if request else None, Price(0, 0, reason))
    first, repeats = item, planned.repeats  # of a round, the item that it buys again
    while not first.requests and repeats is not None:
        first = state.steps[repeats].items.get(item.key, item)
        repeats = state.planned_step(repeats).repeats
    if requests := first.requests[item.alternative :]:
        expected = [(one.model, one.price) for one in requests]
        reserve = reserve_of(state.charges, requests[0].price_class)
        again, once_more = item.alternative == 0, planned.buys_once_more and not item.lost
        one = _with_fallbacks(planned, item.key, expected, again=again, once_more=once_more)
        return replace(one, reserve=reserve)
    expected = prices_by_spec(state, planned, item)
    one = _with_fallbacks(planned, item.key, expected)
    if foreseen.runs is False:
        return replace(one, price=Price(0, 0, foreseen.reason), reserve=0, fallback=())
    return _if(one, foreseen.reason) if foreseen.runs is None else one


def _rest_of_bought(planned: PlannedStep, item: ItemState) -> Price:
    """Nothing, or what is bought if the open purchase of an item gives nothing."""
    last = item.last
    is_sure = planned.step.quality.then in ("fail", "warn")
    succeeded = is_sure and last is not None and last.status == "succeeded"
    more = 0 if succeeded else greatest(one.price for one in after_failure(planned.step, item))
    if more == 0:
        return Price(0, 0, "already bought")
    return Price(
        0,
        more,
        f"already bought; {_up_to(more)} if {'its job fails' if is_sure else 'it gives nothing'}",
    )


def _is_bought(item: ItemState) -> bool:
    last = item.last
    return (
        item.phase in IN_FLIGHT
        and last is not None
        and last.status in ("intended", "accepted", "succeeded")
    )


def _runtime_estimate(state: State, step_id: str, one: ItemEstimate | None = None) -> ItemEstimate:
    planned = state.planned_step(step_id)
    one = one or _with_fallbacks(
        planned, RUNTIME, prices_by_spec(state, planned, ItemState("", {}))
    )
    least, most = item_range(state, step_id)
    many = f"{most} item{'' if most == 1 else 's'}"
    many = many if least == most else f"up to {many}"
    why = f"{many}, known during the run"
    if most == planned.limit:
        why += "; it takes no more"
    elif most == planned.step.max_items:
        written = "max_items" in planned.step.model_fields_set
        why += "; it fails with more" if written else ", unless `max_items` says fewer"
    if planned.includes:
        # Those that the plan has are counted by their own steps.
        least, most = (max(0, one - len(planned.inside)) for one in (least, most))
        why += f", {one.price.assumption}"
    found = _perhaps(one, why, times=most)
    if planned.conditional:
        return found
    price = replace(found.price, min=one.price.min * least)
    return replace(found, price=price, reserve=one.reserve * least)


def _with_fallbacks(
    planned: PlannedStep,
    key: str,
    expected: Sequence[tuple[str | None, Price]],
    *,
    again: bool = True,
    once_more: bool | None = None,
) -> ItemEstimate:
    """An item by the models and prices of its alternatives: `max` has every purchase of all of them.

    `again` is False if `regenerate` does not count for the first of them; `once_more` says whether refused media may
    follow, None: as its step does.
    """
    (model, price), *fallbacks = expected
    # Of a pick, `max` is all chats of its judge, which are bought one by one.
    reserve = (not planned.pick and price.max) or price.min
    once_more = planned.buys_once_more if once_more is None else once_more
    tops = [one.max or 0 for _, one in expected]
    # The dearest of all is counted once more: with those of the first, or with its fallbacks.
    is_first = once_more and tops[0] == max(tops)
    if (times := (planned.attempts if again else 1) + is_first) > 1:
        top = None if price.max is None else price.max * times
        price = Price(price.min, top, f"{price.assumption}, at most {times} times")
    models: tuple[str | None, ...] = ()
    if fallbacks:
        models, found = zip(*fallbacks, strict=True)
        extra = max(tops) if once_more and not is_first else 0
        prices = [*found, Price(0, extra, "")]
        more = _up_to(greatest(prices))
        reason = f"{price.assumption}; {more} with its fallbacks: {_names(models)}"
        price = Price(price.min, greatest([price, *prices]), reason)
    limit = planned.budget.per_item if planned.budget else None
    if limit is not None and price.max is not None and price.max > limit:
        reason = f"{price.assumption}; at most {limit} by its budget"
        price = Price(price.min, max(price.min, limit), reason)
    return ItemEstimate(key, model, price, reserve, fallback=models)


def _up_to(more: int | None) -> str:
    return "more" if more is None else f"up to {more} more"


def greatest(prices: Iterable[Price]) -> int | None:
    """Of all together; None if one has no upper bound."""
    tops = [one.max for one in prices]
    return None if None in tops else sum(top for top in tops if top is not None)


def _names(models: Iterable[str | None]) -> str:
    return ", ".join(dict.fromkeys(name or "a model known during the run" for name in models))


def _perhaps(one: ItemEstimate, reason: str, times: int = 1) -> ItemEstimate:
    """What may run not at all, or up to so many times."""
    top = None if one.price.max is None else one.price.max * times
    if top is None:
        reason = f"{one.price.assumption}; {reason}"
    if one.fallback:
        reason += f"; with fallbacks: {_names(one.fallback)}"
    return replace(one, price=Price(0, top, reason), reserve=0)


def _if(one: ItemEstimate, reason: str) -> ItemEstimate:
    return one if one.price.max == 0 else _perhaps(one, reason)
