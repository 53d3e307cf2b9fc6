"""Events of a run: the entries of its journal, and the only input of the queue.

An entry is a fact with JSON values. What follows from facts (a step is skipped, an answer matches
its schema) is derived by the queue and never journaled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from rivya_flows.assets import Asset, Outputs
from rivya_flows.language.quality import Fault
from rivya_flows.steps.request import UploadedFile


class Entry(BaseModel):
    """A fact. Ignores unknown fields, which newer versions write."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)
    _every: ClassVar[set[str]]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls._every = set(cls.model_fields)

    def model_post_init(self, _: object, /) -> None:
        """Forgets which fields were given: a set for each event would be the largest part of a journal."""
        object.__setattr__(self, "__pydantic_fields_set__", self._every)


class DecidedPick(Entry):
    """What was picked, with the notes of each round; `seen` has a SHA-256 of what each round asked about what."""

    picked: tuple[str, ...]
    notes: tuple[str, ...]
    seen: tuple[str, ...]
    reviews: tuple[AnswerGiven, ...] = ()


class Fork(Entry):
    """A run that this one repeats in part.

    Attributes:
        asked: SHA-256 of each argument of what may be taken, but of media: no request that has another
            one for certain is taken.
    """

    run_id: str
    step: str | None = None
    picks: dict[str, DecidedPick] = Field(default_factory=dict)
    asked: tuple[str, ...]


class RunFrozen(Entry):
    """Everything that a run reads from outside, frozen at its start.

    Attributes:
        wallet: Name of the `RivyaCredentials` block that it buys with; None: the key of the process.
        date: Of `run.date`; None: of `scheduled_for`, or the day of the start in UTC.
        scheduled_for: When a schedule wanted the run to start, in its time zone; None: no schedule did.
        nonce: 128 bits in hex; two runs of one spec never share an idempotency key.
        started_by: ``agent`` if the MCP server started it: an agent answers no other run.
    """

    kind: Literal["run.frozen"] = "run.frozen"
    run_id: str
    spec_text: str
    spec_file: str
    includes: dict[str, str] = Field(default_factory=dict)
    inputs: dict[str, JsonValue]
    files: dict[str, Asset] = Field(default_factory=dict)
    catalogue: dict[str, JsonValue]
    catalogue_date: str
    service: str
    wallet: str | None = None
    started_at: datetime
    date: str | None = None
    scheduled_for: datetime | None = None
    nonce: str
    budget: int | None = None
    cache: Literal["off", "run", "spec"] | None = None
    plan: dict[str, JsonValue] = Field(default_factory=dict)
    plan_hash: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    quote: str | None = None
    fork: Fork | None = None
    started_by: Literal["agent"] | None = None

    @property
    def run(self) -> dict[str, JsonValue]:
        """What `run` holds in expressions."""
        day = self.scheduled_for or self.started_at
        return {
            "id": self.run_id,
            "date": self.date or day.date().isoformat(),
            "scheduled_for": self.scheduled_for.isoformat() if self.scheduled_for else None,
        }


Unpaid = Literal["budget", "balance", "completed"]
"""Why nothing more is bought: over the budget or the balance, or the run completed without it."""


class RunResumed(Entry):
    """An execution resumes the run after a crash, a failure, a cancel or a question.

    Attributes:
        at: UTC; decides which unanswered purchases are too old to resend.
        resend_hours: How long the service is trusted to keep an idempotency key.
        regenerate: Steps, or ``step[key]``, whose failed jobs may be bought again; ``*`` is all. An
            uncertain purchase is given up only by the name of its item, and counts as before.
    """

    kind: Literal["run.resumed"] = "run.resumed"
    at: datetime
    resend_hours: float = 20.0
    budget: int | None = None
    regenerate: tuple[str, ...] = ()
    resubmit: tuple[str, ...] = ()
    unpaid: Unpaid | None = None
    trace_id: str | None = None


class BalanceRead(Entry):
    """The balance around a step or the run; `credits` is None if the service did not answer."""

    kind: Literal["balance.read"] = "balance.read"
    step: str | None
    phase: Literal["before", "after"]
    credits: int | None


class ItemEvent(Entry):
    """An event of one item of a step; `key` is "" for a step without fan-out."""

    step: str
    key: str


class FileUploaded(Entry):
    """The service has this medium now: `source` is as in `UploadMedium`, `model` what it was checked against."""

    kind: Literal["file.uploaded"] = "file.uploaded"
    source: str
    media: str
    model: str | None
    file: UploadedFile
    asset: Asset | None = None


class CacheAnswered(ItemEvent):
    """Finished work was looked for: in forked runs if there is a `run_id`, else in the cache index."""

    kind: Literal["cache.answered"] = "cache.answered"
    request_hash: str
    outputs: Outputs | None
    saved: int = 0
    run_id: str | None = None
    alternative: int = 0


class PurchaseEvent(ItemEvent):
    """An event of the `n`-th purchase of an item, counted from 1."""

    n: int


