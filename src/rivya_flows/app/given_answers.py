"""Answers to the questions of a run that are given before it asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from rivya_flows.app.report import RunReport
from rivya_flows.app.results import Receipt, receipt_of
from rivya_flows.errors import UsageError
from rivya_flows.planning.questions.open_questions import Choice, name_of
from rivya_flows.planning.questions.reading_answers import checked
from rivya_flows.planning.queue.actions import Question

Answer = str | Sequence[str] | Choice
"""An answer to a question: a key, several keys, or what `none_of_these` gives."""


class GivenAnswers:
    """Answers that were given ahead, and why the first one that does not fit is refused."""

    def __init__(self, answers: Mapping[str, Choice], by: str | None = None) -> None:
        self.answers = dict(answers)
        self._by = by
        self._refused: UsageError | None = None

    async def ask(self, question: Question, _: Callable[[], Awaitable[RunReport]]) -> Choice | None:
        """The answer to a question; None if there is none, or it does not fit."""
        choice = self.answers.pop(name_of(question), None)
        if choice is None:
            return None
        try:
            return checked(question, replace(choice, name=self._by, channel="python"))
        except UsageError as error:
            self._refused = self._refused or error
            return None

    def checked(self, report: RunReport) -> Receipt:
        """The receipt of the run."""
        if self._refused is not None:
            raise UsageError(
                f"answers: {self._refused.message}; {report.run_id} is {report.status}",
                f"{self._refused.hint}; resume the run with that",
            )
        return receipt_of(report)


def choices_of(answers: Mapping[str, Answer] | None) -> dict[str, Choice]:
    """What was chosen, by the name of the question."""
    return {name: _choice(name, answer) for name, answer in (answers or {}).items()}


def _choice(name: str, answer: Answer) -> Choice:
    if isinstance(answer, Choice):
        return answer
    keys: Sequence[str] = (answer,) if isinstance(answer, str) else answer
    if isinstance(keys, list | tuple) and all(isinstance(key, str) for key in keys):
        return Choice(tuple(keys))
    raise UsageError(
        f"answers: {name!r} cannot be answered with {answer!r}",
        "give a key as text, a list of keys, or none_of_these()",
    )
