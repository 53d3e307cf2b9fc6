"""Webhooks wake waits, and change nothing else: lost, doubled, early, late or forged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from rivya_client.client import RivyaClient
from rivya_client.runtime import Runtime
from rivya_client.types import WebhookEvent
from rivya_flows.flows.execution.job_notifications import (
    MISSES,
    JobWakes,
    event_of,
    listen_for_jobs,
)
from rivya_flows.receiver.notification import JobNotification
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.database import open_engine
from rivya_flows.store.received_events import NEWEST, Received
from rivya_flows.tasks.generations import JobFailedError, collect_generation
from support.task_runs import run_of

SLOW = 60.0
JOB = {"id": "task_1", "status": "succeeded", "model": "z-image"}
SETTINGS = Settings(rivya_flows_webhooks=True)
NO_SERVER = "http://127.0.0.1:9/api"


def hearing() -> JobWakes:
    job_wakes = JobWakes(SLOW)
    job_wakes.connected(True)
    return job_wakes


def test_jobs_are_looked_at_slowly_only_while_events_are_heard() -> None:
    job_wakes = JobWakes(SLOW)
    assert job_wakes.slow() is None
    job_wakes.connected(True)
    assert job_wakes.slow() == SLOW
    job_wakes.connected(False)
    assert job_wakes.slow() is None


def test_an_event_wakes_the_waits_of_its_job_alone() -> None:
    job_wakes = hearing()
    waiting = job_wakes.waiting
    with waiting("a") as first, waiting("a") as second, waiting("b") as other:
        job_wakes.hear(["a"])
        assert first.is_set()
        assert second.is_set()
        assert not other.is_set()


def test_an_event_that_came_before_the_wait_wakes_it_at_once() -> None:
    job_wakes = hearing()
    job_wakes.hear(["a"])
    job_wakes.remember(["b"])
    for task_id in "ab":
        with job_wakes.waiting(task_id) as wake:
            assert wake.is_set()


def test_old_events_are_forgotten_before_they_fill_the_memory() -> None:
    job_wakes = hearing()
    job_wakes.hear(str(number) for number in range(NEWEST + 1))
    with job_wakes.waiting("0") as oldest, job_wakes.waiting("1") as next_one:
        assert not oldest.is_set()
        assert next_one.is_set()


def test_a_lost_subscription_makes_every_wait_look_and_go_on_as_usual() -> None:
    job_wakes = hearing()
    with job_wakes.waiting("a") as wake:
        job_wakes.connected(False)
        assert wake.is_set()
    assert job_wakes.slow() is None


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


async def test_a_woken_wait_looks_once() -> None:
    job, job_wakes = Job(), hearing()
    async with job.client() as client:
        with job_wakes.waiting("task_1") as wake:
            waiting = asyncio.create_task(
                client.generations.wait("task_1", wake=wake, slow=job_wakes.slow)
            )
            while not job.sleeps:
                await asyncio.sleep(0)
            job.status = "succeeded"
            job_wakes.hear(["task_1", "task_1"])
            assert (await waiting).ended
    assert (job.looks, job.sleeps) == (1, [SLOW])


async def test_a_wait_that_was_woken_for_nothing_goes_on_as_usual() -> None:
    """The event was forged, or the status route is behind the webhook."""
    job, job_wakes = Job(), hearing()
    job_wakes.hear(["task_1"])
    async with job.client() as client:
        with job_wakes.waiting("task_1") as wake:
            waiting = asyncio.create_task(
                client.generations.wait("task_1", wake=wake, slow=job_wakes.slow)
            )
            while job.looks < 3:
                await asyncio.sleep(0)
            job.status = "succeeded"
            assert (await waiting).ended
    assert job.sleeps[:3] == [SLOW, 2.5, 2.5]


async def test_a_job_bought_before_is_looked_at_at_once_although_its_event_was_lost(
    tmp_path: Path,
) -> None:
    """It ended while `down` had ended the receiver too: nobody will tell of it again."""
    job, job_wakes = Job(), hearing()
    job.status = "failed"
    async with job.client() as client:
        assets = AssetStore(tmp_path.as_uri(), tmp_path)
        run = run_of(client, assets, tmp_path, wakes=job_wakes)
        with pytest.raises(JobFailedError):
            await collect_generation.fn(run, "task_1", "image", earlier_seconds=60.0)
    assert (job.looks, job.sleeps) == (1, [])


async def test_a_job_bought_before_that_has_not_ended_is_waited_for_like_others(
    tmp_path: Path,
) -> None:
    job, job_wakes = Job(), hearing()
    async with job.client() as client:
        assets = AssetStore(tmp_path.as_uri(), tmp_path)
        run = run_of(client, assets, tmp_path, wakes=job_wakes)
        collecting = asyncio.create_task(
            collect_generation.fn(run, "task_1", "image", earlier_seconds=60.0)
        )
        while not job.sleeps:
            await asyncio.sleep(0)
        job.status = "failed"
        job_wakes.hear(["task_1"])
        with pytest.raises(JobFailedError):
            await collecting
    assert (job.looks, job.sleeps) == (2, [SLOW])


async def test_without_webhooks_nothing_is_subscribed_to(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    try:
        async with listen_for_jobs(Settings(), engine) as job_wakes:
            assert job_wakes is None
    finally:
        engine.dispose()


async def test_a_server_that_cannot_be_heard_leaves_jobs_to_be_looked_at_as_usual(
    tmp_path: Path,
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    said: asyncio.Queue[str] = asyncio.Queue()
    try:
        with temporary_settings({PREFECT_API_URL: NO_SERVER}):
            async with (
                listen_for_jobs(
                    SETTINGS, engine, said.put_nowait, connect_seconds=0.01
                ) as job_wakes,
                listen_for_jobs(SETTINGS, engine, said.put_nowait, connect_seconds=0.01) as same,
            ):
                assert job_wakes is not None
                assert job_wakes is same
                assert job_wakes.slow() is None
                words = await asyncio.wait_for(said.get(), 240)
                assert words.startswith("webhook subscription lost")
    finally:
        engine.dispose()


async def test_a_run_does_not_wait_for_a_server_that_refuses_to_be_heard(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    try:
        with temporary_settings({PREFECT_API_URL: NO_SERVER}):
            async with (
                asyncio.timeout(240),
                listen_for_jobs(SETTINGS, engine, connect_seconds=600) as job_wakes,
            ):
                assert job_wakes is not None
                assert job_wakes.slow() is None
    finally:
        engine.dispose()


async def test_what_was_received_before_the_run_began_wakes_it_at_once(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    event = {"id": "evt_1", "type": "generation.succeeded", "data": JOB}
    try:
        Received(engine).note(WebhookEvent.model_validate(event), "{}")
        with temporary_settings({PREFECT_API_URL: NO_SERVER}):
            async with listen_for_jobs(SETTINGS, engine, connect_seconds=0.01) as job_wakes:
                assert job_wakes is not None
                with job_wakes.waiting("task_1") as wake:
                    assert wake.is_set()
    finally:
        engine.dispose()


def test_an_event_that_is_passed_on_twice_is_one_event_of_prefect() -> None:
    notice = JobNotification("evt_1", "task_1", "failed", "z-image")
    one, two = event_of(notice), event_of(notice)
    assert one.id == two.id
    assert one.event == "rivya.generation.failed"
    assert one.resource.id == "rivya.generation.task_1"
