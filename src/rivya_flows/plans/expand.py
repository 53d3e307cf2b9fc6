"""Expands a workflow and its inputs into a plan: steps in order, items, dependencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from graphlib import TopologicalSorter
from typing import Any, TypeAlias, TypeVar

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset
from rivya_flows.errors import UsageError
from rivya_flows.language.expressions.evaluation import PartlyKnown, evaluated_together
from rivya_flows.language.expressions.output_types import has_unknown
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    condition,
    evaluate,
    items_named,
    references,
    steps_named,
)
from rivya_flows.language.expressions.values import is_number
from rivya_flows.language.field_types import SpecModel
from rivya_flows.language.lineage import (
    NONE as NO_LINEAGE,
    Lineage,
    hidden_values,
    lineage_of,
    lineage_of_pick,
)
from rivya_flows.language.matrix import OwnKey, item_keys, rows_of
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import PARTS, Inputs, Part, Step, StepBudget, Workflow
from rivya_flows.plans.budgets import evaluate_budget
from rivya_flows.plans.names import round_name, space_names
from rivya_flows.plans.plan import (
    NamespaceFacts,
    PlannedItem,
    PlannedStep,
    Round,
    RunPlan,
    Space,
    Variables,
    inputs_for,
    inputs_in,
    loop_scope,
    own_fields,
    own_values,
    reads_loop,
    scope_in,
    scope_of_include,
    space_of_include,
    steps_in,
    steps_of_include,
)
from rivya_flows.plans.requests import known_condition, known_part
from rivya_flows.spec.inlining import MAX_STEPS, inlined_name, names_in, rounds_of
from rivya_flows.steps.connections import IncludeWith
from rivya_flows.steps.pick import MODES, Mode, PickWith, mode_of
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.review import ReviewWith, steps_between

T = TypeVar("T")


def expand(
    workflow: Workflow,
    inputs: Inputs,
    catalogue: Catalogue,
    files: Mapping[str, Asset] | None = None,
    run: Mapping[str, Any] | None = None,
) -> RunPlan:
    """The plan of one run of a checked workflow; `files` are assets by the path that it wrote, `run` what that
    name holds.
    """
    main, run = Space("", workflow), run or {}
    expansion = _Expansion(inputs, files or {}, run, {"": main}, {})
    try:
        for part in PARTS:
            expansion.add(part, expansion.steps_of(main, workflow.part(part)))
    except ExpressionError as error:  # too many rounds
        raise UsageError(str(error), "or repeat fewer steps in them") from error
    return RunPlan(workflow, inputs, catalogue, expansion.steps, files or {}, expansion.spaces, run)


def extend_plan(plan: RunPlan, name: str, keys: Sequence[str]) -> RunPlan:
    """The plan with the steps of each item of an `include` step that it does not have yet.

    Raises:
        ExpressionError: The plan would have more than `MAX_STEPS` steps.
    """
    include = plan.steps[name]
    space, new = plan.space_of(include), [key for key in keys if key not in include.inside]
    if not new:
        return plan
    expansion = _Expansion(plan.inputs, plan.files, plan.run, dict(plan.spaces), dict(plan.steps))
    if not expansion.has_room(space, include.step, len(new)):
        raise ExpressionError(
            f"{len(new):,} items, each with the steps of {space_of_include(space, include.step, name).workflow.name}, make more than"
            f" {MAX_STEPS:,} steps: take fewer items"
        )
    among = Round(include.before, include.round_of, include.repeats, include.takes_notes)
    expansion.add(include.part, expansion.steps_of_items(space, include.step, name, new, among))
    inside = expansion.inside[name]
    steps: dict[str, PlannedStep] = {}
    for one, planned in plan.steps.items():
        if one == name:
            steps |= {one: made for one, made in expansion.steps.items() if one not in plan.steps}
            own = expansion.steps_before_end(name)
            planned = replace(
                planned,
                upstream=planned.upstream | own,
                tolerates=planned.tolerates | own,
                inside={**planned.inside, **inside},
            )
        steps[one] = planned
    return replace(plan, steps=steps, spaces=expansion.spaces)


_Placed: TypeAlias = tuple[Space, Step, Round]
"""A step that is still to be planned: where, and what it is among rounds."""

_NO_ROUND = Round()


class _Expansion:
    """The steps of a plan, as far as they are planned, and the specs that they come from."""

    def __init__(
        self,
        inputs: Inputs,
        files: Mapping[str, Asset],
        run: Mapping[str, Any],
        spaces: dict[str, Space],
        steps: dict[str, PlannedStep],
    ) -> None:
        self.spaces, self.steps = spaces, steps
        self.inside: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._rounds: dict[str, tuple[Mapping[str, str], ...]] = {}
        self._written: dict[
            str, str
        ] = {}  # the ids of the steps that rounds repeat, by their names
        self._items: dict[str, tuple[PlannedItem, ...] | None] = {}
        self._lineages: defaultdict[str, dict[str, Lineage]] = defaultdict(dict)  # by space
        self._variables = dict[tuple[str, str], Variables]()
        for name, planned in steps.items():
            if planned.includes:
                self._know_variables(name, planned.items)
        self._count = len(steps)
        # No step has outputs yet.
        fields = dict[str, Mapping[str, Any]]().__getitem__
        self._known = NamespaceFacts(
            inputs, files, fields, lambda name, key: self._variables.get((name, key), {}), run
        )

    def _know_variables(self, name: str, items: tuple[PlannedItem, ...] | None) -> None:
        for place, item in enumerate(items or ()):
            self._variables[name, item.key] = loop_scope(item.variables, item.key, place)

    def add(self, part: Part, placed: Iterable[tuple[str, _Placed]]) -> None:
        """Plans steps of a part of the spec."""
        found = dict(placed)
        upstream = {
            name: self._upstream(space, step, name) for name, (space, step, _) in found.items()
        }
        for name in self._in_order(found, upstream):
            space, step, among = found[name]
            self.steps[name] = replace(
                self._plan_step(part, space, step, upstream[name]),
                rounds=self._rounds.get(name, ()),
                names=space.names,
                takes_notes=among.takes_notes or space.takes_notes,
                round_of=_round_of(found[name]),
                repeats=among.repeats or self._first(space, step),
                before=among.before,
            )

    def _in_order(
        self, found: Mapping[str, _Placed], upstream: Mapping[str, frozenset[str]]
    ) -> Iterator[str]:
        """The steps in the order of the plan: rounds stand right before the pick or the review that asks for them."""
        groups: defaultdict[tuple[str, int] | None, dict[str, frozenset[str]]] = defaultdict(dict)
        for name, before in upstream.items():
            group = _round_of(found[name])
            while group and group[0] in found and found[group[0]][1].repeat is not None:
                group = _round_of(found[group[0]])
            is_here = group and group[0] in found  # an item that a run adds to a round is no round
            groups[group if is_here else None][name] = before | {*self._rounds_within(found, name)}

        def sorted_group(group: tuple[str, int] | None) -> Iterator[str]:
            for name in _sort_steps(groups[group]):
                for number in range(1, len(self._rounds.get(name, ()))):
                    yield from sorted_group((name, number))
                yield name

        yield from sorted_group(None)

    def _rounds_within(self, found: Mapping[str, _Placed], name: str) -> Iterator[str]:
        """The rounds of a step with `repeat`, which come before it."""
        if found[name][1].repeat is not None:
            yield from (one for made in self._rounds[name] for one in made.values())

    def steps_of(
        self, space: Space, steps: Mapping[str, Step], among: Round = _NO_ROUND
    ) -> Iterator[tuple[str, _Placed]]:
        """All steps by their names in the plan: included ones before their `include`, rounds before what repeats."""
        for step in steps.values():
            for one, round_ in _each_round(space, step, among):
                name = inlined_name(space.id, one.id)
                if isinstance(one.with_, IncludeWith):
                    items = self._items_of(space, one)
                    if one.fans_out and items and not self.has_room(space, one, len(items)):
                        items = None  # the run reports it
                    self._items[name] = items
                    self._know_variables(name, items)
                    keys = [item.key for item in items or ()]
                    yield from self.steps_of_items(space, one, name, keys, round_)
                yield name, (space, one, round_)
                yield from self._rounds_again(space, one, name)
            if step.repeat is not None:
                name, rounds = inlined_name(space.id, step.id), _rounds_of(space, step)
                self._rounds[name] = tuple({name: one} for one in rounds)
                yield name, (space, _repeating(step), among)

    def steps_of_items(
        self, space: Space, step: Step, name: str, keys: Sequence[str], among: Round
    ) -> Iterator[tuple[str, _Placed]]:
        """The steps of the items of an `include` step, in a namespace for each."""
        known = self.steps[name].inside.values() if name in self.steps else ()
        spaces = space_names(name, keys, known) if step.fans_out else {"": name}
        first = among.repeats or (space.first and inlined_name(space.first, step.id))
        firsts = self._inside(first) if first else {}
        for key, space_id in spaces.items():
            inner = replace(
                space_of_include(space, step, space_id, key),
                before=among.before,
                round_of=among.round_of or space.round_of,
                first=firsts.get(key),
                takes_notes=among.takes_notes or space.takes_notes,
            )
            self.spaces[space_id], self.inside[name][key] = inner, space_id
            yield from self.steps_of(inner, inner.workflow.steps)

    def _rounds_again(self, space: Space, owner: Step, name: str) -> Iterator[tuple[str, _Placed]]:
        """The steps of the further rounds of a pick or a review; they read each other, and all else as the first do."""
        noted, repeated, rounds = self._repeated_by(space, owner)
        if not (rounds and repeated):
            return
        made = [{inlined_name(space.id, one): space.name_of(one) for one in repeated}]
        for number in range(1, rounds + 1):
            ids = {one: round_name(owner.id, one, number) for one in repeated}
            made.append(
                {
                    inlined_name(space.id, one): inlined_name(space.id, new)
                    for one, new in ids.items()
                }
            )
            names = {**space.names, **made[-1]}
            inner = replace(space, names=names, round_of=(name, number))
            for one, new in ids.items():
                copy = space.workflow.all_steps[one].model_copy(update={"id": new})
                self._written[inlined_name(space.id, new)] = one
                self._count += 1
                if self._count > MAX_STEPS:
                    raise ExpressionError(
                        f"the rounds of {name} make more than {MAX_STEPS:,} steps: allow fewer rounds"
                    )
                among = Round(None, (name, number), space.name_of(one), one in noted)
                yield from self.steps_of(inner, {new: copy}, among)
        self._rounds[name] = tuple(made)

    def _repeated_by(self, space: Space, owner: Step) -> tuple[Collection[str], Sequence[str], int]:
        """The steps whose prompts get the notes of a round, all that it repeats, and how many rounds there may be."""
        with_, steps = owner.with_, space.workflow.all_steps
        if owner.fans_out or self._skip_reason(space, owner)[0]:
            return (), (), 0
        if isinstance(with_, ReviewWith) and with_.changes is not None:
            changes = with_.changes
            before = {one.id: _named_by(one) for one in steps.values()}
            written = self._written.get(inlined_name(space.id, owner.id), owner.id)
            return changes.redo, steps_between(before, changes.redo, written), changes.rounds
        if not isinstance(with_, PickWith) or _items_step(space, with_.from_) is None:
            return (), (), 0
        unknown: Mode | None = MODES["human"]
        mode = self._try(
            space, with_.mode, lambda scope: mode_of(evaluate(with_.mode, scope)), unknown
        )
        source = items_named(with_.from_) or ""
        # A rule rejects no candidates.
        rejects = mode is not None and mode.decides != "rule"
        return (source,), (source,), with_.rounds if rejects else 0

    def _first(self, space: Space, step: Step) -> str | None:
        """The same step in the first round of what the namespace is a round of."""
        return space.first and inlined_name(space.first, step.id)

    def _inside(self, name: str) -> Mapping[str, str]:
        """The namespaces of the items of an `include` step, as far as they are planned."""
        planned = self.steps.get(name)
        return {**(planned.inside if planned else {}), **self.inside[name]}

    def steps_before_end(self, name: str) -> frozenset[str]:
        """The steps of an `include` step, all of whose items are done once these are."""
        found = map(self.spaces.__getitem__, self.inside[name].values())
        return frozenset(inlined_name(one.id, step) for one in found for step in one.workflow.steps)

    def has_room(self, space: Space, step: Step, many: int) -> bool:
        """Whether the plan may have the steps of so many items, which then count as planned."""
        inner = space_of_include(space, step, "").workflow
        self._count += many * sum(1 for _ in names_in(inner))
        return self._count <= MAX_STEPS

    def _upstream(self, space: Space, step: Step, name: str) -> frozenset[str]:
        found = _whole(space, step) | steps_in(space, [step.fan_out[1], step.limit])
        found |= self.steps_before_end(name)
        if step.fans_out and name in self._items and self._items[name] is None:
            # So that its place is behind what its items will read.
            found |= _steps_before(space, step, _arguments_of(step))
        return found

    def _items_of(self, space: Space, step: Step) -> tuple[PlannedItem, ...] | None:
        """The items of a step as far as inputs decide them; None if the run does."""
        if not step.fans_out:
            return (PlannedItem("", {}),)
        written = step.fan_out[1]
        if steps_in(space, [written, step.limit]):
            return None
        return self._try(
            space, [written, step.key, step.limit], lambda scope: items_from(step, scope), None
        )

    def _plan_step(
        self, part: Part, space: Space, step: Step, upstream: frozenset[str]
    ) -> PlannedStep:
        skipped, conditional = self._skip_reason(space, step)
        name = inlined_name(space.id, step.id)
        read = [*_arguments_of(step), step.fan_out[1], step.limit]
        is_include = name in self._items
        items: tuple[PlannedItem, ...] | None
        limit = self._try(space, step.limit, partial(limit_of, step), None)
        itemwise = None if is_include else _items_step(space, step.foreach)
        if itemwise is not None:
            # With the keys of the source; their loop variables follow during the run.
            known = step.key is None and not (step.limit is not None and limit is None)
            source = self.steps[itemwise].items if known else None
            items = source and tuple(
                PlannedItem(one.key, {}, one.repeats) for one in source[:limit]
            )
        else:
            items = self._items[name] if is_include else self._items_of(space, step)
        return PlannedStep(
            step,
            items,
            skipped,
            upstream,
            _whole(space, step) if itemwise or is_include else upstream,
            itemwise,
            conditional,
            part,
            space.id,
            inputs_in(space, read),
            upstream - _steps_before(space, step, read, more_than_status=True),
            limit=limit,
            budget=self._budget(space, step, name),
            lineage=self._lineage_of(space, step),
            inside=self.inside[name] if is_include else {},
            same=frozenset(
                space.name_of(one.path[0])
                for one in references(_arguments_of(step))
                if one.namespace == "steps" and one.path[1:2] == ("same",)
            ),
        )

    def _skip_reason(self, space: Space, step: Step) -> tuple[str | None, bool]:
        """Why a step will not run, if inputs decide that; and whether other steps, or its own item, decide it."""
        skipped, conditional = None, reads_loop(step, step.if_)
        guards = [(space, step), *((here, include) for here, _, include in space.inclusions())]
        for place, guard in guards:
            if guard.if_ is None or (guard is step and conditional):
                continue
            inside = guard is not step
            if (steps_of_include if inside else steps_in)(place, guard.if_):
                conditional = True
                if not inside and self._is_never(place, guard.if_):
                    skipped = "its `if` is false for these inputs"
            elif not self._try(place, guard.if_, partial(condition, guard.if_), True, inside):
                whose = "its `if`" if guard is step else f"the `if` of {guard.id}"
                skipped = f"{whose} is false for these inputs"
        return skipped, conditional

    def _is_never(self, space: Space, written: Any) -> bool:
        """Whether inputs make a condition false, whatever the steps give that it reads too."""
        inputs = [one for one in inputs_in(space, written) if not self._later(space, one)]
        scope = {"run": self._known.run, "inputs": {}}
        try:
            scope["inputs"] = inputs_for(space, inputs, self._known)
            return known_condition(written, scope) is False
        except (ExpressionError, UsesNull):
            return False

    def _later(self, space: Space, name: str) -> bool:
        """Whether the run gives an included spec this input."""
        return space.outer is not None and bool(steps_of_include(space, space.given_value(name)))

    def _lineage_of(self, space: Space, step: Step) -> Lineage:
        known = self._lineages[space.id]
        if step.fans_out:
            hidden = hidden_values(kind_of_step(step).outputs)
            known[step.id] = lineage_of(*step.fan_out, step.as_, hidden, known)
        elif isinstance(step.with_, PickWith):
            known[step.id] = lineage_of_pick(step.with_.from_, known)
        return known.get(step.id, NO_LINEAGE)

    def _budget(self, space: Space, step: Step, name: str) -> StepBudget | None:
        """The budget of a step; `UsageError` if inputs that are known before the run do not give it."""
        if step.budget is None:
            return None
        written = step.budget.model_dump()
        nothing: dict[str, Any] = {"inputs": {}}
        scope = self._try(space, written, lambda known: known, nothing)
        return evaluate_budget(step.budget, scope, f"the budget of {name}")

    def _try(
        self,
        space: Space,
        value: Any,
        use: Callable[[dict[str, Any]], T],
        otherwise: T,
        of_include: bool = False,
    ) -> T:
        """What inputs alone decide; else, or on a null or an error, which the queue reports, `otherwise`."""
        try:
            return use((scope_of_include if of_include else scope_in)(space, value, self._known))
        except (ExpressionError, UsesNull, KeyError):
            return otherwise


def _round_of(placed: _Placed) -> tuple[str, int] | None:
    space, _, among = placed
    return among.round_of or space.round_of


def _each_round(space: Space, step: Step, among: Round) -> Iterator[tuple[Step, Round]]:
    """The rounds of a step with `repeat`, each of which waits for the one before; else the step itself."""
    if step.repeat is None:
        yield step, among
        return
    rounds, owner = _rounds_of(space, step), inlined_name(space.id, step.id)
    for number, one in enumerate(rounds_of(step)):
        needs = step.needs
        here = among._replace(repeats=among.repeats and f"{among.repeats}.1")
        if number:
            needs = (*needs, rounds_of(step)[number - 1])
            here = Round(rounds[number - 1], (owner, number), rounds[0], among.takes_notes)
        yield step.model_copy(update={"id": one, "needs": needs, "repeat": None}), here


def _rounds_of(space: Space, step: Step) -> tuple[str, ...]:
    names = rounds_of(step) if step.repeat is not None else ()
    return tuple(inlined_name(space.id, one) for one in names)


def _repeating(step: Step) -> Step:
    """A step with `repeat` without all that its rounds do."""
    done = {"with_": SpecModel(), "regenerate": 0, "fallback": (), "cache": None, "budget": None}
    return step.model_copy(update=done)


def _whole(space: Space, step: Step) -> frozenset[str]:
    """Steps named outside the fan-out; of an `include`, whose arguments the steps inside read, in it."""
    if not isinstance(step.with_, IncludeWith):
        return _steps_before(space, step, _arguments_of(step))
    return _steps_before(space, step, [step.key, step.if_, step.fan_out[1], step.limit])


def _steps_before(
    space: Space, step: Step, values: Any, *, more_than_status: bool = False
) -> frozenset[str]:
    """The steps that values of a step read, and that it or an `include` around it needs."""
    named = steps_in(space, values, more_than_status=more_than_status)
    named |= {space.name_of(one) for one in step.needs}
    for here, outer, include in space.inclusions():
        named |= steps_of_include(here, include.if_, more_than_status)
        named |= {outer.name_of(one) for one in include.needs}
    if step.repeat is not None:  # its own name is that of the round
        named = (named - {inlined_name(space.id, step.id)}) | {_rounds_of(space, step)[0]}
    return named


def _named_by(step: Step) -> frozenset[str]:
    """The steps of its spec that a step depends on itself."""
    return steps_named([_arguments_of(step), step.fan_out[1], step.limit]) | {*step.needs}


def _arguments_of(step: Step) -> list[Any]:
    """What is evaluated for the items of a step, with the arguments that it falls back to."""
    taken = [step.with_.model_dump(), *(one.model_dump() for one in step.fallback)]
    return [taken, step.key, step.if_, step.repeat and step.repeat.until]


def _items_step(space: Space, value: Any) -> str | None:
    """The step with a fan-out whose items a value is; None for any other, such as a pick."""
    source = space.workflow.all_steps.get(items_named(value) or "")
    return space.name_of(source.id) if source is not None and source.fans_out else None


def _sort_steps(upstream: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Names in topological order; ties keep the order of the file."""
    place = {name: index for index, name in enumerate(upstream)}
    # Steps of earlier parts come first anyway.
    sorter = TopologicalSorter(
        {name: sorted(before & upstream.keys()) for name, before in upstream.items()}
    )
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=place.__getitem__)
        order += ready
        sorter.done(*ready)
    return tuple(order)


