"""What runs now, and when a run will end."""

from __future__ import annotations

import re
from dataclasses import replace

from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer
from rivya_flows.queue.items import Phase
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.receipt.progress import rows, time_left
from support.launch_runs import FIRST, SPEC, rehearsed
from support.many_spots import spots_of
from support.naive_service import NOON, NaiveService, Rehearsal, frozen


def test_rows_show_the_status_of_each_step() -> None:
    shown = {row.step: row for row in rows(rehearsed().state)}
    assert (shown["stills"].status, shown["stills"].detail) == ("completed", "2 of 2")
    assert shown["stills"].credits == 2
    assert (shown["hero"].status, shown["film"].status) == ("waiting", "waiting")


def test_a_round_of_a_pick_is_a_row_once_it_is_asked_for() -> None:
    rounds = "mode: human, none: {rounds: 2}, question: Which one?"
    run = rehearsed(SPEC.replace("mode: human, question: Which one?", rounds))
    names = ["script", "stills", "hero", "film"]
    assert [row.name for row in rows(run.state)] == names
    assert [row.name for row in rows(replay(run.journal[:1]))] == names
    [question] = open_questions(run.state)
    run.feed(Answer(()).event(question, NOON))
    run.run()
    names.insert(2, "stills, round 2")
    assert [(row.name, row.detail) for row in rows(run.state)][2] == ("stills, round 2", "2 of 2")
    assert [row.name for row in rows(run.state)] == names


def test_an_include_and_a_repeat_are_one_row_each_whatever_is_inside() -> None:
    run = spots_of()
    while run.state.steps["spots__oslo__clip"].tally.phases[Phase.RUNNING] == 0:
        assert run.advance(0)
    shown = {row.name: row for row in rows(run.state)}
    assert [*shown] == ["still", "variants", "spots", "sketch"]
    spots = shown["spots"]
    assert spots.status == "running"
    assert re.fullmatch(r"0 of 3, (\d .+, )*\d at work", spots.detail)
    paid = [step.tally.spent for name, step in run.state.steps.items() if "spots" in name]
    assert spots.credits == sum(paid) > 0
    run.run()
    assert {row.name: row.detail for row in rows(run.state)} == {
        "still": "", "variants": "2 skipped", "spots": "3 of 3", "sketch": "",
    }  # fmt: skip


def rendering_run(keys: str = "") -> State:
    """A run whose compositions are at work."""
    fan_out = f"    foreach: [{keys}]\n" if keys else ""
    images = "    with: {clips: [https://media.example/a.png]}\n"
    run = Rehearsal(
        frozen(f"version: 1\nname: cut\nsteps:\n  spot:\n    uses: compose\n{fan_out}{images}"),
        NaiveService(),
    )
    run.take_up()
    while run.state.steps["spot"].tally.phases[Phase.RUNNING] < (keys.count(",") + 1):
        assert run.advance(0)
    return run.state


def test_a_step_that_renders_shows_how_much_is_done() -> None:
    state = rendering_run()
    assert rows(state, {("spot", ""): 0.404})[0].detail == "rendering 40 %"
    assert rows(state, {("spot", ""): 0.99})[0].detail == "finishing"
    assert rows(state)[0].detail == "at work"
    [both] = rows(rendering_run("hi, en"), {("spot", "hi"): 0.5, ("spot", "en"): 0.3})
    assert both.detail == "0 of 2, 2 at work, rendering 40 %"
    [ended, *_] = rows(rehearsed().state, {("script", ""): 0.5})
    assert "rendering" not in ended.detail


def test_the_time_that_is_left_follows_the_longest_way_through_the_steps() -> None:
    state = rehearsed(FIRST).state
    assert time_left(state, {"stills": 20, "film": 60}, {}) == ""
    begun = initial_state(rehearsed().journal[0])  # type: ignore[arg-type]  # it is the frozen one
    human = time_left(begun, {"stills": 20, "hero": 1, "film": 60}, {})
    assert human == "at least 1 min left"  # nobody knows when a person answers
    begun = initial_state(frozen(FIRST))
    assert time_left(begun, {"stills": 20, "film": 100}, {}) == "about 2 min left"
    assert time_left(begun, {"stills": 20, "film": 100}, {"stills": 15}) == "about 2 min left"
    assert time_left(begun, {"stills": 20}, {}) == "at least 20 s left"
    assert time_left(begun, {"stills": 20, "film": 10}, {"stills": 50}) == "at least 10 s left"
    assert time_left(begun, {}, {}) == ""
    assert time_left(replace(begun, ended="cancelled"), {"stills": 20}, {}) == ""


def test_a_rendering_tells_how_long_the_rest_takes() -> None:
    state = rendering_run("hi, en")
    shares = {("spot", "hi"): 0.5, ("spot", "en"): 0.3}
    assert time_left(state, {}, {"spot": 20.0}, shares) == "about 40 s left"
    ended = dict.fromkeys(shares, 0.99)  # what follows the last frame has no measure
    assert time_left(state, {"spot": 70.0}, {"spot": 60.0}, ended) == ""
