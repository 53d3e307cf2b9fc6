"""Waiting for a paid job: when it polls, what it survives, how it ends."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

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
)
from rivya_client.job_durations import MAX_JOBS, Expected, JobDurations, Watched, measure_end
from rivya_client.retries import LAG_SECONDS, RetryPolicy
from rivya_client.runtime import Runtime
from rivya_client.types import Generation
from support.api_stage import Stage, refused

E = TypeVar("E", bound=APIError)


class Job(Stage):
    """A job that shows one status after the other, the last one for ever.

    A number among them is an HTTP status, an exception a broken connection.
    """

    def __init__(self, *looks: str | int | Exception, **fields: object) -> None:
        super().__init__()
        self.looks = list(looks)
        self.fields = fields

    def answer(self, request: httpx.Request) -> httpx.Response:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        if isinstance(look, int):
            return refused(look, "odd")
        return httpx.Response(200, json={"id": "task_1", "status": look, **self.fields})

    async def wait(self, **how: Any) -> Any:
        return await self.answered(lambda c: c.generations.wait("task_1", **how))

    async def ends_with(self, kind: type[E], match: str | None = None, **how: Any) -> E:
        return await self.error(kind, lambda c: c.generations.wait("task_1", **how), match)


async def test_wait_reports_each_status_once_and_returns_the_end() -> None:
    job, seen = Job("queued", "queued", "processing", "processing", "succeeded"), list[str]()
    generation = await job.wait(on_change=lambda generation: seen.append(generation.status))
    assert generation.status == "succeeded"
    assert seen == ["queued", "processing", "succeeded"]


@pytest.mark.parametrize(
    ("about", "first", "longest"),
    [
        ({"kind": "image"}, 2.5, 10),
        ({"kind": "video"}, 10, 20),
        ({"kind": "audio"}, 2.5, 20),
        ({"model": "sora-2"}, 10, 20),
        ({"model": "suno-music"}, 2.5, 20),
        ({"model": "z-image"}, 2.5, 10),
        ({"model": "newer"}, 2.5, 10),
    ],
)
async def test_pauses_for_an_unknown_model_grow_up_to_the_longest_of_its_kind(
    about: dict[str, Any], first: float, longest: float
) -> None:
    job = Job(*["processing"] * 19, "succeeded")
    await job.wait(**about)
    assert job.sleeps[:2] == pytest.approx([first, 2.5])
    assert job.sleeps == [first, *sorted(job.sleeps[1:])]
    assert job.sleeps[-1] == longest


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
async def test_a_known_job_is_looked_at_four_times_and_loses_a_tenth_of_its_time(
    seconds: float, dated: bool
) -> None:
    chance = random.Random(12)
    takes = [seconds * chance.uniform(0.8, 1.2) for _ in range(400)]
    jobs = (await Film(takes, dated).watch())[100:]
    looks, lost = sorted(one for one, _ in jobs), sorted(part for _, part in jobs)
    assert looks[len(looks) * 95 // 100] <= 4
    assert sum(looks) / len(looks) < 3
    assert sum(lost) / len(lost) < 0.07
    assert lost[len(lost) * 80 // 100] <= 0.1
    assert lost[-1] < 0.26


async def test_a_known_job_is_looked_at_by_its_usual_duration() -> None:
    late, older = Job(*["processing"] * 12, "succeeded"), Job("succeeded")
    async with late.client() as client:
        client.durations.note("z-image", 8)
        await client.generations.wait("task_1", model="z-image")
    assert late.sleeps[4:] == sorted(late.sleeps[4:]), "ever more seldom"
    assert late.sleeps[-1] == 10
    async with older.client() as client:
        client.durations.note("z-image", 40)
        await client.generations.wait("task_1", model="z-image", age_seconds=100)
    assert older.sleeps == [0]


@pytest.mark.parametrize(("status", "age"), [("failed", 0), ("succeeded", 86_400)])
async def test_a_job_that_failed_or_ended_long_before_a_resume_tells_nothing_about_durations(
    status: str, age: float
) -> None:
    found: list[Watched] = []
    async with Job(status, model="z-image").client() as client:
        await client.generations.wait("task_1", age_seconds=age, on_end=found.append)
        assert client.durations.usual() == {}
    assert not age or found == [Watched(1, None, None)]


async def test_a_short_first_pause_shortens_all_of_them() -> None:
    job = Job(*["processing"] * 19, "succeeded")
    await job.answered(lambda c: c.generations.wait("task_1"), poll_seconds=0.05)
    assert max(job.sleeps) == pytest.approx(0.2)


async def test_wait_survives_what_has_no_news_and_tells_each_poll_with_its_error() -> None:
    polls: list[APIError | None] = []
    looks = ("queued", httpx.ConnectError("refused"), 500, 503, 429, "processing", "succeeded")
    assert (await Job(*looks).wait(on_poll=polls.append)).status == "succeeded"
    assert [one and str(one) for one in polls] == [
        None,
        "GET /api/v1/generations/task_1: no connection: refused (https://rivya.test)",
        *(f"odd: No. [HTTP {status}] (request req_1)" for status in (500, 503, 429)),
        None,
        None,
    ]


async def test_wait_gives_up_when_the_service_is_silent_for_too_long() -> None:
    job = Job("queued", httpx.ConnectError("refused"))
    await job.ends_with(APIConnectionError, "refused", retry=RetryPolicy(patience_seconds=60))
    assert 60 < job.time < 80


async def test_a_job_that_a_replica_does_not_know_yet_is_asked_for_again_for_some_seconds() -> None:
    job = Job(404, 404, "succeeded")
    assert (await job.wait()).status == "succeeded"
    assert job.sleeps[1:] == [LAG_SECONDS / 4] * 2
    job = Job("queued", 404)
    await job.ends_with(APIStatusError)
    assert sum(job.sleeps[2:]) == LAG_SECONDS


@pytest.mark.parametrize("status", [401, 403])
async def test_a_definite_error_ends_the_wait(status: int) -> None:
    job = Job("queued", status)
    await job.ends_with(APIStatusError)
    assert len(job.sleeps) == 2


async def test_an_unknown_end_is_a_clear_error_and_an_unknown_status_goes_on() -> None:
    for word in ("canceled", "Cancelled", "expired", "timed-out", "completed"):
        job = Job("processing", word, final_credits=4)
        await job.ends_with(JobStatusError, f"unknown status '{word.lower()}', 4 credits")
    assert (await Job("moderating", "upscaling", "succeeded").wait()).ended


async def test_a_timeout_shows_the_last_status_after_one_more_poll() -> None:
    job = Job("processing")
    said = "task_1: still 'processing' after 30 s"
    await job.ends_with(JobTimeoutError, said, timeout_seconds=30)
    assert job.time == pytest.approx(30)
    await Job("processing").ends_with(JobTimeoutError, "900 s")


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


def ended(created: str | None, updated: str | None) -> Generation:
    return Generation(id="task_1", status="succeeded", created_at=created, updated_at=updated)


NOON, LATER = "2026-01-01T12:00:00.000Z", "2026-01-01T12:00:07.250Z"


def test_the_dates_of_the_service_tell_the_duration_and_what_was_lost() -> None:
    found = measure_end(ended(NOON, LATER), 2, 6.5, 7.5, woken=False)
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
    assert measure_end(job, 2, 6, 10, woken=False) == Watched(2, 8, None), "between two looks"
    assert measure_end(job, 1, None, 10, woken=False) == Watched(1, 9.3, None), (
        "before the first look"
    )
    assert measure_end(job, 2, 6, 10, woken=True) == Watched(2, 10, None), "a webhook told it"


def test_a_job_that_nobody_waited_for_most_of_its_time_says_nothing_about_its_duration() -> None:
    job = ended(NOON, "2026-01-01T12:02:35Z")  # dated when it was asked for, not at its end
    assert measure_end(job, 1, None, 156, woken=False, age=155) == Watched(1, None, None)
    assert measure_end(job, 2, 152, 156, woken=False, age=150) == Watched(2, None, None)


def test_the_newest_jobs_of_a_model_count_and_what_is_no_duration_does_not() -> None:
    durations = JobDurations()
    durations.note_all([("a", 1.0)] * 100 + [("a", 40.0)] * MAX_JOBS + [("b", 7.0)])
    assert durations.usual() == {"a": 40, "b": 7}
    assert durations.estimate("a") == Expected(40, 40, 40)
    assert durations.estimate("c") is None
    assert durations.estimate(None) is None
    for seconds in (0, -1, math.nan, math.inf):
        durations.note("d", seconds)
    assert "d" not in durations.usual()


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
    expected = durations.estimate("a")
    assert expected is not None
    elapsed = age
    for looks in range(50):
        pause = expected.pause(elapsed, looks, shortest, 10)
        assert math.isfinite(pause)
        assert pause >= (0 if looks == 0 else shortest)
        elapsed += pause
