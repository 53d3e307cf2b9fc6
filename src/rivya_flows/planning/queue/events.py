"""What can happen in a run: the entries of the journal, and the only input of the queue.

An entry is a fact with plain JSON values. Whatever follows from facts (a step that is skipped, an
answer that fits its shape) is derived by the queue and never written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rivya_flows.assets import Asset


class Entry(BaseModel):
    """A fact. Unknown fields of a newer version are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class RunFrozen(Entry):
    """All that a run reads from outside, taken once.

    Attributes:
        spec_text: The spec as it was started.
        spec_file: Its name, for messages.
        includes: Texts of the specs that it includes, by path from its folder.
        inputs: Resolved inputs; files are assets by hash.
        files: Files that the spec names itself, by the written path, as assets.
        catalogue: The payload of ``GET /models``.
        catalogue_date: When it was read, ISO date.
        service: Base URL or sandbox id that the run belongs to.
        started_at: UTC.
        nonce: 128 bits in hex; two runs of one spec never share an idempotency key.
        budget: Cap in credits, or None.
        cache: The mode asked for on the command line, or None for the spec's own.
        plan_hash: SHA-256 of the plan's canonical JSON.
        plan: That JSON document.
    """

    kind: Literal["run.frozen"] = "run.frozen"
    run_id: str
    spec_text: str
    spec_file: str
    includes: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, Any]
    files: dict[str, Asset] = Field(default_factory=dict)
    catalogue: dict[str, Any]
    catalogue_date: str
    service: str
    started_at: datetime
    nonce: str
    budget: int | None = None
    cache: Literal["off", "run", "spec"] | None = None
    plan: dict[str, Any] = Field(default_factory=dict)
    plan_hash: str = ""


Unpaid = Literal["budget", "balance", "completed"]
"""Why nothing more is bought: it fits neither budget nor balance, or the run is completed without."""


class RunResumed(Entry):
    """A driver took the run up again, after a crash, a failure, a cancel or a question.

    Attributes:
        at: UTC; decides which unanswered purchases are too old to be sent again.
        resend_hours: How long the service is trusted to keep an idempotency key.
        budget: A new cap in credits, or None to keep the old one.
        regenerate: Steps, or ``step[key]``, whose failed jobs may be bought anew; ``*`` is all.
        resubmit: ``step[key]`` of uncertain purchases to send again under their key.
        unpaid: Why in this execution nothing more is bought, and only what was bought is brought
            home; None where the rest is bought too.
    """

    kind: Literal["run.resumed"] = "run.resumed"
    at: datetime
    resend_hours: float = 20.0
    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    unpaid: Unpaid | None = None


class BalanceRead(Entry):
    """The wallet at the start or the end of a step; `step` is None for the run's own.

    `credits` is None where the service did not tell.
    """

    kind: Literal["balance.read"] = "balance.read"
    step: str | None
    phase: Literal["before", "after"]
    credits: int | None


class OfItem(Entry):
    """Something about one item of a step; `key` is "" for a step without fan-out."""

    step: str
    key: str


class UploadedFile(Entry):
    """What the Files API answered. Source: contract, section 5."""

    id: str
    url: str
    kind: str | None = None
    name: str | None = None
    mime_type: str | None = None
    size_bytes: int | None = None
    duration_seconds: float | None = None
    duration_token: str | None = None
    created_at: str | None = None


class FileUploaded(Entry):
    """The service has this medium now.

    Attributes:
        source: SHA-256 of the content, or the URL or file id that the spec gave.
        model: The model it was checked against; None for none.
        asset: The medium itself, if this run holds it.
    """

    kind: Literal["file.uploaded"] = "file.uploaded"
    source: str
    media: str
    model: str | None
    file: UploadedFile
    asset: Asset | None = None


class CacheAnswered(OfItem):
    """The cache index was asked; `outputs` is None where it knew nothing."""

    kind: Literal["cache.answered"] = "cache.answered"
    request_hash: str
    outputs: dict[str, Any] | None
    saved: int = 0


class OfPurchase(OfItem):
    """Something about the `n`-th purchase of an item, counted from 1."""

    n: int


class PurchaseIntended(OfPurchase):
    """Written before the POST: these bytes will go out under this key.

    Attributes:
        reserve: Credits set aside in the run's budget.
    """

    kind: Literal["purchase.intended"] = "purchase.intended"
    route: Literal["generation", "chat", "function"]
    idempotency_key: str
    body: str
    reserve: int
    at: datetime


