"""Finds certain failures before anything is bought.

The queue evaluates the arguments of an item once its upstream has ended, which is paid for by
then. What depends on inputs and loop variables alone is checked here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rivya_flows.estimate.films import films
from rivya_flows.language.expressions.evaluation import KnownKeys, KnownPlaces, PartlyKnown
from rivya_flows.language.expressions.output_types import ANY, Made, Unknown, has_unknown, list_of
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    is_computed,
    whole_reference,
)
from rivya_flows.language.matrix import OwnKey
from rivya_flows.language.outputs import read_output
from rivya_flows.plans.expand import items_from, with_followed_items
from rivya_flows.plans.plan import (
    PlannedStep,
    RunPlan,
    Space,
    brand_in,
    inputs_for,
    steps_in,
    steps_of_include,
)
from rivya_flows.plans.requests import (
    Scope,
    alternatives_of,
    check_kind,
    examine,
    fallback_of,
    given_of,
    known_arguments,
    known_condition,
    known_part,
    written_arguments,
)
from rivya_flows.queue.evaluation import open_campaigns
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.list_sizes import item_range
from rivya_flows.queue.scope import ItemsByKey, item_scope, known_scope, namespace_facts
from rivya_flows.queue.state import State
from rivya_flows.spec.names import NamesInScope, WrittenSpec
from rivya_flows.steps.pick import mode_of
from rivya_flows.steps.request import ItemRequestError


def certain_failures(state: State) -> Iterator[tuple[str, str, str]]:
    """Step, item and reason of each failure of the rehearsed state, and of each that is certain to come."""
    # How an included spec ends follows from its steps, which are reported.
    failed = [
        (step_id, item.key, str(item.reason))
        for step_id, item in state.each()
        if item.phase is Phase.FAILED and item.code != "included"
    ]
    yield from failed
    state = _with_any_campaign(state.copy(plan=with_followed_items(state.plan)))
    certain, examined = dict(_certain_steps(state)), set[tuple[str, str]]()
    messages = set[tuple[str, str, str]]()
    for step_id, planned in state.plan.steps.items():
        if _is_never_made(state, step_id, planned):
            continue
        if planned.includes:
            # A failed step of the included spec may have reported the same input already.
            reported = {reason for _, _, reason in failed}
            for key, space in planned.inside.items():
                wrong = _unfit_inputs(state, state.plan.spaces[space])
                key = "" if key == ANY_ITEM else key
                yield from ((step_id, key, reason) for reason in wrong if reason not in reported)
            continue
        try:
            scope = known_scope(state, planned)
        except (UsesNull, ExpressionError):
            continue  # the run skips the step, or its include reports it
        try:
            items = _items(state, step_id, scope)
        except UsesNull:
            continue
        except ExpressionError as error:
            yield step_id, "", str(error)
            continue
        step = planned.step
        asked = steps_in(state.plan.space_of(planned), step.if_)
        fields = _planned_fields(state.plan, planned.space, asked)
        written = [
            one for each in alternatives_of(step) for one in each.with_.model_dump().values()
        ]
        absent = dict.fromkeys(_absent([*written, step.key, step.fan_out[1]], fields))
        for name in planned.same:  # it has an item of these once they have ended
            fields.pop(state.planned_step(name).step.id, None)
        scope = {**scope, "steps": {**fields, **scope["steps"]}}
        is_reported = False
        for item in items:
            if item.phase is not Phase.WAITING:
                continue
            # One by one: all arguments together may not fit in memory.
            reasons = _reasons(state, planned, item_scope(state, planned, item, scope), absent)
            if reasons is None:
                continue
            examined.add((step_id, item.key))
            found = [("", reason) for reason in absent if not is_reported]
            found += [(item.key, reason) for reason in reasons]
            is_reported = True
            for key, reason in found:
                # Of a later round, only what is not wrong in the first too.
                one = (step.id.split(".")[0], key, reason)
                if step_id in certain or one not in messages:
                    yield step_id, key, reason
                messages.add(one)
    for (step_id, key), film in films(state).items():
        named = state.planned_step(step_id)
        is_made = step_id in certain and named.step.if_ is None
        if is_made or ((step_id, key) in examined and named.upstream <= certain.keys()):
            yield from ((step_id, key, reason) for reason in film.wrong)


def failing_outputs(state: State) -> Iterator[tuple[str, str]]:
    """Name and reason of each output that cannot be evaluated, whatever the steps give."""
    plan = with_followed_items(state.plan)
    certain = {step_id for step_id, _ in _certain_steps(state)}
    space = plan.spaces[""]
    scope = {"inputs": plan.inputs, "run": plan.run, **brand_in(space, plan.files)}
    for name, output in plan.workflow.outputs.items():
        written = read_output(output).value
        fields = _planned_fields(plan, "") if steps_in(space, written) <= certain else {}
        try:
            known_part(written, {**scope, "steps": fields})
        except UsesNull:
            continue  # so the output is null
        except ExpressionError as error:
            yield name, str(error)


def certain_callbacks(state: State) -> Iterator[tuple[str, Any, Any]]:
    """Step, URL and secret of each certain callback; None for what is known later."""
    for step_id, planned in _certain_steps(state):
        if not planned.kind.calls_back:
            continue
        try:
            scope = known_scope(state, planned)
            for item in _items(state, step_id, scope):
                here = item_scope(state, planned, item, scope)
                known = _known_arguments(state, planned, here)
                wanted = known_part(planned.step.if_, here)
                if known is not None and not isinstance(wanted, Unknown):
                    given = (known[0].get(name) for name in ("url", "secret"))
                    url, secret = (None if has_unknown(one) else one for one in given)
                    yield step_id, url, secret
        except (UsesNull, ExpressionError):
            continue  # the run skips the step, or the failure is reported already


def _with_any_campaign(state: State) -> State:
    """The state with one more item of each `include` whose list only the run knows, whatever that item is."""
    names = [*state.plan.steps]
    for name in names:  # grows by what is included inside
        planned = state.planned_step(name)
        if planned.includes and not planned.skipped and not state.steps[name].expanded:
            with suppress(ExpressionError):  # too many steps for a plan: the run says so
                open_campaigns(state, name, [ANY_ITEM])
                names += state.plan.steps.keys() - {*names}
    return state


def _is_never_made(state: State, step_id: str, planned: PlannedStep) -> bool:
    """Whether a step is skipped, whatever the steps before it give."""
    if planned.skipped or state.steps[step_id].status == "skipped":
        return True
    for space, _, include in state.plan.spaces[planned.space].inclusions():
        try:
            known = steps_of_include(space, include.if_)
            scope = known_scope(state, state.planned_step(space.include))
            variables = namespace_facts(state).variables(space.include, space.key)
            if known and known_condition(include.if_, {**scope, **variables}) is False:
                return True
        except (UsesNull, ExpressionError):
            continue
    return False


def _certain_steps(state: State) -> Iterator[tuple[str, PlannedStep]]:
    """Steps that run whatever other steps give.

    A step that may be skipped may give null, and steps that use it are then skipped too.
    """
    optional: set[str] = set()
    for step_id, planned in state.plan.steps.items():
        if state.steps[step_id].status == "skipped":
            continue  # its results are known: null
        space = state.plan.space_of(planned)
        guards = [steps_of_include(here, include.if_) for here, _, include in space.inclusions()]
        unsure = planned.skipped or planned.round_of or planned.upstream & optional
        if unsure or steps_in(space, planned.step.if_) or any(guards):
            optional.add(step_id)
        else:
            yield step_id, planned


def _unfit_inputs(state: State, space: Space) -> Iterator[str]:
    """Why values given to an included spec do not match its inputs."""
    for name in space.workflow.inputs:
        if not steps_of_include(space, space.given_value(name)):
            try:
                inputs_for(space, [name], namespace_facts(state))
            except UsesNull:
                continue  # the run skips what reads it
            except ExpressionError as error:
                yield str(error)


def _items(state: State, step_id: str, scope: Scope) -> Sequence[ItemState]:
    """The known items; one without variables represents unknown ones."""
    current, planned = state.steps[step_id], state.planned_step(step_id)
    if planned.itemwise is not None and planned.items is not None:
        begun = {key: one.phase for key, one in current.items.items()}
        return [
            ItemState(one.key, one.variables, phase=begun.get(one.key, Phase.WAITING))
            for one in planned.items
        ]
    if current.expanded:
        return [*current.items.values()]
    step, space = planned.step, state.plan.space_of(planned)
    if planned.itemwise is None and not steps_in(space, [step.fan_out[1], step.key, step.limit]):
        items_from(step, scope)  # raises the reason
    least, most = item_range(state, step_id)
    if least > most:
        sizes = f"one has at least {least:,} members, another at most {most:,}"
        raise ExpressionError(f"the lists of a zip differ in length: {sizes}")
    return (ItemState("", {}),)


def _known_arguments(
    state: State, planned: PlannedStep, scope: Scope
) -> tuple[dict[str, Any], list[str]] | None:
    """The known arguments of an item and what is wrong with others; None if it is skipped.

    An item whose condition only the run decides is looked at as if it was true.
    """
    try:
        if known_condition(planned.step.if_, scope) is False:
            return None
    except ExpressionError as error:
        return {}, [str(error)]
    known, wrong = known_arguments(planned.step, scope)
    if any(isinstance(error, UsesNull) for error in wrong):
        return None
    written = written_arguments(planned.step)
    found = {name: as_planned(state, planned, written[name], one) for name, one in known.items()}
    return found, [str(error) for error in wrong]


def _reasons(
    state: State, planned: PlannedStep, scope: Scope, absent: Collection[str]
) -> list[str] | None:
    """Why a request of an item will fail, but for what is `absent` in every item, with all that it may fall
    back to; None if the item is skipped.
    """
    reasons: list[str] = []
    kind, plan = None, state.plan
    world = plan.world_of(planned)
    for number, step in enumerate(alternatives_of(planned.step)):
        alternative = replace(planned, step=step)
        known = _known_arguments(state, alternative, scope)
        if known is None:
            return None
        arguments, found = known
        if planned.pick:
            mode = mode_of(arguments.get("mode"))
            if mode is not None and mode.needs == "by":
                found += _unknown_values(planned.pick.by, scope)
        found = [one for one in found if one not in absent]
        named = arguments.get("model")
        model = plan.catalogue.get(named) if isinstance(named, str) else None
        try:
            given = given_of(step, arguments, {}, "planned")
            examine(planned.kind, given, world)
            found += (one.sentence for one in given.problems)
            if model is not None and model.makes is not None:
                kind = kind if number else model.makes
                check_kind(model.id, model.makes, kind)
        except (ItemRequestError, ExpressionError) as error:
            found.append(str(error))
        # What is wrong with the request as written is reported once.
        reasons += [one if one in reasons else f"{fallback_of(number)}{one}" for one in found]
    return list(dict.fromkeys(reasons))


def _unknown_values(by: Any, scope: Scope) -> Iterator[str]:
    """Why `by` has no value, whatever the candidates are."""
    try:
        known_part(by, {name: one for name, one in scope.items() if name != "item"})
    except UsesNull as null:
        yield f"there is nothing to pick from: `by` is null for every candidate, as {null}"
    except ExpressionError as error:
        yield str(error)


ANY_ITEM = "item"
"""The key of an item whatever its list gives."""


class _PlannedItems(ItemsByKey, KnownKeys):
    """The items that a step will have, by key."""


def _planned_fields(plan: RunPlan, space: str, asked: Collection[str] = ()) -> dict[str, Any]:
    """What the plan says of the outputs of the steps of a spec: which items, keys and media there will be.

    Nothing of steps that may be skipped, or that a condition `asked` about: what they lack may be meant so.
    """
    found: dict[str, Any] = {}
    for name in plan.steps_of.get(space, ()):
        source = plan.steps[name]
        if source.skipped or source.conditional or name in asked:
            continue
        items, fans_out = source.items, source.step.fans_out
        written = getattr(source.step.with_, "formats", None)  # of each item of a composition
        formats = written if isinstance(written, list | tuple) and not is_computed(written) else ()
        fields = found[source.step.id] = PartlyKnown()
        if items is not None and fans_out:
            each = [PartlyKnown(key=OwnKey(one.key)) for one in items]
            fields["items"] = KnownPlaces(each)
            shared = [ItemState(one.key, {}, repeats=one.repeats) for one in items]
            fields["by"] = _PlannedItems(source.step.id, shared, each)
        elif formats and not fans_out:
            fields["by"] = KnownKeys.fromkeys(formats, PartlyKnown())
        if items is not None and formats:
            fields["assets"] = KnownPlaces([PartlyKnown()] * len(items) * len(formats))
    return found


def _absent(written: Iterable[Any], fields: dict[str, Any]) -> Iterator[str]:
    """What values of a spec read that will not be there, whatever the run gives."""
    for part in written:
        try:
            known_part(part, {"steps": fields})
        except UsesNull:
            continue
        except ExpressionError as error:
            yield str(error)


def as_planned(state: State, planned: PlannedStep, written: Any, known: Any) -> Any:
    """What the plan says of a value that is all items or media of a step; the value if it is no such one."""
    named = whole_reference(written) if isinstance(known, Unknown) else None
    if named is None or named.namespace != "steps" or named.path[1:] not in _WHOLE:
        return known
    name = planned.name_of(named.path[0])
    source = state.plan.steps.get(name)
    # A condition that asks about a step may be about how many it made.
    if source is None or name in steps_in(state.plan.space_of(planned), planned.step.if_):
        return known
    names = NamesInScope(WrittenSpec({}), state.plan.catalogue)
    single = source.kind.gives(written_arguments(source.step), names)
    member = (single.fields or {}).get("asset", ANY) if named.path[1] == "assets" else single
    least, most = item_range(state, name)
    # An item may make several media; one that may fail counts as none.
    made = Made(name, least if source.items and _is_whole(state.plan, source) else 0, most)
    return Unknown(list_of(member), made=made)


_WHOLE = (("items",), ("assets",))


def _is_whole(plan: RunPlan, source: PlannedStep) -> bool:
    """Whether all of its items must complete, and those that they follow."""
    if source.skipped or source.conditional or source.step.allow_failures:
        return False
    return source.itemwise is None or _is_whole(plan, plan.steps[source.itemwise])
