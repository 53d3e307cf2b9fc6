"""The question at the end of a run: only about jobs whose end and cost were not seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from rivya_client.types import Generation
from rivya_flows.cli.receipt import wallet
from rivya_flows.engine.jobs import is_settled, seen_of
from rivya_flows.engine.loop import reconcile_jobs
from rivya_flows.engine.run import Run
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import ServiceAsked
from rivya_flows.receipt.report import RunReporter
from rivya_flows.receipt.summary import notes, troubles
from rivya_flows.store.pools import Pool, Pools
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, order, stills
from support.receipts import parsed

Change = Callable[[Generation], Generation | None]


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    order(shared_sandbox)
    return customer(shared_sandbox, tmp_path / "studio")


def questions(
    studio: Studio, caplog: pytest.LogCaptureFixture, seen: Change
) -> tuple[int, ServiceAsked | None]:
    """How often a run of three pictures asks at its end, and what it then records.

    `seen` makes what the run saw of each job from what the service says; None for nothing.
    """
    studio.run(stills(3))
    return at_its_end(studio, caplog, seen)


def at_its_end(
    studio: Studio, caplog: pytest.LogCaptureFixture, seen: Change
) -> tuple[int, ServiceAsked | None]:
    """The same of a run that has ended."""

    async def reconciled() -> ServiceAsked | None:
        with studio.context(Bomb()) as context:
            row = context.journal.run("run-1")
            assert row is not None
            run = Run(context, RunReporter(context.journal, context.assets, row))
            run.state = run.reporter.follow()
            bought = [one for _, item in run.state.each() for one in item.purchases]
            ids = [str(one.task_id) for one in bought]
            async with context.leases.held("run-1") as run.lease, studio.client() as run.client:
                ended = {one: await run.client.generations.retrieve(one) for one in ids}
                known = {one: job for one in ids if (job := seen(ended[one])) is not None}
                run.seen = {one: seen_of(job) for one, job in known.items() if is_settled(job)}
                caplog.set_level(logging.DEBUG, "rivya_client.wire")
                await reconcile_jobs(run)
            last = context.journal.entries("run-1")[-1].event
            return last if isinstance(last, ServiceAsked) else None

    recorded = asyncio.run(reconciled())
    return sum("/api/v1/generations/" in record.getMessage() for record in caplog.records), recorded


def costs(recorded: ServiceAsked | None) -> list[int | None]:
    assert recorded is not None
    return [job.final_credits for job in recorded.jobs.values() if job]


def test_jobs_whose_end_was_seen_are_recorded_without_another_question(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    asked, recorded = questions(studio, caplog, lambda job: job)
    assert (asked, costs(recorded)) == (0, [1, 1, 1])


def test_the_pools_of_a_run_are_recorded_as_it_leaves_them(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    with studio.context(Bomb()) as context:
        pools = Pools(context.journal.engine)
        pools.set(Pool("acme", {"client": "acme"}, credits=5, soft=2))
        pools.set(Pool("other", {"client": "other"}, credits=5))
    studio.run(stills(3), labels={"client": "acme"})
    at_its_end(studio, caplog, lambda job: job)
    receipt = studio.receipt("run-1")
    [pool] = receipt["pools"]
    assert (pool["name"], pool["credits"], pool["spent"], pool["soft"]) == ("acme", 5, 3, 2)
    [line] = notes(parsed(receipt))
    assert line.startswith("pool acme: 2 of 5 credits left until ")
    assert line.endswith("(UTC); its soft limit of 2 is passed")


def changed(**fields: object) -> Change:
    return lambda job: job.model_copy(update=fields)


@pytest.mark.parametrize(
    "seen",
    [
        lambda job: None,
        changed(status="processing"),
        changed(final_credits=None),
        changed(final_credits=0),
    ],
    ids=["nothing", "no end", "no cost", "a cost of 0"],
)
def test_jobs_whose_end_or_cost_was_not_seen_are_asked_for(
    studio: Studio, caplog: pytest.LogCaptureFixture, seen: Change
) -> None:
    asked, recorded = questions(studio, caplog, seen)
    assert (asked, costs(recorded)) == (3, [1, 1, 1])


def test_a_job_that_the_service_does_not_know_is_recorded_as_unknown(
    studio: Studio, caplog: pytest.LogCaptureFixture, shared_sandbox: Sandbox
) -> None:
    def forget(job: Generation) -> None:
        order(shared_sandbox, 'on: "GET /api/v1/generations/*", do: status, status: 404')

    _, recorded = questions(studio, caplog, forget)
    assert recorded is not None
    assert set(recorded.jobs.values()) == {None}


def test_a_service_that_does_not_answer_leaves_the_run_without_a_comparison(
    studio: Studio, caplog: pytest.LogCaptureFixture, shared_sandbox: Sandbox
) -> None:
    def fail(job: Generation) -> None:
        order(shared_sandbox, 'on: "GET /api/v1/generations/*", do: status, status: 403')

    _, recorded = questions(studio, caplog, fail)
    assert recorded is None


def test_what_another_run_of_the_store_bought_meanwhile_is_explained(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    pick = "  hero:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: human}\n"
    head, outputs, rest = stills(2).partition("outputs:")
    asyncio.run(studio.start(f"{head.rstrip()}\n{pick}{outputs}{rest}", "run-1"))
    asyncio.run(studio.execute("run-1"))
    studio.run(stills(4), "run-2")  # while the other one waits for an answer

    async def first(question: Question) -> Answer:
        return Answer(question.choices[:1])

    asyncio.run(studio.execute("run-1", ask=first))
    assert studio.receipt("run-1")["credits"]["unexplained"] == 4
    _, recorded = at_its_end(studio, caplog, lambda job: job)
    assert recorded is not None
    (other,) = recorded.other_runs
    assert (recorded.others, other.run_id, other.credits) == (4, "run-2", 4)
    receipt = studio.receipt("run-1")
    assert (receipt["credits"]["unexplained"], receipt["agreement"]["agrees"]) == (0, True)
    assert receipt["credits"]["others"] == 4
    assert wallet(parsed(receipt)).endswith(
        f"0 saved; the wallet lost 4 credits more: run-2 ({other.name}) 4"
    )
    assert (troubles(parsed(receipt)), notes(parsed(receipt))) == ([], [])