class Why(Entry):
    """Why an item is bought although an earlier run of the same spec has one."""

    run_id: str
    """The earlier run: the forked one, or the newest that completed."""
    what: str
    """The first thing that differs: `model`, `prompt`, `params.seed`, `references[0]` or another argument; `brand`, `service`, `wallet`, `steps.NAME` of a step that it uses; or, where nothing does, `from`, `cache`, `store`, `fallback`, `url` or `request`."""
    text: str
    """The same for people."""


class PurchaseIntended(PurchaseEvent):
    """Written before the POST: these bytes will be sent under this key.

    Attributes:
        rest: What is planned and not intended yet, and the least that all else costs, this purchase
            included: pools must have that much left, and reserve `reserve`. None if no list
            has just become known.
    """

    kind: Literal["purchase.intended"] = "purchase.intended"
    route: str
    idempotency_key: str
    body: str
    reserve: int
    at: datetime
    alternative: int = 0
    model: str | None = None
    rest: int | None = None
    why: Why | None = None


class PoolRefused(PurchaseEvent):
    """A pool of the store did not cover a planned purchase: it was neither journaled nor sent."""

    kind: Literal["pool.refused"] = "pool.refused"
    pool: str
    needs: int
    left: int
    until: datetime | None = None
    rest: bool = False


class PurchaseAccepted(PurchaseEvent):
    """The service accepted the job. `reserved_credits` corrects the reservation."""

    kind: Literal["purchase.accepted"] = "purchase.accepted"
    task_id: str
    reserved_credits: int


class PurchaseUnanswered(PurchaseEvent):
    """The service may have accepted this: only an answer that accepts it settles that."""

    kind: Literal["purchase.unanswered"] = "purchase.unanswered"
    reason: str


class PurchaseRefused(PurchaseEvent):
    """The service refused, or no request reached it; nothing was charged, and this purchase is closed.

    Attributes:
        status: Of the response; None if no request left this machine: then the item waits for what
            the execution says of the absence.
    """

    kind: Literal["purchase.refused"] = "purchase.refused"
    code: str
    message: str
    status: int | None
    request_id: str | None = None


class PurchaseUncertain(PurchaseEvent):
    """It is unknown whether the service accepted this; it counts as spent."""

    kind: Literal["purchase.uncertain"] = "purchase.uncertain"
    reason: str


class JobEnded(PurchaseEvent):
    """A generation ended; `seconds` are None if an earlier execution bought it."""

    kind: Literal["job.ended"] = "job.ended"
    status: Literal["succeeded", "failed"]
    final_credits: int
    urls: tuple[str, ...] = ()
    error: str | None = None
    error_code: str | None = None
    model: str | None = None
    seconds: float | None = None
    looks: int | None = None
    late_seconds: float | None = None


class MediaRefused(PurchaseEvent):
    """All media of a succeeded job have faults that its step refuses: they were paid, and nothing uses them.

    Attributes:
        final_credits: What the job cost.
        outputs: What the job gave, as of a completed item.
        faults: Of all its media.
    """

    kind: Literal["media.refused"] = "media.refused"
    final_credits: int
    outputs: Outputs
    faults: tuple[Fault, ...]


class MediaAccepted(PurchaseEvent):
    """A person takes media that were refused, and the run continues with them.

    Attributes:
        final_credits: What the job cost.
    """

    kind: Literal["media.accepted"] = "media.accepted"
    final_credits: int
    by: AnsweredBy


class ChatAnswered(PurchaseEvent):
    """A chat turn was answered and charged."""

    kind: Literal["chat.answered"] = "chat.answered"
    completion_id: str
    session_id: str
    content: str
    usage: dict[str, JsonValue] = Field(default_factory=dict)
    reserved_credits: int
    final_credits: int


class ItemCompleted(ItemEvent):
    """Outputs as JSON; `work_seconds` is how long a free step worked on it."""

    kind: Literal["item.completed"] = "item.completed"
    outputs: Outputs
    work_seconds: float | None = None


class BroughtFile(Entry):
    """A downloaded result of a job, in the asset store: a medium, or bytes that could not be decoded."""

    task_id: str
    index: int
    sha256: str
    size_bytes: int
    url: str | None = None


class ItemFailed(ItemEvent):
    """An item failed in this execution; a resume may try again for free, and decodes `files` again first."""

    kind: Literal["item.failed"] = "item.failed"
    code: str
    message: str
    files: tuple[BroughtFile, ...] = ()


class QuestionAsked(ItemEvent):
    """A question is asked for the first time, or again `after` its deadline failed it."""

    kind: Literal["question.asked"] = "question.asked"
    at: datetime
    deadline: datetime | None = None
    after: datetime | None = None
    round: int = 0


class QuestionsLeft(Entry):
    """Nobody answers now: the run is suspended once all other work has ended."""

    kind: Literal["questions.left"] = "questions.left"
    at: datetime


Channel = Literal[
    "terminal", "command", "form", "link", "board", "python", "agent", "deadline", "fork"
]
"""The way an answer came."""


class AnsweredBy(Entry):
    """Who answered a question."""

    name: str | None = None
    """As the person or their terminal gave it; null without a name."""
    channel: Channel
    """How the answer came."""
    at: datetime | None = None
    """When it came, UTC; null for an answer that a fork takes over."""


