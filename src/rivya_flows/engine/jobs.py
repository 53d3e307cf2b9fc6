"""Jobs that were bought: wait for their end, then download, decode and keep their results.

A wait that fails never buys again: another call submits a job.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from rivya_client.downloads import Download
from rivya_client.errors import ExplainedError
from rivya_client.mime_types import MediaKind
from rivya_client.retries import ONCE
from rivya_client.types import Generation
from rivya_cut.measures import Measures
from rivya_flows.assets import Asset, Outputs
from rivya_flows.engine.files import load_stored, take
from rivya_flows.engine.run import Run
from rivya_flows.errors import (
    APIError,
    APIStatusError,
    LostMediumError,
    MediaError,
    NotFoundError,
    RivyaError,
    StoreError,
)
from rivya_flows.language.quality import MEASURES, Fault
from rivya_flows.media.decoding import measure
from rivya_flows.queue import events
from rivya_flows.queue.actions import Collect
from rivya_flows.queue.queue import wanted_media
from rivya_flows.receipt.from_journal import sum_credits
from rivya_flows.receipt.ledger import jobs_to_ask
from rivya_flows.store.charges import spent_by_others
from rivya_flows.store.database import in_thread
from rivya_flows.store.pools import Pools

MAX_RESULT_BYTES = 2**30
"""Size of one result; a gigabyte is more than any model of the catalogue makes."""

MAX_URLS = 1_000
"""Result URLs of one job that the journal keeps."""

_GONE = {403, 404, 410}


class CollectError(ExplainedError):
    """A job succeeded, but its results could not be downloaded or decoded."""

    code = "download"

    def __init__(
        self, generation: Generation, message: str, files: tuple[events.BroughtFile, ...] = ()
    ) -> None:
        super().__init__(
            message, "resume the run: the results are decoded or fetched again, for free"
        )
        self.args = (generation, message, files)  # what pickle calls it with
        self.generation, self.files = generation, files


class JobFailedError(ExplainedError):
    """The job was accepted, ran, and failed."""

    code = "job_failed"

    def __init__(self, generation: Generation) -> None:
        error = generation.error
        super().__init__((error and error.message) or "the job failed")
        self.args = (generation,)
        self.generation = generation


@dataclass(frozen=True)
class CollectedJob:
    """A succeeded job and its media, in the order of its results."""

    generation: Generation
    assets: tuple[Asset, ...]


async def collect(run: Run, action: Collect) -> AsyncGenerator[events.Event]:
    """Report how the job ended and what it cost, then its media; what was downloaded is kept."""
    await run.slots.take(action, _model(run, action))
    failed = None
    try:
        done = await run.call(collect_job, "collect", action)
    except JobFailedError as error:
        yield _settlement(run, action, error.generation)
        return
    except CollectError as error:
        failed = error
    finally:
        run.slots.over(action)
    if not action.settled:
        yield _settlement(run, action, failed.generation if failed else done.generation)
    of = {"step": action.step, "key": action.key}
    if failed is None:
        outputs, faults = await _measure_each(run, action, done.assets)
        if faults:
            bought = run.state.item(action.step, action.key).last
            final = bought.held if bought else 0
            yield events.MediaRefused(
                **of, n=action.n, final_credits=final, outputs=outputs, faults=faults
            )
        else:
            yield events.ItemCompleted(**of, outputs=outputs)
    elif run.outlasts(failed):
        raise failed
    else:
        yield events.ItemFailed(**of, code=failed.code, message=failed.message, files=failed.files)


async def _measure_each(
    run: Run, action: Collect, assets: Sequence[Asset]
) -> tuple[dict[str, JsonValue], tuple[Fault, ...]]:
    """The outputs of a job, and for which faults all of its media are refused; of several the good ones count."""
    request = run.state.item(action.step, action.key).request
    found = [await _measures(run, asset) for asset in assets]

    listed: list[JsonValue] = [asset.as_json() for asset in assets]
    measures: list[JsonValue] = [to_jsonable_python(one) for one in found]
    first = {"asset": listed[0], "assets": listed, "task_id": action.task_id}
    outputs: Outputs = {**first, MEASURES: measures}
    if request is not None:
        wanted = wanted_media(run.state, action.step, request)
        if faults := wanted.reasons_to_refuse(outputs):
            return dict(outputs), faults
        outputs = wanted.without_refused(outputs)
    return dict(outputs), ()


async def _measures(run: Run, asset: Asset) -> Measures | None:
    """The measures of a medium; None if it cannot be measured within bounds."""
    path = await asyncio.to_thread(run.context.assets.local_path, asset.sha256)
    with suppress(MediaError):
        return await measure(path)
    return None


def _model(run: Run, action: Collect) -> str | None:
    request = run.state.item(action.step, action.key).request
    return None if request is None else request.model


def _settlement(run: Run, action: Collect, job: Generation) -> events.JobEnded:
    final = job.final_credits
    if final is None:
        # A cost that the service did not report counts as what was set aside.
        bought = run.state.item(action.step, action.key).last
        final = bought.held if bought else 0
    watched = run.watched.pop(action.task_id, None)
    return events.JobEnded(
        step=action.step,
        key=action.key,
        n=action.n,
        status=job.status,
        final_credits=final,
        urls=job.result.urls[:MAX_URLS] if job.result else (),
        error=job.error.message if job.error else None,
        error_code=job.error.code if job.error else None,
        model=job.model,
        seconds=watched.seconds if watched else None,
        looks=watched.looks if watched else None,
        late_seconds=watched.late if watched else None,
    )


async def collect_job(run: Run, action: Collect) -> CollectedJob:
    """Wait until a job ends, then decode its results; what was downloaded is kept in any case."""
    ended = await _wait_for_end(run, action)
    if is_settled(ended):
        run.seen[action.task_id] = seen_of(ended)
    if ended.status == "failed":
        raise JobFailedError(ended)
    urls = ended.result.urls if ended.result else ()
    if not urls:
        raise CollectError(ended, "the job succeeded but names no result")
    downloads = _Downloads(run, action.task_id, {one.index: one for one in action.files})
    try:
        return CollectedJob(ended, tuple(await downloads.collect(urls)))
    except RivyaError as error:
        raise CollectError(ended, str(error), downloads.stored) from error


def is_settled(job: Generation) -> bool:
    """Whether an answer has the end of a job and its cost, which may stay 0 until it is settled."""
    if not job.ended or job.final_credits is None:
        return False
    return job.status == "failed" or job.final_credits > 0 or not job.reserved_credits


def seen_of(job: Generation) -> events.JobSeen:
    return events.JobSeen.model_validate(job, from_attributes=True)


async def _wait_for_end(run: Run, action: Collect) -> Generation:
    """The job once it has ended; one that an earlier execution bought may have missed its webhook."""
    task_id, wakes = action.task_id, run.wakes
    bought = run.state.item(action.step, action.key).last
    at = None if bought is None else bought.intended_at
    age = time.monotonic() - run.accepted.pop(task_id, time.monotonic())
    is_older = at is not None and at < run.began
    if at is not None and is_older:
        age = (run.clock() - at).total_seconds()
    # Time without a waiting process, or of a stopped sandbox, says nothing about such jobs.
    on_end = None if is_older else partial(run.watched.__setitem__, task_id)
    wait = partial(
        run.client.generations.wait,
        task_id,
        kind=cast("MediaKind", action.media),
        model=_model(run, action),
        age_seconds=max(0.0, age),
        timeout_seconds=action.timeout_seconds,
        on_end=on_end,
        on_poll=run.on_poll,
    )
    if wakes is None:
        return await wait()
    # A job that ended while no receiver listened would otherwise wait for the next slow poll.
    if is_older and (ended := await _ended_already(run, task_id)):
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


@dataclass(frozen=True)
class _Downloads:
    """The results of a job that are kept on this machine."""

    run: Run
    task_id: str
    files: dict[int, events.BroughtFile]

    @property
    def stored(self) -> tuple[events.BroughtFile, ...]:
        return tuple(self.files[index] for index in sorted(self.files))

    async def collect(self, urls: Sequence[str]) -> list[Asset]:
        """An asset for each result; one that cannot be decoded does not stop the others."""
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
            return await load_stored(self.run.context.assets, known.sha256, url=url)
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
                reason = error.message.removeprefix(f"{target}: ")
                message = f"result {index + 1}: {reason}; its bytes are kept as {got.sha256}"
                raise MediaError(message, error.hint) from error
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
        self.files[index] = events.BroughtFile(
            task_id=self.task_id, index=index, sha256=got.sha256, size_bytes=got.size_bytes, url=url
        )


# --- What the service and the store say at the end of a run ---

_AT_ONCE = 16
"""Questions that are open at the same moment."""


async def reconcile_jobs(run: Run) -> None:
    """Records what the service says about this run's jobs; free, and never fails a run."""
    asked = jobs_to_ask(run.state)
    jobs: dict[str, events.JobSeen | None] = {
        one: run.seen[one] for one in asked if one in run.seen
    }
    unseen = iter([one for one in asked if one not in jobs])

    async def ask() -> None:
        for task_id in unseen:
            try:
                jobs[task_id] = seen_of(await run.client.generations.retrieve(task_id))
            except APIStatusError as error:
                if error.status != 404:
                    raise
                jobs[task_id] = None

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(_AT_ONCE, len(asked) - len(jobs))):
                group.create_task(ask())
    except* RivyaError:  # also for an id that fits in no URL
        jobs.clear()
    if asked and not jobs:
        return
    engine, state, row = run.context.journal.engine, run.state, run.reporter.row
    other_runs: tuple[events.OtherRun, ...] = ()
    pools: tuple[events.PoolTotal, ...] = ()
    with suppress(StoreError):
        if (sum_credits(state).unexplained or 0) > 0:
            of = run.run_id, state.service, state.wallet
            other_runs = await in_thread(spent_by_others, engine, *of)
    with suppress(StoreError):
        pools = await in_thread(Pools(engine).matching, row.labels, row.service)
    event = events.ServiceAsked(
        jobs={one: jobs[one] for one in asked},
        others=sum(one.most for one in other_runs),
        other_runs=other_runs[: events.MOST_OTHER_RUNS],
        pools=pools,
    )
    append = run.context.journal.append
    run.reporter.record(await in_thread(append, run.run_id, event, run.lease.fence), state)
