"""Starts ready items: read the balance, ask the cache, upload, then buy within every limit.

An item is gated while a limit, an unknown price or the budget blocks its purchase. Gated items are
grouped by price: if the first item of a group cannot be bought, the others are not tried.
"""

from __future__ import annotations

from collections import Counter
from heapq import heapify, heappop, heappush
from typing import Literal

from rivya_client.catalogue.prices import price_of
from rivya_flows.plans.names import idempotency_key, label, trace_name
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.queue import judging
from rivya_flows.queue.actions import Action, AskCache, Buy, ReadBalance, UploadMedium, Work
from rivya_flows.queue.evaluation import claimed_hash
from rivya_flows.queue.events import Unpaid
from rivya_flows.queue.forks import is_made_again
from rivya_flows.queue.items import ItemState, Phase, Purchase
from rivya_flows.queue.reducer import budget_key
from rivya_flows.queue.state import PoolLimit, Rest, State, quoted_price, reserve_of
from rivya_flows.queue.written_prices import least_left
from rivya_flows.steps import structured_output
from rivya_flows.steps.chat import chat_body
from rivya_flows.steps.request import ItemRequest, PriceClass


def start_items(state: State, step_id: str) -> list[Action]:
    """Start what may start of one step: free work first, then purchases in item order."""
    step, actions = state.steps[step_id], list[Action]()
    if step.due:
        if "before" not in step.balances:
            if step_id not in state.reading:
                state.reading.add(step_id)
                actions.append(ReadBalance(step_id, "before"))
            return actions
        for key in sorted(step.due, key=step.places.__getitem__):
            actions += _start(state, step_id, step.items[key])
    return [*actions, *_buy_in_order(state, step_id)] if step.gates else actions


def _start(state: State, step_id: str, item: ItemState) -> list[Action]:
    """It is gated if only its purchase is left to do."""
    request = item.evaluated
    asked = _asked(state, step_id, item, request)
    if asked is not None:
        state.change(step_id, item._replace(phase=Phase.LOOKING))
        return [asked]
    if not request.buys:
        arguments = {**request.arguments}
        if item.picked:
            arguments["picked"] = [*item.picked]
        state.change(step_id, item._replace(phase=Phase.RUNNING))
        return [Work(step_id, item.key, request.uses, arguments)]
    if state.unpaid is not None:
        state.change(step_id, _not_bought(item, state.unpaid))
        return []
    if any(name not in state.uploads for name in request.upload_names()):
        return _upload(state, step_id, item, request)
    state.change(step_id, item._replace(gated=True))
    return []


def _buy_in_order(state: State, step_id: str) -> list[Action]:
    """Buy gated items as far as the limits allow; of a price whose first item must wait, none."""
    step, actions = state.steps[step_id], list[Action]()
    firsts = [(gate[0], n, price) for n, (price, gate) in enumerate(step.gates.items())]
    heapify(firsts)
    while firsts and _has_room(state, step_id):
        (_, key), n, price = heappop(firsts)
        item = step.items[key]
        if item.gate == price:  # not of one that was bought, or moved on, since
            actions += _buy(state, step_id, item, price)
            if step.items[key] is item:
                continue
        gate = step.gates[price]
        heappop(gate)
        if gate:
            heappush(firsts, (gate[0], n, price))
        else:
            del step.gates[price]
    if not step.gates:
        state.gated.discard(step_id)
    return actions


def _asked(state: State, step_id: str, item: ItemState, request: ItemRequest) -> AskCache | None:
    """Where an equal request may have been finished; a forked run has only what costs credits."""
    bought = any(one.alternative == item.alternative for one in item.purchases)
    if item.asked_cache or bought or not request.request_hash:
        return None
    if is_made_again(label(step_id, item.key), state.again):
        return None
    run_id = state.fork.run_id if state.fork and request.buys else None
    mode = state.spec(step_id).cache or state.cache or state.plan.workflow.cache
    index = mode == "spec" and not request.is_function
    if run_id is None and not index:
        return None
    hashes = tuple(one.request_hash for one in item.requests)
    return AskCache(step_id, item.key, claimed_hash(state, step_id, item), run_id, index, hashes)


def _upload(state: State, step_id: str, item: ItemState, request: ItemRequest) -> list[Action]:
    actions: list[Action] = []
    for medium, name in zip(request.uploads, request.upload_names(), strict=True):
        if name in state.uploads:
            continue
        if name not in state.awaiting:
            source = (medium.source, medium.media, request.model, medium.asset)
            actions.append(UploadMedium(*source, step_id, item.key))
        state.awaiting.setdefault(name, []).append((step_id, item.key))
    state.change(step_id, item._replace(phase=Phase.UPLOADING))
    return actions


