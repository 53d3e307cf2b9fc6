"""Run the test cases of a spec, each on a sandbox and in a data folder of its own."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any
from xml.etree import ElementTree as Xml

from pydantic import SecretStr

from rivya_client.catalogue.snapshot import shipped
from rivya_client.errors import RefusedAddressError
from rivya_client.printable import printable
from rivya_client.runtime import FastClock
from rivya_flows.assets import assets_in
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.engine.run import Runner, RunOptions
from rivya_flows.engine.run_context import RunContext, ServiceConnection, known_run, open_context
from rivya_flows.errors import RivyaError, SpecError, StoreError, UsageError, hint_of
from rivya_flows.language.expressions.values import as_json, slug
from rivya_flows.language.inputs import fit
from rivya_flows.language.wording import cut, preview
from rivya_flows.language.workflow import Workflow
from rivya_flows.preparation.check import SpecWithTests, as_yaml, check_file
from rivya_flows.preparation.prepare import RunRequest, prepare_here, refuse_over
from rivya_flows.preparation.spec_file import TEST_SUFFIX, project_specs, tests_at
from rivya_flows.questions.question import Answer
from rivya_flows.receipt.model import Receipt, Step
from rivya_flows.receipt.report import RunReport, RunReporter, write_whole
from rivya_flows.receipt.summary import troubles
from rivya_flows.runs.execution import Caller, GivenAnswers, execute
from rivya_flows.scratch import scratch
from rivya_flows.settings import Settings
from rivya_flows.spec.spec_tests import Case, CreditRange, ExpectedOutput
from rivya_flows.steps.request import FUNCTION

AT_ONCE = 2  # cases that run at the same time
LIMIT_SECONDS = 120.0  # a case that takes longer fails
_WALLET = 1_000_000  # credits of the account of a case
_POLL_SECONDS = 0.5  # a hundredth of it passes
_RUN_ID = "run-test"


@dataclass(frozen=True)
class Mismatch:
    """One expectation that was not met."""

    at: str
    expected: str
    came: str


@dataclass(frozen=True)
class CaseResult:
    """How a case went; the status is None if it was refused or broke off.

    `folder` is that of its run, with its media, if it is kept.
    """

    file: str
    spec: str
    name: str
    seconds: float
    status: str | None
    credits: int
    differences: tuple[Mismatch, ...]
    problems: tuple[str, ...]
    command: str
    folder: str | None = None

    @property
    def passed(self) -> bool:
        """Whether all came as expected."""
        return not self.differences

    @property
    def lines(self) -> tuple[str, ...]:
        """What was expected and what came, one line each."""
        return tuple(
            f"{one.at}: expected {one.expected}, not {one.came}" for one in self.differences
        )


def find_cases(
    paths: Sequence[Path], text: str = ""
) -> tuple[list[tuple[SpecWithTests, Case]], list[Diagnostic]]:
    """The cases of files of tests, named themselves, by their spec or by their folder, whose file or name has a
    text; and what is wrong with the files.
    """
    files: dict[Path, None] = {}
    for path in paths:
        own = tests_at(project_specs(path))
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder", "check the path")
        if not own:
            beside = path / f"NAME{TEST_SUFFIX}" if path.is_dir() else path.with_suffix(TEST_SUFFIX)
            raise UsageError(f"{path}: there is no test to run", f"write one in {beside}")
        files |= dict.fromkeys(own)
    checked = [check_file(path, shipped()) for path in files]
    cases = [
        (one.checked, case)
        for one in checked
        if isinstance(one.checked, SpecWithTests)
        for case in one.checked.tests.cases
        if text.casefold() in f"{one.path.name} {case.name}".casefold()
    ]
    return cases, [problem for one in checked for problem in one.diagnostics]


async def run_cases(
    chosen: Sequence[tuple[SpecWithTests, Case]],
    runner: Runner,
    tell: Callable[[CaseResult], object] = lambda _: None,
    keep: Path | None = None,
) -> list[CaseResult]:
    """Runs cases, some at the same time; tells and gives their results in their order.

    Nothing of the user's is read or written but the specs and what they name, and in `keep` a folder for
    the run of each.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, tested: SpecWithTests, case: Case) -> CaseResult:
        folder = keep and keep / f"{number}-{slug(tested.spec.name)}-{slug(case.name)}"[:100]
        async with turns:
            began = time.monotonic()
            outcome = await _outcome(tested, case, runner, folder)
            return CaseResult(
                str(tested.path),
                tested.spec.name,
                case.name,
                round(time.monotonic() - began, 3),
                outcome.status,
                outcome.credits,
                tuple(_differences(case, outcome)),
                outcome.problems,
                _command(tested, case),
                str(folder) if folder and folder.exists() else None,
            )

    results = []
    waiting = [asyncio.create_task(one(n, *pair)) for n, pair in enumerate(chosen, 1)]
    try:
        for task in waiting:
            results.append(await task)
            tell(results[-1])
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    return results


