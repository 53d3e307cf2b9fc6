"""Sends webhook deliveries in the background, each until it arrives or fails."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable
from contextlib import suppress

from rivya_sandbox.service import faults
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.options import Options
from rivya_sandbox.webhooks import events, http_post, urls
from rivya_sandbox.webhooks.events import AttemptOutcome, Delivery
from rivya_sandbox.webhooks.secrets import signature, signing_secret

_log = logging.getLogger(__name__)
_CONNECTIONS = 16  # at once
_PAUSE = 1.0  # seconds before a delivery is retried after an error such as a full disk
_HELD_BACK = 5.0  # seconds that an event waits for a later one to overtake it


class WebhookSender:
    """Finishes every delivery, also those left by an earlier process."""

    def __init__(
        self,
        database: Database,
        options: Options,
        server_secret: str,
        resolve: http_post.Resolve = http_post.addresses,
    ) -> None:
        self._database = database
        self._options = options
        self._server_secret = server_secret
        self._resolve = resolve
        self._connections = asyncio.Semaphore(_CONNECTIONS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._overtaken: dict[str, asyncio.Event] = {}

    def start(self) -> None:
        """Continue unfinished deliveries; needs a running event loop."""
        self.take(events.list_unfinished(self._database))

    def take(self, delivery_ids: Iterable[str]) -> None:
        """Start deliveries that were just stored."""
        for delivery_id in delivery_ids:
            task = asyncio.create_task(self._until_done(delivery_id), name=delivery_id)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop all deliveries; the next process continues them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _until_done(self, delivery_id: str) -> None:
        while True:
            try:
                delivery = events.pending(self._database, delivery_id)
                if delivery is None:
                    return
                wait = delivery.next_attempt_at - self._options.clock()
                if wait > 0:
                    await asyncio.sleep(wait)
                await self._attempt(delivery)
            except (OSError, sqlite3.Error) as problem:
                _log.error("%s: %s; trying again", delivery_id, problem)
                await asyncio.sleep(_PAUSE)

    async def _attempt(self, delivery: Delivery) -> None:
        fault = faults.of_delivery(self._database, delivery.model)
        do = None if fault is None else fault.do
        if fault is not None and do == "delay":
            await asyncio.sleep(fault.seconds or 0)
        if fault is not None and do == "shuffle":
            await self._held_back(delivery.endpoint_id, fault.seconds)
        # Read again: the URL or secret may have changed, or the endpoint may be gone.
        current = events.pending(self._database, delivery.id)
        if current is None:
            return
        if fault is not None and do == "drop_before":
            self._note(current, AttemptOutcome(None, "Lost, as ordered."), gives_up=True)
        elif fault is not None and do == "status":
            status = fault.status or 500
            self._note(
                current, AttemptOutcome(status, f"The receiver answered {status}, as ordered.")
            )
        else:
            outcome = await self._send(current)
            if do == "double":
                outcome = await self._send(current)
            if do == "drop_after_commit":
                outcome = AttemptOutcome(None, "The answer was lost, as ordered.")
            self._note(current, outcome)
            self._overtaken.pop(delivery.endpoint_id, asyncio.Event()).set()

    async def _held_back(self, endpoint_id: str, seconds: float | None) -> None:
        """Wait until another delivery to the endpoint was sent, or for a time limit."""
        overtaken = self._overtaken.setdefault(endpoint_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(_HELD_BACK if seconds is None else seconds):
                await overtaken.wait()

    async def _send(self, delivery: Delivery) -> AttemptOutcome:
        allow_local = self._options.allow_local_webhooks
        try:
            target = urls.target(delivery.url, allow_local=allow_local)
        except Refusal as refusal:  # stored under other rules
            return AttemptOutcome(None, refusal.message)
        body = delivery.body.encode()
        async with self._connections:
            return await http_post.post(
                target,
                self._headers(delivery, body),
                body,
                allow_local=allow_local,
                resolve=self._resolve,
            )

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        secret = signing_secret(self._server_secret, delivery.endpoint_id, delivery.secret_draw)
        timestamp = str(int(self._options.clock()))
        return {
            "Content-Type": "application/json",
            "User-Agent": "rivya-sandbox",
            "X-Rivya-Event-Id": delivery.event_id,
            "X-Rivya-Event-Type": delivery.event_type,
            "X-Rivya-Delivery-Id": delivery.id,
            "X-Rivya-Timestamp": timestamp,
            "X-Rivya-Signature": signature(secret, timestamp, body),
        }

    def _note(self, delivery: Delivery, outcome: AttemptOutcome, *, gives_up: bool = False) -> None:
        with self._database.transaction() as transaction:
            events.note(
                transaction,
                delivery,
                outcome,
                time_scale=self._options.time_scale,
                now=self._options.clock(),
                gives_up=gives_up,
            )
