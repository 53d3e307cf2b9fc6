"""Paid jobs: buy one, poll it, wait for its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Unpack

from rivya_client.calls import Async, M, Resource, api_call
from rivya_client.catalogue.snapshot import shipped
from rivya_client.errors import APIError, JobStatusError, JobTimeoutError, NotFoundError
from rivya_client.job_durations import Expected, Watched, measure_end
from rivya_client.mime_types import MediaKind
from rivya_client.options import (
    NOT_GIVEN,
    IdempotencyKey,
    RequestOptions,
    checked_seconds,
    path_of,
    purchase_body,
)
from rivya_client.request_types import GenerationRequest
from rivya_client.retries import LAG_PAUSES, LAG_SECONDS
from rivya_client.types import Generation
from rivya_client.uploads import check_kind

logger = logging.getLogger("rivya_client.polls")

FIRST_PAUSE: Mapping[MediaKind, float] = {"image": 1, "video": 4, "audio": 1}
"""First pause as a multiple of `poll_seconds`, for a model whose durations are unknown."""

SLOWER = 0.25
"""For such a model, the next pause is this part of the job's time so far, and at least `poll_seconds`:
a first film of 12 s is known after 12.5 s, not after 24."""

# In `poll_seconds`: 10 s and 20 s where the first is 2.5 s. Source: contract, section 4.4.
MAX_PAUSE: Mapping[MediaKind, float] = {"image": 4, "video": 8, "audio": 8}
# A job that takes longer has stalled; how long jobs may take is not documented.
MAX_WAIT_SECONDS: Mapping[MediaKind, float] = {"image": 900, "video": 3600, "audio": 3600}

# Terminal statuses that the contract does not have.
# fmt: off
_TERMINAL = frozenset({
    "aborted", "blocked", "cancelled", "canceled", "complete", "completed", "deleted", "denied",
    "done", "error", "errored", "expired", "failure", "finished", "killed", "refused", "rejected",
    "success", "successful", "terminated", "timed_out", "timeout",
})
# fmt: on


def _kind_of(model: str | None) -> MediaKind:
    found = shipped().get(model) if model else None
    category = found.category if found else ""
    return next((kind for kind in MAX_PAUSE if kind == category), "image")


class Generations(Resource[M]):
    """Buys jobs and waits for them."""

    @api_call
    async def create(
        self,
        body: bytes | GenerationRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        **options: Unpack[RequestOptions],
    ) -> Generation:
        """The job as first stored, usually ``queued``.

        Args:
            body: The request. Bytes are sent unchanged.
            idempotency_key: The same for every repetition of one purchase, see `IdempotencyKey`.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got
                no answer and may have bought.
            ConflictError: Never repeated: only the caller knows what the key was used for.

        Source: ``POST /api/v1/generations``.
        """
        path = "/api/v1/generations"
        return await self._transport.send(
            "POST",
            path,
            Generation,
            purchase_body(body),
            idempotency_key=idempotency_key,
            **options,
        )

    @api_call
    async def create_and_wait(
        self: Generations[Async],
        body: bytes | GenerationRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        kind: MediaKind | None = None,
        timeout_seconds: float | None = None,
        on_change: Callable[[Generation], None] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Generation:
        """`create`, then `wait`: the job once it succeeded or failed.

        An error of `wait` has the job's id; call `wait` again, which is free.
        """
        if kind is not None:
            check_kind(kind)
        if timeout_seconds is not None:
            checked_seconds("timeout_seconds", timeout_seconds)
        job = await self.create(body, idempotency_key=idempotency_key, **options)
        return await self.wait(
            job.id,
            kind=kind,
            model=job.model,
            timeout_seconds=timeout_seconds,
            on_change=on_change,
            **options,
        )

    @api_call
    async def retrieve(self, generation_id: str, **options: Unpack[RequestOptions]) -> Generation:
        """The job now.

        Raises:
            NotFoundError: There is none, or it is another account's.

        Source: ``GET /api/v1/generations/{taskId}``.
        """
        path = path_of("generations", generation_id)
        return await self._transport.send("GET", path, Generation, compares=True, **options)

    @api_call
    async def wait(
        self: Generations[Async],
        generation_id: str,
        *,
        kind: MediaKind | None = None,
        model: str | None = None,
        age_seconds: float = 0.0,
        timeout_seconds: float | None = None,
        on_change: Callable[[Generation], None] | None = None,
        on_end: Callable[[Watched], None] | None = None,
        on_poll: Callable[[APIError | None], None] | None = None,
        wake: asyncio.Event | None = None,
        slow: Callable[[], float | None] | None = None,
        **options: Unpack[RequestOptions],
    ) -> Generation:
        """The job once it succeeded or failed.

        Polls when jobs of its model usually end, then three times close together, then ever more
        seldom. Before the client saw the end of such a job it polls after `poll_seconds`, then less
        and less often. A connection error or a 5xx counts as a poll without news, until the service
        was silent for the patience of `retry`; so does a 404, for `LAG_SECONDS`.

        Args:
            generation_id: From `create`.
            kind: Videos and audio take longer and are polled less often. None: what `model` makes by
                the shipped catalogue, else an image.
            model: Of the job; None until the first poll tells it.
            age_seconds: Seconds since the job was accepted.
            timeout_seconds: None is 15 minutes for an image, an hour for the others.
            on_change: Called with the job at the first poll and at each change of its status.
            on_end: Called with what the wait tells of the job's end.
            on_poll: Called after each poll, with the error of one without news; None: it was answered.
            wake: Ends the current pause when it is set, as by a webhook; then cleared.
            slow: Called before each pause. Returns the seconds of a longer pause, since `wake` is
                reliable, or None for the usual one. Not called again once `wake` was set and the
                job had not ended.
            options: See `RequestOptions`. `timeout` is for one poll, the attempts of `retry` do
                not count.

        Raises:
            UsageError: `kind` is not a media kind, or `timeout_seconds` not a number.
            JobTimeoutError: It did not end in time.
            JobStatusError: It ended with a status that the contract does not have.
            APIStatusError: The service refused, such as with 404.
            APIConnectionError: The service was silent for too long.
        """
        made: MediaKind = await asyncio.to_thread(_kind_of, model) if kind is None else kind
        check_kind(made)
        transport = self._transport.with_options(**options)
        once = self._change(transport=transport.with_options(max_retries=0))
        clock, patience = transport.runtime.clock, transport.settings.retry.patience_seconds
        limit = MAX_WAIT_SECONDS[made] if timeout_seconds is None else timeout_seconds
        checked_seconds("timeout_seconds", limit)
        shortest = self._context.poll_seconds / 10
        pause = self._context.poll_seconds * FIRST_PAUSE[made]
        longest = self._context.poll_seconds * MAX_PAUSE[made]
        answered_at = clock()
        missing: float | None = None
        accepted, deadline = answered_at - age_seconds, answered_at + limit
        status: str | None = None
        before: float | None = None
        expected: Expected | None = None
        looks, woken = 0, False
        while True:
            rest = None if woken or slow is None else slow()
            # Kept: of jobs bought together the short ones end first and would mislead the others.
            expected = expected or self._context.durations.estimate(model)
            if rest is None and expected is not None:
                seconds = expected.pause(clock() - accepted, looks, shortest, longest)
            else:
                # Up to a tenth longer, so that jobs bought together are not polled together.
                seconds = (pause if rest is None else rest) * (1 + transport.runtime.chance() / 10)
            if missing is not None:
                seconds = min(seconds, LAG_SECONDS / LAG_PAUSES)
            woken |= await self._sleep(min(seconds, max(0.0, deadline - clock())), wake)
            asked = clock() - accepted
            looks += 1
            try:
                generation = await once.retrieve(generation_id)
            except NotFoundError:
                missing = clock() if missing is None else missing
                if clock() - missing >= LAG_SECONDS:
                    raise
            except APIError as exc:
                if not exc.retryable or clock() - answered_at > patience:
                    raise
                if on_poll is not None:
                    on_poll(exc)
            else:
                answered_at, missing = clock(), None
                if on_poll is not None:
                    on_poll(None)
                if generation.status != status and on_change is not None:
                    on_change(generation)
                status, model = generation.status, model or generation.model
                if generation.ended:
                    elapsed = answered_at - accepted
                    found = measure_end(
                        generation, looks, before, elapsed, woken=woken, age=age_seconds
                    )
                    self._learn(generation, model, found)
                    if on_end is not None:
                        on_end(found)
                    return generation
                before = asked
                if status.replace("-", "_").replace(" ", "_") in _TERMINAL:
                    raise JobStatusError(generation_id, status, generation.final_credits)
            if clock() >= deadline:
                raise JobTimeoutError(generation_id, status, limit)
            if rest is None and expected is None:
                pause = min(max(SLOWER * asked, self._context.poll_seconds), longest)

    def _learn(self, job: Generation, model: str | None, found: Watched) -> None:
        if model is not None and job.status == "succeeded" and found.seconds is not None:
            self._context.durations.note(model, found.seconds)
        known = "%s %s %s: %d looks, %s s, known after %s s"
        logger.debug(known, job.id, model, job.status, found.looks, found.seconds, found.late)

    async def _sleep(self, seconds: float, wake: asyncio.Event | None) -> bool:
        """Whether `wake` ended the pause."""
        if wake is None:
            await self._transport.runtime.sleep(seconds)
            return False
        pause = asyncio.ensure_future(self._transport.runtime.sleep(seconds))
        call = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait((pause, call), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (pause, call):
                waiting.cancel()
            await asyncio.gather(pause, call, return_exceptions=True)
        woken = wake.is_set()
        wake.clear()
        return woken