@dataclass(frozen=True)
class _Outcome:
    """What came of a case; `codes` say why it was refused."""

    status: str | None = None
    credits: int = 0
    receipt: Receipt | None = None
    codes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    wrong: tuple[Mismatch, ...] = ()


def _by_diagnostics(found: Sequence[Diagnostic]) -> _Outcome:
    codes = tuple(sorted({one.code for one in found}))
    return _Outcome(codes=codes, problems=tuple(line for one in found for line in one.lines))


async def _outcome(
    tested: SpecWithTests, case: Case, runner: Runner, keep: Path | None
) -> _Outcome:
    if tested.workflow is None:
        return _by_diagnostics(tested.refused)
    from rivya_sandbox.service.admin import ledger
    from rivya_sandbox.service.serve import running

    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        faults, chat = as_yaml({"faults": case.faults}), as_yaml(case.chat)
        served = running(folder / "sandbox", credits=_WALLET, faults=faults, answers=chat)
        sandbox = await asyncio.to_thread(stack.enter_context, served)
        key = SecretStr(sandbox.api_key)
        service = ServiceConnection(sandbox.base_url, key, "sandbox:test", _POLL_SECONDS)
        # Neither the environment nor `.env` counts.
        settings = Settings.model_construct(rivya_flows_data=folder / "data")

        async def resolve(host: str) -> tuple[str, ...]:
            raise RefusedAddressError(host, "a test reaches no network; name a file instead")

        opened = stack.enter_context(open_context(settings, service))
        context = replace(opened, runtime=replace(FastClock().runtime, resolve=resolve))
        asked = GivenAnswers(
            {
                name: [Answer(one.picked, one.note, one.by, "python") for one in answers]
                for name, answers in case.answers.items()
            },
            speaks_for_all=True,
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                report = await _run(tested, case, context, runner, asked, keep)
        except TimeoutError:
            problem = f"the run had not ended after {LIMIT_SECONDS:g} s and was stopped"
            return _Outcome(problems=(problem,))
        except SpecError as error:
            return _by_diagnostics(error.diagnostics)
        except RivyaError as error:
            return _Outcome(codes=(error.code,), problems=(_with_hint(error),))
        books = await asyncio.to_thread(ledger, sandbox.data)
        return _Outcome(
            report.status,
            _WALLET - books["balance"],
            report.receipt,
            (),
            (*map(_with_hint, asked.refused), *troubles(report.receipt)),
            (*_answer_mismatches(asked), *_book_mismatches(report.receipt, books)),
        )


async def _run(
    tested: SpecWithTests,
    case: Case,
    context: RunContext,
    runner: Runner,
    asked: GivenAnswers,
    keep: Path | None,
) -> RunReport:
    inputs = partial(_inputs, case, tested.path.parent)
    request = RunRequest(tested.spec, inputs, case.budget, date=case.date)
    ready = await prepare_here(context, request, _RUN_ID, starts=False)
    refuse_over(ready.estimate)
    context.journal.create(ready.frozen, keep or context.scratch / "run")
    row = known_run(context, _RUN_ID)
    reporter = RunReporter(context.journal, context.assets, row, in_folder=keep is not None)
    caller = Caller(context.settings, runner, ask=asked.ask)
    return await execute(context, _RUN_ID, RunOptions(), caller, reporter)


def _inputs(case: Case, folder: Path, workflow: Workflow) -> dict[str, Any]:
    """The values, with files from the folder of the tests."""
    values = dict(case.inputs)
    for name, value in case.inputs.items():
        declared = workflow.inputs.get(name)
        if declared is not None and value is not None and (declared.has_files or declared.is_table):
            with suppress(ValueError):  # reported when the run is prepared
                values[name] = fit(declared, value, root=folder)
    return values


def _with_hint(error: RivyaError) -> str:
    hint = hint_of(error)
    return f"{error} (hint: {hint})" if hint else str(error)


def _answer_mismatches(asked: GivenAnswers) -> Iterator[Mismatch]:
    for error in asked.refused:
        yield Mismatch("answers", "an answer that the question takes", _with_hint(error))
    for name, waiting in asked.left.items():
        if waiting and not asked.refused:
            yield Mismatch("answers", f"a question {name!r}", "the run did not ask it")


def _differences(case: Case, outcome: _Outcome) -> Iterator[Mismatch]:
    expected, receipt = case.expect, outcome.receipt
    codes = tuple(sorted(set(expected.diagnostics)))
    if codes or receipt is None:
        if codes != outcome.codes or not outcome.codes:
            came = ", ".join(outcome.codes) or f"the run {outcome.status or 'did not end'}"
            at = "diagnostics" if codes else "status"
            yield Mismatch(at, ", ".join(codes) or expected.status, came)
        return
    if outcome.status != expected.status:
        yield Mismatch("status", expected.status, str(outcome.status))
    yield from _credits(expected.credits, outcome.credits)
    steps = {step.id: step for step in receipt.steps}
    for name, step in expected.steps.items():
        yield from _compare(f"steps.{name}", step.model_dump(), _step_facts(steps.get(name)))
    for name, output in expected.outputs.items():
        value = receipt.outputs.get(name)
        facts = {"count": output.count, "kind": output.kind}
        yield from _compare(f"outputs.{name}", facts, _output_facts(value))
        yield from _compare_value(f"outputs.{name}", output, value)
    yield from outcome.wrong


def _credits(expected: CreditRange | None, came: int) -> Iterator[Mismatch]:
    if expected is None:
        return
    least, most = expected.min, expected.max
    if came < least or (most is not None and came > most):
        bounds = str(least) if least == most else f"at least {least}"
        bounds += f" and at most {most}" if most is not None and least != most else ""
        yield Mismatch("credits", bounds, str(came))


def _step_facts(step: Step | None) -> dict[str, Any]:
    items = Counter[str](item.status for item in (step.items if step else ()))
    return {
        "status": step.status if step else "not begun",
        "items": items.total(),
        "completed": items["completed"] + items["cached"],
        "failed": items["failed"],
        "skipped": items["skipped"],
    }


def _output_facts(value: Any) -> dict[str, Any]:
    media = [*assets_in(value)]
    values = value if isinstance(value, list) else [] if value is None else [value]
    kinds = sorted({str(one.kind) for one in media})
    return {"count": len(media or values), "kind": ", ".join(kinds) or "no media"}


def _compare_value(at: str, expected: ExpectedOutput, came: Any) -> Iterator[Mismatch]:
    given = expected.model_fields_set
    if "equals" in given and expected.equals != came:
        yield Mismatch(f"{at}.equals", _json_preview(expected.equals), _json_preview(came))
    parts = expected.contains
    for part in (parts if isinstance(parts, list) else [parts]) if "contains" in given else ():
        if not _holds(came, part):
            yield Mismatch(f"{at}.contains", _json_preview(part), _json_preview(came))


def _json_preview(value: Any) -> str:
    return preview(value) if isinstance(value, str | None) else cut(as_json(value), 200)


def _holds(value: Any, part: Any) -> bool:
    """Whether a value has a part: text in a text, a member of a list, or fields of a map."""
    if isinstance(value, str):
        return isinstance(part, str) and part in value
    if isinstance(value, list):
        return any(one == part or (isinstance(one, dict) and _holds(one, part)) for one in value)
    if isinstance(value, dict) and isinstance(part, dict):
        return all(name in value and value[name] == one for name, one in part.items())
    return bool(value == part)


def _compare(at: str, expected: Mapping[str, Any], came: Mapping[str, Any]) -> Iterator[Mismatch]:
    for key, value in expected.items():
        if value is not None and value != came[key]:
            yield Mismatch(f"{at}.{key}", str(value), str(came[key]))


def _book_mismatches(receipt: Receipt, books: Mapping[str, Any]) -> Iterator[Mismatch]:
    """What must hold in every case: the receipt says what the sandbox charged, once for each job."""
    taken = Counter[str]()
    for movement in books["movements"]:
        if movement["task_id"] is not None:
            taken[movement["task_id"]] -= movement["amount"]
    for row in receipt.ledger:
        if row.route == FUNCTION.name:
            continue
        name = f"purchase {row.n} of {row.step}[{row.key}]"
        if row.status in ("intended", "uncertain"):
            yield Mismatch("books", f"{name} is decided", f"it is {row.status}")
        elif row.task_id is not None and row.held != (sent := taken.pop(row.task_id, 0)):
            yield Mismatch("books", f"{name} cost {row.held}", f"the sandbox took {sent}")
    for task_id, credits in taken.items():
        if credits:
            came = f"the sandbox took {credits} for {task_id}"
            yield Mismatch("books", "every purchase is in the receipt, once", came)
    keys = Counter(job["idempotency_key"] for job in books["generations"])
    for key, times in keys.items():
        if times > 1:
            yield Mismatch("books", "nothing is bought twice", f"{times} jobs of the key {key}")


def _command(tested: SpecWithTests, case: Case) -> str:
    """What runs the case by hand, on the local sandbox."""
    command = ["rivya-flows", "run", tested.spec.name, "--sandbox"]
    for name, value in case.inputs.items():
        command += ["-i", f"{name}={value if isinstance(value, str) else as_yaml(value)}"]
    if case.budget is not None:
        command += ["--budget", str(case.budget)]
    return shlex.join(command)


_NOT_XML = re.compile("[\ufffe\uffff]")


def write_junit(path: Path, results: Sequence[CaseResult]) -> None:
    """Writes the results into a file, as a whole or not at all."""
    try:
        write_whole(path, junit(results))
    except StoreError as error:
        raise UsageError(error.message, "give another --junit FILE") from error


def junit(results: Sequence[CaseResult]) -> str:
    """The document: a test suite for each spec, in the order of the results."""
    root = Xml.Element("testsuites", {"name": "rivya-flows", **_counts(results)})
    for file, group in groupby(results, key=lambda one: one.file):
        cases = list(group)
        suite = Xml.SubElement(
            root, "testsuite", {"name": _text(cases[0].spec), "file": _text(file), **_counts(cases)}
        )
        for case in cases:
            about = {
                # Servers group by the part before the last dot.
                "classname": _text(
                    PurePath(case.spec).with_suffix("").as_posix().replace("/", ".")
                ),
                "name": _text(case.name),
                "file": _text(case.file),
                "time": f"{case.seconds:.3f}",
            }
            element = Xml.SubElement(suite, "testcase", about)
            properties = Xml.SubElement(element, "properties")
            facts = {"credits": str(case.credits), "status": case.status or "refused"}
            for name, value in facts.items():
                Xml.SubElement(properties, "property", {"name": name, "value": value})
            if case.lines:
                first, *more = case.lines
                message = first if not more else f"{first} (and {len(more)} more)"
                attributes = {"type": "expectation", "message": _text(message)}
                failure = Xml.SubElement(element, "failure", attributes)
                lines = (*case.lines, *case.problems, f"by hand: {case.command}")
                failure.text = _text("\n".join(lines))
    Xml.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{Xml.tostring(root, encoding="unicode")}\n'


def _counts(cases: Sequence[CaseResult]) -> dict[str, str]:
    return {
        "tests": str(len(cases)),
        "failures": str(sum(not one.passed for one in cases)),
        "errors": "0",
        "skipped": "0",
        "time": f"{sum(one.seconds for one in cases):.3f}",
    }


def _text(value: str) -> str:
    """The text without characters that XML cannot have, and that a log viewer would act on."""
    return _NOT_XML.sub("�", printable(value))
