from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rivya_client.types import WebhookEvent
from rivya_flows.store.journal import Journal
from rivya_flows.store.received_events import note_received, prune_received, recent_jobs
from support.databases import BACKENDS, fresh_store
from support.receiver_stage import told


@pytest.fixture(params=BACKENDS)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(fresh_store(request.param, tmp_path))) as opened:
        yield opened


def test_received_events_are_listed_newest_first_and_old_ones_are_removed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    store = journal.engine
    odd = {"id": "evt " + "x" * 300, "type": "t" * 200}
    for event in (told(1), told(2), odd):
        assert note_received(store, WebhookEvent.model_validate(event), "{}")
        assert not note_received(store, WebhookEvent.model_validate(event), "{}")
        now[0] += 100
    assert recent_jobs(store) == ("task_2", "task_1")
    assert recent_jobs(store, 250) == ("task_2",)
    assert prune_received(store, 250) == 1
    assert note_received(store, WebhookEvent.model_validate(told(1)), "{}")
