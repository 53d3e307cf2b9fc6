"""Namespaces of steps: the spec of the run, and each included spec."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from rivya_flows.assets import Asset, as_asset
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull, evaluate, references
from rivya_flows.language.inputs import fit
from rivya_flows.language.syntax.media_references import resolve, written_path
from rivya_flows.language.workflow import Input, Inputs, Step, Workflow
from rivya_flows.spec.includes import included_by, inlined_name
from rivya_flows.steps.branding import brand_values
from rivya_flows.steps.include import IncludeWith

Fields = Callable[[str], Mapping[str, Any]]
"""Output fields of a step by its name in the plan."""


@dataclass(frozen=True)
class Space:
    """One spec inside a run.

    Attributes:
        id: Name of the `include` step in the plan; "" for the run's own spec.
        workflow: The spec.
        folder: Its folder, relative to that of the main spec: "" or ``parts/``.
        outer: The namespace that includes it, or None.
        step: The `include` step, or None.
    """

    id: str
    workflow: Workflow
    folder: str = ""
    outer: Space | None = None
    step: Step | None = None

    def given(self, name: str) -> Any:
        """The value that the `include` step gives for an input, as written; None if none."""
        arguments = self.step.with_ if self.step else None
        return arguments.inputs.get(name) if isinstance(arguments, IncludeWith) else None

    def enclosing(self) -> Iterable[tuple[Space, Step]]:
        """Each enclosing `include` step and its namespace, innermost first."""
        if self.outer is not None and self.step is not None:
            yield self.outer, self.step
            yield from self.outer.enclosing()


@dataclass(frozen=True)
class NamespaceFacts:
    """The facts that values in the namespaces of a run depend on.

    Attributes:
        inputs: Of the run.
        files: Assets by path from the folder of the main spec.
        fields: Gives the output fields of steps.
    """

    inputs: Inputs = field(hash=False)
    files: Mapping[str, Asset] = field(hash=False)
    fields: Fields


def space_of_include(outer: Space, step_id: str, name: str) -> Space | None:
    """The namespace that an `include` step, `name` in the plan, opens; None for other steps."""
    included = included_by(outer.workflow, step_id)
    if included is None:
        return None
    folder = str(PurePosixPath(included.path).parent)
    step = outer.workflow.all_steps[step_id]
    return Space(
        name, included.workflow, "" if folder == "." else f"{folder}/", outer=outer, step=step
    )


def steps_in(space: Space, value: Any, *, more_than_status: bool = False) -> frozenset[str]:
    """Plan names of the steps that a value refers to, also through inputs of its namespace.

    With `more_than_status`, only steps that it reads another field than `status` of.
    """
    found: set[str] = set()
    for reference in references(value):
        if reference.namespace == "steps" and reference.path:
            if not (more_than_status and reference.path[1:2] == ("status",)):
                found.add(inlined_name(space.id, reference.path[0]))
        elif reference.namespace == "inputs" and space.outer is not None:
            for name in reference.path[:1] or space.workflow.inputs:
                given = space.given(name)
                found |= steps_in(space.outer, given, more_than_status=more_than_status)
    return frozenset(found)


def inputs_in(space: Space, value: Any) -> frozenset[str]:
    """The inputs that a value reads."""
    found: set[str] = set()
    for reference in references(value):
        if reference.namespace == "inputs":
            found.update(reference.path[:1] or space.workflow.inputs)
    return frozenset(found)


def scope_in(space: Space, value: Any, known: NamespaceFacts) -> dict[str, Any]:
    """The scope in which a value of a namespace is evaluated.

    Raises:
        UsesNull, ExpressionError: As `inputs_for`.
    """
    named = {r.path[0] for r in references(value) if r.namespace == "steps" and r.path}
    steps = {name: known.fields(inlined_name(space.id, name)) for name in sorted(named)}
    inputs = inputs_for(space, inputs_in(space, value), known)
    return {"inputs": inputs, "steps": steps, **brand_in(space, known.files)}


def brand_in(space: Space, files: Mapping[str, Asset]) -> dict[str, Any]:
    """The name `brand` of a scope, if the spec or one that includes it has a brand."""
    brand = space.workflow.branding
    return {} if brand is None else {"brand": brand_values(brand, files)}


def inputs_for(space: Space, names: Iterable[str], known: NamespaceFacts) -> Inputs:
    """The values of inputs; in the main namespace, of all inputs.

    Raises:
        UsesNull: A required input is null.
        ExpressionError: An input cannot be evaluated, or does not match its declaration.
    """
    if space.outer is None:
        return known.inputs
    return {name: _input(space, space.outer, name, known) for name in sorted(names)}


def _input(space: Space, outer: Space, name: str, known: NamespaceFacts) -> Any:
    declared = space.workflow.inputs[name]
    written, value = space.given(name), None
    if written is not None:
        try:
            value = evaluate(written, scope_in(outer, written, known))
        except UsesNull:
            # As if it were not given: the default, or null if it is optional.
            if declared.required and declared.default is None:
                raise
    folder = outer.folder if value is not None else space.folder
    value = declared.default if value is None else value
    if value is None:
        return None
    try:
        return _fitting(declared, value, folder, known.files)
    except ValueError as error:
        raise ExpressionError(f"the input {name!r} of {space.id}: {error}") from error


def _fitting(declared: Input, value: Any, folder: str, files: Mapping[str, Asset]) -> Any:
    if declared.type == "file":
        return _file(declared, value, folder, files)
    if declared.type == "list" and declared.of == "file" and isinstance(value, list):
        return [_file(declared, one, folder, files) for one in value]
    return fit(declared, value)


def _file(declared: Input, value: Any, folder: str, files: Mapping[str, Asset]) -> Any:
    path = written_path(value)
    named = None if path is None else files.get(folder + path)
    asset = named or as_asset(value)
    if asset is not None:
        if declared.kind is not None and asset.kind != declared.kind:
            raise ValueError(f"expected {declared.kind}, got {asset.kind}")
        return named.as_json() if named else value
    return resolve(value, kind=declared.kind, root=None, inside=False)
