"""Deliveries to the receiver: verified, noted once, answered at once, passed on."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.client.wire.webhooks import WebhookEvent
from rivya_flows.receiver import dispatcher as dispatching
from rivya_flows.receiver.app import WEBHOOK_PATH
from rivya_flows.receiver.deliveries import MAX_BYTES
from rivya_flows.receiver.dispatcher import NotificationDispatcher
from rivya_flows.receiver.notification import JobNotification, notification_of
from rivya_flows.store.journal import Journal
from rivya_flows.store.received_events import Received
from rivya_flows.store.signing_secrets import (
    forget_signing_secrets,
    has_signing_secret,
    keep_signing_secret,
    rotate_signing_secret,
    signing_secrets,
)
from support.databases import BACKENDS, fresh_store
from support.receiver_stage import SECRET, Stage, receiving, told
from support.sandbox_calls import until


@pytest.fixture(params=BACKENDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with receiving(fresh_store(request.param, tmp_path), tmp_path) as opened:
        yield opened


def heard(stage: Stage, count: int) -> list[JobNotification]:
    return until(lambda: list(stage.audience.heard) if len(stage.audience.heard) >= count else None)


def test_a_signed_event_is_passed_on(stage: Stage) -> None:
    assert stage.deliver(told()).status_code == 204
    assert heard(stage, 1) == [JobNotification("evt_1", "task_1", "succeeded", "z-image")]


def test_a_doubled_event_is_passed_on_once(stage: Stage) -> None:
    for event in (told(1), told(1), told(2), told(1)):
        assert stage.deliver(event).status_code == 204
    assert [notice.task_id for notice in heard(stage, 2)] == ["task_1", "task_2"]


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_what_is_not_to_be_believed_is_refused_and_changes_nothing(stage: Stage) -> None:
    forged = stage.deliver(told(), secret="whsec_of_somebody_else")
    late = stage.deliver(told(), at=time.time() - 400)
    early = stage.deliver(told(), at=time.time() + 400)
    unsigned = stage.client.post(WEBHOOK_PATH, json=told())
    sent = stage.deliver(told(9)).request.headers
    signed = {name: value for name, value in sent.items() if name.startswith("x-rivya-")}
    changed = stage.client.post(WEBHOOK_PATH, json=told(), headers=signed)
    answers = [forged, late, early, unsigned, changed]
    assert [answer.status_code for answer in answers] == [400] * 5
    assert not any(SECRET in answer.text for answer in answers)
    assert [notice.task_id for notice in heard(stage, 1)] == ["task_9"]
    assert Received(stage.journal.engine).recent_jobs() == ("task_9",)


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_a_huge_delivery_is_refused_before_it_is_read(stage: Stage) -> None:
    assert stage.deliver(b" " * (MAX_BYTES + 1)).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BYTES // 2**16 + 1):
            yield b" " * 2**16

    assert stage.client.post(WEBHOOK_PATH, content=pieces()).status_code == 413


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_any_of_several_secrets_may_have_signed(stage: Stage) -> None:
    stage.secrets.append(SecretStr("whsec_new"))
    assert stage.deliver(told(1), secret="whsec_new").status_code == 204
    assert stage.deliver(told(2)).status_code == 204
    stage.secrets.pop(0)
    assert stage.deliver(told(3)).status_code == 400


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_without_a_secret_the_service_is_asked_to_come_again(stage: Stage) -> None:
    stage.secrets.clear()
    assert stage.deliver(told()).status_code == 503


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_a_test_event_and_a_newer_kind_are_taken_and_wake_nobody(stage: Stage) -> None:
    assert stage.deliver({"id": "evt_t", "type": "webhook.test"}).status_code == 204
    assert stage.deliver({"kind": "of 2030"}).status_code == 204
    assert stage.deliver(told(5)).status_code == 204
    assert [notice.task_id for notice in heard(stage, 1)] == ["task_5"]


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_a_signed_body_that_is_not_utf_8_is_refused(stage: Stage) -> None:
    body = b'{"id": "evt_1", "type": "generation.\xff\xfe", "note": "caf\xe9"}'
    assert stage.deliver(body).status_code == 400
    assert stage.deliver(told(2)).status_code == 204
    assert [notice.task_id for notice in heard(stage, 1)] == ["task_2"]


def test_signed_texts_that_no_database_takes_are_taken_or_refused_and_change_nothing(
    stage: Stage,
) -> None:
    nul = {"id": "evt_2", "type": "generation.failed\0", "data": {"id": "a\0b"}}
    digits = (
        b'{"id": "evt_5", "type": "t", "data": {"id": "task_5", "model": "m", "status": "failed",'
    )
    answers = [
        stage.deliver({"id": "evt \0", "type": "generation.failed"}),
        stage.deliver(nul),
        stage.deliver({"id": "x" * 2**18, "type": "generation.failed"}),
        stage.deliver(b'{"id": "evt_3", "type": "half \\ud83d"}'),
        stage.deliver(b"[" * 10_000),
        stage.deliver(b'{"id": "evt_4", "id": "evt_4", "type": "twice"}'),
        stage.deliver(digits + b' "final_credits": ' + b"9" * 100_000 + b"}}"),
    ]
    assert [answer.status_code for answer in answers] == [204] * 7
    assert [notice.task_id for notice in heard(stage, 1)] == ["task_5"]


def test_a_store_that_cannot_be_written_makes_the_service_come_again(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"
    with receiving(f"sqlite:///{file}?timeout=0.05", tmp_path) as stage:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert stage.deliver(told()).status_code == 503
        assert stage.deliver(told()).status_code == 204
        assert len(heard(stage, 1)) == 1


def test_an_audience_that_is_away_for_a_moment_hears_all_the_same(tmp_path: Path) -> None:
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path) as stage:
        stage.audience.refuses = 1
        for number in range(3):
            assert stage.deliver(told(number)).status_code == 204
        assert [notice.task_id for notice in heard(stage, 3)] == ["task_0", "task_1", "task_2"]


async def test_the_dispatcher_gives_up_after_its_patience_and_goes_on_with_the_next() -> None:
    arrived: list[JobNotification] = []
    slept: list[float] = []
    over = asyncio.Event()

    async def emit(notices: Sequence[JobNotification]) -> None:
        if notices[0].task_id == "lost":
            raise ConnectionError
        arrived.extend(notices)
        over.set()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) >= dispatching.PATIENCE_SECONDS:
            dispatcher.add(JobNotification("2", "next", "succeeded"))

    dispatcher = NotificationDispatcher(emit, sleep)
    async with dispatcher.working():
        dispatcher.add(JobNotification("1", "lost", "succeeded"))
        await asyncio.wait_for(over.wait(), 240)
    assert [notice.task_id for notice in arrived] == ["next"]
    assert dispatcher.dropped == 1


async def test_the_dispatcher_passes_on_in_batches_and_at_its_end_what_still_waits() -> None:
    batches: list[int] = []

    async def emit(notices: Sequence[JobNotification]) -> None:
        batches.append(len(notices))

    dispatcher = NotificationDispatcher(emit)
    async with dispatcher.working():
        for number in range(dispatching.BATCH + 1):
            dispatcher.add(JobNotification(str(number), str(number), "succeeded"))
    assert sum(batches) == dispatching.BATCH + 1


def test_a_strange_status_becomes_a_plain_word() -> None:
    event = told(status="Weird status!")
    found = notification_of(WebhookEvent.model_validate(event))
    assert found is not None
    assert found.status == "changed"


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as opened:
        yield opened


def test_received_events_are_told_newest_first_and_old_ones_go(journal: Journal) -> None:
    now = [1000.0]
    received = Received(journal.engine, clock=lambda: now[0])
    odd = {"id": "evt " + "x" * 300, "type": "t" * 200}
    for event in (told(1), told(2), odd):
        assert received.note(WebhookEvent.model_validate(event), "{}")
        assert not received.note(WebhookEvent.model_validate(event), "{}")
        now[0] += 100
    assert received.recent_jobs() == ("task_2", "task_1")
    assert received.recent_jobs(250) == ("task_2",)
    assert received.prune(250) == 1
    assert received.note(WebhookEvent.model_validate(told(1)), "{}")


def test_the_secret_before_a_rotation_stays_good_for_a_while(journal: Journal) -> None:
    engine = journal.engine

    def known() -> set[str]:
        return {secret.get_secret_value() for secret in signing_secrets(engine)}

    keep_signing_secret(engine, "whend_1", SecretStr("one"))
    keep_signing_secret(engine, "whend_10", SecretStr("ten"))
    rotate_signing_secret(engine, "whend_1", SecretStr("two"))
    assert known() == {"one", "two", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("three"), overlap_seconds=0)
    assert known() == {"three", "ten"}
    rotate_signing_secret(engine, "whend_1", SecretStr("four"), overlap_seconds=-5)
    forget_signing_secrets(engine, "whend_1")
    assert known() == {"ten"}
    assert has_signing_secret(engine, "whend_10")
    assert not has_signing_secret(engine, "whend_1")