def limit_of(step: Step, scope: Mapping[str, Any]) -> int | None:
    """How many items of a fan-out are taken; None: all of them."""
    limit = evaluate(step.limit, scope)
    if limit is None and step.limit is None:
        return None
    if not is_number(limit):
        raise ExpressionError(f"limit must be a number, not {preview(limit)}")
    return max(0, int(limit))


def refuse_more(step: Step, count: int) -> None:
    """ExpressionError for more items than `max_items`."""
    if count > step.max_items:
        raise ExpressionError(
            f"{count} items, but max_items is {step.max_items}: raise it, or take the first"
            f" with `limit: {step.max_items}`"
        )


def items_from(step: Step, scope: Mapping[str, Any]) -> tuple[PlannedItem, ...]:
    """The items of a fan-out; `UsesNull` if a list or a key is null."""
    loop, written = step.fan_out
    with evaluated_together():
        rows = rows_of(loop, written, scope)[: limit_of(step, scope)]
        if loop == "foreach":
            refuse_more(step, len(rows))
        made = [
            {step.as_: row.values["item"]} if loop == "foreach" else {loop: row.values}
            for row in rows
        ]
        keys = None
        if step.key is not None:
            keys = [
                evaluate(step.key, {**scope, **one, **own_fields(place)})
                for place, one in enumerate(made)
            ]
    named = item_keys([row.values for row in rows], keys, [row.places for row in rows])
    return tuple(
        PlannedItem(key.text, one, key.repeats, row.places)
        for key, one, row in zip(named, made, rows, strict=True)
    )


