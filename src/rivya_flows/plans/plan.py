"""The plan of a run: the specs in it, its steps in order, their items and dependencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, NamedTuple, cast

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset, as_asset
from rivya_flows.language.expressions.resolve import (
    ExpressionError,
    UsesNull,
    evaluate,
    items_named,
    references,
)
from rivya_flows.language.inputs import fit
from rivya_flows.language.lineage import NONE as NO_LINEAGE, Lineage
from rivya_flows.language.matrix import ItemKey, OwnKey, shared_keys
from rivya_flows.language.syntax.media_references import written_path
from rivya_flows.language.workflow import (
    PARTS,
    Input,
    Inputs,
    Part,
    Step,
    StepBudget,
    Workflow,
    change_files,
)
from rivya_flows.spec.inlining import included_in, inlined_name
from rivya_flows.steps.arguments import World
from rivya_flows.steps.branding import Branding, brand_values
from rivya_flows.steps.connections import IncludeWith
from rivya_flows.steps.kind import Kind, repeated
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.review import ReviewWith
from rivya_flows.steps.structured_output import MAX_TURNS


@dataclass(frozen=True)
class Space:
    """One spec inside a run."""

    id: str  # what names of steps in it start with in the plan; "" for the run's own spec
    workflow: Workflow
    folder: str = ""  # relative to that of the main spec: "" or ``parts/``
    outer: Space | None = None  # the namespace that includes it
    step: Step | None = None  # the `include` step
    key: str = ""  # of the item of that step, if it fans out
    before: str | None = None  # of a round of that step: the round before, which is `previous`
    round_of: tuple[str, int] | None = None  # of all steps in it, as of a `PlannedStep`
    first: str | None = None  # in a round: the same space in the first round
    # In a round: what stands for steps of the first, by their names in the plan.
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    takes_notes: bool = False  # the notes of who asked for the round are added to its prompts

    def name_of(self, step_id: str) -> str:
        """The name in the plan of what a step reads as ``steps.STEP_ID`` here."""
        name = inlined_name(self.id, step_id)
        return self.names.get(name, name)

    @property
    def include(self) -> str:
        """The name of the `include` step in the plan."""
        assert self.outer is not None
        assert self.step is not None
        return inlined_name(self.outer.id, self.step.id)

    def given_value(self, name: str) -> Any:
        """The value that the `include` step gives for an input, as written; None if none."""
        arguments = self.step.with_ if self.step else None
        return arguments.inputs.get(name) if isinstance(arguments, IncludeWith) else None

    def inclusions(self) -> Iterator[tuple[Space, Space, Step]]:
        """Each namespace from here outwards that is included, with where, and by which step."""
        if self.outer is not None and self.step is not None:
            yield self, self.outer, self.step
            yield from self.outer.inclusions()


@dataclass(frozen=True)
class NamespaceFacts:
    """The facts that values in the namespaces of a run depend on."""

    inputs: Inputs = field(hash=False)
    files: Mapping[str, Asset] = field(hash=False)  # by path from the folder of the main spec
    fields: Callable[[str], Mapping[str, Any]]  # output fields of a step by its name in the plan
    variables: Callable[[str, str], Variables]  # of an item, by the name of its step and its key
    run: Mapping[str, Any] = field(default_factory=dict, hash=False)  # what `run` holds


class Round(NamedTuple):
    """What a step of the plan is among rounds, as in `PlannedStep`; nothing of all that outside them."""

    before: str | None = None
    round_of: tuple[str, int] | None = None
    repeats: str | None = None
    takes_notes: bool = False


def space_of_include(outer: Space, step: Step, name: str, key: str = "") -> Space:
    """The namespace that an item of an `include` step opens."""
    included = included_in(outer.workflow, step)
    assert included is not None
    folder = str(PurePosixPath(included.path).parent)
    folder = "" if folder == "." else f"{folder}/"
    return Space(name, included.workflow, folder, outer, step, key)


def steps_in(space: Space, value: Any, *, more_than_status: bool = False) -> frozenset[str]:
    """Plan names of the steps that a value refers to, also through inputs of its namespace.

    With `more_than_status`, only steps that it reads another field than `status` of.
    """
    found: set[str] = set()
    for reference in references(value):
        if reference.namespace == "steps" and reference.path:
            if not (more_than_status and reference.path[1:2] == ("status",)):
                found.add(space.name_of(reference.path[0]))
        elif reference.namespace == "inputs" and space.outer is not None:
            for name in reference.path[:1] or space.workflow.inputs:
                found |= steps_of_include(space, space.given_value(name), more_than_status)
    return frozenset(found)


def steps_of_include(space: Space, value: Any, more_than_status: bool = False) -> frozenset[str]:
    """As `steps_in`, of a value of the step that includes the namespace: a loop variable is of its list."""
    assert space.outer is not None
    assert space.step is not None
    found = steps_in(space.outer, value, more_than_status=more_than_status)
    if reads_loop(space.step, value):
        found |= steps_in(space.outer, space.step.fan_out[1], more_than_status=more_than_status)
    return found | {space.before} if space.before and _reads_previous(value) else found


def reads_loop(step: Step, value: Any) -> bool:
    """Whether a value reads a loop variable of the fan-out of its step."""
    return any(one.namespace in ("matrix", "zip", step.as_) for one in references(value))


def _reads_previous(value: Any) -> bool:
    return any(one.namespace == "previous" for one in references(value))


def inputs_in(space: Space, value: Any) -> frozenset[str]:
    """The inputs that a value reads."""
    read = (one.path for one in references(value) if one.namespace == "inputs")
    return frozenset(name for path in read for name in path[:1] or space.workflow.inputs)


def scope_in(space: Space, value: Any, known: NamespaceFacts) -> dict[str, Any]:
    """The scope in which a value of a namespace is evaluated; raises as `inputs_for`."""
    named = {one.path[0] for one in references(value) if one.namespace == "steps" and one.path}
    steps = {name: known.fields(space.name_of(name)) for name in sorted(named)}
    inputs = inputs_for(space, inputs_in(space, value), known)
    return {"inputs": inputs, "steps": steps, "run": known.run, **brand_in(space, known.files)}


def scope_of_include(space: Space, value: Any, known: NamespaceFacts) -> dict[str, Any]:
    """As `scope_in`, of a value of the step that includes the namespace, with its loop variables and `previous`."""
    assert space.outer is not None
    reads = space.before if _reads_previous(value) else None
    previous = None if reads is None else known.fields(reads)
    variables = known.variables(space.include, space.key)
    return {**scope_in(space.outer, value, known), **variables, "previous": previous}


def brand_in(space: Space, files: Mapping[str, Asset]) -> dict[str, Any]:
    """The name `brand` of a scope, if the spec or one that includes it has a brand."""
    brand = space.workflow.branding
    return {} if brand is None else {"brand": brand_values(brand, files)}


def inputs_for(space: Space, names: Iterable[str], known: NamespaceFacts) -> Inputs:
    """The values of inputs, in the main namespace of all; `UsesNull` if a required one is null."""
    if space.outer is None:
        return known.inputs
    return {name: _input(space, space.outer, name, known) for name in sorted(names)}


def _input(space: Space, outer: Space, name: str, known: NamespaceFacts) -> Any:
    declared = space.workflow.inputs[name]
    written, value = space.given_value(name), None
    if written is not None:
        try:
            value = evaluate(written, scope_of_include(space, written, known))
        except UsesNull:
            # As if it were not given: the default, or null if it is optional.
            if declared.required and declared.default is None:
                raise
    folder = outer.folder if value is not None else space.folder
    value = declared.default if value is None else value
    if value is None:
        return None
    try:

        def find(one: Input, written: Any) -> Any:
            return _file(one, written, folder, known.files)

        return fit(declared, change_files(declared, value, find))
    except ValueError as error:
        raise ExpressionError(f"the input {name!r} of {space.id}: {error}") from error


def _file(declared: Input, value: Any, folder: str, files: Mapping[str, Asset]) -> Any:
    path = written_path(value)
    named = None if path is None else files.get(folder + path)
    asset = named or as_asset(value)
    if asset is not None:
        if declared.kind is not None and asset.kind != declared.kind:
            raise ValueError(f"expected {declared.kind}, got {asset.kind}")
        return asset
    return value


Variables = Mapping[str, Any]
"""What the fan-out of an item adds to its scope: ``{"matrix": {…}}``, ``{"zip": {…}}`` or ``{"item": …}``."""


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One item of a step: its key and loop variables."""

    key: str
    variables: Variables = field(hash=False)
    repeats: str | None = None  # the key of an earlier item that was given the same one
    places: tuple[int, ...] = ()  # of a matrix: where each value is in the list of its axis


