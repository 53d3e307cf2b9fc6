"""Refuse a rehearsed run whose steps or outputs are certain to fail."""

from __future__ import annotations

from collections.abc import Iterator

from rivya_flows.app.spec_file import SpecFile
from rivya_flows.app.spec_places import Located
from rivya_flows.errors import SpecError
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.syntax.media_references import kind_of, written_path
from rivya_flows.language.wording import shown
from rivya_flows.planning.expansion.namespaces import brand_in
from rivya_flows.planning.expansion.partial_evaluation import known_part
from rivya_flows.planning.names import label
from rivya_flows.planning.preflight.preflight import certain_failures, missing_in_outputs
from rivya_flows.planning.queue.item_state import Phase
from rivya_flows.planning.queue.state import State

_MOST_REPORTED = 100
"""Certain failures that are reported one by one."""


def refuse_known_failures(state: State, spec: SpecFile) -> None:
    """Refuses a run that would fail later for a reason that is known now."""
    failures = [
        (step_id, item.key, str(item.reason))
        for step_id, item in state.each()
        # How an included spec ends follows from its steps, which are reported.
        if item.phase is Phase.FAILED and item.code != "included"
    ]
    failures += certain_failures(state)
    outputs = [*_failing_outputs(state), *missing_in_outputs(state)]
    if not failures and not outputs:
        return
    located = Located(spec.text)
    problems = [
        located.problem(
            spec.name,
            located.of_step(step_id),
            f"{label(step_id, key)}: {_with_file_input(reason, state, step_id)}",
        )
        for step_id, key, reason in failures[:_MOST_REPORTED]
    ]
    for step_id, _, _ in failures[_MOST_REPORTED : _MOST_REPORTED + 1]:
        more = f"and {len(failures) - _MOST_REPORTED:,} more items fail"
        problems.append(located.problem(spec.name, located.of_step(step_id), more))
    problems += [
        located.problem(spec.name, ("outputs", name), f"the output {name!r}: {reason}")
        for name, reason in outputs
    ]
    raise SpecError(tuple(sorted(problems, key=lambda one: (one.line, one.column))))


def _with_file_input(reason: str, state: State, step_id: str) -> str:
    """The reason, with what to do if it names a path that an input gives as text."""
    planned = state.planned(step_id)
    for name in sorted(planned.reads) if not planned.space else ():
        given = state.plan.inputs.get(name)
        kind = kind_of(given) if isinstance(given, str) and written_path(given) else None
        if kind is not None and shown(given) in reason:
            fix = f"make the input {name!r} a file: {{type: file, kind: {kind}}}"
            return f"{reason.partition('; ')[0]}; {fix}"
    return reason


def _failing_outputs(state: State) -> Iterator[tuple[str, str]]:
    """Outputs with a part that no step can change and that cannot be evaluated, with the reason."""
    own_brand = brand_in(state.plan.spaces[""], state.plan.files)
    for name, written in state.plan.workflow.outputs.items():
        try:
            known_part(written, {"inputs": state.plan.inputs, **own_brand})
        except UsesNull:
            continue  # the input is null, so the output is null
        except ExpressionError as error:
            yield name, str(error)
