"""Rehearsed chat answers: read from YAML, kept in the state, given instead of written ones.

As with faults, the counts survive a restart.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from rivya_sandbox.renderers.conversation import resolve_repeat
from rivya_sandbox.service import yaml_files
from rivya_sandbox.service.database import Database, server_value
from rivya_sandbox.service.errors import SandboxError
from rivya_sandbox.service.yaml_files import fold_text

_FORM = "write it like `- {when: text in the message, json: {score: 3}}`"


class RehearsedAnswer(BaseModel):
    """One answer.

    Attributes:
        when: Text that the message contains, whatever its case and spaces; None: any message.
        model: Only to this chat model; None means any.
        json_: The answer as a JSON object.
        text: The answer as text; exactly one of both is given.
        times: Maximum number of times; None means no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    when: str | None = Field(default=None, min_length=1, max_length=500)
    model: str | None = None
    json_: dict[str, Any] | None = Field(default=None, alias="json")
    text: str | None = Field(default=None, max_length=100_000)
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _has_one_answer(self) -> RehearsedAnswer:
        if (self.json_ is None) == (self.text is None):
            raise ValueError("needs either 'json' or 'text'")
        if self.when is not None and not self.when.strip():
            raise ValueError("'when' has no words")
        try:
            json.dumps(self.json_, allow_nan=False)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"'json' is not JSON: {problem}") from problem
        return self

    @property
    def content(self) -> str:
        """The text of the answer."""
        return json.dumps(self.json_, ensure_ascii=False) if self.text is None else self.text


class _File(RootModel[tuple[RehearsedAnswer, ...]]):
    root: tuple[RehearsedAnswer, ...] = Field(max_length=500)


def parse(text: str, *, source: str) -> tuple[RehearsedAnswer, ...]:
    """Parse a list of answers from YAML; an empty text has none.

    Raises:
        SandboxError: It is not YAML, or does not match the schema.
    """
    found = yaml_files.read(text, source=source, form=_FORM)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise SandboxError(f"{source}: is not a list", _FORM)
    return yaml_files.validate(_File, found, source=source, form=_FORM).root


def replace(
    database: Database, answers: Sequence[RehearsedAnswer], *, continued: bool = False
) -> None:
    """Replace all answers with these, none of which was given yet.

    Args:
        database: Of the data folder.
        answers: All that there will be.
        continued: True where a server starts: the same answers as before are left as they are.
    """
    rows = [answer.model_dump_json() for answer in answers]
    with database.transaction() as transaction:
        if server_value(transaction, "answers", "") == (text := json.dumps(rows)) and continued:
            return
        transaction.execute("UPDATE server SET value = ? WHERE name = 'answers'", (text,))
        transaction.execute("DELETE FROM answers")
        transaction.executemany(
            "INSERT INTO answers (position, answer) VALUES (?, ?)", list(enumerate(rows))
        )


def list_answers(database: Database) -> list[dict[str, Any]]:
    """The answers in their order, each with how often it was `used`."""
    return [
        {**json.loads(row["answer"]), "used": row["used"]}
        for row in database.rows("SELECT * FROM answers ORDER BY position")
    ]


def of_turn(
    transaction: sqlite3.Connection, model: str, message: str, history: Sequence[tuple[str, str]]
) -> str | None:
    """The text of the first answer that fits this new turn, now counted, or None.

    A message that asks again counts as the one that it repeats, so that a wrong answer can be
    rehearsed for each turn of one question.

    Args:
        transaction: In which the turn is charged.
        model: Of the turn.
        message: As sent.
        history: ``(role, content)`` of earlier messages, oldest first.
    """
    asked = fold_text(resolve_repeat(message, history))
    for row in transaction.execute("SELECT * FROM answers ORDER BY position").fetchall():
        answer = RehearsedAnswer.model_validate_json(row["answer"])
        fits = answer.model in (None, model) and (
            answer.when is None or fold_text(answer.when) in asked
        )
        if fits and (answer.times is None or row["used"] < answer.times):
            transaction.execute(
                "UPDATE answers SET used = used + 1 WHERE position = ?", (row["position"],)
            )
            return answer.content
    return None
