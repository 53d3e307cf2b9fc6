"""What a run may still buy: its limits and those of its steps, which items fail, and whom to ask for more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.language.workflow import StepBudget
from rivya_flows.plans.names import label
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.queue.events import AnswerGiven, Unpaid
from rivya_flows.queue.foresight import Foresight
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.least_left import (
    campaigns_opened,
    least_by_step,
    least_left,
    least_of_items,
    least_sum,
)
from rivya_flows.queue.state import PoolLimit, Rest, State, charged_price, reserve_of
from rivya_flows.steps.request import PriceClass

Decision = Literal["buy", "wait", "over"]
"""Whether so many credits fit now; `wait`: an open purchase may return some."""

OVER_STEP_BUDGET = "over_step_budget"


def reserve_for(
    state: State, step_id: str, item: ItemState, price: PriceClass
) -> tuple[int, int | None] | None:
    """The credits that a purchase reserves, and the `rest` of its intent; None if it waits or never fits.

    An item that never fits fails here, unless a person can allow more.
    """
    if _waits_for_price(state, step_id, price):
        return None
    reserve = reserve_of(state.charges, price)
    rest = state.rest if state.planned_step(step_id).part == "steps" else None
    if afford_in_step(state, step_id, item, reserve) != "buy":
        return None
    decision: Decision = "buy"
    if rest is not None:
        rest, decision = _afford_rest(state, rest)
        state.rest = rest
    if decision == "buy":
        decision = _afford(state, reserve)
    if decision == "over":
        _fail_unaffordable(state, step_id, item, reserve)
    if decision != "buy":
        return None
    if rest is None:
        return reserve, None
    state.rest = rest._replace(probe=(step_id, item.key))
    # Pools have counted what is journaled; what is only planned and what remains comes on top.
    return reserve, state.tally.committed - state.spent + (rest.least or 0)


def _waits_for_price(state: State, step_id: str, price: PriceClass) -> bool:
    """Whether another purchase must reveal its price first.

    If the price of a fan-out is a minimum, one item is bought before the rest. Under a cap, only
    one purchase of an unconfirmed price is sent at a time, so the cap is exceeded by no more than
    what a single purchase costs beyond its known price.
    """
    if charged_price(state.charges, price) is not None:
        return False
    if state.cap is not None or limits_of(state, step_id) is not None:
        return any(
            one is None or charged_price(state.charges, one) is None
            for one in state.tally.unanswered
        )
    return price.max is None and state.steps[step_id].tally.phases[Phase.BUYING] > 0


def limits_of(state: State, step_id: str) -> StepBudget | None:
    return None if state.rehearses else state.planned_step(step_id).budget


def afford_in_step(state: State, step_id: str, item: ItemState, reserve: int) -> Decision:
    """Whether the budget of a step covers a purchase, and before the first of all, the least of all.

    An item that it never covers fails, or with it all that can be bought now, if it is their sum.
    """
    limits = limits_of(state, step_id)
    if limits is None:
        return "buy"
    rounds = [state.steps[name] for name in state.plan.bought_with(step_id)]
    if limits.per_item is not None:
        spent = sum(one.items[item.key].credits for one in rounds if item.key in one.items)
        if spent + reserve > limits.per_item:
            has = f"its budget is {limits.per_item}, and {spent} are spent"
            _refuse(state, step_id, [item], f"needs {price_of(reserve, reserve)}; {has}")
            return "over"
    needed, left = reserve, state.step_credits_left(step_id)
    if left is None:
        return "buy"
    if state.on_unfit != "go_on" and not any(one.tally.committed for one in rounds):
        needed = max(reserve, _least_of_step(state, step_id))
    if needed <= left:
        return "buy"
    if any(one.tally.open for one in rounds):
        return "wait"
    has = f"the budget of {step_id} of {limits.credits} has {left} left"
    gated = [one for one in state.steps[step_id].items.values() if one.gate is not None]
    refused = [item] if needed == reserve else gated
    _refuse(state, step_id, refused, f"needs {price_of(needed, needed)}; {has}")
    return "over"


def _refuse(state: State, step_id: str, items: Iterable[ItemState], reason: str) -> None:
    for item in items:
        state.change(step_id, item._replace(gated=False).fail(OVER_STEP_BUDGET, reason))


def _least_of_step(state: State, step_id: str) -> int:
    """What all items of a step cost at least, with those that its budget has refused before."""
    step = state.steps[step_id]
    if step.tally.phases[Phase.WAITING]:
        # Those whose source has not ended count too: no order of answers changes what is bought.
        found: Iterable[int | None] = least_by_step(campaigns_opened(state))[step_id]
    else:
        found = least_of_items(Foresight(state), step_id, certain=False)
    refused = [one for one in step.items.values() if one.code == OVER_STEP_BUDGET]
    return least_sum(state, step_id, [*found, *(one.evaluated.price.min for one in refused)])


Limit = Literal["budget", "wallet"] | PoolLimit
"""What credits may not exceed: the cap of the run, the balance, or what a pool allows."""


def _exceeded_limit(state: State, needed: int, *, all_left: bool) -> Limit | None:
    """The limit that does not cover so many credits; the balance is checked only with `all_left`."""
    committed = state.tally.committed + needed
    if state.cap is not None and committed > state.cap:
        return "budget"
    if all_left and state.funds is not None and committed > state.funds:
        return "wallet"
    return state.pool if state.pool is not None and committed > state.pool.most else None


def _afford(state: State, needed: int, *, all_left: bool = False) -> Decision:
    limit, is_open = _exceeded_limit(state, needed, all_left=all_left), state.tally.open > 0
    # Another run may have given credits back: with nothing open here, the pool is tried once more.
    retries_pool = isinstance(limit, PoolLimit) and not (is_open or limit.sure)
    if limit is None or retries_pool:
        return "buy"
    return "wait" if is_open else "over"


def _afford_rest(state: State, rest: Rest) -> tuple[Rest, Decision]:
    """As `_afford`, for all that is left: its first purchase asks the pools, and the next ones wait."""
    planned = rest.probe and state.item(*rest.probe).purchases[-1:]
    if state.tally.phases[Phase.LOOKING] or (planned and planned[0].status == "planned"):
        return rest, "wait"  # the cache may spare credits, and the probe's intent asks the pools
    least = rest.least
    decision = "buy" if least is None else _afford(state, least, all_left=True)
    if least is None or decision == "buy" or (decision == "over" and not rest.is_over):
        least = least_left(state)
        decision = _afford(state, least, all_left=True)
    return Rest(least, decision == "over"), decision


def _fail_unaffordable(state: State, step_id: str, item: ItemState, reserve: int) -> None:
    """Fail an item that does not fit, unless a person will be asked for more."""
    rest = state.rest if state.rest is not None and state.rest.is_over else None
    needed = reserve if rest is None else rest.least or 0
    limit = _exceeded_limit(state, needed, all_left=rest is not None)
    pool = limit if isinstance(limit, PoolLimit) else None
    pauses = state.on_unfit == "pause" and limit != "wallet"
    if pauses and (state.refused_cap is None if pool is None else not pool.declined):
        return  # stays ready; `budget_question` asks when nothing else runs
    if pool is not None:
        credits, until = _pool_room(state, pool)
        left = f"the pool {pool.name} has {credits} left{until}"
    elif limit == "wallet":
        funds = max(0, (state.funds or 0) - state.spent)
        left = f"the wallet has {funds}: add credits, then resume"
    else:
        left = f"the budget of {state.cap} has {max(0, (state.cap or 0) - state.spent)} left"
    needs = "needs" if rest is None else "not bought: all that is left needs at least"
    item = item._replace(
        phase=Phase.FAILED,
        gated=False,
        code="insufficient_credits" if limit == "wallet" else "over_budget",
        reason=f"{needs} {price_of(needed, needed)}; {left}",
        pool=None if pool is None else pool.name,
        unpaid=rest is not None or state.on_unfit != "go_on",
    )
    state.change(step_id, item)


def _pool_room(state: State, pool: PoolLimit) -> tuple[int, str]:
    """Credits that a pool has left, and until when, as words; every period ends at midnight, UTC."""
    until = "" if pool.until is None else f" until {pool.until:%Y-%m-%d}"
    return max(0, pool.most - state.spent), until


NOT_BOUGHT = "not_bought"
"""Code of an item that a completed run left out."""

_UNPAID_REASONS: dict[Unpaid, tuple[str, str]] = {
    "budget": ("over_budget", "what is still to be bought does not fit the budget"),
    "balance": ("insufficient_credits", "what is still to be bought does not fit the balance"),
    "completed": (NOT_BOUGHT, "the run is completed without it; give --budget to buy it"),
}


def leave_unbought(item: ItemState, unpaid: Unpaid) -> ItemState:
    code, reason = _UNPAID_REASONS[unpaid]
    item = item.fail(code, f"not bought: {reason}")
    if unpaid == "completed":  # it stays completed
        return item._replace(phase=Phase.SKIPPED)
    return item._replace(unpaid=True)


def budget_question(state: State) -> Question | None:
    """Whether to raise the cap, or to try a pool again, for ready items that do not fit."""
    if state.on_unfit != "pause":
        return None
    needs = [
        (step_id, reserve_of(state.charges, item.request.price_class), item.request.price.min)
        for step_id, item in state.each()
        if item.phase is Phase.READY and item.request is not None and item.request.buys
    ]
    surplus = sum(reserve - least for _, reserve, least in needs)
    if (rest := state.rest) is not None and rest.is_over:
        what, separator = "All that is left needs at least", ". "
        most: int | None = rest.least or 0
        more = (rest.least or 0) + surplus
    else:
        what = ", ".join(
            step_id if count == 1 else f"{count} {step_id}"
            for step_id, count in Counter(step_id for step_id, *_ in needs).items()
        )
        what += " needs" if len(needs) == 1 else " need"
        more, separator = sum(reserve for _, reserve, _ in needs), "; "
        most = max((reserve for _, reserve, _ in needs), default=None)
    is_over = most is not None and state.cap is not None and state.spent + most > state.cap
    if is_over and state.refused_cap is None:
        follows = max(0, least_left(state) + surplus - more)
        cap = state.spent + more + follows
        spent = f"{state.spent} of {state.cap} are spent"
        then = f", what follows at least {follows}" if follows else ""
        text = f"{what} {price_of(more, more)}{then}; {spent}. Raise the budget to {cap}?"
        return Question(BUDGET, _question_key(state, cap), text, ("yes", "no"))
    pool = state.pool
    if not needs or pool is None or pool.declined:
        return None
    credits, until = _pool_room(state, pool)
    left = f"The pool {pool.name} has {price_of(credits, credits)} left{until}"
    command = f"rivya-flows budgets set {pool.name} --credits N"
    text = f"{left}{separator}{what} {more}. `{command}` raises it. Try again?"
    return Question(BUDGET, _question_key(state, pool.name), text, ("yes", "no"))


_POOL_KEY_PREFIX = "pool "
"""Prefix of the key of a question about a pool; any other key is the proposed budget."""


def _question_key(state: State, asked: int | str) -> str:
    """The key of a budget question; one that was answered is never asked again under its key."""
    stem = f"{_POOL_KEY_PREFIX}{asked}" if isinstance(asked, str) else str(asked)
    key, number = stem, 1
    while label(BUDGET, key) in state.answers:
        number += 1
        key = f"{stem}#{number}"
    return key


def apply_budget_answer(state: State, event: AnswerGiven) -> None:
    """Raises the cap, or lets a pool be tried again; a refusal of either is kept."""
    yes = event.answer == "yes"
    if event.key.startswith(_POOL_KEY_PREFIX):
        declined = state.pool and state.pool._replace(sure=True, declined=True)
        state.pool = None if yes else declined
    elif yes:
        state.cap = int(event.key.partition("#")[0])
    else:
        state.refused_cap = int(event.key.partition("#")[0])