class PurchaseAccepted(OfPurchase):
    """The service took the job. `reserved_credits` corrects the reservation."""

    kind: Literal["purchase.accepted"] = "purchase.accepted"
    task_id: str
    reserved_credits: int


class PurchaseRefused(OfPurchase):
    """A definite refusal; nothing was charged, and this purchase is closed."""

    kind: Literal["purchase.refused"] = "purchase.refused"
    code: str
    message: str
    status: int
    request_id: str | None = None


class PurchaseUncertain(OfPurchase):
    """Nobody can say whether the service took this; it counts as spent."""

    kind: Literal["purchase.uncertain"] = "purchase.uncertain"
    reason: str


class JobEnded(OfPurchase):
    """A generation reached its end; `final_credits` is the truth about its cost."""

    kind: Literal["job.ended"] = "job.ended"
    status: Literal["succeeded", "failed"]
    final_credits: int
    urls: tuple[str, ...] = ()
    error: str | None = None
    error_code: str | None = None


class ChatAnswered(OfPurchase):
    """A chat turn was answered and settled."""

    kind: Literal["chat.answered"] = "chat.answered"
    completion_id: str
    session_id: str
    content: str
    usage: dict[str, Any] = Field(default_factory=dict)
    reserved_credits: int
    final_credits: int


class ItemCompleted(OfItem):
    """An item has its outputs: the fields that the spec may use."""

    kind: Literal["item.completed"] = "item.completed"
    outputs: dict[str, Any]


class BroughtFile(Entry):
    """A downloaded result of a job: a medium, or bytes that could not be decoded.

    Attributes:
        index: Its place among the results of the job, counted from 0.
        sha256: Of its bytes, which are in the asset store.
        url: Where it came from.
    """

    task_id: str
    index: int
    sha256: str
    size_bytes: int
    url: str | None = None


class ItemFailed(OfItem):
    """An item could not be finished in this execution; a resume may try again for free.

    Attributes:
        files: Results of its job that were downloaded. A resume decodes them again before it
            downloads them again.
    """

    kind: Literal["item.failed"] = "item.failed"
    code: str
    message: str
    files: tuple[BroughtFile, ...] = ()


class QuestionAsked(OfItem):
    """A question is about to be put to someone, for the first time.

    Attributes:
        at: UTC.
        deadline: When it is answered without a person, counted from this first asking; None is
            never.
    """

    kind: Literal["question.asked"] = "question.asked"
    at: datetime
    deadline: datetime | None = None


class QuestionsLeft(Entry):
    """There is no one who answers now: the run is suspended once nothing else goes on."""

    kind: Literal["questions.left"] = "questions.left"
    at: datetime


class AnswerGiven(OfItem):
    """A person (or a deadline) answered a question.

    Attributes:
        key: Of the item; for a budget question the budget that it asks for, as in `budget_key`.
        answer: The key of the picked item, or ``yes``/``no`` for a budget question.
        by: ``terminal``, ``command``, ``form`` or ``deadline``.
    """

    kind: Literal["answer.given"] = "answer.given"
    answer: str
    by: str


class ServiceAsked(Entry):
    """What the service says of this run's jobs after its end, by task id; None: unknown to it."""

    kind: Literal["service.asked"] = "service.asked"
    jobs: dict[str, dict[str, Any] | None]


class RunEnded(Entry):
    """This execution of the run is over; a resume may follow."""

    kind: Literal["run.ended"] = "run.ended"
    status: Literal["completed", "failed", "cancelled", "suspended"]
    at: datetime


Event = Annotated[
    RunFrozen
    | RunResumed
    | BalanceRead
    | FileUploaded
    | CacheAnswered
    | PurchaseIntended
    | PurchaseAccepted
    | PurchaseRefused
    | PurchaseUncertain
    | JobEnded
    | ChatAnswered
    | ItemCompleted
    | ItemFailed
    | QuestionAsked
    | QuestionsLeft
    | AnswerGiven
    | RunEnded
    | ServiceAsked,
    Field(discriminator="kind"),
]


@dataclass(frozen=True)
class Stamped:
    """One entry of a journal with its place.

    Attributes:
        seq: Counted from 1 within the run.
        at: Unix seconds of the write.
    """

    seq: int
    at: float
    event: Event