class AnswerGiven(ItemEvent):
    """A person (or a deadline) answered a question.

    Attributes:
        key: Of the item; of a budget question the budget or pool that it asks about, see `queue.budget`.
        answer: The key of the first picked item, or ``yes``/``no`` for a budget question; "" if none
            was picked. Of a review ``approve`` or ``changes``; ``end`` ends a round with the changes asked for.
        turn: Of a review: which answer of its round this is, from 1; 0 of all else, which has one.
        response: Its id in the mailbox of the store, which loses it in the same transaction; None for
            one that came to the process itself.
    """

    kind: Literal["answer.given"] = "answer.given"
    answer: str
    picked: tuple[str, ...] = ()
    none: bool = False
    note: str = ""
    round: int = 0
    response: int | None = None
    turn: int = 0
    by: AnsweredBy

    @property
    def chosen(self) -> tuple[str, ...]:
        """`picked`, of budget questions too; empty if none was picked."""
        return self.picked or (() if self.none else (self.answer,))


class PoolTotal(Entry):
    """What one service has taken of a pool of the store in the period of a moment."""

    name: str
    """Of the pool."""
    credits: int
    """The most of one period."""
    soft: int | None = None
    """Warn above this; null for none."""
    spent: int
    """Credits that all runs that match spent or hold in the period."""
    until: datetime | None = None
    """End of the period, UTC; null for a pool that covers all time."""

    @property
    def left(self) -> int:
        return max(0, self.credits - self.spent)

    @property
    def is_soft_passed(self) -> bool:
        return self.soft is not None and self.spent > self.soft


MOST_OTHER_RUNS = 20


class OtherRun(Entry):
    """Another run of the store that spent at the same service in the same time."""

    run_id: str
    """The other run."""
    name: str
    """Of its spec."""
    credits: int
    """What it spent between the two balances, negative where more came back."""
    held: int = 0
    """What it holds for purchases without a response, which may have been charged."""

    @property
    def most(self) -> int:
        return self.credits + self.held


class JobSeen(Entry):
    """A job as the service reports it; None for what it does not say (contract, section 4.3)."""

    status: str | None = None
    model: str | None = None
    reserved_credits: int | None = None
    final_credits: int | None = None


class ServiceAsked(Entry):
    """What the service, where a job may be unknown, and the store say after the end of a run."""

    kind: Literal["service.asked"] = "service.asked"
    jobs: dict[str, JobSeen | None]
    others: int = 0
    other_runs: tuple[OtherRun, ...] = ()
    pools: tuple[PoolTotal, ...] = ()


class RunWaits(Entry):
    """This execution left the run to a later one, at `until`, since something is away; it has not ended."""

    kind: Literal["run.waits"] = "run.waits"
    reason: str
    until: datetime


class RunEnded(Entry):
    """This execution of the run has ended; a resume may follow."""

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
    | PoolRefused
    | PurchaseAccepted
    | PurchaseUnanswered
    | PurchaseRefused
    | PurchaseUncertain
    | JobEnded
    | MediaRefused
    | MediaAccepted
    | ChatAnswered
    | ItemCompleted
    | ItemFailed
    | QuestionAsked
    | QuestionsLeft
    | AnswerGiven
    | RunWaits
    | RunEnded
    | ServiceAsked,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Stamped:
    """One entry of a journal: the number of it in its run, from 1, and when it was written (Unix seconds)."""

    seq: int
    at: float
    event: Event


_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
# `json.dumps` would make one for each event.
_AS_TEXT = json.JSONEncoder(separators=(",", ":")).encode


def dump(event: Event) -> str:
    """The event as one line of ASCII JSON, which can hold a lone surrogate."""
    return _AS_TEXT(event.model_dump(mode="json"))


def parse(text: str) -> Event:
    """The event written by `dump`; `pydantic.ValidationError` if it is none of this version."""
    try:
        return _EVENT.validate_json(text)
    except ValidationError as error:
        if error.errors()[0]["type"] != "json_invalid":
            raise
    return _EVENT.validate_python(json.loads(text))  # which takes a lone surrogate


def unique_name(event: Event) -> str | None:
    """The name under which an event may be written only once in a run; None if repeats are fine."""
    # By its kind: `isinstance` of a model is slow, and this is asked of every entry.
    if event.kind == "run.frozen":
        return "frozen"
    if event.kind == "purchase.intended":
        return purchase_name(event.step, event.key, event.n)
    if event.kind == "question.asked":
        again = "" if event.after is None else f" after {event.after.isoformat()}"
        return f"question {event.step}[{event.key}]{again}{_round(event.round)}"
    if event.kind == "answer.given":
        turn = f" turn {event.turn}" if event.turn else ""
        return f"answer {event.step}[{event.key}]{_round(event.round)}{turn}"
    return None


def purchase_name(step: str, key: str, n: int) -> str:
    return f"purchase {step}[{key}] {n}"


def _round(number: int) -> str:
    return f" round {number}" if number else ""
