"""The functions of `rivya_flows`: what the commands do, with values instead of arguments.

Internal: import them from `rivya_flows`.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from rivya_flows.engine.run import ignore
from rivya_flows.errors import Diagnostic, UsageError
from rivya_flows.flows.execution.local_runner import LocalRunner
from rivya_flows.language.workflow import Workflow
from rivya_flows.money.live_guard import agreement
from rivya_flows.money.quotes import QuoteFile, read_quote
from rivya_flows.preparation.catalogue_cache import known_catalogue
from rivya_flows.preparation.check import check_file, check_spec
from rivya_flows.preparation.prepare import CacheMode, RunRequest
from rivya_flows.preparation.spec_file import SpecFile, load_spec, read_spec
from rivya_flows.private import secure_data
from rivya_flows.questions.question import Answer
from rivya_flows.questions.reading_answers import signature
from rivya_flows.runs import execution as runs
from rivya_flows.runs.execution import Caller, GivenAnswers
from rivya_flows.runs.results import Plan, Receipt, plan_of, read_report, receipt_of
from rivya_flows.runs.resume import ResumeOptions, resume as resume_run
from rivya_flows.settings import read_settings
from rivya_flows.spec.dump import dump
from rivya_flows.spec.inlining import included_texts
from rivya_flows.steps.review import CHANGES

if TYPE_CHECKING:  # importing Prefect takes a second
    from rivya_flows.flows.compiler import CampaignFlow

Spec = str | os.PathLike[str] | Workflow
"""A spec: the path of its file, or a workflow. Paths in a workflow are relative to the current
folder."""

Answers = Mapping[str, str | Sequence[str] | Answer]
"""An answer to a question: a key, several keys, ``approve``, or what `none_of_these` or `changes` gives."""

P = ParamSpec("P")
T = TypeVar("T")


def _synchronous(twin: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """The same function for code without an event loop; in one, it raises `UsageError`."""
    name = twin.__name__[1:]

    @functools.wraps(twin)
    def synchronous(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(twin(*args, **kwargs))
        hint = f"write: await rivya_flows.{twin.__name__}(...)"
        raise UsageError(f"{name}() was called in a running event loop", hint)

    synchronous.__name__ = synchronous.__qualname__ = name
    return synchronous


def load(path: str | os.PathLike[str]) -> Workflow:
    """The checked workflow in a file.

    Args:
        path: Of a spec in YAML. Paths in it are relative to its folder.

    Raises:
        SpecError: It is wrong; all mistakes at their places.
        UsageError: The file cannot be read.
    """
    return load_spec(read_spec(Path(path)), known_catalogue(read_settings()))


def check(spec: Spec) -> tuple[Diagnostic, ...]:
    """Every mistake in a spec, in the order of its text; empty if it is right. Sends nothing.

    Args:
        spec: The path of its file, or a workflow. A file that cannot be read is a mistake too.
    """
    catalogue = known_catalogue(read_settings())
    if isinstance(spec, Workflow):
        return check_spec(_spec_file(spec), catalogue)[1]
    return check_file(Path(spec), catalogue).diagnostics


async def aplan(
    spec: Spec,
    inputs: Mapping[str, Any] | None = None,
    *,
    budget: int | None = None,
    cache: CacheMode | None = None,
    labels: Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
    sandbox: bool = False,
) -> Plan:
    """What a run would do and cost; reads the models and the balance, and buys nothing.

    Args:
        spec: The path of its file, or a workflow.
        inputs: Values of its inputs by name; a file is a path, a URL, or a map as in a spec. None
            gives none.
        budget: Overrides the spec's budget, in credits; None keeps that.
        cache: Overrides the spec's cache mode; None keeps that.
        labels: What the run is counted under beside the labels of the spec, over which these win.
        out: Write a quote to this file: `run` takes it as it is, once, within 24 hours. None writes
            none.
        sandbox: Plan for the local sandbox, also with a key. Without a key it is used anyway.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: The settings are wrong, or the quote cannot be written.
        BudgetError: There is no quote: the plan cannot be paid, or has no upper bound.
        APIError: The service did not answer.
    """
    request = _request(spec, inputs, budget, cache, labels)
    file = None if out is None else Path(out)
    return plan_of(await runs.plan(request, _caller(sandbox=sandbox), out=file))


plan = _synchronous(aplan)


async def arun(
    spec: Spec | None = None,
    inputs: Mapping[str, Any] | None = None,
    *,
    budget: int | None = None,
    cache: CacheMode | None = None,
    labels: Mapping[str, str] | None = None,
    quote: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "runs",
    sandbox: bool = False,
    yes: bool = False,
    answers: Answers | None = None,
    by: str | None = None,
    notify: Callable[[str], object] | None = None,
) -> Receipt:
    """Runs a spec here and now, on a Prefect server that is started if none is named.

    A cancelled task cancels the run: its report is written, and CancelledError raised.

    Args:
        spec: The path of its file, or a workflow; None with a quote.
        inputs: Values of its inputs by name; a file is a path, a URL, or a map as in a spec. None
            gives none.
        budget: Overrides the spec's budget, in credits; None keeps that.
        cache: Overrides the spec's cache mode; None keeps that.
        labels: What the run is counted under beside the labels of the spec, over which these win.
        quote: A file that `plan` wrote: what it says is run, and nothing above may be given. None
            with a spec.
        out: The run gets a folder in this one.
        sandbox: Buy from the local sandbox, also with a key. Without a key it is used anyway.
        yes: Buy from a real wallet although neither a budget nor a pool caps it.
        answers: What to choose for each question, by the name of its step: a key, a list of keys, or
            `none_of_these` or `changes`. Each is given once; a question without an answer suspends the run.
        by: Name recorded with the answers, at most 100 characters. None: no name.
        notify: Called with each line for a person, such as which service is used. None: not called.

    Returns:
        The receipt of a run that has begun, however it ended: look at `Receipt.status`.

    Raises:
        SpecError: The spec or an input is wrong. Nothing was bought; the same for the next two.
        UsageError: The call, an answer, the settings or the machine is wrong. Something was bought only
            where a wrong answer suspended a run that alone knew the choices.
        BudgetError: Budget or balance do not suffice, the quote does not hold, or `yes` is missing.
        StoreError: The journal cannot be written.
        APIError: The service did not answer.
    """
    request: RunRequest | QuoteFile
    if quote is None and spec is not None:
        request = _request(spec, inputs, budget, cache, labels)
    elif quote is not None and [spec, inputs, budget, cache, labels] == [None] * 5:
        request = read_quote(Path(quote))
    else:
        raise UsageError(
            "run() takes a spec with its options, or a quote alone", "give one of them"
        )
    given = _typed_answers(answers, by)
    return await _run(request, _caller(notify, yes, sandbox=sandbox), Path(out), given)


run = _synchronous(arun)


async def afork(
    run_id: str | os.PathLike[str],
    inputs: Mapping[str, Any] | None = None,
    *,
    from_step: str | None = None,
    labels: Mapping[str, str] | None = None,
    budget: int | None = None,
    out: str | os.PathLike[str] = "runs",
    yes: bool = False,
    answers: Answers | None = None,
    by: str | None = None,
    notify: Callable[[str], object] | None = None,
) -> Receipt:
    """Runs a run again with changes, and buys only what they change.

    Args:
        run_id: The run: its id, or the path of its folder. Its finished work is taken for nothing.
        inputs: Values of the inputs that change, by name; None changes none.
        from_step: Make this step and what depends on it again, though nothing of it changes; or
            ``step[key]`` and what uses it. None makes only what changes.
        labels: Labels beside those of the run; they win.
        budget: A cap in credits; None keeps that which the run was started with, else the spec's.
        out: The run gets a folder in this one.
        yes: Buy from a real wallet although neither a budget nor a pool caps it.
        answers: What to choose for questions that are asked, as for `arun`.
        by: Name recorded with the answers, at most 100 characters. None: no name.
        notify: Called with each line for a person. None: not called.

    Returns:
        The receipt of the new run, however it ended: look at `Receipt.status`.

    Raises:
        UsageError: There is no such run or step, or the service of the run is another one.
        RivyaError: As for `arun`.
    """
    values, given, caller = dict(inputs or {}), _typed_answers(answers, by), _caller(notify, yes)
    request, sandbox = await asyncio.to_thread(
        runs.fork_request, os.fspath(run_id), caller.settings, inputs=lambda _: values,
        step=from_step, budget=budget, labels=dict(labels or {}),
    )  # fmt: skip
    return await _run(request, replace(caller, sandbox=sandbox), Path(out), given)


fork = _synchronous(afork)


async def aresume(
    run_id: str | os.PathLike[str],
    *,
    answers: Answers | None = None,
    by: str | None = None,
    budget: int | None = None,
    regenerate: Sequence[str] = (),
    resubmit: Sequence[str] = (),
    accept: Sequence[str] = (),
    yes: bool = False,
    notify: Callable[[str], object] | None = None,
) -> Receipt:
    """Resumes a run that failed, was cancelled, killed or suspended; buys nothing twice.

    Args:
        run_id: Its id, or the path of its folder.
        answers: What to choose for each open question, by the name of its step: a key, a list of
            keys, `none_of_these` or `changes`.
        by: Name recorded with the answers, at most 100 characters. None: no name.
        budget: A new cap in credits for the whole run, what is spent already included. None keeps
            the old one.
        regenerate: Steps, or ``step[key]``, whose failed jobs are bought again; ``*`` is all. The name of
            an uncertain item itself gives its purchase up: it still counts, and may be paid twice.
        resubmit: ``step[key]`` of uncertain purchases to send again; they may be paid twice.
        accept: Steps, or ``step[key]``, whose media were refused for their faults, and are used after all;
            ``*`` is all.
        yes: As for `run`.
        notify: Called with each line for a person. None: not called.

    Returns:
        The receipt of the whole run, however it ended: look at `Receipt.status`.

    Raises:
        UsageError: There is no such run, question, choice or step.
        BudgetError: What is still to be bought cannot be paid, or `yes` is missing; nothing was
            bought.
        StoreError: Another process executes the run.
        APIError: The service did not answer.
    """
    options = ResumeOptions(
        answers=_typed_answers(answers),
        budget=budget,
        regenerate=tuple(regenerate),
        resubmit=tuple(resubmit),
        accept=tuple(accept),
        by=signature(by),
        channel="python",
    )
    return receipt_of(await resume_run(os.fspath(run_id), options, _caller(notify, yes)))


resume = _synchronous(aresume)


def none_of_these(note: str = "") -> Answer:
    """The answer to a pick that has its candidates bought again.

    Args:
        note: What should be different; it is added to each prompt. At most 500 characters.
    """
    return Answer((), note)


def changes(note: str) -> Answer:
    """The answer to a review that asks for changes; the text ``"approve"`` approves.

    Args:
        note: What should be different; it is added to the prompts of what is bought again.
    """
    return Answer((CHANGES,), note)


async def aoutputs_of(
    flow_run_id: str | UUID | os.PathLike[str], *, out: str | os.PathLike[str] | None = None
) -> Receipt:
    """What a run has made and spent so far, from the journal; waits for nothing, sends nothing.

    Args:
        flow_run_id: Of a deployment of the campaign, or of a flow that called one campaign; or the
            id of the run, or its folder.
        out: Get all files: the run gets a folder in this one. None writes nothing.

    Raises:
        UsageError: The store of this machine has no such run, or the flow called several.
        StoreError: The store cannot be read, or the folder cannot be written.
    """
    folder, settings = None if out is None else Path(out), _caller().settings
    return receipt_of(await asyncio.to_thread(read_report, settings, str(flow_run_id), folder))


outputs_of = _synchronous(aoutputs_of)


def campaign(path: str | os.PathLike[str]) -> CampaignFlow:
    """The Prefect flow of a spec: its parameters are the inputs, its result is the `Receipt`.

    Await it in asynchronous code or in a flow of your own, or `serve` it. In a flow of your own the
    run is a part of that flow's run: it is bought once, however often that is retried (see
    docs/how-to/own-flow.md). While it waits for an answer the flow run is paused. It raises
    `RunEndedError` if the run does not complete.

    Args:
        path: Of a spec in YAML. Paths in it are relative to its folder.

    Raises:
        SpecError: The spec is wrong.
        UsageError: The file cannot be read.
    """
    from rivya_flows.flows.spec_registry import flow_of_file

    return flow_of_file(Path(path).absolute())


def _caller(
    notify: Callable[[str], object] | None = None, yes: bool = False, *, sandbox: bool = False
) -> Caller:
    settings, hear = read_settings(), notify or ignore
    secure_data(settings.data)
    confirm = agreement(hear) if yes else None
    return Caller(settings, LocalRunner(), sandbox, hear, confirm=confirm)


async def _run(
    request: RunRequest | QuoteFile, caller: Caller, out: Path, answers: Mapping[str, Answer]
) -> Receipt:
    given = GivenAnswers({name: [choice] for name, choice in answers.items()})
    caller = replace(caller, ask=given.ask if answers else None, answers=answers)
    report = await runs.run(request, caller, out)
    for error in given.refused:
        raise UsageError(
            f"answers: {error.message}; {report.run_id} is {report.status}",
            f"{error.hint}; resume the run with that",
        )
    return receipt_of(report)


def _typed_answers(answers: Answers | None, by: str | None = None) -> dict[str, Answer]:
    """What was chosen, by the name of the question."""
    found, name = {}, signature(by)
    for question, answer in (answers or {}).items():
        keys = (answer,) if isinstance(answer, str) else answer
        if isinstance(keys, list | tuple) and all(isinstance(key, str) for key in keys):
            keys = Answer(tuple(keys))
        if not isinstance(keys, Answer):
            raise UsageError(
                f"answers: {question!r} cannot be answered with {answer!r}",
                "give a key as text, a list of keys, none_of_these() or changes()",
            )
        found[question] = replace(keys, name=name, channel="python")
    return found


def _request(
    spec: Spec,
    inputs: Mapping[str, Any] | None,
    budget: int | None,
    cache: CacheMode | None,
    labels: Mapping[str, str] | None,
) -> RunRequest:
    values = dict(inputs or {})
    return RunRequest(_spec_file(spec), lambda _: values, budget, cache, labels=dict(labels or {}))


def _spec_file(spec: Spec) -> SpecFile:
    if not isinstance(spec, Workflow):
        return read_spec(Path(spec))
    return SpecFile(dump(spec), f"{spec.name}.yaml", Path.cwd(), included_texts(spec))
