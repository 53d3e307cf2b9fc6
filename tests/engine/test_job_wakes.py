"""Early news of jobs change when they are polled, and nothing else: lost, doubled, early, late or forged."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rivya_client.client import RivyaClient
from rivya_client.runtime import Runtime
from rivya_flows.engine.job_waits import MISSES, JobWakes
from rivya_flows.engine.jobs import JobFailedError, collect_job
from rivya_flows.engine.run import Run, now
from rivya_flows.queue.actions import Collect
from rivya_flows.receiver.notification import NEWEST
from support.task_runs import run_of

SLOW = 60.0
BOUGHT_BEFORE = Collect("still", "", 1, "task_1", "image", False, None)


def hearing() -> JobWakes:
    job_wakes = JobWakes(SLOW)
    job_wakes.set_connected(True)
    return job_wakes


def test_jobs_are_looked_at_slowly_only_while_events_are_heard() -> None:
    job_wakes = JobWakes(SLOW)
    assert job_wakes.slow() is None
    job_wakes.set_connected(True)
    assert job_wakes.slow() == SLOW
    with job_wakes.waiting("a") as wake:
        job_wakes.set_connected(False)
        assert wake.is_set(), "a lost subscription makes every wait look"
    assert job_wakes.slow() is None


def test_an_event_wakes_the_waits_of_its_job_alone_also_if_it_came_before_them() -> None:
    job_wakes = hearing()
    waiting = job_wakes.waiting
    with waiting("a") as first, waiting("a") as second, waiting("b") as other:
        job_wakes.hear(["a"])
        job_wakes.remember(["c"])
        with waiting("c") as later, waiting("a") as third:
            woken = [wake.is_set() for wake in (first, second, third, later, other)]
    assert woken == [True, True, True, True, False]


def test_old_events_are_forgotten_before_they_fill_the_memory() -> None:
    job_wakes = hearing()
    job_wakes.hear(str(number) for number in range(NEWEST + 1))
    with job_wakes.waiting("0") as oldest, job_wakes.waiting("1") as next_one:
        assert (oldest.is_set(), next_one.is_set()) == (False, True)


def test_webhooks_that_never_come_are_not_relied_on_any_more() -> None:
    job_wakes, said = hearing(), list[str]()
    job_wakes.listeners.append(said.append)
    with job_wakes.waiting("still waiting") as wake:
        for number in range(MISSES):
            assert job_wakes.slow() == SLOW
            with job_wakes.waiting(str(number)):
                pass
        assert job_wakes.slow() is None
        assert wake.is_set()
        assert said == ["webhooks do not arrive; polling instead"]
        job_wakes.hear(["another"])
        assert job_wakes.slow() == SLOW


class Job:
    """A job that ends when it is told to, and how often it was looked at."""

    def __init__(self) -> None:
        self.status = "processing"
        self.looks = 0
        self.sleeps: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.looks += 1
        return httpx.Response(200, json={"id": "task_1", "status": self.status})

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if seconds >= SLOW:
            await asyncio.Event().wait()

    def client(self) -> RivyaClient:
        return RivyaClient(
            "rvya_sk_k",
            runtime=Runtime(sleep=self.sleep, chance=lambda: 0.0),
            transport=httpx.MockTransport(self.answer),
        )


async def test_a_woken_wait_looks_once_and_goes_on_as_usual_if_it_was_woken_for_nothing() -> None:
    """The event was forged, or the status route is behind the webhook."""
    job, job_wakes = Job(), hearing()
    async with job.client() as client:
        with job_wakes.waiting("task_1") as wake:
            wait = client.generations.wait("task_1", wake=wake, slow=job_wakes.slow)
            waiting = asyncio.create_task(wait)
            while not job.sleeps:
                await asyncio.sleep(0)
            job_wakes.hear(["task_1", "task_1"])
            while job.looks < 3:
                await asyncio.sleep(0)
            job.status = "succeeded"
            assert (await waiting).ended
    assert job.sleeps[:3] == [SLOW, 2.5, 2.5]


def run_at(folder: Path, client: RivyaClient, wakes: JobWakes) -> Run:
    """A run whose job was bought a minute before this execution began."""
    run = run_of(client, None, folder, wakes=wakes)
    run.began = now()
    bought = SimpleNamespace(intended_at=run.began - timedelta(minutes=1))
    item = SimpleNamespace(last=bought, request=None)
    state: Any = SimpleNamespace(item=lambda *_: item)
    run.state = state
    return run


async def test_a_job_bought_before_is_looked_at_at_once_although_its_event_was_lost(
    tmp_path: Path,
) -> None:
    """It ended while `down` had ended the receiver too: nobody will tell of it again."""
    job, job_wakes = Job(), hearing()
    job.status = "failed"
    async with job.client() as client:
        run = run_at(tmp_path, client, job_wakes)
        with pytest.raises(JobFailedError):
            await collect_job(run, BOUGHT_BEFORE)
    assert (job.looks, job.sleeps) == (1, [])


async def test_a_job_bought_before_that_has_not_ended_is_waited_for_like_others(
    tmp_path: Path,
) -> None:
    job, job_wakes = Job(), hearing()
    async with job.client() as client:
        run = run_at(tmp_path, client, job_wakes)
        collecting = asyncio.create_task(collect_job(run, BOUGHT_BEFORE))
        while not job.sleeps:
            await asyncio.sleep(0)
        job.status = "failed"
        job_wakes.hear(["task_1"])
        with pytest.raises(JobFailedError):
            await collecting
    assert (job.looks, job.sleeps) == (2, [SLOW])
