"""What the Python API gives back: a plan, and the receipt of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from rivya_flows.app.report import RunReport
from rivya_flows.ledger.provenance import Recorded, recorded, recorded_asset
from rivya_flows.ledger.summary import troubles
from rivya_flows.planning.pricing.estimate import Estimate, Verdict
from rivya_flows.planning.questions.open_questions import name_of

RunStatus = Literal["completed", "failed", "cancelled", "suspended"]


@dataclass(frozen=True)
class PlanItem:
    """One item of a step: one purchase, or one free piece of work.

    Attributes:
        step: Id of the step.
        key: Names the item in a fan-out, such as ``neon``; empty for a step of one item, ``*``
            for items that are known only during the run.
        model: None for free steps, and where it is not known yet.
        min, max: Credits; `max` is None where only the service knows it.
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
        min, max: Credits; `max` is None where only the service knows it.
        saved: Credits that the cache saves.
        budget: The cap in credits, or None.
        balance: Credits in the wallet.
        verdict: `ok`, or whether `min` is over the budget or the balance: `run` refuses that.
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
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Receipt:
    """What a run did.

    Attributes:
        run_id: Names the run, for `resume`.
        status: `suspended` waits for an answer.
        sentence: How it ended, for people.
        outputs: The `outputs` of the spec by name; each medium is an `Asset` whose path is the
            copy in the folder.
        credits: Credits spent or held by the whole run.
        saved: Credits that the cache saved.
        problems: One line for each item that failed or was skipped.
        questions: The choices of each open question by its name, such as ``hero``.
        folder: Outputs, contact sheet (``contact-sheet.html``) and ``receipt.json``.
        document: The document of ``receipt.json``.
    """

    run_id: str
    status: RunStatus
    sentence: str
    outputs: Mapping[str, Any]
    credits: int
    saved: int
    problems: tuple[str, ...]
    questions: Mapping[str, tuple[str, ...]]
    folder: Path
    document: Mapping[str, Any] = field(repr=False)


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
        document=estimate.as_json(),
    )


def receipt_of(report: RunReport) -> Receipt:
    """The receipt that a report describes."""
    document = report.receipt
    media = recorded(document["assets"])
    paths = report.media_paths
    questions = report.questions if report.status == "suspended" else ()
    return Receipt(
        run_id=report.run_id,
        status=document["status"],
        sentence=report.sentence,
        outputs={
            name: _with_assets(value, media, paths) for name, value in document["outputs"].items()
        },
        credits=document["credits"]["spent"],
        saved=document["credits"]["saved"],
        problems=tuple(troubles(document)),
        questions={name_of(one): one.choices for one in questions},
        folder=report.receipt_path.parent,
        document=document,
    )


def _with_assets(value: Any, media: Recorded, paths: Mapping[str, str]) -> Any:
    """The same value with an `Asset` for each medium of the run."""
    if asset := recorded_asset(value, media):
        copy = paths.get(asset.sha256)
        return asset.model_copy(update={"path": Path(copy)}) if copy else asset
    if isinstance(value, list):
        return [_with_assets(one, media, paths) for one in value]
    if isinstance(value, Mapping):
        return {key: _with_assets(one, media, paths) for key, one in value.items()}
    return value
