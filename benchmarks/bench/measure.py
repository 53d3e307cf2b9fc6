"""One execution of one contender, and what was seen of it."""

from __future__ import annotations

import shutil
import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.bench.contenders import OURS, Contender, run_ended_at
from benchmarks.bench.processes import Execution, execute
from benchmarks.bench.scenarios import Scenario
from benchmarks.bench.services import (
    Job,
    Request,
    clean_environment,
    looks,
    prefect_server,
    sandbox,
)


def measured(
    scenario: Scenario, contender: Contender, repetition: int, folder: Path, timeout: float
) -> dict[str, Any]:
    """Execute a scenario on services of its own; returns the result as JSON, see docs/performance.md.

    Args:
        scenario: The work.
        contender: Who does it.
        repetition: Counted from 1.
        folder: Exists; gets everything that the execution writes, and is emptied unless it failed.
        timeout: Seconds after which it is killed; such a result has ``ended: false``.
    """
    place = folder / f"{scenario.name}-{contender.name}-{repetition}"
    place.mkdir()
    environment = clean_environment() | dict(contender.environment(scenario, place))
    server: dict[str, Any] | None = None
    with ExitStack() as stack:
        service = stack.enter_context(sandbox(place / "sandbox"))
        environment |= service.environment()
        command = contender.command(scenario, place)
        prefect = None
        if contender.prefect:
            prefect = stack.enter_context(prefect_server(place / "prefect", clean_environment()))
            environment |= prefect.environment()
            calls, rows, used = prefect.calls(), prefect.rows(), prefect.usage().seconds
        sandbox_used = service.usage().seconds
        done = execute(command, environment, place, out=place / "out.log", timeout=timeout)
        sandbox_usage = service.usage()
        if prefect is not None:
            written = prefect.settled()
            server = {
                "processor": prefect.usage().seconds - used,
                "peak_mb": prefect.usage().peak_mb,
                "calls": dict(prefect.calls() - calls),
                "rows": dict(Counter(written) - Counter(rows)),
            }
    requests, jobs = service.requests(), service.jobs()
    whole = done.code == 0 and len(jobs) == scenario.jobs
    result: dict[str, Any] = {
        "scenario": scenario.name,
        "contender": contender.name,
        "repetition": repetition,
        "ended": whole,
        "seconds": done.seconds,
        "processor": done.processor,
        "peak_mb": done.peak_mb,
        "together_mb": done.together_mb,
        "jobs": len(jobs),
        "server": server,
        "sandbox": {
            "processor": sandbox_usage.seconds - sandbox_used,
            "peak_mb": sandbox_usage.peak_mb,
            "requests": dict(Counter(one.kind for one in requests)),
            "refused": sum(one.status >= 400 for one in requests),
        },
        **_moments(done, requests, jobs),
    }
    ended_at = run_ended_at(place) if contender.name == OURS else None
    result["run_ended_to_exit"] = None if ended_at is None else done.ended - ended_at
    if whole:
        shutil.rmtree(place)
    return {name: _rounded(value) for name, value in result.items()}


def _moments(done: Execution, requests: Sequence[Request], jobs: Sequence[Job]) -> dict[str, Any]:
    """What the requests and jobs of the sandbox say about the client, in seconds."""
    posts = [one.at - done.began for one in requests if one.kind in ("submit", "chat")]
    asked = looks(requests, jobs)
    ends = {job.id: job.ended_at for job in jobs}
    learned = {
        job: next((at for at in times if at >= ends[job]), None) for job, times in asked.items()
    }
    late = [at - ends[job] for job, at in learned.items() if at is not None]
    counts = [len(times) for times in asked.values()]
    again = sum(
        at > first
        for job, times in asked.items()
        if (first := learned[job]) is not None
        for at in times
    )
    return {
        "first_post": min(posts, default=None),
        "last_post": max(posts, default=None),
        "last_request": max((one.at - done.began for one in requests), default=None),
        "last_job_ended": max((at - done.began for at in ends.values()), default=None),
        "looks": spread(counts),
        "looks_after_the_end": again,
        "end_to_known": spread(late),
    }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 90 and 99 of 100, and maximum; None if there is nothing."""
    if not values:
        return None
    ordered = sorted(values)

    def at(part: float) -> float:
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))]

    return {
        "median": statistics.median(ordered),
        "mean": statistics.fmean(ordered),
        "p90": at(0.9),
        "p99": at(0.99),
        "max": ordered[-1],
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return value
