"""Waiting for a paid job: when it polls, what it survives, how it ends."""

from __future__ import annotations

import asyncio
import math
import pickle
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx
import pytest
from hypothesis import given, strategies as st

from rivya_client.client import RivyaClient
from rivya_client.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    JobStatusError,
    JobTimeoutError,
    RivyaError,
    UsageError,
)
from rivya_client.job_durations import KEPT, Expected, JobDurations, Watched, watched
from rivya_client.retries import LAG_SECONDS, RetryPolicy
from rivya_client.runtime import Runtime
from rivya_client.types import Generation
from support.api_stage import BODY, Stage
from support.samples import sample

Look = str | int | Exception


class Job:
    """A job that shows one status after the other, the last one for ever.

    A number among them is an HTTP status, an exception a broken connection.
    """

    def __init__(self, *looks: Look, **fields: object) -> None:
        self.looks = list(looks)
        self.fields = fields
        self.sleeps: list[float] = []
        self.time = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        if isinstance(look, int):
            return httpx.Response(look, json={"error": {"code": "odd", "message": "No."}})
        return httpx.Response(200, json={"id": "task_1", "status": look, **self.fields})

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def client(self, poll_seconds: float = 2.5) -> RivyaClient:
        return RivyaClient(
            "rvya_sk_k",
            "https://rivya.test",
            poll_seconds=poll_seconds,
            runtime=Runtime(sleep=self.sleep, clock=lambda: self.time, chance=lambda: 0.0),
            transport=httpx.MockTransport(self.answer),
        )


async def test_wait_reports_each_status_once_and_returns_the_end() -> None:
    job, seen = Job("queued", "queued", "processing", "processing", "succeeded"), list[str]()
    async with job.client() as client:
        generation = await client.generations.wait(
            "task_1", on_change=lambda generation: seen.append(generation.status)
        )
    assert generation.status == "succeeded"
    assert seen == ["queued", "processing", "succeeded"]


async def test_wait_returns_a_failed_job() -> None:
    job = Job("failed", error={"code": "nsfw", "message": "Refused."}, final_credits=0)
    async with job.client() as client:
        generation = await client.generations.wait("task_1")
    assert generation.error is not None
    assert (generation.error.code, generation.final_credits) == ("nsfw", 0)


@pytest.mark.parametrize(
    ("kind", "first", "longest"), [("image", 2.5, 10), ("video", 10, 20), ("audio", 2.5, 20)]
)
async def test_pauses_for_an_unknown_model_grow_up_to_the_longest_of_the_kind(
    kind: Any, first: float, longest: float
) -> None:
    job = Job(*["processing"] * 19, "succeeded")
    async with job.client() as client:
        await client.generations.wait("task_1", kind=kind)
    assert job.sleeps[:2] == pytest.approx([first, 2.5])
    assert job.sleeps == [first, *sorted(job.sleeps[1:])]
    assert job.sleeps[-1] == max(job.sleeps) == longest


@pytest.mark.parametrize(
    ("model", "first", "longest"),
    [("sora-2", 10, 20), ("suno-music", 2.5, 20), ("z-image", 2.5, 10), ("newer", 2.5, 10)],
)
async def test_the_catalogue_says_how_long_jobs_of_a_model_may_take(
    model: str, first: float, longest: float
) -> None:
    job = Job(*["processing"] * 19, "succeeded")
    async with job.client() as client:
        await client.generations.wait("task_1", model=model)
    assert (job.sleeps[0], max(job.sleeps)) == (first, longest)


