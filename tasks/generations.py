"""Paid jobs: one task buys, another waits and brings the results home.

They are two, so that a wait that fails never buys again.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Literal

from prefect import task

from rivya_flows.api.retries import RetryPolicy
from rivya_flows.api.wire import Generation
from rivya_flows.errors import APIError, APIStatusError, RivyaFlowsError
from rivya_flows.runs.keeping import keep
from tasks.session import PLAIN, dumped, session

MAX_RESULT_BYTES = 2**30
"""Larger results are refused: a gigabyte is more than any model of the catalogue makes."""

_GONE = {403, 404, 410}


class CollectError(RivyaFlowsError):
    """A job ended and its results could not be brought home.

    Attributes:
        generation: The ended job, so that its cost is known all the same.
        message: Why not.
    """

    code = "download"

    def __init__(self, generation: dict[str, Any], message: str) -> None:
        super().__init__(generation, message)
        self.generation = generation
        self.message = message
        self.hint = "resume the run: the results are fetched again, for free"

    def __str__(self) -> str:
        return self.message


class JobFailedError(RivyaFlowsError):
    """The job was accepted, ran, and failed.

    Attributes:
        generation: The job.
    """

    code = "job_failed"

    def __init__(self, generation: dict[str, Any]) -> None:
        super().__init__(generation)
        self.generation = generation

    def __str__(self) -> str:
        error = self.generation.get("error") or {}
        return error.get("message") or "the job failed"


@task(name="submit", **PLAIN)
async def submit_generation(
    body: str, idempotency_key: str, attempts: int = 5, patience: float | None = None
) -> dict[str, Any]:
    """Buys one job.

    Args:
        body: The exact JSON text; it goes out unchanged, under its key, as often as needed.
        idempotency_key: Names the purchase; the service charges once for it.
        attempts: Requests in all.
        patience: Seconds in all, or None for the client's own.

    Raises:
        APIStatusError: The service refused it.
        APIConnectionError: No answer; it may have been taken.
    """
    created = await session().client.generations.create(
        body.encode(), idempotency_key=idempotency_key, retry=policy(attempts, patience)
    )
    return dumped(created)


@task(name="wait", **PLAIN)
async def collect_generation(
    task_id: str,
    media: Literal["image", "video", "audio"],
    timeout_seconds: float | None = None,
    earlier: bool = False,
) -> dict[str, Any]:
    """Waits for a job's end, downloads its results, proves and keeps them.

    Args:
        task_id: The job.
        media: What it makes: films and sounds are looked at less often.
        timeout_seconds: None is the client's own limit for such media.
        earlier: It was bought before this execution began, which may have missed its webhook.

    Returns:
        ``{"generation": the ended job, "assets": [asset, …]}``.

    Raises:
        JobFailedError: The job failed.
        CollectError: It succeeded, and a result could not be fetched or is not a medium.
        APIError: Its state could not be learned in time; it goes on without us.
    """
    ended = await _ended(task_id, media, timeout_seconds, earlier=earlier)
    session().seen[task_id] = dumped(ended)
    if ended.status == "failed":
        raise JobFailedError(dumped(ended))
    urls = ended.result.urls if ended.result else ()
    if not urls:
        raise CollectError(dumped(ended), "the job succeeded but names no result")
    try:
        assets = [await _bring_home(task_id, index, url) for index, url in enumerate(urls)]
    except RivyaFlowsError as error:
        raise CollectError(dumped(ended), str(error)) from error
    return {"generation": dumped(ended), "assets": assets}


async def _ended(
    task_id: str,
    media: Literal["image", "video", "audio"],
    timeout_seconds: float | None,
    *,
    earlier: bool,
) -> Generation:
    generations, wakes = session().client.generations, session().wakes
    if wakes is None:
        return await generations.wait(task_id, kind=media, timeout_seconds=timeout_seconds)
    # Else a job that ended while no receiver listened would be looked at after the slow pause.
    if earlier and (ended := await _ended_already(task_id)):
        return ended
    with wakes.waiting(task_id) as wake:
        return await generations.wait(
            task_id, kind=media, timeout_seconds=timeout_seconds, wake=wake, slow=wakes.slow
        )


async def _ended_already(task_id: str) -> Generation | None:
    """The job if it has ended by now; None also where that cannot be learned at this moment."""
    try:
        found = await session().client.generations.retrieve(task_id, retry=RetryPolicy(attempts=1))
    except APIError as error:
        if not error.retryable:
            raise
        return None
    return found if found.ended else None


def policy(attempts: int, patience: float | None) -> RetryPolicy:
    """The transport's patience for one request."""
    if patience is None:
        return RetryPolicy(attempts=attempts)
    return RetryPolicy(attempts=attempts, patience_seconds=patience)


async def _bring_home(task_id: str, index: int, url: str) -> dict[str, Any]:
    target = session().scratch / f"result-{uuid.uuid4().hex}"
    try:
        await _download(task_id, index, url, target)
        return keep(session().assets, target, url=url)
    finally:
        target.unlink(missing_ok=True)


async def _download(task_id: str, index: int, url: str, target: Path) -> None:
    client = session().client
    try:
        await client.download(url, target, max_bytes=MAX_RESULT_BYTES)
    except APIStatusError as error:
        if error.status not in _GONE:
            raise
        # Result addresses may be short-lived: the job tells fresh ones.
        again = await client.generations.retrieve(task_id)
        urls = again.result.urls if again.result else ()
        if index >= len(urls) or urls[index] == url:
            raise
        await client.download(urls[index], target, max_bytes=MAX_RESULT_BYTES)
