"""Actions: what the queue asks the engine to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from rivya_flows.assets import Asset
from rivya_flows.questions.question import Question
from rivya_flows.queue.events import AnswerGiven, BroughtFile, ItemFailed
from rivya_flows.queue.items import Purchase


@dataclass(frozen=True, slots=True)
class ReadBalance:
    """Read the balance for a step; for the run if `step` is None."""

    step: str | None
    phase: Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class UploadMedium:
    """Upload one medium to the Files API.

    Attributes:
        source: SHA-256, URL or file id; identifies the upload together with `media` and `model`.
    """

    source: str
    media: str
    model: str | None
    asset: Asset | None
    step: str
    key: str


@dataclass(frozen=True, slots=True)
class AskCache:
    """Look for the result of an equal request of an earlier run.

    Attributes:
        hashes: Of the request as written and of each `fallback`: a forked run gives what one of
            them made.
    """

    step: str
    key: str
    request_hash: str
    run_id: str | None = None
    index: bool = True
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Buy:
    """Send the paid POST of `bought`, journaled first if it is only planned."""

    step: str
    key: str
    bought: Purchase
    rest: int | None = None

    @property
    def n(self) -> int:
        return self.bought.n

    @property
    def intended(self) -> bool:
        """The intent is journaled, and an earlier execution may have sent it."""
        return self.bought.status != "planned"


@dataclass(frozen=True, slots=True)
class Collect:
    """Wait for a job to end and collect its results.

    Attributes:
        media: image, video or audio: decides how often to poll.
        settled: Its end is journaled; only the results are missing.
    """

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
    """Ask all open questions in one form: nothing else can run."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Expire:
    """Journal what passed deadlines decide."""

    events: tuple[AnswerGiven | ItemFailed, ...]


@dataclass(frozen=True, slots=True)
class EndRun:
    """End the run: all steps are settled."""

    status: Literal["completed", "failed", "suspended"]


Action = ReadBalance | UploadMedium | AskCache | Buy | Collect | Work | Ask | Expire | EndRun
