"""Metrics of journals: credits, jobs, waits and runs.

No run is replayed: each entry changes a few sums.
"""

from __future__ import annotations

import bisect
import json
from collections import Counter
from dataclasses import dataclass, field

from rivya_flows.queue.events import (
    AnswerGiven,
    BalanceRead,
    CacheAnswered,
    ChatAnswered,
    Event,
    ItemFailed,
    JobEnded,
    OfPurchase,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    PurchaseUnanswered,
    PurchaseUncertain,
    QuestionAsked,
    RunEnded,
    RunFrozen,
    RunResumed,
)

WAIT_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds in seconds: an image takes seconds, a film minutes."""

OTHER = "other"
"""Replaces the names of a label beyond its maximum."""

MAX_NAMES = {"campaign": 200, "step": 500, "model": 200, "service": 20, "wallet": 200}
"""Distinct names by label; specs and catalogues have fewer, mistakes more."""

MAX_NAME_LENGTH = 200

RUNNING = "running"
_ASKING = (RUNNING, "suspended")


class LabelValues:
    """Names of labels, bounded in number: the first ones are kept, the rest is `OTHER`."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {label: set() for label in MAX_NAMES}

    def of(self, label: str, name: str | None) -> str:
        """The name, or `OTHER` once there are too many; "none" for None."""
        if name is None:
            return "none"
        # A journal may hold a lone surrogate; UTF-8 text cannot.
        name = name[:MAX_NAME_LENGTH].encode("utf-8", "replace").decode()
        known = self._known[label]
        if name not in known:
            if len(known) >= MAX_NAMES[label]:
                return OTHER
            known.add(name)
        return name


@dataclass
class Waits:
    """How long jobs took, as a histogram.

    Attributes:
        counts: Jobs in each bucket of `WAIT_BUCKETS`, then those above.
        seconds: Sum of all.
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one job."""
        self.counts[bisect.bisect_left(WAIT_BUCKETS, seconds)] += 1
        self.seconds += seconds


@dataclass
class _Job:
    """A purchase that is not settled."""

    campaign: str
    model: str
    accepted_at: float | None = None
    unanswered: bool = False


@dataclass(frozen=True)
class Balance:
    """The credits of a wallet when a run last read them, in Unix seconds."""

    credits: int
    at: float


