from __future__ import annotations

from rivya_client.types import WebhookEvent
from rivya_flows.receiver.notification import notification_of
from support.receiver_stage import told


def test_an_unknown_status_becomes_a_plain_word() -> None:
    event = told(status="Weird status!")
    found = notification_of(WebhookEvent.model_validate(event))
    assert found is not None
    assert found.status == "changed"
