"""What is learned from jobs that ended, and when the next one is looked at."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from rivya_flows.client.jobs import KEPT, Expected, JobDurations, Watched, watched
from rivya_flows.client.types import Generation


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
