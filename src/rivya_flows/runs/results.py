"""What the Python API gives back: a plan, and the receipt of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rivya_flows.assets import assets_in, with_assets
from rivya_flows.estimate.estimate import Estimate, Fit, Verdict
from rivya_flows.receipt.report import RunReport, write_report
from rivya_flows.receipt.summary import troubles
from rivya_flows.runs.execution import run_folder
from rivya_flows.runs.lookup import find_run, open_store
from rivya_flows.settings import Settings

RunStatus = Literal["completed", "failed", "cancelled", "suspended", "running"]


@dataclass(frozen=True)
class PlanItem:
    """One item of a step: one purchase, or one free piece of work.

    Attributes:
        step: Id of the step.
        key: Names the item in a fan-out, such as ``neon``; empty for a step of one item, ``*``
            for items that are known only during the run.
        model: None for free steps, and if it is not known yet.
        min: The least that it costs, in credits.
        max: The most, in credits; None if only the service knows it.
        cached: An earlier result is taken, for nothing.
        note: What the price assumes.
    """

    step: str
    key: str
    model: str | None
    min: int
    max: int | None
    cached: bool
    note: str


@dataclass(frozen=True)
class Plan:
    """What a run would do and cost.

    Attributes:
        name: Of the spec.
        items: In the order of the spec.
        skipped: Steps that will not run, with the reason.
        min: The least that all of it costs, in credits.
        max: The most, in credits; None if only the service knows it.
        saved: Credits that the cache saves.
        budget: The cap in credits, or None.
        balance: Credits in the wallet; None if the service did not say.
        verdict: `ok`, or whether `min` is over the budget or the balance: `run` refuses that.
        fit: `fits` whatever its prices turn out to be, `may_exceed` budget, pools or balance, or `exceeds`.
        document: All of it as `rivya-flows plan --json` prints it.
    """

    name: str
    items: tuple[PlanItem, ...]
    skipped: Mapping[str, str]
    min: int
    max: int | None
    saved: int
    budget: int | None
    balance: int | None
    verdict: Verdict
    fit: Fit
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Receipt:
    """What a run did so far: the result of `run`, of a campaign's flow, and of `outputs_of`.

    Attributes:
        run_id: Names the run, for `resume` and `outputs_of`.
        status: `suspended` waits for an answer. Only `outputs_of` gives `running`: the run is
            executed now, or its process died.
        sentence: How it ended, for people.
        outputs: The `outputs` of the spec by name; None for each that the run has not made. Each medium
            is an `Asset` whose path is the copy in the folder; without a folder, its file in the
            asset store, or None if that is not on this machine.
        wallet: Name of the credentials that it bought with; None: the key of the process.
        text_files: Files in the folder of outputs that have a `file` and are no media.
        credits: Credits spent or held by the whole run.
        saved: Credits that the cache saved.
        problems: One line for each item that failed or was skipped; one for all of a step with the same
            reason.
        waiting_for: The choices of each open question by its name, such as ``hero``; empty unless
            it is suspended.
        folder: Outputs, contact sheet (``contact-sheet.html``) and ``receipt.json``; None if none
            was written.
        document: The document of ``receipt.json``.
    """

    run_id: str
    status: RunStatus
    sentence: str
    outputs: Mapping[str, Any]
    credits: int
    saved: int
    problems: tuple[str, ...]
    waiting_for: Mapping[str, tuple[str, ...]]
    folder: Path | None
    document: Mapping[str, Any] = field(repr=False)
    wallet: str | None = None
    text_files: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all media in `outputs`, in their order, as far as they are on this machine; then those of texts."""
        media = (asset.path for asset in assets_in(self.outputs) if asset.path is not None)
        return (*media, *self.text_files)


def plan_of(estimate: Estimate) -> Plan:
    """The plan that an estimate describes."""
    return Plan(
        name=estimate.name,
        items=tuple(
            PlanItem(
                step.id,
                item.key,
                item.model,
                item.price.min,
                item.price.max,
                item.cached,
                item.price.assumption,
            )
            for step in estimate.steps
            for item in step.items
        ),
        skipped={step.id: step.skipped for step in estimate.steps if step.skipped},
        min=estimate.min,
        max=estimate.max,
        saved=estimate.saved,
        budget=estimate.budget,
        balance=estimate.balance,
        verdict=estimate.verdict,
        fit=estimate.fit,
        document=estimate.as_json(),
    )


def receipt_of(report: RunReport) -> Receipt:
    """The receipt that a report describes."""
    receipt = report.receipt
    questions = report.questions if receipt.status == "suspended" else ()
    return Receipt(
        run_id=receipt.run_id,
        status=receipt.status,
        sentence=report.sentence,
        outputs={
            name: with_assets(value, lambda one: receipt.media.get(one.sha256))
            for name, value in receipt.outputs.items()
        },
        credits=receipt.credits.spent,
        saved=receipt.credits.saved,
        problems=tuple(troubles(receipt)),
        waiting_for={one.label: one.choices for one in questions},
        folder=report.folder,
        document=receipt.model_dump(mode="json"),
        wallet=receipt.wallet,
        text_files=tuple(report.folder / one for one in receipt.text_files.values())
        if report.folder
        else (),
    )


def read_report(settings: Settings, name: str, out: Path | None = None) -> RunReport:
    """The report of a run, see `find_run`, as its journal has it now; sends nothing to the service.

    The run gets a folder with all its files in `out`; None writes nothing.
    """
    with open_store(settings) as (journal, assets):
        row = find_run(journal, name)
        folder = None if out is None else run_folder(out, row.run_id)
        return write_report(journal.entries(row.run_id), folder, assets)
