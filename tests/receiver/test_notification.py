"""Notifications about jobs: what they say, how they are passed on, and when they are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rivya_client.types import WebhookEvent
from rivya_flows.receiver.notification import (
    BATCH,
    PATIENCE_SECONDS,
    JobNotification,
    NotificationDispatcher,
    notification_of,
)
from support.receiver_stage import told


def test_an_unknown_status_becomes_a_plain_word() -> None:
    event = told(status="Weird status!")
    found = notification_of(WebhookEvent.model_validate(event))
    assert found is not None
    assert found.status == "changed"


async def test_notifications_that_cannot_be_passed_on_are_dropped_in_the_end() -> None:
    arrived: list[JobNotification] = []
    slept: list[float] = []
    over = asyncio.Event()

    async def emit(notifications: Sequence[JobNotification]) -> None:
        if notifications[0].task_id == "lost":
            raise ConnectionError
        arrived.extend(notifications)
        over.set()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if sum(slept) >= PATIENCE_SECONDS:
            dispatcher.add(JobNotification("2", "next", "succeeded"))

    dispatcher = NotificationDispatcher(emit, sleep)
    async with dispatcher.working():
        dispatcher.add(JobNotification("1", "lost", "succeeded"))
        await asyncio.wait_for(over.wait(), 240)
    assert [notification.task_id for notification in arrived] == ["next"]


async def test_notifications_are_passed_on_in_batches_and_the_rest_at_the_end() -> None:
    batches: list[int] = []

    async def emit(notifications: Sequence[JobNotification]) -> None:
        batches.append(len(notifications))

    dispatcher = NotificationDispatcher(emit)
    async with dispatcher.working():
        for number in range(BATCH + 1):
            dispatcher.add(JobNotification(str(number), str(number), "succeeded"))
    assert sum(batches) == BATCH + 1
