"""Answers that wait in a store for whoever drives their run."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from rivya_flows.errors import StoreError
from rivya_flows.questions.question import Answer
from rivya_flows.queue.events import AnsweredBy, AnswerGiven
from rivya_flows.store import mailbox
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.mailbox import MAX_BYTES, MOST_WAITING, WaitingAnswer
from support.journal_entries import NOON, frozen

HERO = ("hero", "", 0)


def of(name: str | None, *picked: str, note: str = "") -> Answer:
    return Answer(picked, note, name, "link")


def put(engine: Engine, answer: Answer, question: tuple[str, str, int] = HERO) -> int:
    return mailbox.put(engine, "run-1", question, answer, NOON)


def test_answers_wait_in_their_order_whatever_text_they_have(engine: Engine) -> None:
    odd = ("hero\x00\ud800", "kéy, \U0001f600", 2)
    first = put(engine, of("Ana", "neon\ud800"), odd)
    second = put(engine, of("Ben", note="none: ünlike"))
    assert mailbox.waiting(engine, "run-1") == [
        (first, WaitingAnswer(odd, of("Ana", "neon\ud800"), NOON)),
        (second, WaitingAnswer(HERO, of("Ben", note="none: ünlike"), NOON)),
    ]
    mailbox.remove(engine, first)
    assert [number for number, _ in mailbox.waiting(engine, "run-1")] == [second]
    assert mailbox.waiting(engine, "run-2") == []


def test_who_answers_again_changes_the_answer_that_waits(engine: Engine) -> None:
    put(engine, of("Ana", "neon"))
    put(engine, of("Ben", "neon"))
    put(engine, of("Ana", "studio"), ("hero", "", 1))
    put(engine, of("Ana", "studio"))
    found = [(one.answer.name, one.question[2]) for _, one in mailbox.waiting(engine, "run-1")]
    assert found == [("Ben", 0), ("Ana", 1), ("Ana", 0)]


def test_the_number_of_an_answer_that_left_is_never_that_of_another(engine: Engine) -> None:
    first = put(engine, of("Ana", "neon"))
    mailbox.remove(engine, first)
    assert put(engine, of("Ana", "neon")) > first


def test_a_question_holds_a_bounded_number_of_answers_of_a_bounded_size(engine: Engine) -> None:
    for number in range(MOST_WAITING):
        put(engine, of(f"name-{number}", "neon"))
    put(engine, of("name-7", "studio"))
    with pytest.raises(StoreError, match="too many answers wait for run-1"):
        put(engine, of("one more", "neon"))
    put(engine, of("one more", "neon"), ("poster", "", 0))
    with pytest.raises(StoreError, match="bytes"):
        put(engine, of("long", note="x" * MAX_BYTES))


@pytest.mark.parametrize("killed", [False, True])
def test_an_answer_leaves_the_mailbox_as_it_enters_the_journal_and_not_before(
    journal: Journal, store_url: str, killed: bool, tmp_path: Path
) -> None:
    engine = journal.engine
    number = put(engine, of("Ana", "neon"))

    def write(entry: int) -> None:
        if killed and entry > 0:
            raise KeyboardInterrupt

    journal.create(frozen(), tmp_path)
    writing = Journal(store_url, on_write=write)
    fence = Leases(engine).acquire("run-1").fence
    answer = AnswerGiven(
        step="hero", key="", answer="neon", response=number, by=AnsweredBy(channel="link")
    )
    if killed:
        with pytest.raises(KeyboardInterrupt):
            writing.append("run-1", answer, fence)
    else:
        writing.append("run-1", answer, fence)
    written = [one.event for one in writing.entries("run-1")[1:]]
    waiting = [number for number, _ in mailbox.waiting(engine, "run-1")]
    assert (written, waiting) == (([], [number]) if killed else ([answer], []))
    writing.close()
