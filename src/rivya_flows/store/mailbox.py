"""Answers that came from outside, as over a link, until the process that drives their run journals them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter
from sqlalchemy import Connection, Engine, delete, func, insert, select

from rivya_flows.errors import StoreError, UsageError
from rivya_flows.questions.open_questions import open_questions
from rivya_flows.questions.question import Answer, QuestionName
from rivya_flows.questions.reading_answers import check_answer
from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.state import State
from rivya_flows.store.database import rows, write, writing
from rivya_flows.store.tables import MAILBOX, stored_name

MOST_WAITING = 100
"""Answers that may wait for one question of a run; ten times as many for a run."""

MAX_BYTES = 32_768
"""Of an answer as JSON."""

_IN_ORDER = select(MAILBOX.c.id, MAILBOX.c.body).order_by(MAILBOX.c.id)


@dataclass(frozen=True)
class WaitingAnswer:
    """An answer that waits, to the question that its sender saw."""

    question: QuestionName
    answer: Answer
    at: datetime

    def event(self, state: State, number: int) -> AnswerGiven | None:
        """Its journal entry; None if its question is closed, or does not allow it."""
        for question in open_questions(state):
            if question.name == self.question:
                with suppress(UsageError):
                    return check_answer(question, self.answer).event(question, self.at, number)
        return None


_WAITING = TypeAdapter(WaitingAnswer)


def put(engine: Engine, run_id: str, question: QuestionName, answer: Answer, at: datetime) -> int:
    """Lets an answer wait, instead of an earlier one of the same name and channel; gives its id."""
    name = stored_name(json.dumps(question))
    # As ASCII: a key may have a lone surrogate, which no database takes.
    body = json.dumps(_WAITING.dump_python(WaitingAnswer(question, answer, at), mode="json"))
    if len(body) > MAX_BYTES:
        raise StoreError(f"the answer has {len(body):,} bytes", f"at most {MAX_BYTES:,}")
    with writing(engine) as connection:
        asked = (MAILBOX.c.run_id == run_id, MAILBOX.c.question == name)
        found = _read(connection.execute(_IN_ORDER.where(*asked)).all())
        by = (answer.name, answer.channel)
        before = [
            one for one, earlier in found if (earlier.answer.name, earlier.answer.channel) == by
        ]
        connection.execute(delete(MAILBOX).where(MAILBOX.c.id.in_(before)))
        if (
            len(found) - len(before) >= MOST_WAITING
            or _count(connection, run_id) >= 10 * MOST_WAITING
        ):
            raise StoreError(
                f"too many answers wait for {run_id}", f"run `rivya-flows resume {run_id}`"
            )
        values = {"run_id": run_id, "question": name, "body": body}
        key = connection.execute(insert(MAILBOX).values(values)).inserted_primary_key
        assert key is not None
        return int(key[0])


def waiting(engine: Engine, run_id: str) -> Sequence[tuple[int, WaitingAnswer]]:
    """The answers that wait for a run, with their ids, as they came."""
    return _read(rows(engine, _IN_ORDER.where(MAILBOX.c.run_id == run_id)))


def runs(engine: Engine) -> Sequence[str]:
    """The runs that answers wait for."""
    return [run_id for (run_id,) in rows(engine, select(MAILBOX.c.run_id).distinct())]


def remove(engine: Engine, number: int) -> None:
    """Drops an answer that nothing will take."""
    write(engine, delete(MAILBOX).where(MAILBOX.c.id == number))


def _count(connection: Connection, run_id: str) -> int:
    count = select(func.count()).where(MAILBOX.c.run_id == run_id)
    return connection.scalar(count) or 0


def _read(found: Iterable[tuple[int, str]]) -> list[tuple[int, WaitingAnswer]]:
    return [(number, _WAITING.validate_python(json.loads(body))) for number, body in found]
