"""What a run asks, until when, and what a deadline decides. Reads no clock: time comes in events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from rivya_flows.planning.names import label
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.events import AnswerGiven, ItemFailed, QuestionAsked
from rivya_flows.planning.queue.scheduler import budget_question
from rivya_flows.planning.queue.state import IN_FLIGHT, ItemState, Phase, State

UNANSWERED = "unanswered"
"""Code of a pick that failed because its deadline passed."""


def busy(state: State) -> bool:
    """Whether something of ours is under way and will bring an event."""
    readings = [state.reading, *(current.reading for current in state.steps.values())]
    reading = any(one is not None for one in readings)
    uploading = any(file is None for file in state.uploads.values())
    return reading or uploading or any(item.phase in IN_FLIGHT for _, item in state.each())


def open_questions(state: State) -> tuple[Question, ...]:
    """All that waits for a person, in the order of the plan; the budget's question comes last."""
    asked = [_pick(state, name, item) for name, item in state.each() if _asks(item)]
    over = None if busy(state) else budget_question(state)
    return (*asked, over) if over else tuple(asked)


def answerable(state: State) -> tuple[Question, ...]:
    """The open questions, and those whose deadline failed their pick: an answer mends that."""
    late = [
        _pick(state, name, item)
        for name, item in state.each()
        if item.phase is Phase.FAILED and item.code == UNANSWERED
    ]
    return (*open_questions(state), *late)


def asking(question: Question, at: datetime) -> QuestionAsked:
    """The entry that stands in the journal before a question is asked for the first time."""
    deadline = None
    if question.timeout_seconds is not None:
        deadline = at + timedelta(seconds=question.timeout_seconds)
    return QuestionAsked(step=question.step, key=question.key, at=at, deadline=deadline)


def is_due(question: Question, at: datetime) -> bool:
    """Whether the deadline of a question has come."""
    return question.deadline is not None and question.deadline <= at


def decided(question: Question) -> AnswerGiven | ItemFailed:
    """What the deadline of a pick decides."""
    of = {"step": question.step, "key": question.key}
    if question.on_timeout == "first" and question.choices:
        return AnswerGiven(**of, answer=question.choices[0], by="deadline")
    until = "in time" if question.deadline is None else f"by {moment(question.deadline)}"
    return ItemFailed(**of, code=UNANSWERED, message=f"nobody answered {until}")


def moment(at: datetime) -> str:
    """A time for people, to the minute; UTC, and says so."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def first_deadline(questions: tuple[Question, ...]) -> datetime | None:
    """When the first of these is answered without a person; None for never."""
    return min((one.deadline for one in questions if one.deadline is not None), default=None)


def _asks(item: ItemState) -> bool:
    request = item.request
    return (
        item.phase is Phase.READY
        and request is not None
        and request.uses == "pick"
        and request.arguments.get("mode") == "human"
        and item.answer is None
    )


def _pick(state: State, step_id: str, item: ItemState) -> Question:
    request = item.request
    assert request is not None
    arguments: Mapping[str, Any] = request.arguments
    candidates = tuple(one for one in arguments["from"] if one.get("asset"))
    text = arguments.get("question") or f"Which one for {label(step_id, item.key)}?"
    return Question(
        step_id,
        item.key,
        str(text),
        tuple(str(one["key"]) for one in candidates),
        candidates,
        arguments.get("timeout"),
        arguments.get("on_timeout") or "fail",
        state.deadlines.get((step_id, item.key)),
    )
