"""What a run may still buy: the price of each item, the least that is left, the limits, and whom to ask for more."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import ceil
from typing import Any, Literal

from rivya_client.catalogue.prices import Price, price, price_of
from rivya_flows.language.expressions.output_types import Unknown
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    Reference,
    UsesNull,
    evaluate,
    references,
)
from rivya_flows.language.workflow import Budget, StepBudget
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import PlannedStep, candidates_step
from rivya_flows.plans.requests import PartlyKnown, alternatives_of, known_arguments, known_value
from rivya_flows.questions.question import BUDGET, Question
from rivya_flows.queue.evaluation import evaluate_items, expand_step
from rivya_flows.queue.events import AnswerGiven, Unpaid
from rivya_flows.queue.forks import asks_anew
from rivya_flows.queue.item_counts import item_range
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.scope import item_fields, item_scope, known_item, known_scope
from rivya_flows.queue.state import PoolLimit, Rest, State, charged_price, reserve_of
from rivya_flows.steps.judge import MAX_CANDIDATES
from rivya_flows.steps.pick import PickWith, idle_keys
from rivya_flows.steps.request import PriceClass
from rivya_flows.steps.structured_output import MAX_TURNS


def prices_by_spec(
    state: State, planned: PlannedStep, item: ItemState
) -> list[tuple[str | None, Price]]:
    """The model and price of an item as written, then of each fallback."""
    alternatives = (replace(planned, step=one) for one in alternatives_of(planned.step))
    return [_written_price(state, one, item) for one in alternatives]


def _written_price(state: State, planned: PlannedStep, item: ItemState) -> tuple[str | None, Price]:
    scope: dict[str, Any] = {"inputs": {}, "steps": {}}
    with contextlib.suppress(ExpressionError, UsesNull):
        scope = known_scope(state, planned, steps=False)
    scope = item_scope(state, planned, item, scope)
    if planned.pick:
        return _written_judge_price(state, planned, planned.pick, scope, item.round)
    written = planned.step.with_.model_dump(by_alias=True)
    known = {name: _read_known(value, scope) for name, value in written.items()}
    world = state.plan.world_of(planned)
    return planned.kind.expected_price(known, world)


def _read_known(written: Any, scope: Mapping[str, Any]) -> Any:
    """A value, with `Unknown` for what only the run will know: the whole, or members of a map."""
    if isinstance(written, Mapping):
        return {key: _read_known(value, scope) for key, value in written.items()}
    try:
        return evaluate(written, scope)
    except (ExpressionError, UsesNull):
        return Unknown()


def judge_price(state: State, planned: PlannedStep, item: ItemState, *, in_flight: bool) -> Price:
    """What the judge of a pick may still cost; `in_flight`: a turn of its chat is under way."""
    request = item.evaluated
    per_chat, chats = request.price, len(request.chats)
    turns = max(0, chats * MAX_TURNS - item.judge_turns - int(in_flight))
    if item.picked is None and (rounds := len(planned.rounds) - 1 - item.round) > 0:
        candidates = _candidate_range(state, planned)[1] or 0
        turns += rounds * MAX_TURNS * max(chats, ceil(candidates / MAX_CANDIDATES))
    most = None if per_chat.max is None else turns * per_chat.max
    return Price(max(0, chats - int(in_flight)) * per_chat.min, most, _assumption(per_chat))


def _written_judge_price(
    state: State, planned: PlannedStep, with_: PickWith, scope: Mapping[str, Any], rejected: int
) -> tuple[str | None, Price]:
    """The model of the judge of a pick and its price, by the spec alone, after so many rounds."""
    mode = known_value(with_.mode, scope)
    if with_.judge is None or (mode is not None and "judge" in idle_keys(mode)):
        return None, Price(0, 0, "free")
    named = known_value(with_.judge.model, scope)
    model = state.plan.catalogue.get(named) if isinstance(named, str) else None
    if model is None:
        return None, Price(0, None, "the model is known during the run")
    per_chat, (fewest, most) = price(model, {}), _candidate_range(state, planned)
    least = ceil(fewest / MAX_CANDIDATES) * per_chat.min if mode else 0
    if most is None or per_chat.max is None:
        return model.id, Price(least, None, "the candidates of its judge are known during the run")
    rounds = max(1, len(planned.rounds)) - rejected
    turns = rounds * MAX_TURNS * ceil(most / MAX_CANDIDATES)
    assumption = f"{_assumption(per_chat)}, at most {MAX_TURNS} times"
    if rounds > 1:
        assumption += f", in each of {rounds} rounds"
    if fewest < most:
        assumption = f"up to {most:,} candidates, known during the run: {assumption}"
    return model.id, Price(least, turns * per_chat.max, assumption)


def _assumption(per_chat: Price) -> str:
    return f"a chat for every {MAX_CANDIDATES} candidates, {per_chat.assumption}"


def _candidate_range(state: State, planned: PlannedStep) -> tuple[int, int | None]:
    """The least and the most candidates of a pick; None if there may be any number."""
    written = planned.pick and planned.pick.from_
    if isinstance(written, list | tuple):
        return len(written), len(written)
    name = candidates_step(planned)
    return (0, None) if name is None else item_range(state, name)


_UNBOUGHT = (Phase.WAITING, Phase.READY, Phase.LOOKING, Phase.UPLOADING)
_NEVER_NULL = ("asset", "assets", "key", "text")
"""Output fields of a finished item of `generate` or `chat` that are not null."""


def least_left(state: State) -> int:
    """Credits still to be paid for `steps`, without what a condition, failure or cache may spare."""
    least = Counter[str]()
    for step_id, prices in _least_by_step(state).items():
        planned = state.planned_step(step_id)
        around = state.plan.spaces[planned.space].inclusions()
        # All that an item of an `include` costs may be spared.
        if not any(include.allow_failures for _, _, include in around):
            least[planned.repeats or step_id] += _least_sum(planned, prices)
    total = 0
    for first, credits in least.items():
        left = step_credits_left(state, first)
        total += credits if left is None else min(credits, left)  # it buys nothing beyond
    return total


def _least_by_step(state: State) -> dict[str, list[int | None]]:
    """The least credits of each item of each of `steps` that has not ended, as `_least_of_items`."""
    # A copy evaluates now what the event has made known; the state of the run stays.
    state, least = state.copy(), dict[str, list[int | None]]()
    may_not_run: set[str] = set()
    for step_id in state.plan.parts["steps"]:
        planned = state.planned_step(step_id)
        expand_step(state, step_id)
        evaluate_items(state, step_id)
        current = state.steps[step_id]
        if current.settled:
            continue
        certain = _will_run(state, step_id, may_not_run)
        if current.expanded:
            found = list(_least_of_items(state, step_id, certain=certain))
        else:  # of a list that only later steps make known, as many as it has certainly
            sure = certain and not _may_reuse(state, step_id)
            count = item_range(state, step_id)[0] if sure else 0
            found = [_least_written(state, planned, ItemState("", {}))] * count
        if not certain or planned.step.allow_failures or None in found:
            may_not_run.add(step_id)
        least[step_id] = found
    return least


def _least_sum(planned: PlannedStep, prices: Iterable[int | None]) -> int:
    """What the items of a step cost at least: the dearest of them may fail as `allow_failures` says."""
    known = sorted(one or 0 for one in prices)
    return sum(known[: max(0, len(known) - planned.step.allow_failures)])


def _will_run(state: State, step_id: str, may_not_run: set[str]) -> bool:
    """Whether the items of a step that are not evaluated yet will run if all before them succeed."""
    planned = state.planned_step(step_id)
    if planned.conditional or planned.round_of or planned.upstream & may_not_run:
        return False
    for space, _, include in state.plan.spaces[planned.space].inclusions():
        if include.allow_failures or space.key not in state.steps[space.include].items:
            return False
    if not all(_gives_media(state, planned, name) for name in planned.upstream):
        return False
    for name in planned.whole - planned.tolerates:
        # A step that failed, or lacks items, may give a null to those that read it.
        step, phases = state.steps[name], state.steps[name].tally.phases
        lacks_items = phases[Phase.FAILED] + phases[Phase.SKIPPED] > 0
        may_give_null = step.status == "failed" if step.settled else lacks_items
        if may_give_null:
            return False
    if planned.itemwise is None and state.steps[step_id].expanded:
        return True
    return all(_is_given(state, planned, one) for one in references(_arguments_of(planned)))


def _gives_media(state: State, planned: PlannedStep, name: str) -> bool:
    """Whether a step before another one has ended, or gives it only media and texts, never null on success."""
    before = state.planned_step(name)
    if state.steps[name].settled or before.kind.gives_media:
        return True
    source = candidates_step(before)
    if source is not None:
        return state.planned_step(source).kind.gives_media
    listed, used = (
        {one.path[1:] for one in references(value) if str(one).startswith(f"steps.{name}.")}
        for value in (planned.step.fan_out[1], _arguments_of(planned))
    )
    # What is read of the items is looked at with the loop variables.
    return bool(listed | used) and listed <= {("items",)} and used <= {("text",)}


def _arguments_of(planned: PlannedStep) -> list[Any]:
    return [planned.step.key, *(one.with_.model_dump() for one in alternatives_of(planned.step))]


def _is_given(state: State, planned: PlannedStep, read: Reference) -> bool:
    """Whether a loop variable of items that are not evaluated yet is no null if all before them succeed."""
    loop, written = planned.step.fan_out
    if read.namespace != (planned.step.as_ if loop == "foreach" else loop):
        return True
    path = read.path
    if loop != "foreach":
        written, path = written.get(path[0]) if path else None, path[1:]
    if all(one.namespace == "inputs" for one in references(written)):
        if planned.space:  # these inputs are not those of the run, and not known yet
            return False
        members = known_value(written, {"inputs": state.plan.inputs})
        return isinstance(members, list | tuple) and None not in members and not path
    if not all(one.path[1:] == ("items",) for one in references(written)):
        return False
    known = _known_of_first(state, planned)
    return path[:1] != () and (path[0] in _NEVER_NULL or path[0] in known)


def _known_of_first(state: State, planned: PlannedStep) -> PartlyKnown:
    items = state.steps[planned.itemwise].items if planned.itemwise else {}
    first = next(iter(items.values()), None)
    return PartlyKnown() if first is None else _known_of_source(state, planned, first)


def _known_of_source(state: State, planned: PlannedStep, followed: ItemState) -> PartlyKnown:
    """What an item that another one follows has before it ends: the values of its loops, and its key."""
    source = state.planned_step(planned.itemwise or "")
    fields = item_fields(source, followed)
    later = {*source.kind.outputs, "status", "credits"} - {"key"}
    return PartlyKnown({name: one for name, one in fields.items() if name not in later})


def _least_of_items(state: State, step_id: str, *, certain: bool) -> Iterator[int | None]:
    """The least credits of each item; None: a null skips the item."""
    planned = state.planned_step(step_id)
    shared: int | None = None
    reusable = _reusable_keys(state, step_id)
    known: dict[str, Any] | None = None  # None: a required input of an included spec is null
    try:
        known = known_scope(state, planned) if certain else {}
    except UsesNull:
        pass
    except ExpressionError:
        certain = False
    for item in state.steps[step_id].items.values():
        if item.phase not in _UNBOUGHT or item.key in reusable:
            yield 0
        elif item.request is not None:
            requests = item.requests[item.alternative :]
            yield min(one.price.min for one in requests) if not item.request.chats else 0
        elif not certain:
            yield 0
        elif known is None or _is_skipped(
            planned, item_scope(state, planned, _known_item(state, planned, item), known)
        ):
            yield None
        elif item.variables:
            yield _least_written(state, planned, item)
        else:
            shared = _least_written(state, planned, item) if shared is None else shared
            yield shared


def _known_item(state: State, planned: PlannedStep, item: ItemState) -> ItemState:
    """As `known_item`, with what is known of an item that one follows before that has ended."""
    found = known_item(state, planned, item)
    followed = state.steps[planned.itemwise].items.get(item.key) if planned.itemwise else None
    if found.variables or followed is None:
        return found
    return found._replace(variables={planned.step.as_: _known_of_source(state, planned, followed)})


def _least_written(state: State, planned: PlannedStep, item: ItemState) -> int:
    return min(one.min for _, one in prices_by_spec(state, planned, item))


def _reusable_keys(state: State, step_id: str) -> frozenset[str]:
    """The keys of items that the cache, or the forked run, may still give for nothing."""
    if not _may_reuse(state, step_id):
        return frozenset()
    unasked = [one for one in state.steps[step_id].items.values() if not one.asked_cache]
    keys = frozenset(one.key for one in unasked)
    return (
        keys if _cache_mode(state, step_id) == "spec" else keys - asks_anew(state, step_id, unasked)
    )


def _may_reuse(state: State, step_id: str) -> bool:
    reads = state.fork is not None or _cache_mode(state, step_id) == "spec"
    return reads and step_id not in state.again


def _cache_mode(state: State, step_id: str) -> str:
    return state.spec(step_id).cache or state.cache or state.plan.workflow.cache


def _is_skipped(planned: PlannedStep, scope: Mapping[str, Any]) -> bool:
    """Whether a null among the known values skips an item."""
    return any(known_arguments(one, scope)[1] for one in alternatives_of(planned.step))


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
    decision, needed = _afford_in_step(state, step_id, item, reserve)
    if decision == "over":
        _fail_over_step(state, step_id, item, needed, alone=needed == reserve)
    if decision != "buy":
        return None
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
    if state.cap is not None or _limits_of(state, step_id) is not None:
        return any(
            one is None or charged_price(state.charges, one) is None
            for one in state.tally.unanswered
        )
    return price.max is None and state.steps[step_id].tally.phases[Phase.BUYING] > 0


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


Decision = Literal["buy", "wait", "over"]
"""Whether so many credits fit now; `wait`: an open purchase may return some."""


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
        return (
            rest,
            "wait",
        )  # the cache may spare credits, and the intent of the probe asks the pools
    least = rest.least
    decision: Decision = "buy"
    if least is not None:
        decision = _afford(state, least, all_left=True)
    if least is None or decision == "buy" or (decision == "over" and not rest.is_over):
        least = least_left(state)
        decision = _afford(state, least, all_left=True)
    return Rest(least, decision == "over"), decision


def _afford_in_step(
    state: State, step_id: str, item: ItemState, reserve: int
) -> tuple[Decision, int]:
    """Whether the budget of a step covers a purchase, and what it needs: before the first of all, their least."""
    limits = _limits_of(state, step_id)
    if limits is None:
        return "buy", reserve
    if limits.per_item is not None and item.credits + reserve > limits.per_item:
        return "over", reserve
    left = step_credits_left(state, step_id)
    if left is None:
        return "buy", reserve
    steps = [state.steps[name] for name in state.plan.bought_with(step_id)]
    needed, budget = reserve, state.plan.workflow.budget
    if not any(one.tally.committed for one in steps) and not goes_on(budget):
        needed = max(reserve, _least_of_step(state, step_id))
    if needed <= left:
        return "buy", needed
    return "wait" if any(one.tally.open for one in steps) else "over", needed


def _limits_of(state: State, step_id: str) -> StepBudget | None:
    return None if state.rehearses else state.planned_step(step_id).budget


def _least_of_step(state: State, step_id: str) -> int:
    """What all items of a step cost at least, with those that its budget has refused before."""
    step = state.steps[step_id]
    if step.tally.phases[Phase.WAITING]:
        # Those whose source has not ended count too: no order of answers changes what is bought.
        found: Iterable[int | None] = _least_by_step(state)[step_id]
    else:
        found = _least_of_items(state, step_id, certain=False)
    refused = [one for one in step.items.values() if one.code == OVER_STEP_BUDGET]
    return _least_sum(step.planned, [*found, *(one.evaluated.price.min for one in refused)])


def step_credits_left(state: State, step_id: str, *, planned: bool = True) -> int | None:
    """What the budget of a step still covers, for its rounds too; None if it has none.

    Purchases that are only `planned` count, unless they are those of a rehearsal.
    """
    limits = state.planned_step(step_id).budget
    if limits is None or limits.credits is None:
        return None
    tallies = [state.steps[name].tally for name in state.plan.bought_with(step_id)]
    held = sum(one.committed if planned else one.spent for one in tallies)
    return max(0, limits.credits - held)


def goes_on(budget: Budget | None) -> bool:
    """Whether a run buys what fits, whatever all that is left needs."""
    return budget is not None and budget.on_unfit == "go_on"


OVER_STEP_BUDGET = "over_step_budget"


def _fail_over_step(
    state: State, step_id: str, item: ItemState, needed: int, *, alone: bool
) -> None:
    """Fail an item, or with it all that can be bought now, if it is their sum that does not fit."""
    limits = state.planned_step(step_id).budget
    left = step_credits_left(state, step_id)
    if left is not None and needed > left and limits is not None:
        has = f"the budget of {step_id} of {limits.credits} has {left} left"
    else:
        has = f"its budget is {limits and limits.per_item}, and {item.credits} are spent"
    reason = f"needs {price_of(needed, needed)}; {has}"
    gated = [one for one in state.steps[step_id].items.values() if one.gate is not None]
    for one in [item] if alone else gated:
        state.change(step_id, one._replace(gated=False).fail(OVER_STEP_BUDGET, reason))


def _fail_unaffordable(state: State, step_id: str, item: ItemState, reserve: int) -> None:
    """Fail an item that does not fit, unless a person will be asked for more."""
    rest = state.rest if state.rest is not None and state.rest.is_over else None
    needed = reserve if rest is None else rest.least or 0
    limit = _exceeded_limit(state, needed, all_left=rest is not None)
    pool = limit if isinstance(limit, PoolLimit) else None
    budget = state.plan.workflow.budget
    pauses = budget is not None and budget.on_unfit == "pause" and limit != "wallet"
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
        unpaid=rest is not None,
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
    budget = state.plan.workflow.budget
    if budget is None or budget.on_unfit != "pause":
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
