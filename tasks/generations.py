"""Paid jobs: one task buys, another waits and brings the results home.

They are two, so that a wait that fails never buys again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import task

from rivya_flows.app.asset_ingest import kept
from rivya_flows.assets import Asset
from rivya_flows.client.transport.retries import RetryPolicy
from rivya_flows.client.wire.api_objects import Generation
from rivya_flows.errors import (
    APIError,
    APIStatusError,
    LostMediumError,
    MediaError,
    RivyaFlowsError,
)
from rivya_flows.tasks.session import PLAIN, dumped, session

MAX_RESULT_BYTES = 2**30
"""Larger results are refused: a gigabyte is more than any model of the catalogue makes."""

_GONE = {403, 404, 410}


class CollectError(RivyaFlowsError):
    """A job ended and its results could not be brought home.

    Attributes:
        generation: The ended job, so that its cost is known all the same.
        message: Why not.
        files: Results that were downloaded and kept in the asset store, as `BroughtFile` dumps.
    """

    code = "download"

    def __init__(
        self,
        generation: dict[str, Any],
        message: str,
        files: tuple[dict[str, Any], ...] = (),
    ) -> None:
        super().__init__(generation, message, files)
        self.generation = generation
        self.message = message
        self.files = files
        self.hint = "resume the run: the results are decoded or fetched again, for free"

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
    files: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Waits for a job's end, downloads its results, proves and keeps them.

    Args:
        task_id: The job.
        media: What it makes: films and sounds are looked at less often.
        timeout_seconds: None is the client's own limit for such media.
        earlier: It was bought before this execution began, which may have missed its webhook.
        files: Results that an earlier execution brought home, as `BroughtFile` has them: they are
            decoded again, and fetched again only where that fails.

    Returns:
        ``{"generation": the ended job, "assets": [asset, …]}``.

    Raises:
        JobFailedError: The job failed.
        CollectError: It succeeded, and a result could not be fetched or decoded. The bytes of all
            that came home are kept.
        APIError: Its state could not be learned in time; it goes on without us.
    """
    ended = await _ended(task_id, media, timeout_seconds, earlier=earlier)
    session().seen[task_id] = dumped(ended)
    if ended.status == "failed":
        raise JobFailedError(dumped(ended))
    urls = ended.result.urls if ended.result else ()
    if not urls:
        raise CollectError(dumped(ended), "the job succeeded but names no result")
    home = _Home(task_id, {one["index"]: one for one in files})
    try:
        assets = await home.bring(urls)
    except RivyaFlowsError as error:
        raise CollectError(dumped(ended), str(error), home.brought) from error
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


@dataclass(frozen=True)
class _Home:
    """Results on their way home.

    Attributes:
        files: What is here, by place among the results.
    """

    task_id: str
    files: dict[int, dict[str, Any]]

    @property
    def brought(self) -> tuple[dict[str, Any], ...]:
        """What came home so far, in the order of the results."""
        return tuple(self.files[index] for index in sorted(self.files))

    async def bring(self, urls: Sequence[str]) -> list[Asset]:
        """An asset for each result; one that cannot be decoded does not hold up the others.

        Raises:
            MediaError: One or more cannot be decoded; all of them are here. Or they are too many,
                or too large together.
            RivyaFlowsError: One could not be fetched or kept.
        """
        results, job_bytes = session().max_results, session().max_job_bytes
        if len(urls) > results:
            raise MediaError(
                f"the job names {len(urls):,} results, and at most {results:,} of one job are"
                " fetched; RIVYA_FLOWS_MAX_RESULTS allows more"
            )
        assets, troubles = [], []
        for index, url in enumerate(urls):
            try:
                assets.append(await self._again(index, url) or await self._fetched(index, url))
            except MediaError as error:
                troubles.append(error)
            if sum(file["size_bytes"] for file in self.files.values()) > job_bytes:
                raise MediaError(
                    f"the results of the job are larger than {job_bytes:,} bytes together;"
                    " RIVYA_FLOWS_MAX_JOB_BYTES allows more"
                )
        if troubles:
            raise troubles[0]
        return assets

    async def _again(self, index: int, url: str) -> Asset | None:
        """The asset of bytes that came home earlier; None where they have to be fetched."""
        known = self.files.get(index)
        if known is None:
            return None
        try:
            path = await asyncio.to_thread(session().assets.local_path, known["sha256"])
            return await kept(session().assets, path, url=url)
        except LostMediumError:
            del self.files[index]
        except MediaError:
            pass  # what the service has now may be whole
        return None

    async def _fetched(self, index: int, url: str) -> Asset:
        target, assets = session().scratch / f"result-{uuid.uuid4().hex}", session().assets
        earlier = self.files.get(index)
        try:
            await _download(self.task_id, index, url, target)
            try:
                asset = await kept(assets, target, url=url)
            except MediaError as error:
                digest = await asyncio.to_thread(assets.put, target)
                self._note(index, url, digest, target.stat().st_size)
                raise _undecoded(error, target, index, digest) from error
            self._note(index, url, asset.sha256, target.stat().st_size)
            return asset
        except APIError as error:
            if earlier is None:
                raise
            message = f"{error}; what came home earlier ({earlier['sha256']}) cannot be decoded"
            raise MediaError(message) from error
        finally:
            target.unlink(missing_ok=True)

    def _note(self, index: int, url: str, digest: str, size_bytes: int) -> None:
        self.files[index] = {
            "task_id": self.task_id,
            "index": index,
            "sha256": digest,
            "size_bytes": size_bytes,
            "url": url,
        }


def _undecoded(error: MediaError, path: Path, index: int, digest: str) -> MediaError:
    reason = error.message.removeprefix(f"{path}: ")
    return MediaError(f"result {index + 1}: {reason}; its bytes are kept as {digest}", error.hint)


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
