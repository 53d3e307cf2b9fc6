"""Check a spec, resolve its inputs and price the plan: everything before the first credit."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from rivya_client.addresses import is_private, redact_url
from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.differences import price_changes
from rivya_client.catalogue.prices import price_of
from rivya_client.catalogue.snapshot import shipped
from rivya_flows.engine.files import each_found, keep, put_all_back
from rivya_flows.errors import (
    APIConnectionError,
    BudgetError,
    LostMediumError,
    SpecError,
    UsageError,
)
from rivya_flows.estimate.bought_again import with_reasons
from rivya_flows.estimate.estimate import Estimate, LookUp, estimate, greatest, rehearse
from rivya_flows.estimate.preflight import certain_callbacks, certain_failures, failing_outputs
from rivya_flows.extras import need
from rivya_flows.language.canonical import digest
from rivya_flows.language.diagnostic_report import DiagnosticCollector
from rivya_flows.language.expressions.evaluation import evaluated_together
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.secret_names import RESERVED_HINT, refusal
from rivya_flows.language.syntax import source, tree
from rivya_flows.language.syntax.media_references import kind_of, written_path
from rivya_flows.language.wording import count_noun, preview
from rivya_flows.language.workflow import PARTS, WARN_AT, Inputs, change_files
from rivya_flows.plans.budgets import run_cap
from rivya_flows.plans.labels import labels_of
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import RunPlan
from rivya_flows.preparation import spec_file
from rivya_flows.preparation.catalogue_cache import read_catalogue
from rivya_flows.preparation.restore import restore_copies
from rivya_flows.queue.bought_again import EarlierRun
from rivya_flows.queue.events import Fork, PoolTotal, RunFrozen
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.receipt.phrases import credits_of, pool_left, total_of, without_bound
from rivya_flows.receiver.addresses import medium_at
from rivya_flows.settings import Settings, read_secret
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import lint
from rivya_flows.spec.named_files import named_files
from rivya_flows.store.assets import AssetStore

if TYPE_CHECKING:  # opens databases, and a plan without a service needs none
    from rivya_flows.engine.run_context import RunContext

CacheMode = Literal["off", "run", "spec"]


@dataclass(frozen=True)
class RunRequest:
    """A run that somebody asks for; `budget`, `cache` and `labels` override those of the spec.

    `scheduled_for` is when a schedule wanted it, in its time zone; `date` what `run.date` is instead of its day.
    Finished work is taken from the run of `fork`, whose folder is `forked`, if not where the store has it, and
    which bought with `wallet`. The entry of `deploy` that is named `deployment` may have a budget of its own.
    """

    spec: spec_file.SpecFile
    inputs: spec_file.InputReader
    budget: int | None = None
    cache: CacheMode | None = None
    local_files: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    quote: str | None = None
    fork: Fork | None = None
    forked: Path | None = None
    uncollected: tuple[str, ...] = ()
    wallet: str | None = None
    earlier: Inputs = field(default_factory=dict)
    scheduled_for: datetime | None = None
    date: str | None = None
    deployment: str | None = None


@dataclass(frozen=True)
class Market:
    """What a service offers at this moment.

    `usual` are the seconds that a job takes there, by model, and a free step, as ``SPEC/STEP``; `wallet` is
    None for that of the process's key.
    """

    catalogue: Catalogue
    service: str
    balance: int | None = None
    usual: Mapping[str, float] = field(default_factory=dict)
    wallet: str | None = None


@dataclass(frozen=True)
class Prepared:
    """A run that could start now, with its first journal entry."""

    frozen: RunFrozen
    estimate: Estimate
    plan: RunPlan


async def read_market(context: RunContext, notify: Callable[[str], object] | None = None) -> Market:
    """The current models and balance; `notify` is of somebody who waits, for whom a service is asked some seconds only."""
    asking = context.client() if notify is None else context.first_client(notify)
    try:
        async with asking as client:
            catalogue = await read_catalogue(client, context)
            balance = (await client.credits.retrieve()).current_credits
            await context.recall_durations(client)
    except APIConnectionError as error:
        error.hint = f"{error.hint}; nothing was bought"
        raise
    usual, service = client.durations.usual(), context.service
    return Market(catalogue, service.identity, balance, usual, service.wallet)


async def prepare_here(
    context: RunContext,
    request: RunRequest,
    run_id: str,
    *,
    starts: bool,
    notify: Callable[[str], object] = lambda _: None,
    market: Market | None = None,
) -> Prepared:
    """Checks and prices a run with the models and the balance of this moment; buys nothing.

    With `starts` it starts now, on this machine: what its callbacks need here must be there, and media
    that `store prune` deleted are put back into the store.
    """
    # A plan without a service opens no database.
    from rivya_flows.engine.run_context import known_run

    beside, files = Path(request.spec.name).parent, (request.spec.files or {}).items()
    places = {one.sha256: [beside / name] for name, one in files}
    await asyncio.to_thread(put_all_back, context.assets, places, writes=starts)
    if request.fork is not None:
        row = known_run(context, request.fork.run_id)  # refuses one of another service or wallet
        row = replace(row, folder=request.forked or row.folder)
        await asyncio.to_thread(restore_copies, context.assets, context.journal, row, writes=starts)
        if request.uncollected:
            forked, open_items = request.fork.run_id, ", ".join(request.uncollected)
            notify(f"warning: {forked} has bought, or may have, what is not taken: {open_items}")
            notify(f"collect it for nothing, before you fork, with: rivya-flows resume {forked}")
    market = market or await read_market(context, notify)
    place = PlanningStore(
        context.assets,
        context.look_up,
        context.pools,
        context.settings if starts else None,
        lambda: context.address_secret,
        context.usual_rounds,
        context.look_up.earlier,
    )
    # It reads the store, and decodes files that inputs name.
    ready = await asyncio.to_thread(prepare, request, market, run_id, place)
    for step in ready.estimate.steps:  # what a fork does not take from its run
        lost = [one.price for one in step.items if (step.id, one.key) in context.look_up.lost]
        if lost:
            price = price_of(sum(one.min for one in lost), greatest(lost))
            notify(f"{step.id}: deleted by `store prune`, bought again: {price}")
    items = (item for step in ready.estimate.steps for item in step.items)
    models = (name for item in items for name in (item.model, *item.fallback) if name)
    for line in price_changes(market.catalogue, shipped(), models):
        notify(line)
    lints = lint(request.spec.text, file=request.spec.name, workflow=ready.plan.workflow)
    if warned := [one for one in lints if one.code != "missing-characters"]:  # the plan has these
        more = f", and {count_noun(len(warned) - 1, 'more warning')}" if warned[1:] else ""
        notify(f"warning: {warned[0].message}{more}; `rivya-flows check` shows where")
    return ready


@dataclass(frozen=True)
class PlanningStore:
    """Where a run is planned.

    Attributes:
        pools: Those that match labels, as the service of the run has used them.
        usual_rounds: After how many rounds earlier runs of a spec decided, by step, where that is known.
        executes: Settings of this machine if it executes the run now: what its callbacks need must be there.
        secret: Signs the receiver's addresses: a file input that is one of them is the medium in the store.
        earlier: The run that says why something is bought again.
    """

    assets: AssetStore
    look_up: LookUp = lambda _: None
    pools: Callable[[Mapping[str, str]], tuple[PoolTotal, ...]] = lambda _: ()
    executes: Settings | None = None
    secret: Callable[[], str] | None = None
    usual_rounds: Callable[[str], Mapping[str, int]] = lambda _: {}
    earlier: Callable[[State], EarlierRun | None] = lambda _: None


def prepare(request: RunRequest, market: Market, run_id: str, place: PlanningStore) -> Prepared:
    """Checks everything and prices the run; spends and sends nothing."""
    spec, catalogue, assets = request.spec, market.catalogue, place.assets
    workflow = spec_file.load_spec(spec, catalogue)
    files = spec.files and each_found(  # with their paths on this machine
        spec.files,
        lambda one: one.model_copy(update={"path": assets.local_path(one.sha256)}),
        f"put them back, unchanged, in {Path(spec.name).absolute().parent}",
    )
    given = request.inputs(workflow)
    missing = workflow.inputs.keys() - given.keys()
    earlier = {name: value for name, value in request.earlier.items() if name in missing}
    inputs = resolve_inputs(
        workflow,
        {**spec_file.frozen_inputs(earlier, assets)(workflow), **given},
        folder=spec.folder,
        paths=request.local_files,
        files=files,
    )
    if files is None:
        files = spec_file.assets_at(named_files(workflow), spec.folder, assets)
    budget = request.budget
    if budget is None:
        budget = run_cap(workflow, inputs, request.deployment)
    now = datetime.now(UTC)
    frozen = RunFrozen(
        run_id=run_id,
        spec_text=spec.text,
        spec_file=spec.name,
        includes=included_texts(workflow),
        inputs={
            name: change_files(workflow.inputs[name], value, lambda _, one: _store_file(one, place))
            for name, value in inputs.items()
        },
        files=files,
        catalogue=dict(catalogue.wire),
        catalogue_date=catalogue.date,
        service=market.service,
        wallet=market.wallet,
        started_at=now,
        date=request.date,
        scheduled_for=request.scheduled_for,
        nonce=secrets.token_hex(16),
        budget=budget,
        cache=request.cache,
        quote=request.quote,
        fork=request.fork,
    )
    labels = labels_of(workflow, inputs, request.labels, frozen.run)
    frozen = frozen.model_copy(update={"labels": labels})
    with evaluated_together() as work:
        state = rehearse(initial_state(frozen), now, place.look_up)
        refuse_known_failures(state, spec)
        if place.executes is not None:
            refuse_unsendable(state, place.executes)
            refuse_without_extras(state)
        priced = estimate(state, market.balance, market.usual, place.pools(frozen.labels))
        priced = priced.with_rounds(place.usual_rounds(workflow.name))
        priced = with_reasons(priced, state, place.earlier)
    work.check()  # a price whose expression fails is one that is not known
    document = priced.as_json()
    frozen = frozen.model_copy(update={"plan": document, "plan_hash": digest(document)})
    return Prepared(frozen, priced, state.plan)


def prepare_offline(
    request: RunRequest, catalogue: Catalogue, assets: AssetStore | None = None
) -> Prepared:
    """Checks and prices a run by a catalogue alone; without a store, files that it names are probed and not kept."""
    with tempfile.TemporaryDirectory() as folder:
        assets = assets or AssetStore(Path(folder, "assets").as_uri(), Path(folder, "scratch"))
        return prepare(request, Market(catalogue, ""), "run-offline", PlanningStore(assets))


def refuse_known_failures(state: State, spec: spec_file.SpecFile) -> None:
    """Refuses a rehearsed run with steps or outputs that are certain to fail, each at its place in the spec."""
    text = spec.text.removeprefix("\ufeff")
    report = DiagnosticCollector(spec.name, text)
    report.root = source.read(text)[0]
    # Outputs first: the report holds so many problems, and there are fewer outputs than items.
    for name, reason in failing_outputs(state):
        message = f"the output {name!r}: {reason}"
        report.add(("outputs", name), "bad-arguments", message, key=True)
    for step_id, key, reason in certain_failures(state):
        message = f"{label(step_id, key)}: {_with_file_input(reason, state, step_id)}"
        report.add(_place_of(report.root, step_id), "bad-arguments", message, key=True)
        if report.dropped:
            break
    if report.diagnostics:
        raise SpecError(report.diagnostics)


def _with_file_input(reason: str, state: State, step_id: str) -> str:
    """The reason, with what to do if it names a path that an input gives as text."""
    planned = state.plan.steps.get(step_id)  # not of an item that stands for others
    for name in sorted(planned.reads) if planned and not planned.space else ():
        given = state.plan.inputs.get(name)
        kind = kind_of(given) if isinstance(given, str) and written_path(given) else None
        if kind is not None and preview(given) in reason:
            fix = f"make the input {name!r} a file: {{type: file, kind: {kind}}}"
            return f"{reason.partition('; ')[0]}; {fix}"
    return reason


def _place_of(root: object, name: str) -> tuple[str, str]:
    """Part and id of a step by its name in the plan; those of its `include` step if included."""
    parts = name.split("__")
    for end in range(len(parts), 0, -1):
        step_id = "__".join(parts[:end])
        for part in PARTS:
            steps = root.get(part) if isinstance(root, tree.Mapping) else None
            if isinstance(steps, tree.Mapping) and step_id in steps.pairs:
                return part, step_id
    return "steps", name


def refuse_unsendable(state: State, settings: Settings) -> None:
    """Refuses a run whose callback is certain to fail, as far as that is known offline."""
    for step, url, secret in certain_callbacks(state):
        for named in (url, secret):
            if reason := refusal(named):
                raise UsageError(f"{step}: {reason}", RESERVED_HINT)
            named = named if isinstance(named, str) else ""
            if named.startswith("env:") and read_secret(named.removeprefix("env:")) is None:
                hint = "set the variable where the run is executed, or write it in .env there"
                raise UsageError(f"{step}: the secret {named!r} is not set", hint)
        if settings.rivya_flows_allow_private_notify or not isinstance(url, str):
            continue
        private = False
        with suppress(ValueError):  # of a name, or of what is not an address
            host = urlsplit(url).hostname or ""
            private = host == "localhost" or host.endswith(".localhost") or is_private(host)
        if private:
            message = (
                f"{step}: {redact_url(url)} is an address of this machine or of a private network"
            )
            hint = "give a public one; RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY=true allows it for a trial"
            raise UsageError(message, hint)


def refuse_without_extras(state: State) -> None:
    """Refuses a run of which a step needs an extra that this machine lacks."""
    for name, planned in state.plan.steps.items():
        extras = planned.step.with_.model_dump().get("extras")
        if isinstance(extras, list | tuple) and "otio" in extras and not planned.skipped:
            need("otio", f"{name}: `otio` in `extras`", "remove it")


def verdict(found: Estimate) -> str:
    """A sentence about whether the plan can be paid."""
    if found.is_over_cap:
        least = credits_of(found.spent + found.min)
        return f"over the budget: at least {least}, and the budget is {found.budget}"
    if (step := found.over_step) is not None:
        return f"over the budget of the step {step.id}: {step.over}"
    if (pool := found.exceeded) is not None:
        return f"over the {pool_left(pool)}; it takes at least {credits_of(found.min)}"
    if found.verdict == "over_balance":
        return f"over the balance: at least {credits_of(found.min)}, and the balance is {found.balance}"
    for pool in found.pools:
        if found.min > pool.left:
            return f"over the {pool_left(pool)}; the run buys what fits, then asks"
    if limits := found.may_exceed:
        message, last = f"may exceed {_join(limits)}.", "Nothing beyond is bought."
        if found.max is None:
            why = without_bound(found)
            message += f" {why[0].upper()}{why[1:]}."
            if found.budget is not None or found.pools:
                last = "The purchase that passes it is the last."
        return f"{message} {last}"
    if found.max == 0:
        return "buys nothing"
    fits = ["the budget"] if found.budget is not None else []
    fits += [f"the pool {one.name}" for one in found.pools]
    fits += ["the balance"] if found.balance is not None else []
    return f"fits {_join(fits)}" if fits else "no limit is known"


def expected_price(found: Estimate) -> str:
    """``spot, at least 23, at most 60 credits, balance 1000, budget 60``: a plan before its run."""
    budget = "" if found.budget is None else f", budget {found.budget}"
    saved = f", {found.saved} saved" if found.saved else ""
    return f"{found.name}, {total_of(found)}{saved}, balance {found.balance}{budget}"


def close_budget(found: Estimate) -> Iterator[str]:
    """Says that the budget may not suffice where the least of the plan takes most of it."""
    if found.budget and found.fit == "may_exceed" and found.min >= WARN_AT * found.budget:
        yield f"warning: {verdict(found)}"


def _join(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def refuse_over(found: Estimate, otherwise: str = ", or raise `budget:` in the spec") -> None:
    """Raises a `BudgetError` for a plan that cannot be paid, with what to raise."""
    if found.verdict == "ok":
        return
    missing, options = found.min - (found.balance or 0), raised_budget(found)
    hint = f"add at least {credits_of(missing)}, then the same command; nothing was bought"
    if found.is_over_cap:
        hint = f"give --budget {found.enough} or more{otherwise}; nothing was bought"
    elif found.over_step is not None:
        hint = "raise the `budget` of the step; nothing was bought"
    elif (pool := found.exceeded) is not None:
        raised = f"rivya-flows budgets set {pool.name} --credits N"
        wait = ", or wait for its next period" if pool.until else ""
        hint = f"raise it with `{raised}`{wait}; nothing was bought"
    error = BudgetError(verdict(found), hint)
    error.options = options
    raise error


def raised_budget(found: Estimate) -> tuple[str, ...]:
    """The option with which the same command is not refused for the budget of its run; empty where that is not why."""
    return ("--budget", str(found.enough)) if found.is_over_cap else ()


def soft_limits(found: Estimate) -> list[str]:
    """A warning for each pool whose soft limit the plan may pass, if it buys anything."""
    price = price_of(found.min, found.max)
    return [
        f"warning: {pool_left(pool)}; this may take {price} and pass its soft limit of {pool.soft}"
        for pool in found.pools
        if pool.soft is not None
        and found.max != 0
        and (found.max is None or pool.spent + found.max > pool.soft)
    ]


def new_run_id(now: datetime) -> str:
    """``run-YYYYMMDD-HHMMSS-xxxx``, in UTC."""
    return f"run-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _store_file(value: Any, place: PlanningStore) -> Any:
    """A file of an input in the asset store; other URLs and file ids stay until they are needed."""
    assets = place.assets
    if isinstance(value, dict) and set(value) == {"path"}:
        return keep(assets, Path(value["path"])).as_json()
    if isinstance(value, dict) and set(value) == {"url"} and place.secret is not None:
        medium = medium_at(place.secret, str(value["url"]))
        if medium is None:
            return value
        try:
            return keep(assets, assets.local_path(medium.sha256)).as_json()
        except LostMediumError as error:
            file = f"the file that an input names by its address ({medium.sha256[:12]})"
            hint = "upload it again: files that no run uses are deleted"
            raise UsageError(f"{file} is not in the store", hint) from error
    return value
