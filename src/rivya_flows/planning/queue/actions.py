"""Actions: what the queue asks the engine to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from rivya_flows.assets import Asset
from rivya_flows.catalogue.prices import price_of
from rivya_flows.planning.queue.events import AnswerGiven, BroughtFile, ItemFailed
from rivya_flows.steps.request import Route


@dataclass(frozen=True)
class ReadBalance:
    """Read the balance for a step; for the run if `step` is None."""

    step: str | None
    phase: Literal["before", "after"]


@dataclass(frozen=True)
class UploadMedium:
    """Upload one medium to the Files API.

    Attributes:
        source: SHA-256, URL or file id; identifies the upload together with `media` and `model`.
        asset: The medium, if this run holds it.
        step: The first step that needs it; names the task run.
    """

    source: str
    media: str
    model: str | None
    asset: Asset | None
    step: str
    key: str


@dataclass(frozen=True)
class AskCache:
    """Look for the result of an equal request of an earlier run.

    Attributes:
        run_id: The forked run, which is asked first; None for none.
        index: The cache index is asked.
        hashes: Of the request as written and of each `fallback`: a forked run gives what one of
            them made.
    """

    step: str
    key: str
    request_hash: str
    run_id: str | None = None
    index: bool = True
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Buy:
    """Send a paid POST.

    Attributes:
        intended: The intent is journaled, and an earlier execution may have sent it; otherwise
            it is journaled first.
        alternative: Which `fallback` of its step this is, counted from 1; 0 is as written.
        rest: As `PurchaseIntended.rest`.
    """

    step: str
    key: str
    n: int
    route: Route
    idempotency_key: str
    body: str
    reserve: int
    intended: bool
    alternative: int = 0
    rest: int | None = None


@dataclass(frozen=True)
class Collect:
    """Wait for a job to end and collect its results.

    Attributes:
        media: image, video or audio: decides how often to poll.
        settled: Its end is journaled; only the results are missing.
        timeout_seconds: How long to wait in all; None is the client's default.
        files: Results that earlier executions downloaded.
    """

    step: str
    key: str
    n: int
    task_id: str
    media: str
    settled: bool
    timeout_seconds: float | None
    files: tuple[BroughtFile, ...] = ()


@dataclass(frozen=True)
class Work:
    """Do a free step with its evaluated arguments."""

    step: str
    key: str
    uses: str
    arguments: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Ask:
    """Ask all open questions in one form: nothing else can run."""

    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Expire:
    """Journal what passed deadlines decide."""

    events: tuple[AnswerGiven | ItemFailed, ...]


class NextRound(NamedTuple):
    """What another round of a pick buys.

    Attributes:
        items: How many candidates.
        least, most: Their credits, and those of their judge; `most` is None without an upper bound.
    """

    items: int
    least: int
    most: int | None

    def __str__(self) -> str:
        return f"{self.items} again for {price_of(self.least, self.most)}"


QuestionName = tuple[str, str, int]
"""Step, key, and how often the candidates had been bought again."""


class Candidate(BaseModel):
    """An item that can be picked, as its question and the receipt have it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    n: int
    """Its number in the list."""
    key: str
    """The item."""
    sha256: str | None
    """Of its medium, in hex; null for a text."""
    text: str | None
    """Of a candidate without a medium: its text, or its JSON."""
    credits: int | None
    """What it cost."""
    score: int | float | None
    """What the judge gives it, 0 to 10; with `best`, the value of `by`."""
    reason: str | None
    """In the words of the judge."""
    picked: bool = False
    """It was picked."""
    proposed: bool = False
    """The judge would pick it."""
    asset: SkipJsonSchema[Asset | None] = Field(default=None, exclude=True)
    """Its medium; not in a receipt."""
    place: SkipJsonSchema[str] = Field(default="", exclude=True)
    """Path or URL of its medium, as its item has it; not in a receipt."""
    task_id: SkipJsonSchema[str | None] = Field(default=None, exclude=True)
    """Its job; not in a receipt."""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        text: The question.
        choices: Valid answers.
        candidates: Of a pick, the items to choose from.
        timeout_seconds: How long it stays open after it was first asked; None is for ever.
        on_timeout: Take the first candidates after that, or the judge's, or fail the pick.
        deadline: When it closes; None before it is asked, and if it never closes.
        count: How many candidates to pick.
        round: How often the candidates have been bought again.
        rounds_left: How often they still may be; 0: some of them must be picked.
        again: What such a round buys; None if none is left.
        note_room: Characters that a note for the next round may have.
        sign: Whether a form must give a name.
        proposal: What the judge would pick; empty if nothing is good enough.
        judge_error: Why its judge gave no usable scores.
        shortfall: Why `proposal` is empty, for the message of a deadline.
        on_none: What a deadline does where the judge proposes nothing.
    """

    step: str
    key: str
    text: str
    choices: tuple[str, ...]
    candidates: tuple[Candidate, ...] = field(default=(), hash=False)
    timeout_seconds: float | None = None
    on_timeout: Literal["first", "judge", "fail"] = "fail"
    deadline: datetime | None = None
    count: int = 1
    round: int = 0
    rounds_left: int = 0
    again: NextRound | None = None
    note_room: int = 0
    sign: bool = False
    proposal: tuple[str, ...] = ()
    judge_error: str | None = None
    shortfall: str = ""
    on_none: Literal["fail", "regenerate"] = "fail"

    @property
    def name(self) -> QuestionName:
        """What tells it from all other questions of a run."""
        return (self.step, self.key, self.round)


@dataclass(frozen=True)
class EndRun:
    """End the run: all steps are settled."""

    status: Literal["completed", "failed", "suspended"]


Action = ReadBalance | UploadMedium | AskCache | Buy | Collect | Work | Ask | Expire | EndRun