def _buy(state: State, step_id: str, item: ItemState, price: PriceClass) -> list[Action]:
    """Buy an item, or fail it; the item stays as it is if its purchase has to wait."""
    if _waits_for_price(state, step_id, price):
        return []
    asked = state.rest if state.planned(step_id).part == "steps" else None
    if asked is not None:
        asked, verdict = _afford_rest(state, asked)
        state.rest = asked
        if verdict == "over":
            _over_budget(state, step_id, item, 0)
        if verdict != "buy":
            return []
    reserve = reserve_of(state.quoted, price)
    verdict = _afford(state, reserve)
    if verdict == "over":
        _over_budget(state, step_id, item, reserve)
    if verdict != "buy":
        return []
    request = item.evaluated
    n = len(item.purchases) + 1
    key = idempotency_key(state.nonce, step_id, item.key, n)
    assert request.route is not None
    rest: int | None = None
    if asked is not None:
        state.rest = asked._replace(asking=(step_id, item.key))
        # Pools have counted what was intended, and not yet what is only planned.
        rest = state.tally.committed - state.spent + (asked.least or 0)
    # Held from now on, so that the next item of this event sees less of the budget.
    bought = Purchase(
        n,
        request.route.name,
        key,
        _body(state, step_id, item, request, n),
        reserve,
        state.now,
        request.priced_by,
        "planned",
        alternative=item.alternative,
    )
    state.change(step_id, item.with_purchase(bought)._replace(phase=Phase.BUYING, gated=False))
    return [Buy(step_id, item.key, bought, rest)]


def _body(state: State, step_id: str, item: ItemState, request: ItemRequest, n: int) -> str:
    files = [state.uploads[name] for name in request.upload_names()]
    trace = trace_name(state.run_id, step_id, item.key, n)
    if judging.is_judged(item):
        return judging.body(state, item, files, trace)
    asked = [purchase for purchase in item.purchases if purchase.status == "answered"]
    if not asked or judging.refused_in_session(item):
        return state.planned(step_id).kind.body(request, files, trace)
    content, expect = asked[-1].content or "", request.arguments["expect"]
    message = structured_output.repeat(lambda: structured_output.read(content, expect))
    return chat_body(request, files, trace, session=asked[-1].session_id, message=message)


def _has_room(state: State, step_id: str) -> bool:
    limit = state.spec(step_id).max_parallel
    return limit is None or state.steps[step_id].tally.open < limit


def _waits_for_price(state: State, step_id: str, price: PriceClass) -> bool:
    """Whether another purchase must reveal its price first.

    If the price of a fan-out is a minimum, one item is bought before the rest. Under a cap, only
    one purchase of an unconfirmed price is sent at a time, so the cap is exceeded by no more than
    what a single purchase costs beyond its known price.
    """
    if quoted_price(state.quoted, price) is not None:
        return False
    if state.cap is not None:
        return any(
            one is None or quoted_price(state.quoted, one) is None for one in state.tally.unanswered
        )
    return price.max is None and state.steps[step_id].tally.phases[Phase.BUYING] > 0


Limit = Literal["budget", "wallet"] | PoolLimit
"""What credits may not exceed: the cap of the run, the balance, or what a pool allows."""


def _exceeded(state: State, needed: int, *, all_left: bool) -> Limit | None:
    """The limit that does not cover so many credits; the balance counts for all that is left alone."""
    committed = state.tally.committed + needed
    if state.cap is not None and committed > state.cap:
        return "budget"
    if all_left and state.funds is not None and committed > state.funds:
        return "wallet"
    return state.pool if state.pool is not None and committed > state.pool.most else None


def _afford(state: State, needed: int, *, all_left: bool = False) -> str:
    """`buy`, `wait` (a running purchase may return credits) or `over`."""
    limit, is_open = _exceeded(state, needed, all_left=all_left), state.tally.open > 0
    # Credits may have come back unseen: with nothing open the pool is asked once more.
    asks = isinstance(limit, PoolLimit) and not (is_open or limit.sure)
    if limit is None or asks:
        return "buy"
    return "wait" if is_open else "over"


