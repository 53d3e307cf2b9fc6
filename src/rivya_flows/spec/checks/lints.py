"""Warnings about a spec without mistakes: what is declared or bought and never used, and what no font has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from rivya_cut.fonts import missing_characters, name_characters
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.resolve import references, whole_reference
from rivya_flows.language.step_groups import PARTS
from rivya_flows.language.workflow import Step, Workflow
from rivya_flows.spec.includes import included_by
from rivya_flows.spec.names import WrittenSpec
from rivya_flows.steps.cut_rules import drawn_texts
from rivya_flows.steps.registry import kind_of_step

_EXPRESSION = re.compile(r"\$\{\{.*?\}\}", re.DOTALL)


def warn(spec: WrittenSpec, workflow: Workflow, report: DiagnosticCollector) -> None:
    """Reports what a spec without mistakes declares, buys or draws in vain."""
    read = references([spec.values.get(part) for part in (*PARTS, "outputs", "labels")])
    inputs = {one.path[0] if one.path else None for one in read if one.namespace == "inputs"}
    for name in workflow.inputs if None not in inputs else ():
        if name not in inputs:
            message = f"nothing reads the input {name!r}"
            hint = f"write ${{{{ inputs.{name} }}}} where it belongs, or remove it"
            report.add(("inputs", name), "unused-input", message, hint, key=True)
    for name, declared in workflow.inputs.items():
        if declared.required and "default" in spec.inputs[name] and declared.default is None:
            message = f"the default of {name!r} is empty, so every run must give a value"
            none = ', `default: ""`' if declared.type in ("string", "text") else ""
            hint = f"write a value{none}, or delete the line"
            report.add(("inputs", name, "default"), "empty-default", message, hint, key=True)
    steps = workflow.all_steps
    parts = {step.id: step.part for step in spec.steps}
    for step_id, missing in _without_font(workflow):
        message = f"no font has {name_characters(missing)}: left out of the picture"
        hint = "write other characters, or draw these in an image"
        report.add((parts[step_id], step_id), "missing-characters", message, hint, key=True)
    for step_id, field in _text_conditions(steps):
        message = "this holds for every text but an empty one: for 'no' too"
        hint = f"compare it: `{field} == 'yes'`, or `{field} != ''` if any text will do"
        report.add((parts[step_id], step_id, "if"), "text-condition", message, hint)
    if not workflow.outputs:
        # A callback or a function may take the results elsewhere.
        if all(_is_for_results(workflow, one) for one in steps.values()):
            kinds = ((name, kind_of_step(one)) for name, one in steps.items())
            made = next((name for name, kind in kinds if "asset" in kind.outputs), "NAME")
            hint = f"add `outputs: {{{made}: ${{{{ steps.{made}.asset }}}}}}`"
            report.add(("outputs",), "no-outputs", "the spec has no outputs", hint)
        return
    used = {one.path[0] for one in read if one.namespace == "steps" and one.path}
    used |= {name for one in steps.values() for name in one.needs}
    for step_id, part in parts.items():
        if part == "steps" and step_id not in used and _is_for_results(workflow, steps[step_id]):
            message = f"no output and no other step uses {step_id!r}"
            hint = "name it in `outputs`, or remove it"
            report.add((part, step_id), "unused-step", message, hint, key=True)


def _is_for_results(workflow: Workflow, step: Step) -> bool:
    """Whether a step is of no use if nothing uses what it gives."""
    if included := included_by(workflow, step.id):
        inner = included.workflow
        return all(_is_for_results(inner, one) for one in inner.all_steps.values())
    return kind_of_step(step).is_for_results


def _text_conditions(steps: Mapping[str, Step]) -> Iterator[tuple[str, str]]:
    """Each step whose whole condition is one text of an answer, and the name of that."""
    for step_id, step in steps.items():
        named = whole_reference(step.if_)
        if named is None or named.namespace != "steps" or named.path[1:2] != ("json",):
            continue
        asked = steps[named.path[0]]
        expect: Any = kind_of_step(asked).expects(asked.with_)
        for key in named.path[2:]:
            expect = expect.get(key) if isinstance(expect, dict) else None
        if expect == "string":
            yield step_id, str(named)


def _without_font(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """Each step that draws texts with characters that no font has, and these; as far as they are written."""
    brand = workflow.branding and workflow.branding.end_card
    for name, step in workflow.all_steps.items():
        if not kind_of_step(step).takes_brand:
            continue
        arguments = step.with_.model_dump()
        texts = list(drawn_texts(arguments))
        if isinstance(captions := arguments.get("captions"), dict):
            texts.append(workflow.texts.get(str(PurePosixPath(captions.get("file") or "")), ""))
        if brand and arguments.get("end_card") is not None:
            texts += filter(None, (brand.title, brand.line))
        if missing := missing_characters(_EXPRESSION.sub("", "".join(texts))):
            yield name, missing
