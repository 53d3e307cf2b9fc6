"""Answers that wait in the mailbox reach the journal of a run that no process drives, and wake its flow run."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rivya_flows.processes.continued import log_of
from rivya_flows.processes.supervisor import try_lock
from rivya_flows.questions.question import Answer, QuestionName
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.runs.execution import deliver, take_waiting
from rivya_flows.runs.resume import continue_here
from rivya_flows.store import mailbox
from rivya_flows.store.leases import Leases
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, KilledError, Studio, customer

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
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 2}}
"""
HERO: QuestionName = ("hero", "", 0)


@pytest.fixture
async def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio with a run that waits for an answer."""
    studio = customer(shared_sandbox, tmp_path / "studio")
    await studio.start(SPEC, "run-1")
    assert await studio.ends() == "suspended"
    return studio


@dataclass
class Sleeper:
    """The flow run of a run; it is suspended from the second look on."""

    looks: list[str] = field(default_factory=list)

    async def wake(self, run_id: str) -> bool:
        self.looks.append(run_id)
        return len(self.looks) == 2


async def given(
    studio: Studio, *answers: tuple[QuestionName, str], bomb: Bomb | None = None
) -> Sleeper:
    sleeper = Sleeper()
    with studio.context(bomb or Bomb()) as context:
        for number, (question, picked) in enumerate(answers):
            answer = Answer((picked,) if picked else (), "warmer", f"name-{number}", "link")
            mailbox.put(context.journal.engine, "run-1", question, answer, datetime.now(UTC))
        await deliver(context.journal, "run-1", sleeper.wake, 0.01)
    return sleeper


def journaled(studio: Studio) -> list[tuple[str, str | None]]:
    found = [event for event in studio.events() if isinstance(event, AnswerGiven)]
    return [(one.answer, one.by.name) for one in found]


def waiting(studio: Studio) -> int:
    with studio.context(Bomb()) as context:
        return len(mailbox.waiting(context.journal.engine, "run-1"))


async def test_the_first_answer_counts_and_the_flow_run_continues_once_it_is_suspended(
    studio: Studio,
) -> None:
    sleeper = await given(studio, (HERO, "neon"), (HERO, "studio"))
    assert (journaled(studio), waiting(studio)) == ([("neon", "name-0")], 0)
    assert sleeper.looks == ["run-1", "run-1"]


async def test_an_answer_to_another_round_or_of_no_choice_is_dropped_and_wakes_nobody(
    studio: Studio,
) -> None:
    sleeper = await given(
        studio, (("hero", "", 1), "neon"), (HERO, "orange"), (("gone", "", 0), "a")
    )
    assert (journaled(studio), waiting(studio), sleeper.looks) == ([], 0, [])


async def test_what_is_asked_of_the_first_round_does_not_answer_the_second(studio: Studio) -> None:
    await given(studio, (HERO, ""))
    assert await studio.ends() == "suspended"
    sleeper = await given(studio, (HERO, "neon"))
    assert (journaled(studio), sleeper.looks) == ([("", "name-0")], [])


async def test_an_answer_is_left_to_the_process_that_drives_the_run_and_taken_once_that_is_gone(
    studio: Studio,
) -> None:
    with studio.context(Bomb()) as context:
        leases = Leases(context.journal.engine)
        lease = leases.acquire("run-1")
        delivering = asyncio.create_task(given(studio, (HERO, "neon")))
        while not waiting(studio):
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert journaled(studio) == []
        leases.release(lease)
        await delivering
    assert journaled(studio) == [("neon", "name-0")]


@pytest.mark.parametrize("write", [1, -1])
async def test_an_answer_is_journaled_once_and_continues_its_run_wherever_who_delivers_it_is_killed(
    studio: Studio, write: int
) -> None:
    with pytest.raises(KilledError):
        await given(studio, (HERO, "neon"), bomb=Bomb(write=write))
    sleeper = await given(studio)
    assert (journaled(studio), waiting(studio)) == ([("neon", "name-0")], 0)
    assert sleeper.looks == ["run-1", "run-1"]
    await studio.ends()  # as it continued
    assert (await given(studio)).looks == []


async def test_a_run_is_not_taken_for_continued_while_its_process_is_about_to_end(
    studio: Studio,
) -> None:
    settings = studio.settings
    with studio.context(Bomb()) as context:
        row = context.journal.run("run-1")
        assert row is not None
        row.folder.mkdir(parents=True, exist_ok=True)
    log = log_of(settings.data, "run-1")
    log.parent.mkdir(parents=True)
    with log.with_suffix(".lock").open("ab") as lock:
        assert try_lock(lock)
        assert not await asyncio.to_thread(continue_here, settings, "run-1")


async def test_what_was_journaled_by_a_process_that_died_elsewhere_continues_once_its_lease_is_free(
    studio: Studio,
) -> None:
    with studio.context(Bomb()) as context:
        engine, leases = context.journal.engine, Leases(context.journal.engine)
        mailbox.put(engine, "run-1", HERO, Answer(("neon",), "", "ana", "link"), datetime.now(UTC))
        assert take_waiting(context.journal, "run-1")
        lease = leases.acquire("run-1", "elsewhere:1:")
        delivering = asyncio.create_task(given(studio))
        await asyncio.sleep(0.1)
        leases.release(lease)
        assert (await delivering).looks == ["run-1", "run-1"]
