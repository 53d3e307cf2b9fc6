"""Starts ready items: read the balance, ask the cache, upload, then buy within every limit.

An item is gated while a limit, an unknown price or the budget blocks its purchase. Gated items are
grouped by price: if the first item of a group cannot be bought, the others are not tried.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import chain

from rpds import List

from rivya_flows.planning.expansion.item_arguments import claimed_hash
from rivya_flows.planning.names import idempotency_key, label, trace_name
from rivya_flows.planning.pricing.quoted_prices import quoted_price, reserve_of
from rivya_flows.planning.pricing.written_prices import least_left
from rivya_flows.planning.queue import judging
from rivya_flows.planning.queue.actions import (
    Action,
    AskCache,
    Buy,
    Question,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.planning.queue.events import Unpaid
from rivya_flows.planning.queue.forks import is_made_again
from rivya_flows.planning.queue.item_state import ItemState, Phase, Purchase
from rivya_flows.planning.queue.items import Items, first, places
from rivya_flows.planning.queue.reducer import BUDGET, budget_key
from rivya_flows.planning.queue.state import PoolLimit, Rest, State
from rivya_flows.steps import answers as structured_output
from rivya_flows.steps.chat import chat_body
from rivya_flows.steps.registry import kind_of
from rivya_flows.steps.request import ItemRequest, PriceClass, Route

Started = tuple[State, list[Action]]


def start_items(state: State, step_id: str) -> Started:
    """Start what may start of one step: free work first, then purchases in item order."""
    items = state.steps[step_id].items
    actions: list[Action] = []
    if items is None or not (items.due or len(items.gates)):
        return state, actions
    arrived: dict[PriceClass, int] = {}
    if items.due:
        current = state.steps[step_id]
        if "before" not in current.balances:
            if current.reading is None:
                state = state.with_step(step_id, replace(current, reading="before"))
                actions.append(ReadBalance(step_id, "before"))
            return state, actions
        for place in places(items.due):
            item = items[place]
            state, started = _start(state, step_id, item)
            actions += started
            if not started and state.item(step_id, item.key) is item:
                assert item.request is not None
                price = item.request.price_class
                arrived[price] = arrived.get(price, 0) | 1 << place
    state, bought = _buy_in_order(state, step_id, arrived)
    return state, [*actions, *bought]


def _start(state: State, step_id: str, item: ItemState) -> Started:
    """Start an item; no change and no action if only its purchase is left to do."""
    request = item.request
    assert request is not None
    asked = _asked(state, step_id, item, request)
    if not request.buys and asked is None:
        arguments = {**request.arguments, **({"picked": item.picked} if item.picked else {})}
        work = Work(step_id, item.key, request.uses, arguments)
        return state.with_item(step_id, replace(item, phase=Phase.RUNNING)), [work]
    if asked is not None:
        return state.with_item(step_id, replace(item, phase=Phase.LOOKING)), [asked]
    if state.unpaid is not None:
        return _not_bought(state, step_id, item, state.unpaid)
    if any(state.uploads.get(name) is None for name in request.upload_names()):
        return _upload(state, step_id, item, request)
    return state, []


def _buy_in_order(state: State, step_id: str, arrived: dict[PriceClass, int]) -> Started:
    """Buy gated items and those that have just arrived, as far as the limits allow.

    If an item cannot be bought, no item of the same price is tried in this event.
    """
    items = state.steps[step_id].items
    assert items is not None
    left = done = 0
    if _room(state, step_id) != 0:
        for chosen in chain(arrived.values(), items.gates.values()):
            left |= chosen
    actions: list[Action] = []
    while left and _room(state, step_id) != 0:
        place = first(left)
        item = items[place]
        assert item.request is not None
        price = item.request.price_class
        state, started = _buy(state, step_id, item, price)
        actions += started
        if state.steps[step_id].items is items:
            left &= ~(arrived.get(price, 0) | items.gates.get(price, 0))
            continue
        items = state.steps[step_id].items
        assert items is not None
        left &= ~(1 << place)
        done |= 1 << place
    for chosen in arrived.values():
        for item in items.those(chosen & ~done):
            state = state.with_item(step_id, replace(item, gated=True))
    return state, actions


def _asked(state: State, step_id: str, item: ItemState, request: ItemRequest) -> AskCache | None:
    """Where an equal request may have been finished before; None if nothing is asked.

    The forked run is asked for what costs credits. The cache index counts by the mode of the step,
    else that of the command line, else that of the spec.
    """
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


def _upload(state: State, step_id: str, item: ItemState, request: ItemRequest) -> Started:
    actions: list[Action] = []
    uploads, awaiting = state.uploads, state.awaiting
    for medium, name in zip(request.uploads, request.upload_names(), strict=True):
        if name not in uploads:
            uploads = uploads.insert(name, None)
            source = (medium.source, medium.media, request.model, medium.asset)
            actions.append(UploadMedium(*source, step_id, item.key))
        if uploads[name] is None:
            waiting = awaiting.get(name, List())
            awaiting = awaiting.insert(name, waiting.push_front((step_id, item.key)))
    uploading = state.uploading + len(actions)
    state = replace(state, uploads=uploads, awaiting=awaiting, uploading=uploading)
    return state.with_item(step_id, replace(item, phase=Phase.UPLOADING)), actions


def _buy(state: State, step_id: str, item: ItemState, price: PriceClass) -> Started:
    if _waits_for_price(state, step_id, price):
        return state, []
    asked = state.rest if state.planned(step_id).part == "steps" else None
    if asked is not None:
        asked, verdict = _afford_rest(state, asked)
        state = replace(state, rest=asked)
        if verdict == "over":
            return _over_budget(state, step_id, item, 0)
        if verdict == "wait":
            return state, []
    reserve = reserve_of(state.quoted, price)
    verdict = _afford(state, state.committed + reserve)
    if verdict == "wait":
        return state, []
    if verdict == "over":
        return _over_budget(state, step_id, item, reserve)
    request = item.request
    assert request is not None
    n = len(item.purchases) + 1
    key = idempotency_key(state.nonce, step_id, item.key, n)
    route, body = _request(state, step_id, item, request, n)
    which = item.alternative
    rest: int | None = None
    if asked is not None:
        state = replace(state, rest=replace(asked, asking=(step_id, item.key)))
        # Pools have counted what was intended, and not yet what is only planned.
        rest = state.committed - state.spent + (asked.least or 0)
    buy = Buy(step_id, item.key, n, route, key, body, reserve, False, which, rest)
    # Held from now on, so that the next item of this event sees less of the budget.
    bought = Purchase(n, route, key, body, reserve, state.now, request.priced_by, "planned")
    bought = replace(bought, alternative=which)
    item = replace(item, phase=Phase.BUYING, gated=False, purchases=(*item.purchases, bought))
    return state.with_item(step_id, item), [buy]


def _request(
    state: State, step_id: str, item: ItemState, request: ItemRequest, n: int
) -> tuple[Route, str]:
    files = [file for name in request.upload_names() if (file := state.uploads[name])]
    trace = trace_name(state.run_id, step_id, item.key, n)
    kind, route = kind_of(request.uses), request.route
    assert kind is not None
    assert route is not None
    if judging.is_judged(item):
        chat, session, repeated = judging.chat_request(state, item)
        return route, chat_body(chat, files, trace, session=session, message=repeated)
    asked = [purchase for purchase in item.purchases if purchase.status == "answered"]
    if not asked or judging.refused_in_session(item):
        return route, kind.body(request, files, trace)
    message = structured_output.repeat(_problem(asked[-1].content or "", request))
    session = asked[-1].session_id
    return route, chat_body(request, files, trace, session=session, message=message)


def _problem(content: str, request: ItemRequest) -> str:
    try:
        structured_output.read(content, request.arguments["expect"])
    except structured_output.AnswerError as error:
        return str(error)
    return "it was not accepted"


def _room(state: State, step_id: str) -> int | None:
    """Further jobs that `max_parallel` allows; None for any number."""
    limit = state.spec(step_id).max_parallel
    return None if limit is None else max(0, limit - state.steps[step_id].tally.open)


def _waits_for_price(state: State, step_id: str, price: PriceClass) -> bool:
    """Whether another purchase must reveal its price first.

    If the price of a fan-out is a minimum, one item is bought before the rest. Under a cap, only
    one purchase of an unconfirmed price is sent at a time, so the cap is exceeded by no more than
    what a single purchase costs beyond its known price.
    """
    if quoted_price(state.quoted, price) is not None:
        return False
    if state.cap is not None:
        return any(_reveals_price(state, step.items) for step in state.steps if step.items)
    return price.max is None and state.steps[step_id].tally.buying > 0


def _reveals_price(state: State, items: Items) -> bool:
    """Whether an unanswered purchase will reveal an unknown price."""
    return any(
        price is None or quoted_price(state.quoted, price) is None for price in items.bought_by
    )


def _afford(state: State, committed: int, *, all_left: bool = False) -> str:
    """`buy`, `wait` (a running purchase may return credits) or `over`, with this one committed.

    The balance counts for all that is left; a single purchase is refused by the service itself.
    """
    limit, is_open = state.pool, state.totals.tally.open > 0
    over = _is_over_cap(state, committed) or (all_left and _is_over_funds(state, committed))
    if not over and limit is not None and committed > limit.most:
        # Credits may have come back unseen: with nothing open the pool is asked once more.
        over = is_open or limit.sure
    if not over:
        return "buy"
    return "wait" if is_open else "over"


def _afford_rest(state: State, rest: Rest) -> tuple[Rest, str]:
    """As `_afford`, for all that is left: it is priced once after a list became known.

    The first purchase of it asks the pools for all of it, and the next ones wait for that.
    """
    planned = rest.asking and state.item(*rest.asking).purchases[-1:]
    if state.totals.tally.looking or (planned and planned[0].status == "planned"):
        return rest, "wait"  # what the cache has costs nothing
    least = rest.least
    verdict = "buy" if least is None else _afford(state, state.committed + least, all_left=True)
    if least is None or verdict == "buy" or (verdict == "over" and not rest.is_over):
        least = least_left(state)
        verdict = _afford(state, state.committed + least, all_left=True)
    return Rest(least, verdict == "over"), verdict


def _is_over_cap(state: State, committed: int) -> bool:
    return state.cap is not None and committed > state.cap


def _is_over_funds(state: State, committed: int) -> bool:
    return state.funds is not None and committed > state.funds


def _over_budget(state: State, step_id: str, item: ItemState, reserve: int) -> Started:
    rest = state.rest if state.rest is not None and state.rest.is_over else None
    needed = reserve if rest is None else rest.least or 0
    over_cap = _is_over_cap(state, state.committed + needed)
    short = bool(rest) and not over_cap and _is_over_funds(state, state.committed + needed)
    limit = None if over_cap or short else state.pool
    budget = state.plan.workflow.budget
    pauses = budget is not None and budget.on_exceed == "pause" and not short
    if pauses and (state.refused_cap is None if limit is None else not limit.declined):
        return state, []  # stays ready; `budget_question` asks when nothing else runs
    if limit is not None:
        left = f"the pool {limit.name} has {_left(state, limit)} left{_until(limit)}"
    elif short:
        left = (
            f"the wallet has {max(0, (state.funds or 0) - state.spent)}: add credits, then resume"
        )
    else:
        left = f"the budget of {state.cap} has {max(0, (state.cap or 0) - state.spent)} left"
    needs = f"needs {_credits(needed)}"
    if rest is not None:
        needs = f"not bought: all that is left needs at least {_credits(needed)}"
    item = replace(
        item,
        phase=Phase.FAILED,
        gated=False,
        code="insufficient_credits" if short else "over_budget",
        reason=f"{needs}; {left}",
        unpaid=rest is not None,
    )
    return state.with_item(step_id, item), []


_POOL_IN_REASON = re.compile(
    r"(?:not bought: all that is left )?needs (?:at least )?\d+ credits?; the pool (\S+) has \d+ left"
)


def refusing_pool(reason: str | None) -> str | None:
    """The pool that does not cover an item with this reason; None if it is another one."""
    found = _POOL_IN_REASON.match(reason or "")
    return found[1] if found else None


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


def _not_bought(state: State, step_id: str, item: ItemState, unpaid: Unpaid) -> Started:
    code, reason = _NOT_BOUGHT[unpaid]
    # A run that completed without it stays completed.
    phase = Phase.SKIPPED if unpaid == "completed" else Phase.FAILED
    item = replace(
        item,
        phase=phase,
        code=code,
        reason=f"not bought: {reason}",
        unpaid=unpaid != "completed",
    )
    return state.with_item(step_id, item), []


def budget_question(state: State) -> Question | None:
    """Whether to raise the cap, or to try a pool again, for ready items that do not fit; None if none
    waits.
    """
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
        more = (rest.least or 0) + dearer
        is_over = _is_over_cap(state, state.spent + (rest.least or 0))
    else:
        what = ", ".join(
            step_id if count == 1 else f"{count} {step_id}"
            for step_id, count in Counter(step_id for step_id, *_ in needs).items()
        )
        what += " needs" if len(needs) == 1 else " need"
        more, joint = sum(reserve for _, reserve, _ in needs), "; "
        is_over = any(_is_over_cap(state, state.spent + reserve) for _, reserve, _ in needs)
    if is_over and state.refused_cap is None:
        follows = max(0, least_left(state) + dearer - more)
        cap = state.spent + more + follows
        spent = f"{state.spent} of {state.cap} are spent"
        then = f", what follows at least {follows}" if follows else ""
        text = f"{what} {_credits(more)}{then}; {spent}. Raise the budget to {cap}?"
        return Question(BUDGET, budget_key(state, cap), text, ("yes", "no"))
    limit = state.pool
    if not needs or limit is None or limit.declined:
        return None
    left = f"The pool {limit.name} has {_credits(_left(state, limit))} left{_until(limit)}"
    raised = f"rivya-flows budgets set {limit.name} --credits N"
    text = f"{left}{joint}{what} {more}. `{raised}` raises it. Try again?"
    return Question(BUDGET, budget_key(state, limit.name), text, ("yes", "no"))


def _credits(number: int) -> str:
    return f"{number} credit{'s' * (number != 1)}"
