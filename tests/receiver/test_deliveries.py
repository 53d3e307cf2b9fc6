"""Deliveries to the receiver: verified, recorded once, answered at once, passed on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from rivya_flows.receiver.app import MAX_BYTES, WEBHOOK_PATH
from rivya_flows.receiver.notification import JobNotification, recent_jobs
from rivya_flows.store.database import reading
from rivya_flows.store.tables import RECEIVED
from support.databases import BACKENDS, fresh_store
from support.receiver_stage import SECRET, Stage, receiving, told
from support.sandbox_calls import until

pytestmark = pytest.mark.slow


@pytest.fixture(params=BACKENDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with receiving(fresh_store(request.param, tmp_path), tmp_path) as opened:
        yield opened


def heard(stage: Stage, count: int) -> list[JobNotification]:
    return until(lambda: list(stage.audience.heard) if len(stage.audience.heard) >= count else None)


def test_a_signed_event_is_passed_on_once(stage: Stage) -> None:
    for event in (told(1), told(1), told(2), told(1)):
        assert stage.deliver(event).status_code == 204
    assert heard(stage, 2) == [
        JobNotification(f"evt_{number}", f"task_{number}", "succeeded", "z-image")
        for number in (1, 2)
    ]


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_an_unverified_delivery_is_refused_and_changes_nothing(stage: Stage) -> None:
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
    assert recent_jobs(stage.journal.engine) == ("task_9",)


def test_a_delivery_that_quotes_the_key_is_stored_without_it(tmp_path: Path) -> None:
    key = "rvya_sk_0123456789abcdef"
    url = fresh_store("sqlite", tmp_path)
    with receiving(url, tmp_path, api_key=key) as stage:
        event = told()
        event["data"] |= {"model": key, "error": {"message": f"no route for {key}"}}
        assert stage.deliver(event).status_code == 204
        assert heard(stage, 1) == [JobNotification("evt_1", "task_1", "succeeded", "rvya_sk_***")]
        with reading(stage.journal.engine) as connection:
            [stored] = connection.execute(select(RECEIVED.c.body)).scalars()
    assert key not in stored
    assert "no route for rvya_sk_***" in stored


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_a_huge_delivery_is_refused_before_it_is_read(stage: Stage) -> None:
    assert stage.deliver(b" " * (MAX_BYTES + 1)).status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BYTES // 2**16 + 1):
            yield b" " * 2**16

    assert stage.client.post(WEBHOOK_PATH, content=pieces()).status_code == 413


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_any_of_several_secrets_may_have_signed_and_without_one_the_service_delivers_again(
    stage: Stage,
) -> None:
    stage.secrets.append(SecretStr("whsec_new"))
    assert stage.deliver(told(1), secret="whsec_new").status_code == 204
    assert stage.deliver(told(2)).status_code == 204
    stage.secrets.pop(0)
    assert stage.deliver(told(3)).status_code == 400
    stage.secrets.clear()
    assert stage.deliver(told()).status_code == 503


@pytest.mark.parametrize("stage", ["sqlite"], indirect=True)
def test_an_event_of_another_kind_wakes_nobody_and_one_that_is_not_utf_8_is_refused(
    stage: Stage,
) -> None:
    assert stage.deliver({"id": "evt_t", "type": "webhook.test"}).status_code == 204
    assert stage.deliver({"kind": "of 2030"}).status_code == 204
    latin = b'{"id": "evt_1", "type": "generation.\xff\xfe", "note": "caf\xe9"}'
    assert stage.deliver(latin).status_code == 400
    assert stage.deliver(told(5)).status_code == 204
    assert [notice.task_id for notice in heard(stage, 1)] == ["task_5"]


def test_signed_events_that_no_database_can_store_change_nothing(stage: Stage) -> None:
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


def test_with_a_store_that_cannot_be_written_the_service_has_to_deliver_again(
    tmp_path: Path,
) -> None:
    file = tmp_path / "journal.sqlite"
    with receiving(f"sqlite:///{file}?timeout=0.05", tmp_path) as stage:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert stage.deliver(told()).status_code == 503
        assert stage.deliver(told()).status_code == 204
        assert len(heard(stage, 1)) == 1


def test_notifications_are_retried_when_prefect_does_not_answer(tmp_path: Path) -> None:
    with receiving(f"sqlite:///{tmp_path / 'journal.sqlite'}", tmp_path) as stage:
        stage.audience.refuses = 1
        for number in range(3):
            assert stage.deliver(told(number)).status_code == 204
        assert [notice.task_id for notice in heard(stage, 3)] == ["task_0", "task_1", "task_2"]
