"""Metrics of journals: credits, jobs, waits and runs.

No run is replayed: each entry changes a few sums.
"""

from __future__ import annotations

import bisect
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from rivya_flows.queue import events

WAIT_BUCKETS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Upper bounds in seconds: an image takes seconds, a film minutes."""

OTHER = "other"
"""Replaces the names of a label beyond its maximum."""

MAX_NAMES = {"campaign": 200, "step": 500, "model": 200, "service": 20, "wallet": 200}
"""Distinct names by label; specs and catalogues have fewer, mistakes more."""

MAX_NAME_LENGTH = 200


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
    """How long jobs took: how many in each of the `WAIT_BUCKETS` and above, and the sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS) + 1))
    seconds: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(WAIT_BUCKETS, seconds)] += 1
        self.seconds += seconds


@dataclass
class _Job:
    """A purchase that is not settled."""

    model: str
    accepted_at: float | None = None
    unanswered: bool = False


@dataclass
class _Run:
    """A run, with its open questions (when they were asked) and its open purchases."""

    campaign: str
    wallet: tuple[str, str]
    status: str = "running"
    questions: dict[tuple[str, str], float] = field(default_factory=dict)
    jobs: dict[tuple[str, str, int], _Job] = field(default_factory=dict)


class Balance(NamedTuple):
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
        self._runs: dict[str, _Run] = {}

    def learn(self, run_id: str, at: float, event: events.Event) -> None:
        """Count one entry, written at these Unix seconds; entries of one run come in order."""
        name = self._names.of
        if isinstance(event, events.RunFrozen):
            campaign = name("campaign", str(event.plan.get("name") or OTHER))
            wallet = name("service", event.service), name("wallet", event.wallet)
            self._runs[run_id] = _Run(campaign, wallet)
        elif run := self._runs.get(run_id):  # else its first entry is of a newer version
            self._learn(run, at, event)

    def _learn(self, run: _Run, at: float, event: events.Event) -> None:
        match event:
            case events.RunResumed():
                run.status = "running"
            case events.RunEnded(status=status):
                run.status = status
                self.ends[run.campaign, status] += 1
                for job in run.jobs.values():
                    # No entry says that what was sent without an answer is uncertain.
                    if job.unanswered and status != "suspended":
                        self.jobs[run.campaign, job.model, "uncertain"] += 1
                        job.unanswered = False
            case events.CacheAnswered(step=step, saved=saved) if saved:
                self.saved[run.campaign, self._names.of("step", step)] += saved
            case events.BalanceRead(credits=int(credits)):
                known = self.balances.get(run.wallet)
                if known is None or known.at <= at:  # runs are read one after the other
                    self.balances[run.wallet] = Balance(credits, at)
            case events.QuestionAsked(step=step, key=key):
                run.questions[step, key] = event.at.timestamp()
            case events.AnswerGiven() | events.ItemFailed():  # a deadline may fail the item
                run.questions.pop((event.step, event.key), None)
            case events.PurchaseEvent():
                self._purchase(run, at, event)

    def runs(self) -> Counter[tuple[str, str]]:
        """Runs by campaign and status."""
        return Counter((run.campaign, run.status) for run in self._runs.values())

    def questions(self) -> dict[str, list[float]]:
        """When the questions that wait for an answer were asked, in Unix seconds, by campaign."""
        waiting: dict[str, list[float]] = {}
        for run in self._runs.values():
            if run.questions and run.status in ("running", "suspended"):
                waiting.setdefault(run.campaign, []).extend(run.questions.values())
        return waiting

    def in_flight(self, *, driven: bool) -> Counter[tuple[str, str]]:
        """Jobs that were accepted and have not ended, by campaign and model.

        Args:
            driven: Those that a running run waits for; else those of stopped runs, which a resume
                collects.
        """
        return Counter(
            (run.campaign, job.model)
            for run in self._runs.values()
            if (run.status == "running") is driven
            for job in run.jobs.values()
            if job.accepted_at is not None
        )

    def _purchase(self, run: _Run, at: float, event: events.PurchaseEvent) -> None:
        of = (event.step, event.key, event.n)
        if isinstance(event, events.PurchaseIntended):
            run.jobs[of] = _Job(self._names.of("model", _model(event.body)))
            return
        if (job := run.jobs.get(of)) is None:
            return
        job.unanswered = isinstance(event, events.PurchaseUnanswered)
        if job.unanswered:
            return
        if isinstance(event, events.PurchaseAccepted):
            job.accepted_at = at
            return
        if not isinstance(event, events.PurchaseUncertain):  # a resume may send that one again
            del run.jobs[of]
        self.jobs[run.campaign, job.model, outcome_of(event)] += 1
        if isinstance(event, events.JobEnded | events.ChatAnswered):
            step = self._names.of("step", event.step)
            self.credits[run.campaign, step, job.model] += event.final_credits
        if isinstance(event, events.JobEnded) and job.accepted_at is not None:
            self.waits.setdefault(job.model, Waits()).add(max(0.0, at - job.accepted_at))


def _model(body: str) -> str | None:
    model = json.loads(body).get("model")
    return model if isinstance(model, str) else None


def outcome_of(event: events.PurchaseEvent) -> str:
    """What became of a purchase by the event that settles it."""
    if isinstance(event, events.PurchaseRefused):
        return "refused"
    if isinstance(event, events.PurchaseUncertain):
        return "uncertain"
    return event.status if isinstance(event, events.JobEnded) else "succeeded"
