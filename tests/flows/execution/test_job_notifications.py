"""Webhooks wake waits, and change nothing else: lost, doubled, early, late or forged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine

from rivya_client.types import WebhookEvent
from rivya_flows.flows.execution.job_notifications import event_of, listen_for_jobs
from rivya_flows.receiver.notification import JobNotification, note_received
from rivya_flows.settings import Settings
from rivya_flows.store.database import open_engine

JOB = {"id": "task_1", "status": "succeeded", "model": "z-image"}
SETTINGS = Settings(rivya_flows_webhooks=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A store; no Prefect server answers."""
    made = open_engine(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield made
    made.dispose()


async def test_without_webhooks_nothing_is_subscribed_to(engine: Engine) -> None:
    async with listen_for_jobs(Settings(), engine) as job_wakes:
        assert job_wakes is None


async def test_a_server_that_cannot_be_heard_leaves_jobs_to_be_looked_at_as_usual(
    engine: Engine,
) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()
    async with (
        listen_for_jobs(SETTINGS, engine, said.put_nowait, connect_seconds=0.01) as job_wakes,
        listen_for_jobs(SETTINGS, engine, said.put_nowait, connect_seconds=0.01) as same,
    ):
        assert job_wakes is not None
        assert job_wakes is same
        assert job_wakes.slow() is None
        words = await asyncio.wait_for(said.get(), 240)
        assert words.startswith("webhook subscription lost")


async def test_a_run_does_not_wait_for_a_server_that_refuses_to_be_heard(engine: Engine) -> None:
    async with (
        asyncio.timeout(240),
        listen_for_jobs(SETTINGS, engine, connect_seconds=600) as job_wakes,
    ):
        assert job_wakes is not None
        assert job_wakes.slow() is None


async def test_what_was_received_before_the_run_began_wakes_it_at_once(engine: Engine) -> None:
    event = {"id": "evt_1", "type": "generation.succeeded", "data": JOB}
    note_received(engine, WebhookEvent.model_validate(event), "{}")
    async with listen_for_jobs(SETTINGS, engine, connect_seconds=0.01) as job_wakes:
        assert job_wakes is not None
        with job_wakes.waiting("task_1") as wake:
            assert wake.is_set()


def test_an_event_that_is_passed_on_twice_is_one_event_of_prefect() -> None:
    notice = JobNotification("evt_1", "task_1", "failed", "z-image")
    one, two = event_of(notice), event_of(notice)
    assert one.id == two.id
    assert one.event == "rivya.generation.failed"
    assert one.resource.id == "rivya.generation.task_1"
