"""A `review`: the answers of its reviewers, and what they decide."""

from __future__ import annotations

from pydantic import JsonValue

from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.items import ItemState, next_round
from rivya_flows.queue.state import State
from rivya_flows.steps.review import APPROVE, CHANGES, USES, Verdict

REJECTED = "rejected"
"""Code of a review whose reviewers asked for changes that no round makes."""

END = "end"
"""The answer of an owner who ends a round in which somebody asked for changes."""


def is_reviewed(item: ItemState) -> bool:
    return item.request is not None and item.request.uses == USES


def standing_answers(item: ItemState) -> tuple[AnswerGiven, ...]:
    """The last answer of each reviewer in the round of now, in the order of their first ones."""
    given = (one for one in item.reviews if one.round == item.round)
    return tuple({person_of(one.by.name): one for one in given}.values())


def person_of(name: str | None) -> str:
    """What tells a reviewer from the others; all without a name are one."""
    return (name or "").casefold()


def next_turn(item: ItemState) -> int:
    """The number of the next answer in the round of now, from 1."""
    return 1 + sum(one.round == item.round for one in item.reviews)


def decision_of(item: ItemState, last: AnswerGiven | None = None) -> Verdict | None:
    """What the answers of a round decide; None while it stays open. `last` may end it."""
    answers, asked = standing_answers(item), item.evaluated.pick
    approvals = sum(one.answer == APPROVE for one in answers)
    if approvals >= asked.needed:
        return APPROVE
    is_over = last is not None and (last.by.channel == "deadline" or last.answer == END)
    if is_over or len(answers) >= (len(asked.reviewers) or asked.needed):
        return CHANGES if approvals < len(answers) or last is None else APPROVE
    return None


def take_answer(state: State, event: AnswerGiven, item: ItemState) -> ItemState:
    """A review after an answer: open, approved, before its next round, or rejected."""
    ends = event.answer == END or event.by.channel == "deadline"
    item = item._replace(
        reviews=item.reviews if ends else (*item.reviews, event), answered_by=event.by
    )
    match decision_of(item, event):
        case None:
            return item
        case "approve":
            return item._replace(picked=(APPROVE,))
    notes = [one.note for one in standing_answers(item) if one.answer == CHANGES]
    if item.round + 1 < len(state.planned_step(event.step).rounds):
        return next_round(item, "; ".join(filter(None, notes)))
    rounds = "no round makes them" if item.round else "the step has no `changes`"
    return item.fail(
        REJECTED, f"{_names(item)} asked for changes, and {rounds}: {'; '.join(notes)}"
    )


def _names(item: ItemState) -> str:
    found = [one.by.name or "a reviewer" for one in standing_answers(item) if one.answer == CHANGES]
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))


def answers_for_outputs(item: ItemState) -> list[JsonValue]:
    """The answers of all rounds, as `review_outputs` takes them."""
    return [
        {"by": one.by.name, "answer": one.answer, "note": one.note, "round": one.round}
        for one in item.reviews
    ]
