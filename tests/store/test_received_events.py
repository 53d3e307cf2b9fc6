from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rivya_client.types import WebhookEvent
from rivya_flows.store.journal import Journal
from rivya_flows.store.received_events import Received
from support.databases import BACKENDS, fresh_store
from support.receiver_stage import told


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as opened:
        yield opened


def test_received_events_are_listed_newest_first_and_old_ones_are_removed(journal: Journal) -> None:
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
