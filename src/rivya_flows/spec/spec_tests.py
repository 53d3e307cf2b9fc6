"""Tests of a spec, as ``NAME.test.yaml`` beside it has them: the format, and what is wrong in one."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from rivya_flows.diagnostics import CODES, REFUSALS
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.field_types import Count, MediaKind, SpecModel
from rivya_flows.language.input_values import hint_for
from rivya_flows.language.syntax.tree import Path as Place, plain
from rivya_flows.language.wording import preview
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.build_models import drop_unknown_keys, model_at
from rivya_flows.spec.checks.input_values import check_values, missing
from rivya_flows.spec.inlining import fan_outs_in, is_inside, names_in
from rivya_flows.steps.review import VERDICTS

MAX_CASES = 200

RunEnd = Literal["completed", "failed", "suspended"]
StepEnd = Literal["completed", "cached", "failed", "skipped", "suspended"]
Number = Annotated[Count, Field(ge=0)]

_ANSWER = (
    "write a key, a list of keys, {none: a note}, {changes: a note},"
    " {approve: a note, by: a reviewer},"
    " or a list of those for several rounds"
)


class CaseAnswer(SpecModel):
    """An answer to one asking of a question.

    Attributes:
        picked: Keys; empty for none of the candidates.
        note: What should be different, where none was picked or changes are asked for.
        by: Of a review: whose answer it is; None: of all reviewers, one after the other.
    """

    picked: tuple[str, ...] = ()
    note: Annotated[str, Field(max_length=500)] = ""
    by: Annotated[str, Field(max_length=60)] | None = None


def _answers(value: Any) -> tuple[CaseAnswer, ...]:
    """The answers to one question, round after round; a list of keys alone is one answer."""
    several = isinstance(value, list) and any(isinstance(one, list | dict) for one in value)
    return tuple(map(_answer, value if several else [value]))


def _answer(value: Any) -> CaseAnswer:
    if isinstance(value, dict):
        by = value.get("by")
        kind = next((one for one in ("none", *VERDICTS) if one in value), "")
        note = value.get(kind)
        unknown = value.keys() - {kind, *(("by",) if kind in VERDICTS else ())}
        if not kind or unknown or not all(isinstance(one, str | None) for one in (note, by)):
            raise ValueError(f"this map is not an answer; {_ANSWER}")
        return CaseAnswer(picked=() if kind == "none" else (kind,), note=note or "", by=by)
    keys = value if isinstance(value, list) else [value]
    if not keys or any(isinstance(one, bool | list | dict | None) for one in keys):
        raise ValueError(f"this is not an answer; {_ANSWER}")
    return CaseAnswer(picked=tuple(map(str, keys)))


def _checked_date(value: str) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("this is not a date; write 2026-11-08") from None


_Answers = (
    str | int | float | dict[Literal["none", "approve", "changes", "by"], str | None] | list[Any]
)
"""How answers are written."""


class CreditRange(SpecModel):
    """Credits that a run is charged. A number alone is both bounds.

    Attributes:
        min: At least so many.
        max: At most so many.
    """

    min: Number = 0
    max: Number | None = None


class ExpectedStep(SpecModel):
    """How a step ends. A word alone is its status.

    Attributes:
        status: Of the step.
        items: Number of its items.
        completed: Items that completed, those from the cache among them.
        failed: Items that failed.
        skipped: Items that were skipped.
    """

    status: StepEnd | None = None
    items: Number | None = None
    completed: Number | None = None
    failed: Number | None = None
    skipped: Number | None = None


class ExpectedOutput(SpecModel):
    """What an output is.

    Attributes:
        count: Number of its media; of an output without media, its values: 0 if it is empty.
        kind: Kind of all its media.
        equals: The whole value of an output without media.
        contains: A part of it: text in a text, a member of a list, fields of a map; a list of
            those is each of them.
    """

    count: Number | None = None
    kind: MediaKind | None = None
    equals: Any = None
    contains: Any = None


def _range_of(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return {"min": value, "max": value} if is_number else value


def _step_of(value: Any) -> Any:
    return {"status": value} if isinstance(value, str) else value


class ExpectedRun(SpecModel):
    """What a test case expects.

    Attributes:
        status: How the run ends; `suspended` waits for an answer that the case does not give.
        credits: What the sandbox charges.
        steps: How steps end, by name.
        outputs: The outputs, by name.
        diagnostics: Codes of the mistakes for which the spec or its inputs are refused, or
            `over_budget`; all of them, and nothing else is expected.
    """

    status: RunEnd = "completed"
    credits: (
        Annotated[
            CreditRange, BeforeValidator(_range_of, json_schema_input_type=Number | CreditRange)
        ]
        | None
    ) = None
    steps: dict[
        str,
        Annotated[
            ExpectedStep, BeforeValidator(_step_of, json_schema_input_type=StepEnd | ExpectedStep)
        ],
    ] = Field(default_factory=dict)
    outputs: dict[str, ExpectedOutput] = Field(default_factory=dict)
    diagnostics: tuple[str, ...] = ()


class Case(SpecModel):
    """A test case: one run on a sandbox of its own.

    Attributes:
        name: What the case shows, in a few words; unique in the file.
        inputs: Values of inputs; those of type file are relative to the folder of this file.
        budget: Overrides the credit budget of the spec.
        date: The `run.date` of the case, such as 2026-11-08.
        faults: What goes wrong in the sandbox, such as {on: generation, do: broken, how: black}.
        chat: Answers of chat models, instead of written ones.
        answers: Answers to the questions of the run, by step: a key, a list of keys, `{none: note}`,
            or a list of those for several rounds.
        expect: What must come of it.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    inputs: dict[str, Any] = Field(default_factory=dict)
    budget: Number | None = None
    date: Annotated[str, AfterValidator(_checked_date)] = "2026-01-01"
    faults: Annotated[tuple[dict[str, Any], ...], Field(max_length=200)] = ()
    chat: Annotated[tuple[dict[str, Any], ...], Field(max_length=500)] = ()
    answers: dict[
        str,
        Annotated[
            tuple[CaseAnswer, ...], BeforeValidator(_answers, json_schema_input_type=_Answers)
        ],
    ] = Field(default_factory=dict)
    expect: ExpectedRun = Field(default_factory=ExpectedRun)


