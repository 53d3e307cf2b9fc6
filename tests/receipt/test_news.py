"""Lines about what a run has just done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rivya_flows.queue.events import AnsweredBy, AnswerGiven, Event, RunEnded
from rivya_flows.queue.items import Phase
from rivya_flows.queue.queue import replay, step
from rivya_flows.queue.reducer import initial_state
from rivya_flows.receipt.news import describe_event
from support.judged_picks import Judging, judged
from support.launch_runs import FIRST, SPEC, rehearsed
from support.many_spots import CITIES, spots_of
from support.naive_service import NOON, NaiveService
from support.picks import past_its_deadline


def told(journal: Sequence[Event]) -> Iterator[str]:
    """All lines of a journal, which starts with its frozen entry."""
    state = initial_state(journal[0])  # type: ignore[arg-type]  # it is the frozen one
    spent: int | None = None
    for event in journal[1:]:
        step(state, event)
        yield from (one.text for one in describe_event(spent, event, state))
        spent = state.spent


def test_each_notable_event_is_one_line() -> None:
    run = rehearsed()
    lines = list(told(run.journal))
    assert lines[0].startswith("script done (")
    assert any(line.startswith("stills[neon] bought (1 credit, task_") for line in lines)
    assert "stills[studio] done (1 credit)" in lines
    assert not any("hero" in line for line in lines)


def test_many_campaigns_say_what_is_skipped_in_one_line_and_what_each_has_cost() -> None:
    run = spots_of()
    run.run()
    lines = list(told(run.journal))
    assert "variants[day] and 1 more skipped: its `if` is false for these inputs" in lines
    spots = [line for line in lines if "spots" in line and "bought" not in line]
    assert [line for line in spots if "skipped" in line] == [
        "spots__oslo__variants[day] and 5 more skipped: its `if` is false for these inputs"
    ]
    inside = [run.state.steps[f"spots__oslo__{one}"].tally.spent for one in ("look", "clip")]
    assert f"spots[oslo] done ({sum(inside)} credits)" in spots


def test_beside_the_table_a_failure_inside_an_include_stays_and_that_of_the_include_does_not() -> (
    None
):
    run = spots_of(NaiveService(refusing_models={"veo3-1-lite"}))
    state, staying = initial_state(run.journal[0]), dict[str, bool]()  # type: ignore[arg-type]  # it is the frozen one
    spent: int | None = None
    run.run()
    for event in run.journal[1:]:
        step(state, event)
        staying |= {one.text: one.stays for one in describe_event(spent, event, state)}
        spent = state.spent
    assert staying["spots__oslo__clip failed: no"]
    assert not staying["spots[oslo] failed: spots__oslo__clip failed"]


def test_a_resumed_run_counts_what_is_done_inside_an_unfinished_include() -> None:
    run = spots_of()
    while run.state.item("spots__graz__look", "").phase is not Phase.COMPLETED:
        assert run.advance(0)
    looks = sum(run.state.steps[f"spots__{one}__look"].status == "completed" for one in CITIES)
    [line] = describe_event(None, run.journal[-1], replay(run.journal))[:1]
    assert f"{looks} inside spots" in line.text
    assert "spots__" not in line.text


def test_a_warning_about_the_budget_comes_once_and_at_four_fifths_of_one_of_the_command_line() -> (
    None
):
    def warnings(spec: str, budget: int | None = None) -> list[str]:
        lines = told(rehearsed(spec, budget=budget).journal)
        return [line for line in lines if line.startswith("warning")]

    [line] = warnings(FIRST)
    assert "of 20 budget credits spent or held" in line
    [line] = warnings(FIRST.replace("budget: {credits: 20, warn_at: 0.5}", ""), 15)
    assert line == "warning: 13 of 15 budget credits spent or held"


def test_failures_are_shown_with_their_reason_and_what_they_skip_or_buy_again() -> None:
    failing = NaiveService(failing=1.0)
    lines = list(told(rehearsed(FIRST, failing).journal))
    assert "stills[neon] failed: it failed; 1 credit refunded" in lines
    assert any(line.startswith("film skipped: ") for line in lines)
    again = SPEC.replace("    matrix: {style", "    regenerate: 1\n    matrix: {style")
    lines = list(told(rehearsed(again, failing).journal))
    assert "stills[neon]: the job failed (it failed); buying another" in lines


def test_a_model_that_steps_in_is_announced_with_the_reason() -> None:
    fallback = "    fallback: [{model: seedream-5-lite}, {prompt: A lamp}]\n    matrix: {style"
    spec = SPEC.replace("    matrix: {style", fallback)
    lines = list(told(rehearsed(spec, NaiveService(failing_models={"seedream-5-lite"})).journal))
    assert not any("falling back" in line for line in lines)
    service = NaiveService(refusing_models={"z-image"}, failing_models={"seedream-5-lite"})
    lines = list(told(rehearsed(spec, service).journal))
    first = "stills[neon]: z-image refused the request (no); falling back to seedream-5-lite"
    assert first in lines
    assert "stills[neon]: seedream-5-lite failed (it failed); falling back to z-image" in lines
    end = "z-image: no; seedream-5-lite: it failed; z-image: no; 6 credits refunded"
    assert f"stills[neon] failed: {end}" in lines


@pytest.mark.parametrize(
    ("styles", "done"), [(2, "stills[style-0], stills[style-1]"), (13, "13 stills")]
)
def test_a_resumed_run_says_what_is_done(styles: int, done: str) -> None:
    names = ", ".join(f"style-{number}" for number in range(styles))
    run = rehearsed(SPEC.replace("studio, neon", names))
    begun = len(run.journal)
    run.feed(RunEnded(status="suspended", at=NOON))
    run.take_up()
    [line] = describe_event(None, run.journal[-1], replay(run.journal))
    assert len(run.journal) > begun
    assert line.text == f"done before: script, {done}"


def test_a_run_that_one_listener_sees_twice_says_again_what_is_done() -> None:
    run = rehearsed(FIRST, budget=4).execute(budget=20)
    lines = list(told(run.journal))
    told_of_it = [line for line in lines if "script" in line]
    assert told_of_it == [
        "script done (1 credit)",
        "done before: script, stills[studio], stills[neon], hero",
    ]


def test_a_judge_says_how_many_it_has_scored_and_when_it_is_asked_again() -> None:
    run = judged(Judging(answers=["no", None, "no", "no", "no"]), styles=[str(n) for n in range(9)])
    assert [line for line in told(run.journal) if line.startswith("hero")] == [
        "hero answered in the wrong shape; asking again",
        "hero: the judge scored 8 candidates",
        "hero answered in the wrong shape; asking again",
        "hero answered in the wrong shape; asking again",
        "hero failed: the judge gave no usable scores in 3 turns: it holds no JSON object",
    ]


def test_a_judge_that_has_its_candidates_bought_again_did_not_answer_wrongly() -> None:
    run = judged(Judging({}), more="none: {rounds: 1}", least=6)
    lines = [line for line in told(run.journal) if line.startswith("hero:")]
    assert lines[0] == "hero: the judge found too few good enough; buying them again"


def test_an_answer_of_the_deadline_is_shown_as_such() -> None:
    run = past_its_deadline()
    event = AnswerGiven(step="hero", key="", answer="studio", by=AnsweredBy(channel="deadline"))
    run.state.changed.clear()
    [line] = describe_event(run.state.spent, event, run.state)
    assert line.text == "hero: studio, after its deadline"


def test_only_what_a_table_does_not_say_stays_above_it() -> None:
    run = rehearsed(FIRST, NaiveService(failing=1.0))
    state = initial_state(run.journal[0])  # type: ignore[arg-type]  # it is the frozen one
    spent: int | None = None
    stays: dict[str, bool] = {}
    for event in run.journal[1:]:
        step(state, event)
        stays |= {one.text: one.stays for one in describe_event(spent, event, state)}
        spent = state.spent
    assert stays["stills[neon] failed: it failed; 1 credit refunded"]
    assert not any(kept for words, kept in stays.items() if "bought" in words or "done" in words)
