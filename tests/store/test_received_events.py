from __future__ import annotations

import pytest
from sqlalchemy import Engine

from rivya_client.types import WebhookEvent
from rivya_flows.receiver.notification import note_received, prune_received, recent_jobs
from support.receiver_stage import told


def test_received_events_are_listed_newest_first_and_old_ones_are_removed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    odd = {"id": "evt " + "x" * 300, "type": "t" * 200}
    for event in (told(1), told(2), odd):
        assert note_received(engine, WebhookEvent.model_validate(event), "{}")
        assert not note_received(engine, WebhookEvent.model_validate(event), "{}")
        now[0] += 100
    assert recent_jobs(engine) == ("task_2", "task_1")
    assert recent_jobs(engine, 250) == ("task_2",)
    assert prune_received(engine, 250) == 1
    assert note_received(engine, WebhookEvent.model_validate(told(1)), "{}")
