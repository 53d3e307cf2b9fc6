"""Paid jobs: buy one, look at it, wait for its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, get_args

from rivya_flows.client.transport.requests import path_of
from rivya_flows.client.transport.retries import ONCE, RetryPolicy
from rivya_flows.client.transport.transport import Transport
from rivya_flows.client.wire.api_objects import Generation, MediaKind
from rivya_flows.errors import APIError, UsageError

GROWTH = 1.4
"""Each pause between two looks is so many times the one before it."""

LONGEST_PAUSE: Mapping[MediaKind, float] = {"image": 4, "video": 8, "audio": 8}
"""In first intervals: 10 s and 20 s where the first is 2.5 s. Source: contract, section 4.4."""

LONGEST_WAIT_SECONDS: Mapping[MediaKind, float] = {"image": 900, "video": 3600, "audio": 3600}
"""A job that takes longer than this has stalled; how long jobs may take is not documented."""

# Words for an end that the contract does not know, but that no job comes back from.
# fmt: off
_ENDS = frozenset({
    "aborted", "blocked", "cancelled", "canceled", "complete", "completed", "deleted", "denied",
    "done", "error", "errored", "expired", "failure", "finished", "killed", "refused", "rejected",
    "success", "successful", "terminated", "timed_out", "timeout",
})
# fmt: on


class JobTimeoutError(APIError):
    """A job had not ended when the time for it was over. It may still end, and it is paid for.

    Attributes:
        generation_id: The job.
        status: As last seen; None if it never was.
        seconds: How long it was waited for.
    """

    code = "job_timeout"
    retryable = True

    def __init__(self, generation_id: str, status: str | None, seconds: float) -> None:
        super().__init__(generation_id, status, seconds)
        self.generation_id = generation_id
        self.status = status
        self.seconds = seconds
        self.hint = "wait for the same job again; that costs nothing"

    def __str__(self) -> str:
        seen = f"still {self.status!r}" if self.status else "never seen"
        return f"{self.generation_id}: {seen} after {self.seconds:g} s"


class JobStatusError(APIError):
    """A job ended in a way that the contract does not know.

    Attributes:
        generation_id: The job.
        status: The service's word for the end.
        final_credits: What it cost; None when not told.
    """

    code = "job_status_unknown"

    def __init__(self, generation_id: str, status: str, final_credits: int | None) -> None:
        super().__init__(generation_id, status, final_credits)
        self.generation_id = generation_id
        self.status = status
        self.final_credits = final_credits
        self.hint = "look at the task in Studio; whether it was refunded stands in the balance"

    def __str__(self) -> str:
        cost = "cost not told" if self.final_credits is None else f"{self.final_credits} credits"
        return f"{self.generation_id}: ended as {self.status!r}, a status this client does not know, {cost}"


class Generations:
    """Buys jobs and follows them."""

    def __init__(self, transport: Transport, poll_seconds: float) -> None:
        self._transport = transport
        self._poll_seconds = poll_seconds

    async def create(
        self,
        body: bytes | Mapping[str, Any],
        *,
        idempotency_key: str | None,
        retry: RetryPolicy | None = None,
    ) -> Generation:
        """The job as first stored, most often ``queued``.

        Args:
            body: ``model``, ``prompt``, ``params``, ``client_request_id``. Bytes go out unchanged.
            idempotency_key: Equal for every repetition of one purchase. With None the request is
                sent once and never again.
            retry: None takes the client's.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got no
                answer and may have bought.
            APIStatusError: The service refused. ``409 idempotency_conflict`` is not repeated
                here: only the caller's journal knows what it means.
            APIConnectionError: No readable answer came; with a key the same call is safe again.

        Source: ``POST /api/v1/generations``.
        """
        return await self._transport.post(
            "/api/v1/generations", body, Generation, idempotency_key=idempotency_key, retry=retry
        )

    async def retrieve(self, generation_id: str, *, retry: RetryPolicy | None = None) -> Generation:
        """The job as it is now.

        Raises:
            APIStatusError: 404 if there is none, or it is another account's.
            APIConnectionError: No readable answer came.

        Source: ``GET /api/v1/generations/{taskId}``.
        """
        path = path_of("generations", generation_id)
        return await self._transport.get(path, Generation, retry=retry)

    async def wait(
        self,
        generation_id: str,
        *,
        kind: MediaKind = "image",
        timeout_seconds: float | None = None,
        on_change: Callable[[Generation], None] | None = None,
        wake: asyncio.Event | None = None,
        slow: Callable[[], float | None] | None = None,
        retry: RetryPolicy | None = None,
    ) -> Generation:
        """The job once it has succeeded or failed.

        Looks first after the client's `poll_seconds`, then ever more seldom. A broken connection
        or a 5xx is only a look that saw nothing, until the service was silent for the patience
        of `retry`.

        Args:
            generation_id: From `create`.
            kind: Films and sounds take longer and are looked at less often.
            timeout_seconds: None is 15 minutes for an image, an hour for the others.
            on_change: Called with the job at the first look and whenever its status is a new one.
            wake: Cuts the present pause short when it is set, as by a webhook; cleared then.
            slow: Asked ahead of each pause: seconds that it takes instead, since `wake` can be
                relied on, or None for the usual pause. No longer asked once `wake` was set and
                the job had not ended.
            retry: Its patience counts, its attempts do not; None takes the client's.

        Raises:
            UsageError: `kind` is none.
            JobTimeoutError: It did not end in time.
            JobStatusError: It ended in a way that the contract does not know.
            APIStatusError: The service refused to tell, such as 404.
            APIConnectionError: The service was silent for too long.
        """
        if kind not in get_args(MediaKind):
            raise UsageError(f"kind: {kind!r} is none of {', '.join(get_args(MediaKind))}")
        clock = self._transport.surroundings.clock
        limit = LONGEST_WAIT_SECONDS[kind] if timeout_seconds is None else timeout_seconds
        patience = (retry or self._transport.retry).patience_seconds
        pause, longest = self._poll_seconds, self._poll_seconds * LONGEST_PAUSE[kind]
        heard = clock()
        deadline = heard + limit
        status: str | None = None
        woken = False
        while True:
            rest = None if woken or slow is None else slow()
            seconds = self._spread(pause if rest is None else rest)
            woken |= await self._sleep(min(seconds, max(0.0, deadline - clock())), wake)
            try:
                generation = await self.retrieve(generation_id, retry=ONCE)
            except APIError as exc:
                if not exc.retryable or clock() - heard > patience:
                    raise
            else:
                heard = clock()
                if generation.status != status and on_change is not None:
                    on_change(generation)
                status = generation.status
                if generation.ended:
                    return generation
                if status.replace("-", "_").replace(" ", "_") in _ENDS:
                    raise JobStatusError(generation_id, status, generation.final_credits)
            if clock() >= deadline:
                raise JobTimeoutError(generation_id, status, limit)
            if rest is None:
                pause = min(pause * GROWTH, longest)

    def _spread(self, seconds: float) -> float:
        """Up to a tenth longer, so that jobs bought together are not looked at together."""
        return seconds * (1 + self._transport.surroundings.chance() / 10)

    async def _sleep(self, seconds: float, wake: asyncio.Event | None) -> bool:
        """Whether it was woken."""
        if wake is None:
            await self._transport.surroundings.sleep(seconds)
            return False
        nap = asyncio.ensure_future(self._transport.surroundings.sleep(seconds))
        call = asyncio.ensure_future(wake.wait())
        try:
            await asyncio.wait((nap, call), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (nap, call):
                waiting.cancel()
            await asyncio.gather(nap, call, return_exceptions=True)
        woken = wake.is_set()
        wake.clear()
        return woken
