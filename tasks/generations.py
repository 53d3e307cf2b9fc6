"""What runs ask of the service: jobs and chat turns, the list of models, the balance.

One task submits a job, another waits for it and downloads the results: a failed wait never buys again.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import task

from rivya_client.downloads import Download
from rivya_client.mime_types import MediaKind
from rivya_client.retries import ONCE, RetryPolicy
from rivya_client.types import ChatCompletion, Generation
from rivya_flows.assets import Asset
from rivya_flows.engine.asset_ingest import of_kept, take
from rivya_flows.engine.run import Run
from rivya_flows.errors import (
    APIError,
    APIStatusError,
    LostMediumError,
    MediaError,
    NotFoundError,
    RivyaError,
)
from rivya_flows.queue.events import BroughtFile
from rivya_flows.steps.request import Route

MAX_RESULT_BYTES = 2**30
"""Size of one result; a gigabyte is more than any model of the catalogue makes."""

_GONE = {403, 404, 410}


class CollectError(RivyaError):
    """A job succeeded, but its results could not be downloaded or decoded."""

    code = "download"

    def __init__(
        self, generation: Generation, message: str, files: tuple[BroughtFile, ...] = ()
    ) -> None:
        super().__init__(generation, message, files)
        self.generation = generation
        self.message = message
        self.files = files
        self.hint = "resume the run: the results are decoded or fetched again, for free"

    def __str__(self) -> str:
        return self.message


class JobFailedError(RivyaError):
    """The job was accepted, ran, and failed."""

    code = "job_failed"

    def __init__(self, generation: Generation) -> None:
        super().__init__(generation)
        self.generation = generation

    def __str__(self) -> str:
        error = self.generation.error
        return (error and error.message) or "the job failed"


@dataclass(frozen=True)
class CollectedJob:
    """A succeeded job and its media, in the order of its results."""

    generation: Generation
    assets: tuple[Asset, ...]


@task(name="buy")
async def buy_by_route(
    run: Run, route: Route, body: str, idempotency_key: str, retry: RetryPolicy
) -> Generation | ChatCompletion:
    """Buy one job, or one answer of a chat model.

    Args:
        idempotency_key: Identifies the purchase; the service charges once per key.

    Raises:
        APIStatusError: The service refused it.
        APIConnectionError: No response; it may have been accepted.
    """
    assert route.send is not None  # a function buys by itself
    answer = await route.send(run.client, body.encode(), idempotency_key, retry)
    if isinstance(answer, Generation):
        run.accepted[answer.id] = time.monotonic()
    return answer


@task(name="collect")
async def collect_generation(
    run: Run,
    task_id: str,
    media: MediaKind,
    model: str | None = None,
    timeout_seconds: float | None = None,
    earlier_seconds: float | None = None,
    files: Sequence[BroughtFile] = (),
) -> CollectedJob:
    """Wait until a job ends, then download, decode and keep its results.

    Args:
        timeout_seconds: None is the client's default for that kind of media.
        earlier_seconds: Seconds since an earlier execution bought it; this one may have missed its
            webhook. None if this execution bought it.
        files: Results that an earlier execution downloaded: they are decoded again, and
            downloaded again only if that fails.

    Raises:
        JobFailedError: The job failed.
        CollectError: It succeeded, and a result could not be downloaded or decoded. All that was
            downloaded is kept.
        APIError: Its state is still unknown after the timeout; the job goes on.
    """
    ended = await _ended(run, task_id, media, model, timeout_seconds, earlier_seconds)
    run.seen[task_id] = ended
    if ended.status == "failed":
        raise JobFailedError(ended)
    urls = ended.result.urls if ended.result else ()
    if not urls:
        raise CollectError(ended, "the job succeeded but names no result")
    downloads = _Downloads(run, task_id, {one.index: one for one in files})
    try:
        return CollectedJob(ended, tuple(await downloads.collect(urls)))
    except RivyaError as error:
        raise CollectError(ended, str(error), downloads.kept) from error


async def _ended(
    run: Run,
    task_id: str,
    media: MediaKind,
    model: str | None,
    timeout_seconds: float | None,
    earlier_seconds: float | None,
) -> Generation:
    wakes, age = run.wakes, earlier_seconds
    if age is None:
        age = time.monotonic() - run.accepted.pop(task_id, time.monotonic())
    # A time in which nobody waited, and a sandbox was down perhaps, is none that such a job usually takes.
    on_end = functools.partial(run.watched.__setitem__, task_id)
    wait = functools.partial(
        run.client.generations.wait,
        task_id,
        kind=media,
        model=model,
        age_seconds=max(0.0, age),
        timeout_seconds=timeout_seconds,
        on_end=on_end if earlier_seconds is None else None,
        on_poll=run.on_poll,
    )
    if wakes is None:
        return await wait()
    # A job that ended while no receiver listened would otherwise wait for the next slow poll.
    if earlier_seconds is not None and (ended := await _ended_already(run, task_id)):
        return ended
    with wakes.waiting(task_id) as wake:
        return await wait(wake=wake, slow=wakes.slow)


async def _ended_already(run: Run, task_id: str) -> Generation | None:
    """The job if it has ended; None also if the service cannot tell at this moment."""
    try:
        found = await run.client.generations.retrieve(task_id, retry=ONCE)
    except APIError as error:
        if not error.retryable and not isinstance(error, NotFoundError):
            raise
        return None
    return found if found.ended else None


@task(name="models")
async def list_models(run: Run) -> Mapping[str, Any]:
    """The whole response of ``GET /models``: free, needs no key."""
    return (await run.client.models.list()).payload


@dataclass(frozen=True)
class _Downloads:
    """The results of a job that are kept on this machine."""

    run: Run
    task_id: str
    files: dict[int, BroughtFile]

    @property
    def kept(self) -> tuple[BroughtFile, ...]:
        """All of them, in the order of the results."""
        return tuple(self.files[index] for index in sorted(self.files))

    async def collect(self, urls: Sequence[str]) -> list[Asset]:
        """An asset for each result; one that cannot be decoded does not stop the others.

        Raises:
            MediaError: Some cannot be decoded; all are kept. Or they are too many, or too large together.
        """
        settings = self.run.context.settings
        results, job_bytes = settings.rivya_flows_max_results, settings.rivya_flows_max_job_bytes
        if len(urls) > results:
            raise MediaError(
                f"the job names {len(urls):,} results, and at most {results:,} of one job are"
                " fetched; RIVYA_FLOWS_MAX_RESULTS allows more"
            )
        assets, errors = [], []
        for index, url in enumerate(urls):
            try:
                assets.append(
                    await self._decoded_again(index, url) or await self._fetch(index, url)
                )
            except MediaError as error:
                errors.append(error)
            if sum(file.size_bytes for file in self.files.values()) > job_bytes:
                raise MediaError(
                    f"the results of the job are larger than {job_bytes:,} bytes together;"
                    " RIVYA_FLOWS_MAX_JOB_BYTES allows more"
                )
        if errors:
            raise errors[0]
        return assets

    async def _decoded_again(self, index: int, url: str) -> Asset | None:
        """The asset of an earlier download; None if the result has to be downloaded."""
        known = self.files.get(index)
        if known is None:
            return None
        try:
            return await of_kept(self.run.context.assets, known.sha256, url=url)
        except LostMediumError:
            del self.files[index]
        except MediaError:
            pass  # what the service has now may be whole
        return None

    async def _fetch(self, index: int, url: str) -> Asset:
        assets = self.run.context.assets
        target, earlier = assets.incoming(), self.files.get(index)
        try:
            async with self.run.downloads:
                got = await self._download(index, url, target)
            try:
                asset = await take(assets, target, got.sha256, url=url)
            except MediaError as error:
                await asyncio.to_thread(assets.take, target, got.sha256)
                self._note(index, url, got)
                raise _undecoded(error, target, index, got.sha256) from error
            self._note(index, url, got)
            return asset
        except APIError as error:
            if earlier is None:
                raise
            message = f"{error}; the earlier download ({earlier.sha256}) cannot be decoded"
            raise MediaError(message) from error
        finally:
            target.unlink(missing_ok=True)

    async def _download(self, index: int, url: str, target: Path) -> Download:
        client = self.run.client
        try:
            return await client.download(url, target, max_bytes=MAX_RESULT_BYTES)
        except APIStatusError as error:
            if error.status not in _GONE:
                raise
            # Result addresses may be short-lived: the job tells fresh ones.
            again = await client.generations.retrieve(self.task_id)
            urls = again.result.urls if again.result else ()
            if index >= len(urls) or urls[index] == url:
                raise
            return await client.download(urls[index], target, max_bytes=MAX_RESULT_BYTES)

    def _note(self, index: int, url: str, got: Download) -> None:
        self.files[index] = BroughtFile(
            task_id=self.task_id, index=index, sha256=got.sha256, size_bytes=got.size_bytes, url=url
        )


def _undecoded(error: MediaError, path: Path, index: int, digest: str) -> MediaError:
    reason = error.message.removeprefix(f"{path}: ")
    return MediaError(f"result {index + 1}: {reason}; its bytes are kept as {digest}", error.hint)
