"""Everything before the first credit: the spec checked, inputs resolved, the plan priced."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from rivya_flows.app.asset_ingest import keep
from rivya_flows.app.callback_checks import refuse_unsendable
from rivya_flows.app.spec_places import Located
from rivya_flows.catalogue.catalogue import Catalogue
from rivya_flows.errors import BudgetError, SpecError, UsageError
from rivya_flows.language.expressions.resolve import ExpressionError, UsesNull
from rivya_flows.language.includes import included_texts
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.load import load
from rivya_flows.language.named_files import default_files, named_files
from rivya_flows.language.syntax.source import MAX_BYTES
from rivya_flows.language.workflow import Workflow
from rivya_flows.ledger.phrases import credits_of
from rivya_flows.planning.expansion.partial_evaluation import known_part
from rivya_flows.planning.names import digest, label
from rivya_flows.planning.preflight.preflight import foreseen
from rivya_flows.planning.pricing.estimate import Estimate, LookUp, estimate, rehearse
from rivya_flows.planning.queue.events import RunFrozen, RunResumed
from rivya_flows.planning.queue.reducer import begin
from rivya_flows.planning.queue.state import Phase, State
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore

CacheMode = Literal["off", "run", "spec"]


@dataclass(frozen=True)
class SpecFile:
    """A spec as it was read.

    Attributes:
        name: What problems name as its file.
        folder: The folder that its files are relative to; None where it is not at hand.
        includes: Texts of the specs that it includes, by path from its folder; None: they are
            read from the folder.
        files: Assets of the media that it names by a path, by that path; None: they are kept
            from the folder.
    """

    text: str
    name: str
    folder: Path | None
    includes: Mapping[str, str] | None = None
    files: Mapping[str, Mapping[str, Any]] | None = None


def read_spec(path: Path) -> SpecFile:
    """The spec in a file.

    Raises:
        UsageError: There is no such file, or it is too large or not text.
    """
    try:
        with path.open("rb") as file:
            # A device or a pipe has no size, and perhaps no end.
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            message = f"{path}: is larger than 1 MiB, the limit of a spec"
            raise UsageError(message, "split it into several specs")
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8").read()
        return SpecFile(text, str(path), path.absolute().parent)
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text", "save it as UTF-8") from error
    except IsADirectoryError as error:
        raise UsageError(f"{path}: is a folder", f"name its specs: {path / '*.yaml'}") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "check the path") from error


def carried(spec: SpecFile, catalogue: Catalogue, assets: AssetStore) -> SpecFile:
    """The spec with all that it names in its folder, so that it runs where that folder is not.

    Its fields are JSON values, but for the folder, which is None.

    Args:
        spec: As it was read.
        catalogue: The models that it is checked against.
        assets: A store that is also reached from where the spec will run; the media that the
            spec names by a path become assets here.

    Raises:
        SpecError: The spec is wrong.
        MediaError: A named file is not a medium.
        StoreError: A medium cannot be kept.
    """
    workflow = load_spec(spec, catalogue)
    named = (*named_files(workflow), *default_files(workflow))
    files = spec.files if spec.files is not None else _files_at(named, spec.folder, assets)
    return replace(spec, folder=None, includes=included_texts(workflow), files=files)


def load_spec(spec: SpecFile, catalogue: Catalogue) -> Workflow:
    """The workflow of a spec, wherever its included specs come from.

    Raises:
        SpecError: The spec is wrong; all problems in the order of the text.
    """
    return load(
        spec.text,
        file=spec.name,
        catalogue=catalogue,
        folder=spec.folder,
        includes=spec.includes,
    )


@dataclass(frozen=True)
class Prepared:
    """A run that could start now.

    Attributes:
        frozen: Its first journal entry.
        estimate: Its price.
    """

    frozen: RunFrozen
    estimate: Estimate


def prepare(
    spec: SpecFile,
    given: Callable[[Workflow], Mapping[str, Any]],
    catalogue: Catalogue,
    *,
    run_id: str,
    service: str,
    balance: int | None,
    assets: AssetStore,
    look_up: LookUp,
    budget: int | None = None,
    cache: CacheMode | None = None,
    paths: bool = True,
    driver: Settings | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Prepared:
    """Checks everything and prices the run; spends and sends nothing.

    Args:
        spec: The spec.
        given: Gives the values of the inputs, once the workflow is known.
        catalogue: The models of the service.
        run_id: Name of the run.
        service: Whom it belongs to.
        balance: The wallet, or None where it was not read.
        assets: Files that are named become assets here.
        look_up: The cache index.
        budget: Overrides the spec's cap.
        cache: Overrides the spec's mode.
        paths: Inputs may name local files.
        driver: Settings of the machine that will drive the run, if it is this one: what its
            callbacks need there is looked for.
        clock: UTC now.

    Raises:
        SpecError: The spec or an input is wrong.
        UsageError: A callback could not be sent from here.
        MediaError: A named file is not a medium.
        StoreError: A medium cannot be kept, or one that the spec carries is not in the store.
    """
    workflow = load_spec(spec, catalogue)
    files = None if spec.files is None else _brought(spec.files, assets)
    inputs = resolve_inputs(workflow, given(workflow), folder=spec.folder, paths=paths, files=files)
    if files is None:
        files = _files_at(named_files(workflow), spec.folder, assets)
    now = clock()
    cap = budget
    if cap is None and workflow.budget is not None:
        cap = workflow.budget.credits
    frozen = RunFrozen(
        run_id=run_id,
        spec_text=spec.text,
        spec_file=spec.name,
        includes=included_texts(workflow),
        inputs={name: _kept(value, assets) for name, value in inputs.items()},
        files=files,
        catalogue=dict(catalogue.wire),
        catalogue_date=catalogue.date,
        service=service,
        started_at=now,
        nonce=secrets.token_hex(16),
        budget=cap,
        cache=cache,
    )
    state = rehearse(begin(frozen), now, look_up)
    _refuse_known_failures(state, spec)
    if driver is not None:
        refuse_unsendable(state, driver)
    priced = estimate(state, balance)
    document = priced.as_json()
    frozen = frozen.model_copy(update={"plan": document, "plan_hash": digest(document)})
    return Prepared(frozen, priced)


MOST_TOLD = 100
"""Items whose certain failure is told one by one."""


def _refuse_known_failures(state: State, spec: SpecFile) -> None:
    """Nothing starts that would later fail for a reason that is known now."""
    failures = [
        (step_id, item.key, str(item.reason))
        for step_id, item in state.each()
        # How an included spec ends follows from its steps, which are told.
        if item.phase is Phase.FAILED and item.code != "included"
    ]
    failures += foreseen(state)
    outputs = [*_failing_outputs(state)]
    if not failures and not outputs:
        return
    located = Located(spec.text)
    problems = [
        located.problem(spec.name, located.of_step(step_id), f"{label(step_id, key)}: {reason}")
        for step_id, key, reason in failures[:MOST_TOLD]
    ]
    for step_id, _, _ in failures[MOST_TOLD : MOST_TOLD + 1]:
        more = f"and {len(failures) - MOST_TOLD:,} more items fail"
        problems.append(located.problem(spec.name, located.of_step(step_id), more))
    problems += [
        located.problem(spec.name, ("outputs", name), f"the output {name!r}: {reason}")
        for name, reason in outputs
    ]
    raise SpecError(tuple(sorted(problems, key=lambda one: (one.line, one.column))))


def _failing_outputs(state: State) -> Iterator[tuple[str, str]]:
    """Outputs of which a part that no step can change cannot be worked out, with the reason."""
    for name, written in state.plan.workflow.outputs.items():
        try:
            known_part(written, {"inputs": state.plan.inputs})
        except UsesNull:
            continue  # nothing is given, so the output is nothing
        except ExpressionError as error:
            yield name, str(error)


def remaining(state: State, balance: int | None, look_up: LookUp, resume: RunResumed) -> Estimate:
    """What is still to be bought when a run goes on; spends and sends nothing."""
    return estimate(rehearse(replace(state, ended=None), resume.at, look_up, resume), balance)


def verdict(found: Estimate) -> str:
    """Whether it can be paid, in words."""
    if found.verdict == "over_budget":
        least = credits_of(found.spent + found.min)
        return f"over the budget: at least {least}, and the budget is {found.budget}"
    if found.verdict == "over_balance":
        return f"over the balance: at least {credits_of(found.min)}, and there are {found.balance}"
    return "fits the balance" if found.budget is None else "fits the budget and the balance"


def refuse_over(found: Estimate) -> None:
    """Stops what cannot be paid for.

    Raises:
        BudgetError: The least it costs is over the budget or the balance.
    """
    if found.verdict == "ok":
        return
    hint = "add credits, or take steps out; nothing was bought"
    if found.verdict == "over_budget":
        hint = "raise `budget: {credits: …}` in the spec or give --budget; nothing was bought"
    raise BudgetError(verdict(found), hint)


def new_run_id(now: datetime) -> str:
    """``run-YYYYMMDD-HHMMSS-xxxx``, in UTC."""
    return f"run-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def today() -> str:
    """The date, ISO."""
    return date.today().isoformat()


def _kept(value: Any, assets: AssetStore) -> Any:
    """A file input as an asset; URLs and file ids stay what they are until they are needed."""
    if isinstance(value, list):
        return [_kept(one, assets) for one in value]
    if isinstance(value, dict) and set(value) == {"path"}:
        return keep(assets, Path(value["path"]))
    return value


def _brought(
    files: Mapping[str, Mapping[str, Any]], assets: AssetStore
) -> dict[str, dict[str, Any]]:
    """The same media at their paths on this machine."""
    return {
        written: {**asset, "path": str(assets.local_path(asset["sha256"]))}
        for written, asset in files.items()
    }


def _files_at(
    named: Iterable[str], folder: Path | None, assets: AssetStore
) -> dict[str, dict[str, Any]]:
    """Media that lie at written paths in the folder of the spec, by the written path."""
    if folder is None:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for written in dict.fromkeys(named):
        path = (folder / written).resolve()
        if path.is_relative_to(folder.resolve()) and path.is_file():
            found[written] = keep(assets, path)
    return found