@dataclass
class Film:
    """Jobs of one model, one after the other; the service dates their end, or not.

    Attributes:
        takes: Seconds that each takes.
        dated: The service says when a job ended.
    """

    takes: list[float]
    dated: bool
    time: float = 0.0
    began: float = 0.0

    def answer(self, request: httpx.Request) -> httpx.Response:
        over = self.time - self.began >= self.takes[0]
        job = {"id": "task_1", "model": "film", "status": "succeeded" if over else "processing"}
        if self.dated and over:
            ended = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.takes[0])
            job |= {"created_at": "2026-01-01T00:00:00Z", "updated_at": ended.isoformat()}
        return httpx.Response(200, json=job)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    async def watch(self) -> list[tuple[int, float]]:
        """For each job the number of looks, and the part of its time that was lost."""
        found: list[Watched] = []
        lost: list[float] = []
        runtime = Runtime(sleep=self.sleep, clock=lambda: self.time, chance=lambda: 0.5)
        transport = httpx.MockTransport(self.answer)
        client = RivyaClient("rvya_sk_k", "https://a.test", runtime=runtime, transport=transport)
        async with client:
            while self.takes:
                self.began = self.time
                await client.generations.wait("task_1", model="film", on_end=found.append)
                lost.append((self.time - self.began) / self.takes.pop(0) - 1)
        return [(one.looks, part) for one, part in zip(found, lost, strict=True)]


