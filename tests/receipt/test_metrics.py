"""Numbers to watch: they say what the journals say, and read each entry once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine as Database, event as sqlalchemy_event

from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    BalanceRead,
    ChatAnswered,
    Event,
    ItemFailed,
    JobEnded,
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
from rivya_flows.receipt.metrics import MAX_NAMES, OTHER, Totals
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.run_list import (
    FailedStart,
    forget_failed_starts,
    record_failed_start,
    record_sweep,
)
from rivya_flows.webhook_receiver import BEGIN_SECONDS, FRESH_SECONDS, StoreMetrics
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, stills

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Of = dict[str, Any]


def frozen(run_id: str, name: str = "launch") -> RunFrozen:
    return RunFrozen(
        run_id=run_id, spec_text="", spec_file="", inputs={}, catalogue={}, catalogue_date="2026-01-01",
        service="test", started_at=NOON, nonce="", plan={"name": name},
    )  # fmt: skip


def intended(of: Of, model: str = "z-image") -> PurchaseIntended:
    body = json.dumps({"model": model})
    return PurchaseIntended(
        **of, route="generation", idempotency_key="k", body=body, reserve=1, at=NOON
    )


def accepted(of: Of) -> PurchaseAccepted:
    return PurchaseAccepted(**of, task_id="t", reserved_credits=1)


def succeeded(of: Of, credits: int = 1) -> JobEnded:
    return JobEnded(**of, status="succeeded", final_credits=credits)


def ended(status: Any) -> RunEnded:
    return RunEnded(status=status, at=NOON)


def learned(*told: tuple[float, Event], run_id: str = "run-1") -> Totals:
    totals = Totals()
    totals.learn(run_id, 0, frozen(run_id))
    for at, event in told:
        totals.learn(run_id, at, event)
    return totals


A: Of = {"step": "stills", "key": "a", "n": 1}


def test_a_job_is_in_flight_from_its_acceptance_to_its_end() -> None:
    told: list[tuple[float, Event]] = [(1, intended(A)), (2, accepted(A))]
    one = {("launch", "z-image"): 1}
    assert learned(told[0]).in_flight(driven=True) == {}
    assert learned(*told).in_flight(driven=True) == one
    totals = learned(*told, (3, ended("cancelled")))
    assert totals.in_flight(driven=True) == {}
    assert totals.in_flight(driven=False) == one
    assert totals.runs() == {("launch", "cancelled"): 1}
    totals.learn("run-1", 4, RunResumed(at=NOON))
    totals.learn("run-1", 9, succeeded(A))
    assert totals.in_flight(driven=True) == totals.in_flight(driven=False) == {}
    assert totals.credits == {("launch", "stills", "z-image"): 1}
    assert totals.waits["z-image"].seconds == 7
    assert sum(totals.waits["z-image"].counts) == 1
    assert totals.runs() == {("launch", "running"): 1}


def test_each_end_of_a_purchase_is_counted_under_its_own_name() -> None:
    of = [{"step": "s", "key": str(number), "n": 1} for number in range(5)]
    chat = ChatAnswered(
        **of[3], completion_id="c", session_id="s", content="", reserved_credits=3, final_credits=2
    )
    totals = learned(
        *((1, intended(one)) for one in of),
        (2, PurchaseRefused(**of[0], code="c", message="m", status=422)),
        (2, PurchaseUncertain(**of[1], reason="r")),
        (2, JobEnded(**of[2], status="failed", final_credits=0)),
        (2, chat),
        (2, succeeded(of[4], 5)),
    )
    counts = {"refused": 1, "uncertain": 1, "failed": 1, "succeeded": 2}
    assert totals.jobs == {("launch", "z-image", name): count for name, count in counts.items()}
    assert totals.credits == {("launch", "s", "z-image"): 7}


SENT = ((1, intended(A)), (2, PurchaseUnanswered(**A, reason="r")))
UNCERTAIN = (2, PurchaseUncertain(**A, reason="r"))


@pytest.mark.parametrize(
    ("more", "jobs", "paid"),
    [
        ([], {}, 0),
        ([(3, ended("suspended"))], {}, 0),
        ([(3, ended("failed"))], {"uncertain": 1}, 0),
        ([(3, ended("failed")), (3, ended("failed"))], {"uncertain": 1}, 0),
        ([UNCERTAIN, (3, ended("failed"))], {"uncertain": 1}, 0),
        ([UNCERTAIN, (3, accepted(A)), (4, succeeded(A))], {"uncertain": 1, "succeeded": 1}, 1),
    ],
    ids=["at work", "suspended", "failed", "failed twice", "given up", "sent again"],
)
def test_a_purchase_without_an_answer_is_uncertain_when_its_run_ends_and_paid_when_it_is(
    more: list[tuple[float, Event]], jobs: dict[str, int], paid: int
) -> None:
    totals = learned(*SENT, *more)
    assert {name: count for (*_, name), count in totals.jobs.items()} == jobs
    assert sum(totals.credits.values()) == paid


def test_a_question_waits_from_its_asking_to_its_answer_or_its_end() -> None:
    hero, cut = ({"step": step, "key": ""} for step in ("hero", "cut"))
    later = NOON + timedelta(hours=1)
    both: list[tuple[float, Event]] = [
        (1, QuestionAsked(**hero, at=NOON)),
        (2, QuestionAsked(**cut, at=later)),
    ]
    totals = learned(*both, (3, ended("suspended")))
    assert totals.questions() == {"launch": [NOON.timestamp(), later.timestamp()]}
    by = AnsweredBy(channel="form")
    totals.learn("run-1", 4, AnswerGiven(**hero, answer="a", by=by))
    assert totals.questions() == {"launch": [later.timestamp()]}
    totals.learn("run-1", 5, ItemFailed(**cut, code="unanswered", message="m"))
    assert totals.questions() == {}
    assert learned(*both, (3, ended("cancelled"))).questions() == {}


def test_a_wallet_has_the_credits_that_were_read_last_whichever_run_is_read_first() -> None:
    totals = Totals()
    for run_id, at, credits in (("new", 9, 70), ("old", 2, 90), ("blind", 11, None)):
        totals.learn(run_id, 0, frozen(run_id))
        totals.learn(run_id, at, BalanceRead(step=None, phase="before", credits=credits))
    [(wallet, balance)] = totals.balances.items()
    assert wallet == ("test", "none")
    assert (balance.credits, balance.at) == (70, 9)


def test_names_are_bounded_whatever_the_journals_hold() -> None:
    totals = Totals()
    for number in range(MAX_NAMES["campaign"] + 20):
        run_id = f"run-{number}"
        totals.learn(run_id, 0, frozen(run_id, f"campaign-{number}"))
        totals.learn(run_id, 1, intended(A, model=f"model-{number}"))
        totals.learn(run_id, 2, succeeded(A))
    names = {campaign for campaign, _ in totals.runs()}
    assert len(names) == MAX_NAMES["campaign"] + 1
    assert totals.credits[OTHER, "stills", OTHER] == 20
    assert sum(totals.credits.values()) == MAX_NAMES["campaign"] + 20


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with contextlib.closing(Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")) as journal:
        yield journal


def written(journal: Journal, run_id: str, *events: Event, name: str = "launch") -> None:
    journal.create(frozen(run_id, name), Path("out"))
    fence = Leases(journal.engine).acquire(run_id).fence
    for event in events:
        journal.append(run_id, event, fence)


def test_a_hostile_name_is_a_label_and_not_a_line(journal: Journal) -> None:
    model = 'x"} 1\n# HELP \ud800 \\ नीऑन'
    written(journal, "run-1", intended(A, model=model), succeeded(A))
    found = samples(StoreMetrics(journal.engine))
    shown = model.replace("\ud800", "?")
    assert found["rivya_flows_credits_total", "launch", shown, "stills"] == 1


def test_what_no_journal_has_is_counted_too(journal: Journal) -> None:
    swept = ("rivya_flows_waker_last_sweep_timestamp_seconds",)
    assert swept not in samples(StoreMetrics(journal.engine))
    for second in (1.0, 2.0):
        record_failed_start(journal.engine, FailedStart("run-1", "dear", second, "no key"))
        record_sweep(journal.engine, at=NOON.timestamp() + second)
    found = samples(StoreMetrics(journal.engine))
    assert found["rivya_flows_failed_starts_total", "dear"] == 2
    assert found[swept] == NOON.timestamp() + 2


def test_failed_starts_have_bounded_names_and_do_not_fall_when_old_ones_are_deleted(
    journal: Journal,
) -> None:
    clock = itertools.count(step=FRESH_SECONDS)
    metrics = StoreMetrics(journal.engine, clock=lambda: float(next(clock)))
    for number in range(MAX_NAMES["campaign"] + 3):
        failed = FailedStart(f"run-{number}", f"spec-{number:03}", number, "no key")
        record_failed_start(journal.engine, failed)
    starts = started(metrics)
    assert (len(starts), starts[OTHER]) == (MAX_NAMES["campaign"] + 1, 3)
    forget_failed_starts(journal.engine, before=100)
    assert started(metrics) == starts
    record_failed_start(journal.engine, FailedStart("run-0", "spec-000", 300, "no key"))
    assert started(metrics) == starts | {"spec-000": 2}


def test_a_counter_begins_at_zero_because_increase_does_not_count_what_a_series_begins_with(
    journal: Journal,
) -> None:
    clock = Clock()
    metrics = StoreMetrics(journal.engine, clock=clock)
    bought = (intended(A), accepted(A), succeeded(A))
    series = (
        ("rivya_flows_credits_total", "launch", "z-image", "stills"),
        ("rivya_flows_jobs_total", "launch", "z-image", "succeeded"),
        ("rivya_flows_job_seconds_count", "z-image"),
        ("rivya_flows_failed_starts_total", "dear"),
    )

    def values() -> list[float | None]:
        found = samples(metrics)
        return [found.get(one) for one in series]

    assert values() == [None] * 4
    written(journal, "run-1", *bought)
    record_failed_start(journal.engine, FailedStart("run-9", "dear", 1.0, "no key"))
    clock.now += FRESH_SECONDS
    assert values() == [0] * 4
    clock.now += BEGIN_SECONDS - 1
    assert values() == [0] * 4
    written(journal, "run-2", *bought)
    clock.now += FRESH_SECONDS
    assert values() == [2, 2, 2, 1]
    # A receiver that starts later finds series that began long ago.
    metrics = StoreMetrics(journal.engine, clock=clock)
    assert values() == [2, 2, 2, 1]


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def started(metrics: StoreMetrics) -> dict[str, float]:
    """Failed starts by campaign."""
    found = samples(metrics).items()
    return {key[1]: value for key, value in found if key[0] == "rivya_flows_failed_starts_total"}


def samples(metrics: StoreMetrics) -> dict[tuple[str, ...], float]:
    """Each sample by its name and the values of its labels."""
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def test_the_text_says_what_the_receipts_say(studio: Studio, sandbox: Sandbox) -> None:
    admin.set_faults(sandbox.data, "faults: [{on: generation, model: z-image, do: fail, times: 1}]")
    studio.run(stills(3, step="allow_failures: 1"))
    studio.run(stills(3, step="cache: spec"), "run-2")
    credits = [studio.receipt(run_id)["credits"] for run_id in ("run-1", "run-2")]
    with studio.context(Bomb()) as home:
        found = samples(StoreMetrics(home.journal.engine))
    spent, saved = (sum(one[name] for one in credits) for name in ("spent", "saved"))
    assert saved > 0
    assert found["rivya_flows_credits_total", "stills", "z-image", "stills"] == spent
    assert found["rivya_flows_credits_saved_total", "stills", "stills"] == saved
    assert found["rivya_flows_jobs_total", "stills", "z-image", "failed"] == 1
    assert found["rivya_flows_runs", "stills", "completed"] == 2
    assert found["rivya_flows_run_ends_total", "stills", "completed"] == 2
    jobs = sum(value for name, value in found.items() if name[0] == "rivya_flows_jobs_total")
    assert found["rivya_flows_job_seconds_count", "z-image"] == jobs


PICK = """
version: 1
name: casting
steps:
  stills:
    uses: generate
    foreach: [0, 1]
    with: {model: z-image, prompt: "lamp ${{ item }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
"""


def test_a_scrape_says_since_when_a_question_waits_and_what_the_wallet_had(studio: Studio) -> None:
    before = datetime.now(UTC).timestamp()
    studio.run(PICK)
    with studio.context(Bomb()) as home:
        metrics = StoreMetrics(home.journal.engine)
        told = samples(metrics)
        assert told["rivya_flows_questions_waiting", "casting"] == 1
        asked = told["rivya_flows_oldest_question_timestamp_seconds", "casting"]
        assert before <= asked <= datetime.now(UTC).timestamp()
        assert told["rivya_flows_wallet_credits", "sandbox:test", "none"] == 998
        assert told["rivya_flows_wallet_read_timestamp_seconds", "sandbox:test", "none"] >= before

        async def pick(question: Question) -> Answer:
            return Answer((question.choices[0],))

        asyncio.run(studio.execute("run-1", ask=pick))
        told = samples(StoreMetrics(home.journal.engine))
    assert not [name for name in told if "question" in name[0]]
    assert told["rivya_flows_runs", "casting", "completed"] == 1


def reads(engine: Database) -> list[str]:
    """The statements that read entries, as they are sent."""
    sent: list[str] = []

    def note(*given: Any) -> None:
        if "FROM events" in given[2] and "body" in given[2]:
            sent.append(given[2])

    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    return sent


def test_an_entry_is_read_once_and_the_store_left_alone_between_scrapes(journal: Journal) -> None:
    written(journal, "run-1", intended(A), accepted(A), succeeded(A), ended("completed"))
    clock = Clock()
    metrics = StoreMetrics(journal.engine, clock=clock)
    sent = reads(journal.engine)
    first = metrics.text()
    assert len(sent) == 1
    clock.now += 1000
    assert metrics.text() == first
    assert len(sent) == 1
    written(journal, "run-2", ended("completed"))
    assert metrics.text() == first, "scrapes in a row are answered without reading"
    clock.now += 1000
    assert samples(metrics)["rivya_flows_runs", "launch", "completed"] == 2
    assert len(sent) == 2


def test_half_read_sums_are_not_shown(journal: Journal) -> None:
    for number in range(3):
        written(journal, f"run-{number}", ended("completed"))

    class Slow(Clock):
        def __call__(self) -> float:
            self.now += 10
            return self.now

    metrics = StoreMetrics(journal.engine, clock=Slow())
    seen = [samples(metrics) for _ in range(3)]
    assert [one["rivya_flows_store_runs_unread",] for one in seen] == [2, 1, 0]
    runs = ("rivya_flows_runs", "launch", "completed")
    assert [runs in one for one in seen] == [False, False, True]
