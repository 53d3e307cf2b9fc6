"""The state of a run, which the queue derives from the journal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from rivya_flows.language.workflow import WARN_AT, Step
from rivya_flows.planning.expansion.item_requests import ItemRequest, PricedBy, UploadName
from rivya_flows.planning.plan import PlannedStep, RunPlan, Variables
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import BroughtFile, Unpaid, UploadedFile


class Phase(StrEnum):
    """The progress of an item."""

    WAITING = "waiting"  # for its upstream
    READY = "ready"  # evaluated; waits for a limit, a price or the budget
    LOOKING = "looking"  # in the cache
    UPLOADING = "uploading"
    BUYING = "buying"  # the POST was sent
    RUNNING = "running"  # a job, or free work
    COMPLETED = "completed"
    SKIPPED = "skipped"
    FAILED = "failed"


TERMINAL = frozenset({Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED})
IN_FLIGHT = frozenset({Phase.LOOKING, Phase.UPLOADING, Phase.BUYING, Phase.RUNNING})


@dataclass(frozen=True)
class Purchase:
    """One paid POST and its outcome.

    Attributes:
        status: `planned` is not journaled yet, so nothing was sent; `intended` has no answer yet;
            `accepted` runs; `succeeded`, `failed` and `answered` are settled; `refused` cost
            nothing; `uncertain` counts as spent.
        reserve: Credits reserved before the POST.
        priced_by: What its price depends on.
        reserved: Credits that the service reserved; None before it said so.
        final: What it cost; None before the end.
    """

    n: int
    route: Literal["generation", "chat", "function"]
    idempotency_key: str
    body: str
    reserve: int
    intended_at: datetime
    priced_by: PricedBy = field(default_factory=PricedBy)
    status: Literal[
        "planned",
        "intended",
        "accepted",
        "succeeded",
        "failed",
        "answered",
        "refused",
        "uncertain",
    ] = "intended"
    task_id: str | None = None
    reserved: int | None = None
    final: int | None = None
    error: str | None = None
    content: str | None = None
    session_id: str | None = None
    usage: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def held(self) -> int:
        """Credits of the budget that this purchase takes now."""
        if self.status == "refused":
            return 0
        if self.final is not None:
            return self.final
        return self.reserve if self.reserved is None else self.reserved

    @property
    def named(self) -> int | None:
        """What the service charges for it; None before it said so."""
        return None if self.reserved is None else max(self.reserved, self.final or 0)


@dataclass(frozen=True)
class ItemState:
    """One item of a step.

    Attributes:
        request: What it does; None until its arguments are evaluated.
        reason: Why it was skipped or failed.
        code: Stable name of that reason, or None.
        granted: Jobs that a resume allowed beyond `regenerate` of the spec.
        saved: Credits that the cache saved.
        cached: Its outputs came from the cache.
        answer: The key that a person picked.
        files: Downloaded results of its jobs, if the item failed.
        unpaid: It was not bought because the rest could not be paid; `allow_failures` does not
            cover it.
    """

    key: str
    variables: Variables = field(hash=False)
    phase: Phase = Phase.WAITING
    request: ItemRequest | None = field(default=None, hash=False)
    purchases: tuple[Purchase, ...] = ()
    outputs: Mapping[str, Any] | None = field(default=None, hash=False)
    reason: str | None = None
    code: str | None = None
    granted: int = 0
    asked_cache: bool = False
    cached: bool = False
    saved: int = 0
    answer: str | None = None
    files: tuple[BroughtFile, ...] = ()
    unpaid: bool = False

    @property
    def last(self) -> Purchase | None:
        """Its newest purchase."""
        return self.purchases[-1] if self.purchases else None

    @property
    def credits(self) -> int:
        """What it has cost, or holds while it runs."""
        return sum(one.held for one in self.purchases if one.status != "planned")


@dataclass(frozen=True)
class StepState:
    """One step.

    Attributes:
        items: None until a run-time fan-out is expanded.
        balances: The balance `before` its first action and `after` its last purchase, once read;
            None if the service did not answer.
        reading: The balance that is being read.
    """

    items: tuple[ItemState, ...] | None
    balances: Mapping[str, int | None] = field(default_factory=dict, hash=False)
    reading: Literal["before", "after"] | None = None

    @property
    def settled(self) -> bool:
        """All its items have ended."""
        return self.items is not None and all(item.phase in TERMINAL for item in self.items)


@dataclass(frozen=True)
class State:
    """A whole run.

    Attributes:
        uploads: Media that the service has; None while they are uploaded.
        cap: Budget in credits, or None.
        claims: Items with equal requests, in the order of their ordinals, by request hash.
        deadlines: Of all questions that were asked, by step and key; None for no deadline.
        asking: Questions that a person, or their deadline, is about to answer.
        left: Nobody answers in this execution.
        unpaid: Why this execution buys nothing more; None if it buys.
        ended: The status of this execution, once it has ended.
        balances: Of the whole run, as those of a step.
    """

    plan: RunPlan
    run_id: str
    service: str
    nonce: str
    started_at: datetime
    now: datetime
    steps: Mapping[str, StepState] = field(hash=False)
    uploads: Mapping[UploadName, UploadedFile | None] = field(hash=False)
    cap: int | None
    cache: str | None
    claims: Mapping[str, tuple[tuple[str, str], ...]] = field(hash=False)
    answers: Mapping[str, str] = field(default_factory=dict, hash=False)
    deadlines: Mapping[tuple[str, str], datetime | None] = field(default_factory=dict, hash=False)
    asking: tuple[Question, ...] = ()
    left: bool = False
    unpaid: Unpaid | None = None
    refused_cap: int | None = None
    ended: str | None = None
    balances: Mapping[str, int | None] = field(default_factory=dict, hash=False)
    reading: Literal["before", "after"] | None = None

    def planned(self, step_id: str) -> PlannedStep:
        """A step of the plan."""
        return self.plan.steps[step_id]

    def spec(self, step_id: str) -> Step:
        """A step as it was written."""
        return self.plan.steps[step_id].step

    def item(self, step_id: str, key: str) -> ItemState:
        """One item.

        Raises:
            KeyError: There is no such item.
        """
        for item in self.steps[step_id].items or ():
            if item.key == key:
                return item
        raise KeyError((step_id, key))

    def with_step(self, step_id: str, step: StepState) -> State:
        """This state with one step replaced."""
        return replace(self, steps={**self.steps, step_id: step})

    def with_item(self, step_id: str, item: ItemState) -> State:
        """This state with one item replaced."""
        step = self.steps[step_id]
        items = step.items or ()
        at = next((at for at, old in enumerate(items) if old.key == item.key), len(items))
        changed = (*items[:at], item, *items[at + 1 :]) if at < len(items) else items
        return self.with_step(step_id, replace(step, items=changed))

    def each(self) -> Iterator[tuple[str, ItemState]]:
        """All items, in the order of the plan."""
        for step_id, step in self.steps.items():
            for item in step.items or ():
                yield step_id, item

    @property
    def spent(self) -> int:
        """Credits spent or held, all attempts counted."""
        return sum(item.credits for _, item in self.each())

    @property
    def committed(self) -> int:
        """`spent`, and purchases that are planned but not journaled yet."""
        return sum(purchase.held for _, item in self.each() for purchase in item.purchases)

    @property
    def warns_at(self) -> float | None:
        """Credits spent at which the run warns that its budget runs out; None without a cap.

        The cap may come from the command line or a batch, without a `budget` in the spec.
        """
        budget = self.plan.workflow.budget
        return self.cap * (budget.warn_at if budget else WARN_AT) if self.cap else None

    @property
    def saved(self) -> int:
        """Credits that the cache saved."""
        return sum(item.saved for _, item in self.each())


def step_status(planned: PlannedStep, step: StepState) -> str:
    """completed, cached, skipped, failed, or `running` while it is not settled."""
    if not step.settled:
        return "running"
    items = step.items or ()
    failures = sum(item.phase is Phase.FAILED for item in items)
    unpaid = any(item.unpaid for item in items)
    if unpaid or failures > planned.step.allow_failures or (failures and failures == len(items)):
        return "failed"
    done = [item for item in items if item.phase is Phase.COMPLETED]
    if items and not done:
        return "skipped"
    return "cached" if done and all(item.cached for item in done) else "completed"
