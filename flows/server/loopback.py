"""What is asked of a Prefect server on this machine, without importing Prefect."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import sys
from datetime import datetime
from typing import Any

SEND_SECONDS = 10.0

_FINAL = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]
_OPEN = ["SCHEDULED", "PENDING", "RUNNING", "PAUSED", "CANCELLING"]
_ANSWER_SECONDS = 5


def ask(port: int, method: str, path: str, body: object = None) -> Any:
    """The JSON of an answer of the server on a loopback port.

    Raises:
        OSError: There is none.
        http.client.HTTPException: It does not answer with 200 or 201.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    try:
        connection.request(
            method, path, body=json.dumps(body), headers={"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status not in (200, 201):
        raise http.client.HTTPException(f"{method} {path}: HTTP {answer.status}")
    return json.loads(content)


def healthy(port: int) -> bool:
    """Whether a server answers on the port and is well."""
    try:
        return bool(ask(port, "GET", "/api/health"))
    except (OSError, http.client.HTTPException, ValueError):
        return False


def task_runs_since(port: int, began: datetime) -> tuple[int, int]:
    """Task runs of the flow runs that began after a moment and have ended: all, and open ones.

    Raises:
        OSError: There is no server.
        http.client.HTTPException: It does not answer with success.
    """
    ended = {
        "state": {"type": {"any_": _FINAL}},
        "start_time": {"after_": began.isoformat()},
    }
    still_open = {"state": {"type": {"any_": _OPEN}}}
    return (
        ask(port, "POST", "/api/task_runs/count", {"flow_runs": ended}),
        ask(port, "POST", "/api/task_runs/count", {"flow_runs": ended, "task_runs": still_open}),
    )


async def send_what_waits() -> None:
    """Sends the events and logs that Prefect's threads in this process still hold."""
    if "prefect.events.worker" in sys.modules:
        from prefect.events.worker import EventsWorker
        from prefect.logging.handlers import APILogWorker

        for worker in (EventsWorker, APILogWorker):
            # It would warn that there is something to send, which is why it is called.
            told = logging.getLogger(worker.__name__)
            level = told.level
            told.setLevel(logging.ERROR)
            try:
                sent = worker.drain_all(timeout=SEND_SECONDS)
                if asyncio.iscoroutine(sent):
                    await sent
            finally:
                told.setLevel(level)
