"""A `review`: the answers of its reviewers, and what they decide."""

from __future__ import annotations

from pydantic import JsonValue

from rivya_flows.queue.events import AnswerGiven
from rivya_flows.queue.items import ItemState, next_round
from rivya_flows.queue.state import State
from rivya_flows.steps.candidates import question_hash
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


def forget_if_changed(item: ItemState) -> ItemState:
    """A review without the answers of this round, if what they were about is another medium or text now."""
    if not item.asked or item.asked == question_hash(item.evaluated):
        return item
    earlier = tuple(one for one in item.reviews if one.round < item.round)
    return item._replace(reviews=earlier, asked="", held=False, picked=None, answered_by=None)


def _decision(item: ItemState, last: AnswerGiven) -> Verdict | None:
    """What the answers of a round decide; None while it stays open. `last` may end it."""
    answers, asked = standing_answers(item), item.evaluated.pick
    approvals = sum(one.answer == APPROVE for one in answers)
    if approvals >= asked.needed:
        return APPROVE
    is_over = last.by.channel == "deadline" or last.answer == END
    if is_over or len(answers) >= (len(asked.reviewers) or asked.needed):
        return CHANGES if approvals < len(answers) else APPROVE
    return None


def take_answer(state: State, event: AnswerGiven, item: ItemState, over: str) -> ItemState:
    """A review after an answer: open, approved, before its next round, or rejected.

    With `over`, why the budget does not cover that round, it stays open: a higher one begins it.
    """
    ends = event.answer == END or event.by.channel == "deadline"
    reviews = item.reviews if ends else (*item.reviews, event)
    asked = question_hash(item.evaluated)
    item = item._replace(
        reviews=reviews, answered_by=event.by, turn=item.turn + 1, asked=asked, held=False
    )
    match _decision(item, event):
        case None:
            return item
        case "approve":
            return item._replace(picked=(APPROVE,))
    if item.round + 1 < len(state.planned_step(event.step).rounds):
        item = item._replace(held=bool(over))
        if not over:
            return begin_changes(item)
        if event.by.channel != "deadline":
            return item
    rounds = over or ("no round makes them" if item.round else "the step has no `changes`")
    return item.fail(
        REJECTED, f"{_names(item)} asked for changes, and {rounds}: {'; '.join(_notes(item))}"
    )


def begin_changes(item: ItemState) -> ItemState:
    """A review before the round that makes the changes."""
    return next_round(item, "; ".join(filter(None, _notes(item))))


def _notes(item: ItemState) -> list[str]:
    return [one.note for one in standing_answers(item) if one.answer == CHANGES]


def _names(item: ItemState) -> str:
    found = [one.by.name or "a reviewer" for one in standing_answers(item) if one.answer == CHANGES]
    return " and ".join(filter(None, [", ".join(found[:-1]), *found[-1:]]))


def answers_for_outputs(item: ItemState) -> list[JsonValue]:
    """The last answer of each reviewer in each round, as `review_outputs` takes them."""
    last = {(one.round, person_of(one.by.name)): one for one in item.reviews}
    return [
        {
            "by": one.by.name,
            "answer": one.answer,
            "note": one.note,
            "round": one.round,
            "is_last": one.round == item.round,
        }
        for one in last.values()
    ]
