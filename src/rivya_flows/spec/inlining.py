"""Included specs in a spec: the names that their steps have in the plan, and how many there are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.workflow import MAX_ROUNDS, Included, Step, Workflow
from rivya_flows.spec.names import WrittenSpec

MAX_STEPS = 10_000
"""Steps of a spec with all that it includes."""


def check_expanded(
    spec: WrittenSpec, found: Mapping[str, Included], report: DiagnosticCollector
) -> None:
    """Reports names that two inlined steps would share, and too many steps."""
    taken = {step.id: step.path for step in spec.steps}
    sizes: dict[int, int] = {}
    count, fan_outs = len(taken), set[str]()
    for step in spec.steps:
        if (included := found.get(step.id)) is None:
            continue
        often = (step.repeat or {}).get("at_most")
        often = often if isinstance(often, int) and 0 < often <= MAX_ROUNDS else 1
        # Counted before they are listed: includes that include a file twice grow exponentially.
        count += often * _count_steps(included.workflow, sizes)
        if count > MAX_STEPS:
            message = f"more than {MAX_STEPS:,} steps, those of included specs counted"
            hint = "remove steps, or run some of them as a spec of their own"
            report.add((*step.path, "with", "spec"), "too-large", message, hint)
            return
        if step.loops:
            fan_outs.add(step.id)
            continue
        fan_outs.update(fan_outs_in(included.workflow, step.id))
        for name in names_in(included.workflow, step.id):
            if name in taken:
                report.add(taken[name], *_shared_name(name), key=True)
            taken.setdefault(name, step.path)
    for name, path in taken.items():
        if is_inside(name, fan_outs):
            report.add(path, *_shared_name(name), key=True)


def _shared_name(name: str) -> tuple[str, str, str]:
    message = f"{name!r} is also the name of an included step"
    return "duplicate-name", message, "rename one of them"


def _count_steps(workflow: Workflow, known: dict[int, int]) -> int:
    """How many steps a workflow has, with all that it includes."""
    if id(workflow) not in known:
        steps = workflow.all_steps
        known[id(workflow)] = len(steps)
        for step in steps.values():
            rounds, inner = rounds_of(step), included_in(workflow, step)
            inside = _count_steps(inner.workflow, known) if inner else 0
            known[id(workflow)] += len(rounds) * (1 + inside) if step.repeat else inside
    return known[id(workflow)]


def included_by(workflow: Workflow, step_id: str) -> Included | None:
    """What a step includes; None for a step of another kind."""
    return included_in(workflow, workflow.all_steps[step_id])


def included_in(workflow: Workflow, step: Step) -> Included | None:
    """As `included_by`, of a step that may be a round of one."""
    return workflow.includes.get(getattr(step.with_, "spec", ""))


def rounds_of(step: Step) -> tuple[str, ...]:
    """The steps of the rounds of a step with `repeat`: ``draft.1``, ``draft.2``; without, the step alone."""
    if step.repeat is None:
        return (step.id,)
    return tuple(f"{step.id}.{number + 1}" for number in range(step.repeat.at_most))


def inlined_name(space: str, step_id: str) -> str:
    """The name of a step in the plan: ``intro__still`` for `still` of what `intro` includes."""
    return f"{space}__{step_id}" if space else step_id


def names_in(workflow: Workflow, space: str = "") -> Iterator[str]:
    """The names of all steps in the plan, those of an included spec after the step that includes it.

    Without those inside an `include` that fans out, which its items name.
    """
    for step in workflow.all_steps.values():
        if step.repeat is not None:
            yield inlined_name(space, step.id)
        for name in (inlined_name(space, one) for one in rounds_of(step)):
            yield name
            if (included := included_in(workflow, step)) and not step.fans_out:
                yield from names_in(included.workflow, name)


def fan_outs_in(workflow: Workflow, space: str = "") -> Iterator[str]:
    """The names of the `include` steps that fan out, with which names of more steps will begin."""
    for step in workflow.all_steps.values():
        included = included_in(workflow, step)
        for name in (inlined_name(space, one) for one in rounds_of(step) if included):
            if step.fans_out:
                yield name
            elif included:
                yield from fan_outs_in(included.workflow, name)


def is_inside(name: str, includes: Collection[str]) -> bool:
    """Whether a name in the plan may be that of a step inside one of these."""
    parts = name.split("__")
    return any("__".join(parts[:end]) in includes for end in range(1, len(parts)))


def included_texts(workflow: Workflow) -> dict[str, str]:
    """The texts of all specs, brands and subtitles that a workflow names, for `load` to take again."""
    texts: dict[str, str] = {}
    waiting = [workflow]
    while waiting:
        texts |= (one := waiting.pop()).texts
        for included in one.includes.values():
            if included.path not in texts:
                texts[included.path] = included.text
                waiting.append(included.workflow)
    return texts
