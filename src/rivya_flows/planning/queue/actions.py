"""What the queue asks the engine to do. Each kind is carried out by one module of `rivya_flows.flows.execution.actions`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from rivya_flows.assets import Asset
from rivya_flows.planning.queue.events import AnswerGiven, BroughtFile, ItemFailed


@dataclass(frozen=True)
class ReadBalance:
    """Read the wallet for a step, or for the run where `step` is None."""

    step: str | None
    phase: Literal["before", "after"]


@dataclass(frozen=True)
class UploadMedium:
    """Bring one medium to the Files API.

    Attributes:
        source: SHA-256, URL or file id; with `media` and `model` the name of the upload.
        asset: The medium, when this run holds it.
        step: For whom it is done first; names the task run.
    """

    source: str
    media: str
    model: str | None
    asset: Asset | None
    step: str
    key: str


@dataclass(frozen=True)
class AskCache:
    """Look for the result of an equal request of an earlier run."""

    step: str
    key: str
    request_hash: str


@dataclass(frozen=True)
class Buy:
    """Send a paid POST.

    Attributes:
        intended: The intent stands already, and an earlier execution may have sent it: else it is
            written first.
        resubmitted: A person said to send an uncertain purchase again, so a refusal closes it.
    """

    step: str
    key: str
    n: int
    route: Literal["generation", "chat", "function"]
    idempotency_key: str
    body: str
    reserve: int
    intended: bool
    resubmitted: bool = False


@dataclass(frozen=True)
class Collect:
    """Wait for a job's end and bring its results home.

    Attributes:
        media: image, video or audio: how patiently to poll.
        settled: Its end stands in the journal already; only the results are missing.
        timeout_seconds: How long to wait in all, or None for the client's own patience.
        files: Results that came home in an earlier execution and were not enough to finish.
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
    """Do a free step: `upload`, `pick` or `compose`, with its evaluated arguments."""

    step: str
    key: str
    uses: str
    arguments: dict[str, Any] = field(hash=False)


@dataclass(frozen=True)
class Ask:
    """Nothing can go on before a person answers.

    Attributes:
        questions: All open questions, to be asked in one form.
    """

    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Expire:
    """Deadlines have passed.

    Attributes:
        events: What follows from each: written as it is.
    """

    events: tuple[AnswerGiven | ItemFailed, ...]


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        text: What is asked.
        choices: The answers that fit.
        candidates: For a pick, the items to choose from.
        timeout_seconds: How long it stays open, from the first asking; None is for ever.
        on_timeout: Whether the first candidate is taken after that, or the pick fails.
        deadline: When that is, once it was asked; None for one that stays open for ever too.
    """

    step: str
    key: str
    text: str
    choices: tuple[str, ...]
    candidates: tuple[dict[str, Any], ...] = field(default=(), hash=False)
    timeout_seconds: float | None = None
    on_timeout: Literal["first", "fail"] = "fail"
    deadline: datetime | None = None


@dataclass(frozen=True)
class EndRun:
    """All is settled; the run is over."""

    status: Literal["completed", "failed", "suspended"]


Action = ReadBalance | UploadMedium | AskCache | Buy | Collect | Work | Ask | Expire | EndRun