class SpecTests(SpecModel):
    """The tests of a spec.

    Attributes:
        version: Version of the format: 1.
        spec: Path of the spec, from the folder of this file; without it, `NAME.yaml` beside
            `NAME.test.yaml`.
        cases: The test cases.
    """

    version: Literal[1]
    spec: str | None = None
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)]


def read_tests(text: str, report: DiagnosticCollector) -> SpecTests | None:
    """The tests in a text, to be used only if the report stays empty; None if it has none."""
    message = "a file of tests is a map of keys such as `version` and `cases`"
    root = report.read_map("not-a-spec", message, "start with `version: 1`")
    if root is None:
        return None
    report.root = tree = drop_unknown_keys(SpecTests, report, root, ())
    data: dict[str, Any] = plain(tree)
    held = data.get("cases")
    # Each case by itself, so that the others are checked too if one does not fit.
    whole = isinstance(held, list) and 0 < len(held) <= MAX_CASES
    stand_in = [{"name": "case"}] if whole else held
    tests = model_at(SpecTests, {**data, "cases": stand_in}, (), report)
    if not isinstance(held, list) or not whole:
        return None
    cases = tuple(
        model_at(Case, value, ("cases", index), report) or Case.model_construct(name="")
        for index, value in enumerate(held)
    )
    first: dict[str, int] = {}
    for index, case in enumerate(cases):
        if case.name and first.setdefault(case.name, index) != index:
            message = f"case {first[case.name] + 1} has the name {preview(case.name)} too"
            report.add(("cases", index, "name"), "duplicate-name", message, "rename one of them")
        _check_expected(case, ("cases", index), report)
    tests = tests or SpecTests.model_construct(version=1, cases=())
    return tests.model_copy(update={"cases": cases})


def _check_expected(case: Case, path: Place, report: DiagnosticCollector) -> None:
    expected, at = case.expect, (*path, "expect")
    for index, code in enumerate(expected.diagnostics):
        if code not in CODES and code not in REFUSALS:
            place = (*at, "diagnostics", index)
            report.unknown(place, "unknown-code", "code", (*sorted(CODES), *REFUSALS), value=code)
    if expected.diagnostics:
        for key in sorted(expected.model_fields_set - {"diagnostics"}):
            message = f"{key!r} is not expected of a run that is refused"
            report.add((*at, key), "needless-key", message, "remove it, or `diagnostics`", key=True)
    most = expected.credits.max if expected.credits else None
    if expected.credits and most is not None and expected.credits.min > most:
        message = f"at least {expected.credits.min} and at most {most} is impossible"
        report.add((*at, "credits"), "out-of-range", message, "write {min: 20, max: 25}")


def check_against(
    tests: SpecTests, workflow: Workflow, folder: Path, report: DiagnosticCollector
) -> None:
    """Reports what the spec does not have, and inputs that do not fit; files are relative to `folder`."""
    steps, fan_outs = tuple(names_in(workflow)), frozenset(fan_outs_in(workflow))
    for index, case in enumerate(tests.cases):
        path: Place = ("cases", index)
        if case.name and not case.expect.diagnostics:  # else a wrong input may be what it shows
            check_values(workflow.inputs, case.inputs, (*path, "inputs"), report, folder)
            for name in missing(workflow.inputs, case.inputs):
                message, hint = f"the input {name!r} is required", hint_for(workflow.inputs[name])
                report.add((*path, "inputs"), "missing-input", message, hint)
        for name in case.answers:
            step = name.partition("[")[0]
            if name != "budget" and step not in steps and not is_inside(step, fan_outs):
                report.unknown((*path, "answers", name), "unknown-step", "step", steps)
        for name in case.expect.steps:
            if name not in steps and not is_inside(name, fan_outs):
                report.unknown((*path, "expect", "steps", name), "unknown-step", "step", steps)
        for name in case.expect.outputs:
            if name not in workflow.outputs:
                place = (*path, "expect", "outputs", name)
                report.unknown(place, "unknown-output", "output", workflow.outputs)
