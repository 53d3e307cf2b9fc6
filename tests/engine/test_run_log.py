"""What the log of a run says of purchases, of pools, of a rendering and of polls without an answer."""

from __future__ import annotations

import logging

import pytest

from rivya_flows.engine.observers import ServiceOutage, log_events, log_rendering
from rivya_flows.errors import APIConnectionError, APIError
from rivya_flows.queue.events import PurchaseIntended, PurchaseRefused
from rivya_flows.queue.queue import step
from rivya_flows.queue.reducer import initial_state
from support.campaigns import a_set, until
from support.naive_service import NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: shot
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: A lamp}
    fallback: [{model: seedream-5-lite}]
"""


LISTED = """
version: 1
name: shots
steps:
  words:
    uses: chat
    with: {model: gpt-5-2-chat, message: two, expect: {visual: string, narration: string}}
  shots:
    uses: generate
    foreach: ${{ [steps.words.json.visual, steps.words.json.narration] }}
    with: {model: nano-banana, prompt: "${{ item }}"}
"""


def warnings_of(run: Rehearsal, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log of a whole run warns of."""
    run.take_up()
    run.run()
    return log_of(run, caplog)


def log_of(
    run: Rehearsal, caplog: pytest.LogCaptureFixture, level: int = logging.WARNING
) -> list[str]:
    """What the log says of what happened so far, from a level on."""
    listen, state = log_events(logging.getLogger("run")), initial_state(run.start)
    with caplog.at_level(level):
        for event in run.journal[1:]:
            step(state, event)
            listen(event, state)
    return caplog.messages


def test_a_model_that_steps_in_is_a_warning_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    run = Rehearsal(frozen(SPEC), NaiveService(failing_models={"z-image"}))
    told = ["still: z-image failed (it failed); falling back to seedream-5-lite"]
    assert warnings_of(run, caplog) == told


def test_a_job_is_two_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    run = Rehearsal(frozen(SPEC), NaiveService())
    run.take_up()
    run.run()
    lines = log_of(run, caplog, logging.INFO)
    assert [line.partition(" (")[0] for line in lines] == ["still bought", "still done"]


def test_what_was_not_sent_is_not_called_refused(caplog: pytest.LogCaptureFixture) -> None:
    run = Rehearsal(frozen(SPEC), NaiveService())
    run.take_up()
    until(run, PurchaseIntended)
    of = {"step": "still", "key": "", "n": 1}
    run.feed(PurchaseRefused(**of, code="connection", message="no connection", status=None))
    assert log_of(run, caplog) == ["still: not sent, not charged: no connection"]


def test_a_pool_that_refuses_many_items_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    run = a_set(5, 1000, allowed=5)
    run.service.pool = 2
    [told] = warnings_of(run, caplog)
    assert told.startswith("stills[2] and 2 more failed: needs 1 credit; the pool acme has 0 left")


def test_a_pool_that_does_not_cover_all_that_is_left_is_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run = Rehearsal(frozen(LISTED), NaiveService(pool=4))
    told = warnings_of(run, caplog)
    [rest] = [one for one in told if one.startswith("all that is left needs at least ")]
    assert rest.endswith(", the pool acme has 1 credit left; buying nothing more")
    assert len(told) <= 2, "and what failed"


def test_each_quarter_of_a_rendering_is_one_line_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[float] = []
    listen = log_rendering(logging.getLogger("run"), lambda step, key, share: heard.append(share))
    with caplog.at_level(logging.INFO):
        for percent in (1, 24, 30, 31, 80, 99):
            listen("spot", "hi", percent / 100)
        listen("spot", "en", 0.5)
    assert caplog.messages == [
        "spot[hi]: rendering 25 %",
        "spot[hi]: rendering 75 %",
        "spot[en]: rendering 50 %",
    ]
    assert heard[:2] == [0.01, 0.24]


AWAY = APIConnectionError("GET /jobs: no connection: refused (http://service)")


def lines_of(*polls: tuple[float, APIError | None]) -> list[str]:
    told: list[str] = []
    now = iter(seconds for seconds, _ in polls)
    outage = ServiceOutage("http://service", told.append, now.__next__)
    for _, error in polls:
        outage.note_poll(error)
    return told


def test_an_outage_is_said_once_for_all_jobs_and_so_is_its_end() -> None:
    assert lines_of((1, AWAY), (2, AWAY), (6, AWAY), (30, AWAY), (60, None), (61, None)) == [
        f"no news of jobs that were bought: {AWAY}; they continue there, and this run asks again",
        "http://service answers again",
    ]


def test_single_polls_without_an_answer_are_no_outage() -> None:
    assert lines_of((1, AWAY), (2, None), (30, AWAY), (34, AWAY), (35, None)) == []
