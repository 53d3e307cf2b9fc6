"""The plan of a run: steps in order, their items and dependencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rivya_client.catalogue.catalogue import Catalogue
from rivya_flows.assets import Asset
from rivya_flows.language.expressions.resolve import items_named
from rivya_flows.language.matrix import ItemKey, shared_keys
from rivya_flows.language.step_groups import PARTS, Part
from rivya_flows.language.workflow import Inputs, Step, Workflow
from rivya_flows.planning.expansion.namespaces import Space
from rivya_flows.spec.includes import inlined_name
from rivya_flows.steps.branding import Branding
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.pick import PickWith
from rivya_flows.steps.registry import kind_of_step
from rivya_flows.steps.structured_output import TURNS

Variables = Mapping[str, Any]
"""What the fan-out of an item adds to its scope: ``{"matrix": {…}}``, ``{"zip": {…}}`` or ``{"item": …}``."""


@dataclass(frozen=True)
class PlannedItem:
    """One item of a step: its key and loop variables.

    `repeats` is the key of an earlier item if it was given the same one.
    """

    key: str
    variables: Variables = field(hash=False)
    repeats: str | None = None


@dataclass(frozen=True)
class PlannedStep:
    """A step as it is known before the run.

    Attributes:
        items: Its items; None if its `foreach` or an axis is known only during the run.
        skipped: Why it will not run, if a condition on inputs decides that; else None.
        upstream: Steps that it refers to or needs.
        whole: Those of them that must be settled before any of its items.
        itemwise: The step whose items it follows one by one, or None.
        conditional: Its `if` depends on other steps.
        part: The map of the spec that holds it; decides when it runs.
        space: Name of the `include` step that it comes from; "" for the run's own.
        reads: Inputs of its spec that it reads.
        tolerates: Steps of whose outputs it reads the status alone; it runs when they failed too.
        rounds: Of a pick: the steps that buy its candidates again, in the order of the rounds.
        round_of: Of such a step: the name of the pick, and the round, counted from 1.
        repeats: Of such a step: the name of the step that it buys again.
    """

    step: Step
    items: tuple[PlannedItem, ...] | None
    skipped: str | None
    upstream: frozenset[str]
    whole: frozenset[str]
    itemwise: str | None
    conditional: bool
    part: Part = "steps"
    space: str = ""
    reads: frozenset[str] = frozenset()
    tolerates: frozenset[str] = frozenset()
    rounds: tuple[str, ...] = ()
    round_of: tuple[str, int] | None = None
    repeats: str | None = None

    @property
    def kind(self) -> Kind:
        """The kind of the step."""
        return kind_of_step(self.step)

    @property
    def pick(self) -> PickWith | None:
        """What it picks from, and how; None of a step of another kind."""
        return self.step.with_ if isinstance(self.step.with_, PickWith) else None

    @property
    def attempts(self) -> int:
        """Purchases of one request, as written, at most."""
        turns = TURNS if self.kind.expects(self.step.with_) else 1
        return turns * (1 + self.step.regenerate)

    @cached_property
    def keys(self) -> frozenset[str] | None:
        """Keys of its items; None if they are known only during the run."""
        return None if self.items is None else frozenset(item.key for item in self.items)

    @cached_property
    def shared_keys(self) -> Mapping[str, str]:
        """What to say of each key that several of its items were given."""
        return shared_keys([ItemKey(one.key, one.repeats) for one in self.items or ()])


def items_step(planned: PlannedStep, value: Any) -> str | None:
    """The step whose items a value of a step is, ``${{ steps.NAME.items }}``; None for any other."""
    name = items_named(value)
    return None if name is None else inlined_name(planned.space, name)


def candidates_step(planned: PlannedStep) -> str | None:
    """The step whose items a pick chooses from; None if `from` is anything else."""
    return items_step(planned, planned.pick.from_) if planned.pick else None


@dataclass(frozen=True)
class RunPlan:
    """What a run will do, as far as it is known before.

    Attributes:
        steps: In topological order.
        files: Assets by path from the folder of the main spec.
        spaces: Namespaces by the name of the `include` step; "" is the main one.
    """

    workflow: Workflow
    inputs: Inputs = field(hash=False)
    catalogue: Catalogue = field(hash=False)
    steps: Mapping[str, PlannedStep] = field(hash=False)
    files: Mapping[str, Asset] = field(hash=False)
    spaces: Mapping[str, Space] = field(hash=False)

    def files_of(self, planned: PlannedStep) -> Mapping[str, Asset]:
        """Assets by path from the folder of the spec of a step."""
        folder = self.spaces[planned.space].folder
        if not folder:
            return self.files
        return {
            path.removeprefix(folder): asset
            for path, asset in self.files.items()
            if path.startswith(folder)
        }

    def branding_of(self, planned: PlannedStep) -> Branding:
        """What the spec of a step adds to its requests."""
        space = self.spaces[planned.space]
        return Branding(space.workflow.branding, space.workflow.texts, space.folder, self.files)

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

    def follows(self, name: str) -> tuple[str, ...]:
        """The steps before a step in a graph, in plan order: a round follows what was looked at."""
        planned = self.steps[name]
        before = {*planned.upstream, *planned.rounds}
        if planned.round_of is not None:
            pick, number = planned.round_of
            before.add(self.candidates_of(pick, number - 1))
        return tuple(sorted(before, key=self.places.__getitem__))

    def candidates_of(self, pick: str, number: int) -> str:
        """The step that makes the candidates of a pick with rounds, in a round; 0 is the first."""
        rounds = self.steps[pick].rounds
        return rounds[number - 1] if number else self.steps[rounds[0]].repeats or ""

    @cached_property
    def downstream(self) -> Mapping[tuple[Part, str], tuple[str, ...]]:
        """Steps of a part that look at a step again when it changes; empty for the others."""
        found: defaultdict[tuple[Part, str], tuple[str, ...]] = defaultdict(tuple)
        for name, planned in self.steps.items():
            looks_at = {*planned.upstream, *planned.rounds}
            for before in sorted(looks_at | ({planned.round_of[0]} if planned.round_of else set())):
                found[planned.part, before] += (name,)
        return found
