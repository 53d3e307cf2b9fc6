"""How long the lists of answers are, by what `expect` declares of them."""

from __future__ import annotations

from rivya_flows.language.answers import AnswerField, read_expect
from rivya_flows.language.expressions.output_types import is_place
from rivya_flows.language.expressions.resolve import Reference
from rivya_flows.plans.plan import PlannedStep, RunPlan
from rivya_flows.spec.files import inlined_name


def answer_range(plan: RunPlan, planned: PlannedStep, named: Reference) -> tuple[int, int | None]:
    """The least and the most members of a list such as `steps.script.json.scenes`, which a step reads; None if
    there may be any number.
    """
    if named.namespace != "steps" or named.path[1:2] != ("json",):
        return 0, None
    source = plan.steps.get(inlined_name(planned.space, named.path[0]))
    expect = source.kind.expects(source.step.with_) if source else None
    found: AnswerField | None = read_expect(expect)[0] if expect else None
    for name in named.path[2:]:
        if found is not None:
            found = found.member if is_place(name) else found.fields.get(name)
    if found is None or found.type != "list":
        return 0, None
    return int(found.min or 0), None if found.max is None else int(found.max)