@pytest.mark.parametrize("dated", [True, False], ids=["dated", "not dated"])
@pytest.mark.parametrize("seconds", [7, 40])
@pytest.mark.parametrize("seed", sample([12, 13, 14], 3))
async def test_a_known_job_is_looked_at_four_times_and_loses_a_tenth_of_its_time(
    seed: int, seconds: float, dated: bool
) -> None:
    chance = random.Random(seed)
    takes = [seconds * chance.uniform(0.8, 1.2) for _ in range(1_000)]
    jobs = (await Film(takes, dated).watch())[100:]
    looks, lost = sorted(one for one, _ in jobs), sorted(part for _, part in jobs)
    assert looks[len(looks) * 95 // 100] <= 4
    assert sum(looks) / len(looks) < 3
    assert sum(lost) / len(lost) < 0.07
    assert lost[len(lost) * 80 // 100] <= 0.1
    assert lost[-1] < 0.26


async def test_a_job_that_is_older_than_usual_is_looked_at_at_once() -> None:
    job = Job("succeeded")
    async with job.client() as client:
        client.durations.note("z-image", 40)
        await client.generations.wait("task_1", model="z-image", age_seconds=100)
    assert job.sleeps == [0]


async def test_a_job_that_ended_long_before_a_resume_tells_nothing_about_durations() -> None:
    job = Job("succeeded", model="z-image")
    found: list[Watched] = []
    async with job.client() as client:
        await client.generations.wait("task_1", age_seconds=86_400, on_end=found.append)
        assert client.durations.usual() == {}
    assert found == [Watched(1, None, None)]


async def test_a_job_that_takes_far_longer_than_usual_is_looked_at_ever_more_seldom() -> None:
    job = Job(*["processing"] * 12, "succeeded")
    async with job.client() as client:
        client.durations.note("z-image", 8)
        await client.generations.wait("task_1", model="z-image")
    assert job.sleeps[4:] == sorted(job.sleeps[4:])
    assert job.sleeps[-1] == 10


async def test_failed_jobs_tell_nothing_about_durations() -> None:
    job = Job("failed", model="z-image")
    async with job.client() as client:
        await client.generations.wait("task_1")
        assert client.durations.usual() == {}


async def test_a_short_first_pause_shortens_all_of_them() -> None:
    job = Job(*["processing"] * 19, "succeeded")
    async with job.client(poll_seconds=0.05) as client:
        await client.generations.wait("task_1")
    assert max(job.sleeps) == pytest.approx(0.2)


async def test_wait_survives_broken_connections_and_5xx() -> None:
    job = Job("queued", httpx.ReadError(""), 500, 503, 429, "processing", "succeeded")
    async with job.client() as client:
        assert (await client.generations.wait("task_1")).status == "succeeded"


async def test_each_poll_is_told_with_the_error_that_kept_its_news() -> None:
    job = Job("queued", httpx.ConnectError("refused"), 503, "succeeded")
    polls: list[APIError | None] = []
    async with job.client() as client:
        await client.generations.wait("task_1", on_poll=polls.append)
    assert [one and str(one) for one in polls] == [
        None,
        "GET /api/v1/generations/task_1: no connection: refused (https://rivya.test)",
        "odd: No. [HTTP 503]",
        None,
    ]


async def test_a_patience_that_is_no_number_is_refused_before_anything_is_bought() -> None:
    stage, wrong = Stage(), cast("float", "5")
    async with stage.client() as client:
        with pytest.raises(UsageError, match="timeout_seconds: '5' is not a number"):
            await client.generations.create_and_wait(BODY, timeout_seconds=wrong)
        with pytest.raises(UsageError, match="timeout_seconds: '5' is not a number"):
            await client.generations.wait("task_1", timeout_seconds=wrong)
    assert not stage.requests


async def test_wait_gives_up_when_the_service_is_silent_for_too_long() -> None:
    job = Job("queued", httpx.ConnectError("refused"))
    async with job.client() as client:
        with pytest.raises(APIConnectionError, match="refused"):
            await client.generations.wait("task_1", retry=RetryPolicy(patience_seconds=60))
    assert 60 < job.time < 80


async def test_a_job_that_a_replica_does_not_know_yet_is_asked_for_again() -> None:
    job = Job(404, 404, "succeeded")
    async with job.client() as client:
        assert (await client.generations.wait("task_1")).status == "succeeded"
    assert job.sleeps[1:] == [LAG_SECONDS / 4] * 2


async def test_a_job_that_stays_unknown_ends_the_wait_after_some_seconds() -> None:
    job = Job("queued", 404)
    async with job.client() as client:
        with pytest.raises(APIStatusError):
            await client.generations.wait("task_1")
    assert sum(job.sleeps[2:]) == LAG_SECONDS


@pytest.mark.parametrize("status", [401, 403])
async def test_a_definite_error_ends_the_wait(status: int) -> None:
    job = Job("queued", status)
    async with job.client() as client:
        with pytest.raises(APIStatusError):
            await client.generations.wait("task_1")
    assert len(job.sleeps) == 2


@pytest.mark.parametrize("word", ["canceled", "Cancelled", "expired", "timed-out", "completed"])
async def test_an_unknown_end_is_a_clear_error(word: str) -> None:
    job = Job("processing", word, final_credits=4)
    async with job.client() as client:
        with pytest.raises(JobStatusError, match=f"unknown status '{word.lower()}', 4 credits"):
            await client.generations.wait("task_1")


async def test_an_unknown_status_does_not_end_the_wait() -> None:
    job = Job("moderating", "upscaling", "succeeded")
    async with job.client() as client:
        assert (await client.generations.wait("task_1")).ended


async def test_a_timeout_shows_the_last_status_after_one_more_poll() -> None:
    job = Job("processing")
    async with job.client() as client:
        with pytest.raises(JobTimeoutError, match="task_1: still 'processing' after 30 s"):
            await client.generations.wait("task_1", timeout_seconds=30)
    assert job.time == pytest.approx(30)


async def test_a_stalled_job_does_not_block_the_caller_forever() -> None:
    job = Job("processing")
    async with job.client() as client:
        with pytest.raises(JobTimeoutError, match="900 s"):
            await client.generations.wait("task_1")


async def test_a_wake_event_ends_the_pause() -> None:
    job = Job("processing", "succeeded")
    slept = asyncio.Event()

    async def sleep_for_ever(seconds: float) -> None:
        slept.set()
        await asyncio.Event().wait()

    client = RivyaClient(
        "rvya_sk_k",
        runtime=Runtime(sleep=sleep_for_ever),
        transport=httpx.MockTransport(job.answer),
    )
    async with client:
        wake, seen = asyncio.Event(), asyncio.Queue[Generation]()
        waiting = asyncio.create_task(
            client.generations.wait("task_1", wake=wake, on_change=seen.put_nowait)
        )
        await slept.wait()
        wake.set()
        assert (await seen.get()).status == "processing"
        assert not wake.is_set()
        wake.set()
        assert (await waiting).status == "succeeded"


async def test_a_cancelled_wait_leaves_nothing_running() -> None:
    job = Job("processing")
    async with RivyaClient("rvya_sk_k", transport=httpx.MockTransport(job.answer)) as client:
        waiting = asyncio.create_task(client.generations.wait("task_1", wake=asyncio.Event()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    "error", [JobTimeoutError("task_1", None, 12.5), JobStatusError("task_1", "canceled", None)]
)
def test_job_errors_survive_pickling(error: RivyaError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)


async def test_an_unknown_kind_is_an_error_before_anything_is_sent() -> None:
    kind: Any = "film"
    job = Job("succeeded")
    async with job.client() as client:
        with pytest.raises(UsageError, match="'film' is not one of image, video, audio"):
            await client.generations.wait("task_1", kind=kind)
    assert not job.sleeps


def ended(created: str | None, updated: str | None) -> Generation:
    return Generation(id="task_1", status="succeeded", created_at=created, updated_at=updated)


NOON, LATER = "2026-01-01T12:00:00.000Z", "2026-01-01T12:00:07.250Z"


def test_the_dates_of_the_service_tell_the_duration_and_what_was_lost() -> None:
    found = watched(ended(NOON, LATER), 2, 6.5, 7.5, woken=False)
    assert found == Watched(2, 7.25, 0.25)


@pytest.mark.parametrize(
    ("created", "updated"),
    [
        (None, LATER),
        ("yesterday", LATER),
        (NOON, NOON),
        (LATER, NOON),
        ("2026-01-01T12:00:00.500Z", NOON),
        (NOON, "2026-01-01T13:00:00Z"),
        ("2026-01-01T12:00:00", LATER),
    ],
)
def test_dates_that_cannot_be_true_are_not_believed(
    created: str | None, updated: str | None
) -> None:
    job = ended(created, updated)
    assert watched(job, 2, 6, 10, woken=False) == Watched(2, 8, None), "between two looks"
    assert watched(job, 1, None, 10, woken=False) == Watched(1, 9.3, None), "before the first look"
    assert watched(job, 2, 6, 10, woken=True) == Watched(2, 10, None), "a webhook told it"


def test_a_job_that_nobody_waited_for_most_of_its_time_says_nothing_about_its_duration() -> None:
    job = ended(NOON, "2026-01-01T12:02:35Z")  # dated when it was asked for, not at its end
    assert watched(job, 1, None, 156, woken=False, age=155) == Watched(1, None, None)
    assert watched(job, 2, 152, 156, woken=False, age=150) == Watched(2, None, None)


def test_the_newest_jobs_of_a_model_count() -> None:
    durations = JobDurations()
    durations.note_all([("a", 1.0)] * 100 + [("a", 40.0)] * KEPT + [("b", 7.0)])
    assert durations.usual() == {"a": 40, "b": 7}
    assert durations.expected("a") == Expected(40, 40, 40)
    assert durations.expected("c") is None
    assert durations.expected(None) is None


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_what_is_not_a_duration_is_left_out(seconds: float) -> None:
    durations = JobDurations()
    durations.note("a", seconds)
    assert durations.usual() == {}


@given(
    seconds=st.lists(st.floats(0.001, 1e6), min_size=1, max_size=100),
    age=st.floats(0, 1e6),
    shortest=st.floats(0.01, 1),
)
def test_pauses_are_finite_and_looks_never_run_in_a_tight_loop(
    seconds: list[float], age: float, shortest: float
) -> None:
    durations = JobDurations()
    durations.note_all(("a", one) for one in seconds)
    expected = durations.expected("a")
    assert expected is not None
    elapsed = age
    for looks in range(50):
        pause = expected.pause(elapsed, looks, shortest, 10)
        assert math.isfinite(pause)
        assert pause >= (0 if looks == 0 else shortest)
        elapsed += pause