def _afford_rest(state: State, rest: Rest) -> tuple[Rest, str]:
    """As `_afford`, for all that is left: its first purchase asks the pools, and the next ones wait."""
    planned = rest.asking and state.item(*rest.asking).purchases[-1:]
    if state.tally.phases[Phase.LOOKING] or (planned and planned[0].status == "planned"):
        return rest, "wait"  # what the cache has costs nothing
    least = rest.least
    verdict = "buy" if least is None else _afford(state, least, all_left=True)
    if least is None or verdict == "buy" or (verdict == "over" and not rest.is_over):
        least = least_left(state)
        verdict = _afford(state, least, all_left=True)
    return Rest(least, verdict == "over"), verdict


def _over_budget(state: State, step_id: str, item: ItemState, reserve: int) -> None:
    """Fail an item that does not fit, unless a person is to be asked for more."""
    rest = state.rest if state.rest is not None and state.rest.is_over else None
    needed = reserve if rest is None else rest.least or 0
    limit = _exceeded(state, needed, all_left=rest is not None)
    pool = limit if isinstance(limit, PoolLimit) else None
    budget = state.plan.workflow.budget
    pauses = budget is not None and budget.on_exceed == "pause" and limit != "wallet"
    if pauses and (state.refused_cap is None if pool is None else not pool.declined):
        return  # stays ready; `budget_question` asks when nothing else runs
    if pool is not None:
        left = f"the pool {pool.name} has {_left(state, pool)} left{_until(pool)}"
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
        unpaid=rest is not None,
    )
    state.change(step_id, item)


def _left(state: State, limit: PoolLimit) -> int:
    return max(0, limit.most - state.spent)


def _until(limit: PoolLimit) -> str:
    """Every period ends at midnight, UTC."""
    return "" if limit.until is None else f" until {limit.until:%Y-%m-%d}"


NOT_BOUGHT = "not_bought"
"""Code of an item that a completed run left out."""

_NOT_BOUGHT: dict[Unpaid, tuple[str, str]] = {
    "budget": ("over_budget", "what is still to be bought does not fit the budget"),
    "balance": ("insufficient_credits", "what is still to be bought does not fit the balance"),
    "completed": (NOT_BOUGHT, "the run is completed without it; give --budget to buy it"),
}


def _not_bought(item: ItemState, unpaid: Unpaid) -> ItemState:
    code, reason = _NOT_BOUGHT[unpaid]
    item = item.failed(code, f"not bought: {reason}")
    if unpaid == "completed":  # it stays completed
        return item._replace(phase=Phase.SKIPPED)
    return item._replace(unpaid=True)


def budget_question(state: State) -> Question | None:
    """Whether to raise the cap, or to try a pool again, for ready items that do not fit."""
    budget = state.plan.workflow.budget
    if budget is None or budget.on_exceed != "pause":
        return None
    needs = [
        (step_id, reserve_of(state.quoted, item.request.price_class), item.request.price.min)
        for step_id, item in state.each()
        if item.phase is Phase.READY and item.request is not None and item.request.buys
    ]
    dearer = sum(reserve - least for _, reserve, least in needs)
    if (rest := state.rest) is not None and rest.is_over:
        what, joint = "All that is left needs at least", ". "
        most: int | None = rest.least or 0
        more = (rest.least or 0) + dearer
    else:
        what = ", ".join(
            step_id if count == 1 else f"{count} {step_id}"
            for step_id, count in Counter(step_id for step_id, *_ in needs).items()
        )
        what += " needs" if len(needs) == 1 else " need"
        more, joint = sum(reserve for _, reserve, _ in needs), "; "
        most = max((reserve for _, reserve, _ in needs), default=None)
    is_over = most is not None and state.cap is not None and state.spent + most > state.cap
    if is_over and state.refused_cap is None:
        follows = max(0, least_left(state) + dearer - more)
        cap = state.spent + more + follows
        spent = f"{state.spent} of {state.cap} are spent"
        then = f", what follows at least {follows}" if follows else ""
        text = f"{what} {price_of(more, more)}{then}; {spent}. Raise the budget to {cap}?"
        return Question(BUDGET, budget_key(state, cap), text, ("yes", "no"))
    limit = state.pool
    if not needs or limit is None or limit.declined:
        return None
    room = _left(state, limit)
    left = f"The pool {limit.name} has {price_of(room, room)} left{_until(limit)}"
    raised = f"rivya-flows budgets set {limit.name} --credits N"
    text = f"{left}{joint}{what} {more}. `{raised}` raises it. Try again?"
    return Question(BUDGET, budget_key(state, limit.name), text, ("yes", "no"))
