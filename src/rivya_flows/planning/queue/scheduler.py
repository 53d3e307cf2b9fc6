"""Starts ready items: read the balance, ask the cache, upload, then buy within every limit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal

from rivya_flows.planning import structured_output
from rivya_flows.planning.expansion.item_arguments import claimed_hash
from rivya_flows.planning.expansion.item_requests import ItemRequest
from rivya_flows.planning.expansion.request_bodies import (
    chat_body,
    function_body,
    generation_body,
    trace_name,
)
from rivya_flows.planning.names import idempotency_key
from rivya_flows.planning.pricing.quoted_prices import QuotedPrices, quoted_price, quoted_prices
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
from rivya_flows.planning.queue.reducer import BUDGET, budget_key
from rivya_flows.planning.queue.state import ItemState, Phase, Purchase, State

Started = tuple[State, list[Action]]


@dataclass
class _Totals:
    """Totals of the run during one pass over the items of a step.

    Counted once: for each item again, the cost would grow with the cube of the fan-out.

    Attributes:
        committed: Credits that are spent, held, or about to be spent.
        room: Further jobs that `max_parallel` allows; None for any number.
        quoted: Prices that the service has charged.
    """

    committed: int
    room: int | None
    quoted: QuotedPrices

    def takes(self, reserve: int) -> None:
        """Count one more purchase."""
        self.committed += reserve
        self.room = None if self.room is None else self.room - 1


def start_items(state: State, step_id: str) -> Started:
    """Start what may start of one step, in the order of its items."""
    items = state.steps[step_id].items or ()
    ready = [item for item in items if item.phase in (Phase.READY, Phase.UPLOADING)]
    if not ready:
        return state, []
    totals = _Totals(state.committed, _room(state, step_id), quoted_prices(state))
    actions: list[Action] = []
    for item in ready:
        state, started = _start(state, step_id, item, totals)
        actions += started
    return state, actions


def _start(state: State, step_id: str, item: ItemState, totals: _Totals) -> Started:
    request = item.request
    assert request is not None
    if _waits_for_person(request, item):
        return state, []
    current = state.steps[step_id]
    if "before" not in current.balances:
        if current.reading is not None:
            return state, []
        state = state.with_step(step_id, replace(current, reading="before"))
        return state, [ReadBalance(step_id, "before")]
    if not request.model:
        arguments = {**request.arguments, **({"answer": item.answer} if item.answer else {})}
        work = Work(step_id, item.key, request.uses, arguments)
        return state.with_item(step_id, replace(item, phase=Phase.RUNNING)), [work]
    if _asks_cache(state, step_id, item, request):
        state = state.with_item(step_id, replace(item, phase=Phase.LOOKING))
        return state, [AskCache(step_id, item.key, claimed_hash(state, step_id, item))]
    if state.unpaid is not None:
        return _not_bought(state, step_id, item, state.unpaid)
    missing = [name for name in request.upload_names() if state.uploads.get(name) is None]
    if missing:
        return _upload(state, step_id, item, request)
    return _buy(state, step_id, item, request, totals)


def _waits_for_person(request: ItemRequest, item: ItemState) -> bool:
    human = request.uses == "pick" and request.arguments.get("mode") == "human"
    return human and item.answer is None


def _asks_cache(state: State, step_id: str, item: ItemState, request: ItemRequest) -> bool:
    """By the mode of the step, else that of the command line, else that of the spec."""
    mode = state.spec(step_id).cache or state.cache or state.plan.workflow.cache
    fresh = not item.asked_cache and not item.purchases
    return mode == "spec" and fresh and bool(request.request_hash)


def _upload(state: State, step_id: str, item: ItemState, request: ItemRequest) -> Started:
    actions: list[Action] = []
    uploads = dict(state.uploads)
    for medium, name in zip(request.uploads, request.upload_names(), strict=True):
        if name in uploads:
            continue
        uploads[name] = None
        actions.append(
            UploadMedium(
                medium.source, medium.media, request.model, medium.asset, step_id, item.key
            )
        )
    state = replace(state, uploads=uploads)
    return state.with_item(step_id, replace(item, phase=Phase.UPLOADING)), actions


def _buy(
    state: State, step_id: str, item: ItemState, request: ItemRequest, totals: _Totals
) -> Started:
    if item.phase is Phase.UPLOADING:
        item = replace(item, phase=Phase.READY)
        state = state.with_item(step_id, item)
    if totals.room == 0 or _waits_for_price(state, step_id, request, totals.quoted):
        return state, []
    reserve = _reserve(request, totals.quoted)
    verdict = _afford(state, totals.committed + reserve)
    if verdict == "wait":
        return state, []
    if verdict == "over":
        return _over_budget(state, step_id, item, reserve)
    n = len(item.purchases) + 1
    key = idempotency_key(state.nonce, step_id, item.key, n)
    route, body = _request(state, step_id, item, request, n)
    buy = Buy(step_id, item.key, n, route, key, body, reserve, intended=False)
    # Held from now on, so that the next item of this pass sees less of the budget.
    bought = Purchase(n, route, key, body, reserve, state.now, request.priced_by, "planned")
    item = replace(item, phase=Phase.BUYING, purchases=(*item.purchases, bought))
    totals.takes(reserve)
    return state.with_item(step_id, item), [buy]


def _request(
    state: State, step_id: str, item: ItemState, request: ItemRequest, n: int
) -> tuple[Literal["generation", "chat", "function"], str]:
    files = [file for name in request.upload_names() if (file := state.uploads[name])]
    trace = trace_name(state.run_id, step_id, item.key, n)
    if request.uses == "generate":
        return "generation", generation_body(request, files, trace)
    if request.is_function:
        return "function", function_body(request, trace)
    asked = [purchase for purchase in item.purchases if purchase.status == "answered"]
    if not asked:
        return "chat", chat_body(request, files, trace, session=None, message=None)
    message = structured_output.repeat(_problem(asked[-1].content or "", request))
    session = asked[-1].session_id
    return "chat", chat_body(request, files, trace, session=session, message=message)


def _problem(content: str, request: ItemRequest) -> str:
    try:
        structured_output.read(content, request.arguments["expect"])
    except structured_output.AnswerError as error:
        return str(error)
    return "it was not accepted"


def _room(state: State, step_id: str) -> int | None:
    limit = state.spec(step_id).max_parallel
    if limit is None:
        return None
    items = state.steps[step_id].items or ()
    return max(0, limit - sum(one.phase in (Phase.BUYING, Phase.RUNNING) for one in items))


def _waits_for_price(state: State, step_id: str, request: ItemRequest, told: QuotedPrices) -> bool:
    """Whether another purchase must reveal its price first.

    If the price of a fan-out is a minimum, one item is bought before the rest. Under a cap, only
    one purchase of an unconfirmed price is sent at a time, so the cap is exceeded by no more than
    what a single purchase costs beyond its known price.
    """
    if quoted_price(told, request) is not None:
        return False
    if state.cap is not None:
        return any(_is_discovery(item, told) for _, item in state.each())
    buying = (item.phase is Phase.BUYING for item in state.steps[step_id].items or ())
    return request.price.max is None and any(buying)


def _is_discovery(item: ItemState, told: QuotedPrices) -> bool:
    """Whether this purchase was sent and will reveal an unknown price."""
    if item.phase is not Phase.BUYING:
        return False
    return item.request is None or quoted_price(told, item.request) is None


def _reserve(request: ItemRequest, told: QuotedPrices) -> int:
    """Credits to reserve: what the service charged before, else the catalogue price."""
    named = quoted_price(told, request)
    if named is not None:
        return max(request.price.min, named)
    return request.price.min if request.price.max is None else request.price.max


def _afford(state: State, committed: int) -> str:
    """`buy`, `wait` (a running purchase may return credits) or `over`.

    Args:
        state: Of the run.
        committed: Credits committed with this purchase.
    """
    if state.cap is None or committed <= state.cap:
        return "buy"
    open_ones = any(item.phase in (Phase.BUYING, Phase.RUNNING) for _, item in state.each())
    return "wait" if open_ones else "over"


def _over_budget(state: State, step_id: str, item: ItemState, reserve: int) -> Started:
    budget = state.plan.workflow.budget
    pauses = budget is not None and budget.on_exceed == "pause"
    if pauses and state.refused_cap is None:
        return state, []  # stays ready; `budget_question` asks when nothing else runs
    left = max(0, (state.cap or 0) - state.spent)
    reason = f"needs {reserve} credits; {left} of the budget of {state.cap} are left"
    item = replace(item, phase=Phase.FAILED, code="over_budget", reason=reason)
    return state.with_item(step_id, item), []


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
    """Whether to raise the cap for ready items that do not fit; None if none waits."""
    budget = state.plan.workflow.budget
    if state.cap is None or budget is None or budget.on_exceed != "pause":
        return None
    if state.refused_cap is not None:
        return None
    told = quoted_prices(state)
    needs = [
        (step_id, _reserve(item.request, told))
        for step_id, item in state.each()
        if item.phase is Phase.READY and item.request is not None and item.request.model
    ]
    if not needs:
        return None
    more = sum(reserve for _, reserve in needs)
    cap = state.spent + more
    what = ", ".join(
        step_id if count == 1 else f"{count} {step_id}"
        for step_id, count in Counter(step_id for step_id, _ in needs).items()
    )
    text = (
        f"{what} {'needs' if len(needs) == 1 else 'need'} {more} credit{'s' * (more != 1)}; "
        f"{state.spent} of {state.cap} are spent. Raise the budget to {cap}?"
    )
    return Question(BUDGET, budget_key(state, cap), text, ("yes", "no"))
