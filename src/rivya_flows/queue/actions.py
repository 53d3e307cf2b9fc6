"""Actions: what the queue asks the engine to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from rivya_flows.assets import Asset
from rivya_flows.language.quality import Wanted
from rivya_flows.questions.question import Question
from rivya_flows.queue.events import AnswerGiven, BroughtFile, ItemFailed
from rivya_flows.queue.items import Purchase
from rivya_flows.steps.request import Frame


@dataclass(frozen=True, slots=True)
class ReadBalance:
    """Read the balance for a step, or for the run."""

    step: str | None
    phase: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class UploadMedium:
    """Upload a medium to the Files API; its `source` is a SHA-256, a URL or a file id.

    A `frame` is taken of the film that `asset`, or `source` before ``#``, is.
    """

    source: str
    media: str
    model: str | None
    asset: Asset | None
    step: str
    key: str
    frame: Frame | None = None


@dataclass(frozen=True, slots=True)
class AskCache:
    """Look for the result of an equal request; a forked run may have it by any of the `hashes`.

    Attributes:
        wanted: Results whose media this refuses are none; None refuses nothing.
    """

    step: str
    key: str
    request_hash: str
    run_id: str | None = None
    index: bool = True
    hashes: tuple[str, ...] = ()
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Buy:
    """Send the paid POST of a purchase, journaled first if it is only planned."""

    step: str
    key: str
    purchase: Purchase
    rest: int | None = None

    @property
    def event_fields(self) -> dict[str, Any]:
        """The fields of an event that name the purchase."""
        return {"step": self.step, "key": self.key, "n": self.purchase.n}

    @property
    def n(self) -> int:
        return self.purchase.n

    @property
    def intended(self) -> bool:
        """The intent is journaled, and an earlier execution may have sent it."""
        return self.purchase.status != "planned"


@dataclass(frozen=True, slots=True)
class Collect:
    """Wait for a job to end, unless that is `settled`, and collect its results."""

    step: str
    key: str
    n: int
    task_id: str
    media: str
    settled: bool
    timeout_seconds: float | None
    files: tuple[BroughtFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Do a free step with its evaluated arguments."""

    step: str
    key: str
    uses: str
    arguments: dict[str, JsonValue] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask all open questions in one form: nothing else can run. It ends once the next one, by `number`, begins."""

    questions: tuple[Question, ...]
    number: int


@dataclass(frozen=True, slots=True)
class Expire:
    """Journal what passed deadlines decide."""

    events: tuple[AnswerGiven | ItemFailed, ...]


@dataclass(frozen=True, slots=True)
class EndRun:
    """End the run: all steps are settled."""

    status: Literal["completed", "failed", "suspended"]


Action = ReadBalance | UploadMedium | AskCache | Buy | Collect | Work | Ask | Expire | EndRun
