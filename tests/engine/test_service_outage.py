"""What a run says while the service answers no polls."""

from __future__ import annotations

from rivya_flows.engine.run_log import ServiceOutage
from rivya_flows.errors import APIConnectionError, APIError

AWAY = APIConnectionError("GET /jobs: no connection: refused (http://service)")


def lines_of(*polls: tuple[float, APIError | None]) -> list[str]:
    told: list[str] = []
    now = iter(seconds for seconds, _ in polls)
    outage = ServiceOutage("http://service", told.append, now.__next__)
    for _, error in polls:
        outage.polled(error)
    return told


def test_an_outage_is_said_once_for_all_jobs_and_so_is_its_end() -> None:
    assert lines_of((1, AWAY), (2, AWAY), (6, AWAY), (30, AWAY), (60, None), (61, None)) == [
        f"no news of jobs that were bought: {AWAY}; they go on there, and this run asks again",
        "http://service answers again",
    ]


def test_single_polls_without_an_answer_are_no_outage() -> None:
    assert lines_of((1, AWAY), (2, None), (30, AWAY), (34, AWAY), (35, None)) == []
