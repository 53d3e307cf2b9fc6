"""Suspended runs and overdue questions, found in the store of real executions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rivya_flows.engine.run import Asker
from rivya_flows.questions.question import Answer, Question
from rivya_flows.queue.events import QuestionAsked
from rivya_flows.runs.execution import take_waiting
from rivya_flows.store import mailbox
from rivya_flows.store.run_list import is_overdue, waiting_runs
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer

SPEC = """
version: 1
name: launch
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, timeout: 1h, on_timeout: first}
  poster:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human}
"""
FAR = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio whose run has been started."""
    made = customer(shared_sandbox, tmp_path)
    asyncio.run(made.start(SPEC, "run-1"))
    return made


def execute(studio: Studio, ask: Asker | None = None) -> None:
    asyncio.run(studio.execute("run-1", None, ask=ask))


def overdue(studio: Studio, at: datetime) -> tuple[str, ...]:
    with studio.context(Bomb()) as context:
        found = waiting_runs(context.journal)
        return tuple(run_id for run_id in found if is_overdue(context.journal, run_id, at))


def suspended(studio: Studio) -> tuple[str, ...]:
    with studio.context(Bomb()) as context:
        return waiting_runs(context.journal)


def test_a_suspended_run_is_overdue_from_its_deadline_on(studio: Studio) -> None:
    execute(studio)
    with studio.context(Bomb()) as context:
        events = [entry.event for entry in context.journal.entries("run-1")]
    deadline = next(one.deadline for one in events if isinstance(one, QuestionAsked))
    assert deadline is not None
    assert overdue(studio, deadline - timedelta(seconds=1)) == ()
    assert overdue(studio, deadline) == overdue(studio, FAR) == ("run-1",)
    assert suspended(studio) == ("run-1",)


def test_a_run_whose_open_question_has_no_deadline_is_not_overdue(studio: Studio) -> None:
    answers = iter([Answer(("neon",)), None])

    async def ask(question: Question) -> Answer | None:
        return next(answers)

    execute(studio, ask)
    assert overdue(studio, FAR) == ()
    assert suspended(studio) == ("run-1",)


def test_a_run_that_was_answered_from_outside_is_woken_if_its_delivery_was_killed(
    studio: Studio,
) -> None:
    execute(studio)
    with studio.context(Bomb()) as context:
        engine = context.journal.engine
        answer = Answer(("neon",), name="Legal", channel="link")
        mailbox.put(engine, "run-1", ("poster", "", 0), answer, FAR)
        assert mailbox.runs(engine) == ["run-1"]
        take_waiting(context.journal, "run-1")
        assert mailbox.runs(engine) == []
    assert overdue(studio, datetime.now(UTC)) == suspended(studio) == ("run-1",)
    execute(studio)
    assert overdue(studio, datetime.now(UTC)) == ()


def test_a_running_or_completed_run_is_not_overdue(studio: Studio) -> None:
    seen: list[tuple[str, ...]] = []

    async def ask(question: Question) -> Answer | None:
        seen.extend((overdue(studio, FAR), suspended(studio)))
        return Answer(("neon",))

    execute(studio, ask)
    assert seen == [()] * 4
    assert overdue(studio, FAR) == suspended(studio) == ()