def with_followed_items(plan: RunPlan) -> RunPlan:
    """The plan with the keys and the known variables of items that follow others, where these are certain."""
    steps = dict(plan.steps)
    for name, planned in plan.steps.items():
        if planned.itemwise is not None:
            items = _items_that_follow(plan, planned, steps)
            steps[name] = planned if items is None else replace(planned, items=items)
    return replace(plan, steps=steps)


def _items_that_follow(
    plan: RunPlan, planned: PlannedStep, steps: Mapping[str, PlannedStep]
) -> tuple[PlannedItem, ...] | None:
    source, step = steps[planned.itemwise or ""], planned.step
    if not source.items or source.conditional or source.skipped:
        return None
    if step.limit is not None and planned.limit is None:
        return None
    members = [
        PartlyKnown({**_known_values(source, item), "key": OwnKey(item.key)})
        for item in source.items
    ]
    if step.key is None:
        return tuple(
            PlannedItem(item.key, {step.as_: member}, item.repeats)
            for item, member in zip(source.items[: planned.limit], members, strict=False)
        )
    scope: dict[str, Any] = {"run": plan.run, **({} if planned.space else {"inputs": plan.inputs})}
    try:
        if has_unknown(known_part(step.key, {**scope, step.as_: members[0], **own_fields(0)})):
            return None
        return items_from(step, {**scope, "steps": {source.step.id: {"items": members}}})
    except (ExpressionError, UsesNull):
        return None  # the run, or what reads the item, reports it


def _known_values(source: PlannedStep, item: PlannedItem) -> dict[str, Any]:
    """The loop values of an item, without those that are only partly known."""
    own = own_values(source, item.variables)
    known = source.lineage.loop_values(own)
    return {name: one for name, one in known.items() if not isinstance(own.get(name), PartlyKnown)}