@dataclass(frozen=True)
class PlannedStep:
    """A step as it is known before the run."""

    step: Step
    items: tuple[PlannedItem, ...] | None  # None if they are known only during the run
    skipped: str | None  # why it will not run, if a condition on inputs decides that
    upstream: frozenset[str]  # steps that it refers to or needs
    whole: frozenset[str]  # those of them that must be settled before any of its items
    itemwise: str | None  # the step whose items it follows one by one
    conditional: bool  # its `if` depends on other steps
    part: Part = "steps"  # the map of the spec that holds it; decides when it runs
    space: str = ""  # id of the namespace that it is in; "" for the run's own
    reads: frozenset[str] = frozenset()  # inputs of its spec
    tolerates: frozenset[str] = frozenset()  # steps whose status alone it reads
    # Of what has rounds (a pick with `none`, a review with `changes`, a step with `repeat`): what stands for the
    # steps of each round, by their names in the first; the first round comes first.
    rounds: tuple[Mapping[str, str], ...] = field(default=(), hash=False)
    names: Mapping[str, str] = field(default_factory=dict, hash=False)  # as of its `Space`
    takes_notes: bool = False  # as of its `Space`
    # Of a step that runs in a later round alone: what has the rounds, and the round, counted from 1.
    round_of: tuple[str, int] | None = None
    repeats: str | None = None  # of such a step: that of the first round
    before: str | None = None  # of a round of `repeat`: the round before, which is `previous`
    limit: int | None = None  # how many items it takes, as far as that is known before the run
    lineage: Lineage = NO_LINEAGE  # the loops that its items come from
    # Of an `include` step: the namespace of each item, by its key.
    inside: Mapping[str, str] = field(default_factory=dict, hash=False)
    same: frozenset[str] = frozenset()  # steps of which each item reads the one of the same origin
    budget: StepBudget | None = None  # evaluated

    @property
    def kind(self) -> Kind:
        kind = kind_of_step(self.step)
        return repeated(kind) if self.step.repeat is not None else kind

    @property
    def includes(self) -> bool:
        return isinstance(self.step.with_, IncludeWith)

    @property
    def pick(self) -> PickWith | None:
        """What it picks from, and how; None of a step of another kind."""
        return self.step.with_ if isinstance(self.step.with_, PickWith) else None

    @property
    def review(self) -> ReviewWith | None:
        """What it asks reviewers about; None of a step of another kind."""
        return self.step.with_ if isinstance(self.step.with_, ReviewWith) else None

    @property
    def round_steps(self) -> frozenset[str]:
        """The steps of all its rounds."""
        return frozenset(name for one in self.rounds for name in one.values())

    def name_of(self, step_id: str) -> str:
        """The name in the plan of what it reads as ``steps.STEP_ID``."""
        name = inlined_name(self.space, step_id)
        return self.names.get(name, name)

    def written_name(self, name: str) -> str:
        """The name in the plan of the step that it names where it reads `name`, which may stand for it."""
        return next((one for one, now in self.names.items() if now == name), name)

    def in_round(self, number: int) -> PlannedStep:
        """The step as it reads what a round gave, counted from 0."""
        if not self.rounds:
            return self
        first, now = self.rounds[0], self.rounds[number]
        instead = {before: now[name] for name, before in first.items()}
        return replace(
            self,
            names={**{one: now.get(name, name) for one, name in self.names.items()}, **now},
            upstream=frozenset(instead.get(one, one) for one in self.upstream),
            whole=frozenset(instead.get(one, one) for one in self.whole),
            same=frozenset(instead.get(one, one) for one in self.same),
        )

    @property
    def most(self) -> int:
        """How many items it may have at most, whatever its list."""
        return self.step.max_items if self.limit is None else min(self.limit, self.step.max_items)

    @property
    def attempts(self) -> int:
        """Purchases of one request, as written, at most, apart from that after refused media."""
        turns = MAX_TURNS if self.kind.expects(self.step.with_) else 1
        return turns * (1 + self.step.regenerate)

    @property
    def buys_once_more(self) -> bool:
        """Whether one of the alternatives of an item is bought again if its media are refused."""
        return self.step.quality.then == "regenerate"

    @cached_property
    def shared_keys(self) -> Mapping[str, str]:
        """What to say of each key that several of its items were given."""
        return shared_keys([ItemKey(one.key, one.repeats) for one in self.items or ()])


