"""What is told of a run while it goes on, what it asks, and how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from rivya_flows.cli.answers import commands, open_questions, read_answers
from rivya_flows.cli.asking import chosen, form
from rivya_flows.cli.progress import news, rows
from rivya_flows.errors import UsageError
from rivya_flows.ledger.phrases import open_jobs
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import Event, PurchaseAccepted, RunEnded, Stamped
from rivya_flows.planning.queue.queue import replay, step
from rivya_flows.planning.queue.reducer import begin
from rivya_flows.planning.queue.state import State
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

SPEC = """
version: 1
name: launch
budget: {credits: 20, warn_at: 0.5}
steps:
  script:
    uses: chat
    with:
      model: gemini-2-5-flash-chat
      message: A shot
      expect: {visual: string, narration: string}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, question: Which one?}
  film:
    uses: generate
    with:
      model: veo3-1-lite
      prompt: Slow push-in
      references: ["${{ steps.hero.asset }}"]
"""
PICK = Question("hero", "", "Which one?", ("studio", "neon", "1"))


def told(journal: Sequence[Event]) -> Iterator[str]:
    """All lines of a journal, which starts with its frozen entry."""
    state = begin(journal[0])  # type: ignore[arg-type]  # it is the frozen one
    before: State | None = None
    for event in journal[1:]:
        state, _ = step(state, event)
        yield from news(before, event, state)
        before = state


def rehearsed(
    spec: str = SPEC, service: NaiveService | None = None, *, budget: int | None = None
) -> Rehearsal:
    """A run as far as it comes with nobody to ask."""
    run = Rehearsal(frozen(spec, budget=budget), service or NaiveService())
    run.take_up()
    run.run()
    return run


def stamped(journal: Sequence[Event]) -> list[Stamped]:
    return [Stamped(number, 0.0, event) for number, event in enumerate(journal, start=1)]


def test_each_notable_event_is_one_line() -> None:
    run = rehearsed()
    lines = list(told(run.journal))
    assert lines[0].startswith("script done (")
    assert any(line.startswith("stills[neon] bought (1 credit, task_") for line in lines)
    assert "stills[studio] done (1 credit)" in lines
    assert not any("hero" in line for line in lines)


def test_budget_warning_comes_once() -> None:
    spec = SPEC.replace("mode: human, question: Which one?", "mode: first")
    lines = [line for line in told(rehearsed(spec).journal) if line.startswith("warning")]
    assert len(lines) == 1
    assert "of the budget of 20 credits are spent or held" in lines[0]


def test_a_budget_of_the_command_line_warns_at_four_fifths() -> None:
    spec = SPEC.replace("mode: human, question: Which one?", "mode: first")
    run = rehearsed(spec.replace("budget: {credits: 20, warn_at: 0.5}", ""), budget=15)
    lines = [line for line in told(run.journal) if line.startswith("warning")]
    assert lines == ["warning: 13 of the budget of 15 credits are spent or held"]


def test_failures_are_told_with_their_reason_and_what_follows() -> None:
    spec = SPEC.replace("mode: human, question: Which one?", "mode: first")
    lines = list(told(rehearsed(spec, NaiveService(failing=1.0)).journal))
    assert "stills[neon] failed: it failed" in lines
    assert any(line.startswith("film skipped: ") for line in lines)


def test_job_that_is_bought_anew_is_told_so() -> None:
    spec = SPEC.replace("    matrix: {style", "    regenerate: 1\n    matrix: {style")
    lines = list(told(rehearsed(spec, NaiveService(failing=1.0)).journal))
    assert "stills[neon]: the job failed (it failed); buying another" in lines


def test_resumed_run_says_what_is_done_already() -> None:
    run = rehearsed()
    begun = len(run.journal)
    run.feed(RunEnded(status="suspended", at=NOON))
    run.take_up()
    state = replay(run.journal)
    [line] = news(None, run.journal[-1], state)
    assert len(run.journal) > begun
    assert line == "done before: script, stills[studio], stills[neon]"


def test_rows_tell_where_each_step_is() -> None:
    shown = {row.step: row for row in rows(rehearsed().state)}
    assert (shown["stills"].status, shown["stills"].words) == ("completed", "2 of 2")
    assert shown["stills"].credits == 2
    assert (shown["hero"].status, shown["film"].status) == ("waiting", "waiting")


def test_open_jobs_are_named_with_price_and_id() -> None:
    journal = rehearsed().journal
    bought = next(
        number for number, event in enumerate(journal) if isinstance(event, PurchaseAccepted)
    )
    [job] = [one for one in open_jobs(replay(journal[: bought + 1])) if "task_" in one]
    assert job.startswith("stills[")
    assert "(1 credit, task_" in job


def test_question_is_found_again_behind_the_end() -> None:
    run = rehearsed()
    run.feed(RunEnded(status="suspended", at=NOON))
    [question] = open_questions(stamped(run.journal))
    assert (question.step, question.choices) == ("hero", ("studio", "neon"))
    assert commands("run-1", [question]) == (
        "rivya-flows resume run-1 --answer hero=studio",
        "rivya-flows resume run-1 --answer hero=neon",
    )


def test_command_quotes_what_a_shell_would_read() -> None:
    question = Question("hero", "a b", "?", ("it's",))
    assert commands("run-1", [question]) == (
        """rivya-flows resume run-1 --answer 'hero[a b]=it'"'"'s'""",
    )


def test_answer_ahead_fits_the_open_question() -> None:
    run = rehearsed()
    [answer] = read_answers(["hero=neon"], run.state.asking, run.state)
    assert (answer.step, answer.key, answer.answer, answer.by) == ("hero", "", "neon", "command")


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("hero=noir", "no choice is called 'noir'", "one of: studio, neon"),
        ("her=neon", "does not ask for 'her'", "it asks for: hero"),
        ("hero", "there is no =", "STEP=KEY"),
    ],
)
def test_answer_that_fits_nothing_is_refused(written: str, message: str, hint: str) -> None:
    run = rehearsed()
    with pytest.raises(UsageError, match=message) as caught:
        read_answers([written], run.state.asking, run.state)
    assert hint in (caught.value.hint or "")


def test_given_answer_is_passed_over_and_cannot_be_changed() -> None:
    run = rehearsed()
    [answer] = read_answers(["hero=neon"], run.state.asking, run.state)
    run.feed(answer)
    assert read_answers(["hero=neon"], run.state.asking, run.state) == ()
    with pytest.raises(UsageError, match="answered with 'neon' already"):
        read_answers(["hero=studio"], run.state.asking, run.state)


@pytest.mark.parametrize(
    ("line", "choice"),
    [
        ("neon\n", "neon"),
        ("NEON", "neon"),
        ("2", "neon"),
        ("1", "1"),
        ("4", None),
        ("0", None),
        ("²", None),
        ("", None),
    ],
)
def test_answer_is_a_key_or_a_number(line: str, choice: str | None) -> None:
    assert chosen(PICK, line) == choice


def test_form_numbers_the_choices_and_names_their_files() -> None:
    candidates = tuple(
        {"key": key, "asset": {"sha256": key, "path": f"/store/{key}"}} for key in ("a", "bcd")
    )
    question = Question("hero", "", "Which one?", ("a", "bcd"), candidates)
    assert form(question, {"a": "/run/hero.png"}) == [
        "Which one?",
        "  1  a    /run/hero.png",
        "  2  bcd  /store/bcd",
    ]
