"""The question at the end of a run: only about jobs whose end and cost were not seen."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

import pytest

from rivya_client.types import Generation
from rivya_flows.cli.runs import wallet
from rivya_flows.engine.jobs import is_settled, reconcile_jobs, seen_of
from rivya_flows.engine.run import Run
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import ServiceAsked
from rivya_flows.receipt.report import RunReporter
from rivya_flows.receipt.summary import notes, troubles
from rivya_flows.store.pools import Pool
from support.engine_runs import Bomb, Studio, stills
from support.receipts import parsed

Change = Callable[[Generation], Generation | None]


def at_its_end(
    studio: Studio, caplog: pytest.LogCaptureFixture, seen: Change = lambda job: job
) -> tuple[int, ServiceAsked | None]:
    """For how many of its jobs a run that has ended asks, and what it then records.

    `seen` makes what the run saw of each job from what the service says; None for nothing.
    """

    async def reconciled() -> ServiceAsked | None:
        with studio.context(Bomb()) as context:
            row = context.journal.run("run-1")
            assert row is not None
            run = Run(context, RunReporter(context.journal, context.assets, row))
            run.state = run.reporter.follow()
            bought = [one for _, item in run.state.each() for one in item.purchases]
            ids = [str(one.task_id) for one in bought]
            before = len(context.journal.entries("run-1"))
            async with context.leases.hold("run-1") as run.lease, studio.client() as run.client:
                ended = {one: await run.client.generations.retrieve(one) for one in ids}
                known = {one: job for one in ids if (job := seen(ended[one])) is not None}
                run.seen = {one: seen_of(job) for one, job in known.items() if is_settled(job)}
                caplog.clear()
                caplog.set_level(logging.DEBUG, "rivya_client.wire")
                await reconcile_jobs(run)
            added = [entry.event for entry in context.journal.entries("run-1")[before:]]
            return next((event for event in added if isinstance(event, ServiceAsked)), None)

    recorded = asyncio.run(reconciled())
    # Each job once: a request that a busy machine answers late is repeated.
    paths = (re.search(r"/api/v1/generations/(\w+)", one.getMessage()) for one in caplog.records)
    return len({path[1] for path in paths if path}), recorded


def changed(**fields: object) -> Change:
    return lambda job: job.model_copy(update=fields)


def test_only_jobs_whose_end_or_cost_was_not_seen_are_asked_for(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.started(stills(3))
    cases: list[tuple[Change, int]] = [
        (changed(), 0),
        (lambda _: None, 3),
        (changed(status="processing"), 3),
        (changed(final_credits=None), 3),
        (changed(final_credits=0), 3),
    ]
    for seen, asks in cases:
        asked, recorded = at_its_end(studio, caplog, seen)
        assert recorded is not None
        costs = [job and job.final_credits for job in recorded.jobs.values()]
        assert (asked, costs) == (asks, [1, 1, 1])


@pytest.mark.parametrize(("status", "known"), [(404, {None}), (403, None)])
def test_a_job_that_the_service_does_not_know_or_does_not_tell_of_is_not_compared(
    studio: Studio, caplog: pytest.LogCaptureFixture, status: int, known: set[None] | None
) -> None:
    studio.started(stills(1))

    def unseen(_: Generation) -> None:
        studio.order(f'on: "GET /api/v1/generations/*", do: status, status: {status}')

    _, recorded = at_its_end(studio, caplog, unseen)
    assert (recorded and {*recorded.jobs.values()}) == known


def test_the_pools_of_a_run_are_recorded_as_it_leaves_them(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.set_pool(Pool("acme", {"client": "acme"}, credits=5, soft=2))
    studio.set_pool(Pool("other", {"client": "other"}, credits=5))
    studio.started(stills(3), labels={"client": "acme"})
    at_its_end(studio, caplog)
    receipt = studio.receipt()
    [pool] = receipt["pools"]
    assert (pool["name"], pool["credits"], pool["spent"], pool["soft"]) == ("acme", 5, 3, 2)
    [line] = notes(parsed(receipt))
    assert line.startswith("pool acme: 2 of 5 credits left until ")
    assert line.endswith("(UTC); its soft limit of 2 is passed")


def test_what_another_run_of_the_store_bought_meanwhile_is_explained(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    pick = "  hero:\n    uses: pick\n    with: {from: '${{ steps.stills.items }}', mode: human}\n"
    head, outputs, rest = stills(2).partition("outputs:")
    studio.prepared(f"{head.rstrip()}\n{pick}{outputs}{rest}")
    studio.executed()
    studio.started(stills(4), "run-2")  # while the other one waits for an answer

    async def first(question: Question) -> Answer:
        return Answer(question.choices[:1])

    assert studio.executed(ask=first)["credits"]["unexplained"] == 4
    _, recorded = at_its_end(studio, caplog)
    assert recorded is not None
    (other,) = recorded.other_runs
    assert (recorded.others, other.run_id, other.credits) == (4, "run-2", 4)
    receipt = studio.receipt()
    assert (receipt["credits"]["unexplained"], receipt["agreement"]["agrees"]) == (0, True)
    assert receipt["credits"]["others"] == 4
    assert wallet(parsed(receipt)).endswith(
        f"0 saved; the wallet lost 4 credits more: run-2 ({other.name}) 4"
    )
    assert (troubles(parsed(receipt)), notes(parsed(receipt))) == ([], [])