def own_values(planned: PlannedStep, variables: Variables) -> Mapping[str, Any]:
    """The values of an item's own loop, by the names that it carries them under."""
    loop, _ = planned.step.fan_out
    if loop != "foreach":
        return cast(Mapping[str, Any], variables.get(loop, {}))
    name = planned.step.as_
    return {name: variables[name]} if name in variables else {}


def own_fields(place: int | None, key: str | None = None) -> dict[str, Any]:
    """The names `item.index` and `item.key` of the scope of an item, as far as they are known."""
    fields = {"item.index": place, "item.key": None if key is None else OwnKey(key)}
    return {name: value for name, value in fields.items() if value is not None}


def loop_scope(variables: Variables, key: str, place: int | None) -> dict[str, Any]:
    """What the fan-out of an item adds to its scope; nothing without one, or where its variables are not known."""
    return {**variables, **own_fields(place, key)} if variables else {}


def candidates_step(planned: PlannedStep) -> str | None:
    """The step whose items a pick chooses from; None if `from` is anything else."""
    name = items_named(planned.pick.from_) if planned.pick else None
    return None if name is None else planned.name_of(name)


@dataclass(frozen=True)
class RunPlan:
    """What a run will do, as far as it is known before."""

    workflow: Workflow
    inputs: Inputs = field(hash=False)
    catalogue: Catalogue = field(hash=False)
    steps: Mapping[str, PlannedStep] = field(hash=False)  # in topological order
    files: Mapping[str, Asset] = field(hash=False)  # by path from the folder of the main spec
    spaces: Mapping[str, Space] = field(hash=False)  # by id
    run: Mapping[str, Any] = field(hash=False)  # what `run` holds: id, date, scheduled_for

    def world_of(
        self, planned: PlannedStep, service: str = "", notes: tuple[str, ...] = ()
    ) -> World:
        """What the requests of a step are made in: its spec's files and branding, and the catalogue."""
        space, notes = self.spaces[planned.space], notes if planned.takes_notes else ()
        folder, workflow, files = space.folder, space.workflow, self.files
        branding = Branding(workflow.branding, workflow.texts, folder, files, notes)
        if folder:
            inside = (path for path in files if path.startswith(folder))
            files = {path.removeprefix(folder): files[path] for path in inside}
        return World(self.catalogue, service, files, branding)

    def space_of(self, planned: PlannedStep) -> Space:
        """The namespace in which a step reads: in a round, that has its own names."""
        space = self.spaces[planned.space]
        return replace(space, names=planned.names) if planned.names else space

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Step ids in the order of execution."""
        return tuple(self.steps)

    @cached_property
    def parts(self) -> Mapping[Part, tuple[str, ...]]:
        """Step ids of each part, in the order of execution."""
        return {
            part: tuple(name for name, planned in self.steps.items() if planned.part == part)
            for part in PARTS
        }

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The place of each step in the order of execution."""
        return {name: place for place, name in enumerate(self.steps)}

    def steps_inside(self, space: str) -> Iterator[str]:
        """All steps of an included namespace, and of those inside it."""
        for name in self.steps_of[space]:
            yield name
            for inner in self.steps[name].inside.values():
                yield from self.steps_inside(inner)

    @cached_property
    def steps_of(self) -> Mapping[str, tuple[str, ...]]:
        """The steps of each namespace, in the order of execution."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name, planned in self.steps.items():
            found[planned.space].append(name)
        return {space: tuple(names) for space, names in found.items()}

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The step of the run's own spec that each step inside an `include` or a `repeat` belongs to."""
        repeats = {
            one: name
            for name, step in self.steps.items()
            if step.step.repeat
            for one in step.round_steps
        }
        found = {name: (self.campaign_of(name) or (name, ""))[0] for name in self.steps}
        whole = {name: repeats.get(owner, owner) for name, owner in found.items()}
        return {name: owner for name, owner in whole.items() if owner != name}

    def campaign_of(self, name: str) -> tuple[str, str] | None:
        """Step and key of the outermost item of an `include` that a step is inside; None if it is in none."""
        found = None
        for space, _, _ in self.spaces[self.steps[name].space].inclusions():
            found = space.include, space.key
        return found

    def axes_of(self, name: str) -> tuple[str, ...]:
        """The lists of a `matrix` or `zip` that give the parts of the keys of a step; empty if one part is all."""
        planned = self.steps[name]
        loop, written = planned.step.fan_out
        if planned.itemwise is not None and planned.step.key is None:
            return self.axes_of(planned.itemwise)
        named = (
            planned.step.key is None
            and isinstance(written, Mapping)
            and loop != "foreach"
            and "include" not in written
        )
        axes = tuple(one for one in written if one != "exclude") if named else ()
        return axes if len(axes) > 1 else ()

    def follows(self, name: str) -> tuple[str, ...]:
        """The steps before a step in a graph, in plan order: a round follows what was looked at."""
        planned = self.steps[name]
        before = {*planned.upstream, *planned.round_steps}
        if planned.round_of is not None:
            owner, number = planned.round_of
            if not planned.upstream & self.steps[owner].round_steps:
                looked_at = self.steps[owner].in_round(number - 1).upstream
                before |= looked_at & self.steps[owner].round_steps
        return tuple(sorted(before, key=self.places.__getitem__))

    def first_round(self, name: str) -> str:
        """The step that a round repeats, that of the first of all rounds; another step is its own."""
        while (before := self.steps[name].repeats) is not None:
            name = before
        return name

    def bought_with(self, name: str) -> tuple[str, ...]:
        """A step, and all rounds that buy its items again: one budget covers them."""
        return self._bought_with[self.first_round(name)]

    @cached_property
    def _bought_with(self) -> Mapping[str, tuple[str, ...]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.steps:
            found[self.first_round(name)].append(name)
        return {first: tuple(names) for first, names in found.items()}

    @cached_property
    def downstream(self) -> Mapping[tuple[Part, str], tuple[str, ...]]:
        """Steps of a part that look at a step again when it changes; empty if none do."""
        found: defaultdict[tuple[Part, str], tuple[str, ...]] = defaultdict(tuple)
        for name, planned in self.steps.items():
            looks_at = {*planned.upstream, *planned.round_steps}
            for before in sorted(looks_at | ({planned.round_of[0]} if planned.round_of else set())):
                found[planned.part, before] += (name,)
            if planned.round_of and planned.space:  # the others are upstream of their `include`
                found[planned.part, name] += (self.spaces[planned.space].include,)
        return found
