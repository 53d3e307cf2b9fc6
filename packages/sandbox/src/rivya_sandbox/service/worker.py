"""Runs generations in the background: a coroutine for each, two renderings at once."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from rivya_sandbox.renderers.request import How, Kind, ReferenceMedium, Rendered, RenderRequest
from rivya_sandbox.service import files, generations
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.generations import Job, ResultFile
from rivya_sandbox.service.identifiers import secret_name
from rivya_sandbox.service.links import Links
from rivya_sandbox.service.options import Options
from rivya_sandbox.webhooks.sender import WebhookSender

_log = logging.getLogger(__name__)
THREADS = "rendering"
"""Prefix of the names of rendering threads."""
_RENDERINGS = 2  # at once
_LOOK = 0.2  # seconds between looks whether a stall has ended
_PAUSE = 1.0  # seconds before a job is retried after an error such as a full disk

_REASONS = {generations.REFUSED: "The content was refused: it violates the content policy."}


class _FailedError(Exception):
    """A job failed, with this message."""


class Worker:
    """Finishes every job, also those left by an earlier process."""

    def __init__(
        self, database: Database, options: Options, links: Links, sender: WebhookSender
    ) -> None:
        self._database = database
        self._options = options
        self._links = links
        self._sender = sender
        self._pool = ThreadPoolExecutor(_RENDERINGS, thread_name_prefix=THREADS)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Continue unfinished jobs; needs a running event loop."""
        for task_id in generations.list_unfinished(self._database):
            self.take(task_id)

    def take(self, task_id: str) -> None:
        """Start a job that was just stored."""
        task = asyncio.create_task(self._until_done(task_id), name=task_id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop all jobs; the next process continues them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _until_done(self, task_id: str) -> None:
        while True:
            try:
                return await self._carry_out(task_id)
            except (OSError, sqlite3.Error) as problem:
                _log.error("%s: %s; trying again", task_id, problem)
                await asyncio.sleep(_PAUSE)

    async def _carry_out(self, task_id: str) -> None:
        job = generations.job(self._database, task_id)
        await self._sleep_until(job.starts_at)
        generations.start(self._database, task_id, now=self._options.clock())
        while job.due_at is None:
            await asyncio.sleep(_LOOK)
            job = generations.job(self._database, task_id)
        failure, media = None, list[ResultFile]()
        try:
            if job.failure is not None:
                raise _FailedError(_REASONS.get(job.failure, "The generation failed."))
            media = await self._in_pool(job)
        except _FailedError as problem:
            failure = str(problem)
        await self._sleep_until(job.due_at)
        now, profile = self._options.clock(), self._options.profile
        if failure is not None:
            detail = generations.fail(self._database, job, failure, profile, now=now)
        else:
            detail = generations.succeed(
                self._database, job, media, profile, self._links.result, now=now
            )
        self._sender.take(detail)

    async def _sleep_until(self, moment: float) -> None:
        wait = moment - self._options.clock()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _in_pool(self, job: Job) -> list[ResultFile]:
        uploads = [files.get(self._database, job.account_id, file_id) for file_id in job.file_ids]
        references = tuple(
            ReferenceMedium(
                cast(Kind, upload.kind), files.path(self._options.data, upload), upload.mime_type
            )
            for upload in uploads
            if upload is not None
        )
        order = RenderRequest(
            model=job.model,
            category=cast(Kind, job.category),
            prompt=job.prompt,
            params=job.params,
            references=references,
            seed=job.seed,
        )
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._make, order, job.broken
        )

    def _make(self, order: RenderRequest, how: How | None) -> list[ResultFile]:
        """Render and write; runs in a thread and touches no state."""
        try:
            rendered = _render(order, how, plain=self._options.media == "plain")
        except ValueError as problem:  # a renderer's message about a request it cannot render
            raise _FailedError(f"The generation failed: {problem}") from problem
        except Exception as problem:
            # Whatever error a renderer raises, the job must end and be refunded.
            _log.warning("rendering for %s failed", order.model, exc_info=problem)
            raise _FailedError("The generation failed.") from problem
        if not rendered:
            raise _FailedError("The generation failed: nothing was rendered.")
        return self._write(rendered)

    def _write(self, rendered: Sequence[Rendered]) -> list[ResultFile]:
        media = []
        for one in rendered:
            name = secret_name() + one.extension
            path = self._options.data / generations.FOLDER / name
            part = path.with_name(path.name + ".part")
            try:
                part.write_bytes(one.data)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            media.append(ResultFile(name, one.mime_type))
        return media


def _render(order: RenderRequest, how: How | None, *, plain: bool) -> list[Rendered]:
    # Imported on first use: renderers take longer to load than the server.
    if plain:
        from rivya_sandbox.renderers.plain import plain as render
    else:
        from rivya_sandbox.renderers.render import render
    media = render(order)
    if how is None:
        return media
    from rivya_sandbox.renderers.broken import break_medium

    return [break_medium(one, order, how) for one in media]