class Totals:
    """Sums over the journal entries of all runs.

    Attributes:
        credits: Settled credits by campaign, step and model.
        saved: Credits that the cache saved, by campaign and step.
        jobs: Purchases by campaign, model and outcome.
        waits: From a job's acceptance to its end, by model.
        ends: Ends of executions by campaign and status.
        balances: By service and wallet; "none" is the wallet of the process's key.
    """

    def __init__(self) -> None:
        self.credits: Counter[tuple[str, str, str]] = Counter()
        self.saved: Counter[tuple[str, str]] = Counter()
        self.jobs: Counter[tuple[str, str, str]] = Counter()
        self.waits: dict[str, Waits] = {}
        self.ends: Counter[tuple[str, str]] = Counter()
        self.balances: dict[tuple[str, str], Balance] = {}
        self._names = LabelValues()
        self._wallets: dict[str, tuple[str, str]] = {}
        self._questions: dict[str, dict[tuple[str, str], float]] = {}
        self._campaigns: dict[str, str] = {}
        self._status: dict[str, str] = {}
        self._open: dict[str, dict[tuple[str, str, int], _Job]] = {}

    def learn(self, run_id: str, at: float, event: Event) -> None:
        """Count one entry, written at these Unix seconds; entries of one run come in order."""
        if isinstance(event, RunFrozen):
            name = str(event.plan.get("name") or OTHER)
            self._campaigns[run_id] = self._names.of("campaign", name)
            service = self._names.of("service", event.service)
            self._wallets[run_id] = service, self._names.of("wallet", event.wallet)
            self._status[run_id] = RUNNING
        elif isinstance(event, RunResumed):
            self._status[run_id] = RUNNING
        elif isinstance(event, RunEnded):
            self._status[run_id] = event.status
            self.ends[self._campaign(run_id), event.status] += 1
            if event.status != "suspended":
                self._give_up(run_id)
        elif isinstance(event, CacheAnswered) and event.saved:
            step = self._names.of("step", event.step)
            self.saved[self._campaign(run_id), step] += event.saved
        elif isinstance(event, BalanceRead):
            self._read(run_id, at, event.credits)
        elif isinstance(event, QuestionAsked):
            asked = self._questions.setdefault(run_id, {})
            asked[event.step, event.key] = event.at.timestamp()
        elif isinstance(event, AnswerGiven | ItemFailed):  # a deadline may fail the item
            self._questions.get(run_id, {}).pop((event.step, event.key), None)
        elif isinstance(event, OfPurchase):
            self._purchase(run_id, at, event)

    def runs(self) -> Counter[tuple[str, str]]:
        """Runs by campaign and status."""
        return Counter((self._campaign(run), status) for run, status in self._status.items())

    def questions(self) -> dict[str, list[float]]:
        """When the questions that wait for an answer were asked, in Unix seconds, by campaign."""
        waiting: dict[str, list[float]] = {}
        for run_id, asked in self._questions.items():
            if self._status.get(run_id) in _ASKING:
                waiting.setdefault(self._campaign(run_id), []).extend(asked.values())
        return {campaign: times for campaign, times in waiting.items() if times}

    def in_flight(self, *, driven: bool) -> Counter[tuple[str, str]]:
        """Jobs that were accepted and have not ended, by campaign and model.

        Args:
            driven: Those that a running run waits for; else those of stopped runs, which a resume
                collects.
        """
        return Counter(
            (job.campaign, job.model)
            for run_id, jobs in self._open.items()
            if (self._status.get(run_id) == RUNNING) is driven
            for job in jobs.values()
            if job.accepted_at is not None
        )

    def _read(self, run_id: str, at: float, credits: int | None) -> None:
        wallet = self._wallets.get(run_id)
        if wallet is None or credits is None:
            return
        known = self.balances.get(wallet)
        if known is None or known.at <= at:  # runs are read one after the other
            self.balances[wallet] = Balance(credits, at)

    def _purchase(self, run_id: str, at: float, event: OfPurchase) -> None:
        jobs = self._open.setdefault(run_id, {})
        of = (event.step, event.key, event.n)
        if isinstance(event, PurchaseIntended):
            model = self._names.of("model", _model(event.body))
            jobs[of] = _Job(self._campaign(run_id), model)
            return
        job = jobs.get(of)
        if job is None:
            return
        job.unanswered = isinstance(event, PurchaseUnanswered)
        if job.unanswered:
            return
        if isinstance(event, PurchaseAccepted):
            job.accepted_at = at
            return
        if not isinstance(event, PurchaseUncertain):  # a resume may send that one again
            del jobs[of]
            if not jobs:
                del self._open[run_id]
        self.jobs[job.campaign, job.model, outcome_of(event)] += 1
        if isinstance(event, JobEnded | ChatAnswered):
            step = self._names.of("step", event.step)
            self.credits[job.campaign, step, job.model] += event.final_credits
        if isinstance(event, JobEnded) and job.accepted_at is not None:
            self.waits.setdefault(job.model, Waits()).add(max(0.0, at - job.accepted_at))

    def _give_up(self, run_id: str) -> None:
        """Counts what a run has sent without an answer when it ends: no entry says that it is uncertain."""
        for job in self._open.get(run_id, {}).values():
            if job.unanswered:
                self.jobs[job.campaign, job.model, "uncertain"] += 1
                job.unanswered = False

    def _campaign(self, run_id: str) -> str:
        return self._campaigns.get(run_id, OTHER)


def _model(body: str) -> str | None:
    model = json.loads(body).get("model")
    return model if isinstance(model, str) else None


def outcome_of(event: OfPurchase) -> str:
    """What became of a purchase by the event that settles it."""
    if isinstance(event, PurchaseRefused):
        return "refused"
    if isinstance(event, PurchaseUncertain):
        return "uncertain"
    return event.status if isinstance(event, JobEnded) else "succeeded"
