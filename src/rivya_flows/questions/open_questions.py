"""The questions of a run: which are open, until when, and which answers they accept."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from rivya_client.catalogue.prices import price_of
from rivya_flows.assets import as_asset
from rivya_flows.language.canonical import canonical
from rivya_flows.language.wording import cut
from rivya_flows.plans.names import label
from rivya_flows.plans.plan import PlannedStep
from rivya_flows.questions.question import Answer, Candidate, NextRound, Question
from rivya_flows.queue.budget import budget_question
from rivya_flows.queue.events import AnswerGiven, ItemFailed, QuestionAsked
from rivya_flows.queue.foresight import prices_by_spec
from rivya_flows.queue.items import UNANSWERED, ItemState, Phase, Score
from rivya_flows.queue.judging import BELOW_LEAST, proposal, rounds_left, shortfall
from rivya_flows.queue.least_left import least_left
from rivya_flows.queue.list_sizes import item_range
from rivya_flows.queue.reviewing import END, REJECTED, is_reviewed, standing_answers
from rivya_flows.queue.state import State
from rivya_flows.steps.candidates import (
    Candidate as PickCandidate,
    PickArguments,
    available,
    text_of,
)
from rivya_flows.steps.judge import most_chats
from rivya_flows.steps.request import ItemRequest
from rivya_flows.steps.review import APPROVE, CHANGES
from rivya_flows.steps.structured_output import MAX_TURNS

MAX_TEXT, MAX_NOTE, MAX_NAME = 2_000, 500, 100
"""Characters of a candidate that is a text, of a note for the next round, of the name of who answers."""

_JOINT = 3  # the most characters that a note adds to a prompt beside its own


def open_questions(state: State) -> tuple[Question, ...]:
    """The questions that wait for a person, in plan order; the budget's question comes last."""
    rest = _Rest(state)
    asked = [
        question_of(state, name, item, rest)
        for name, item in state.each()
        if item.phase is Phase.READY and item.waits_for_person
    ]
    over = None if state.busy else budget_question(state)
    return (*asked, over) if over else tuple(asked)


def answerable(state: State) -> tuple[Question, ...]:
    """The open questions, and those whose pick failed without an answer: a late one repairs it."""
    rest = _Rest(state)
    late = [
        question_of(state, name, item, rest)
        for name, item in state.each()
        if item.phase is Phase.FAILED and item.code in (UNANSWERED, BELOW_LEAST, REJECTED)
    ]
    return (*open_questions(state), *late)


def question_asked(
    question: Question, at: datetime, after: datetime | None = None
) -> QuestionAsked:
    """The journal entry that precedes the first asking, or another one after a deadline that failed it."""
    seconds, (step, key, number) = question.timeout_seconds, question.name
    deadline = None if seconds is None else at + timedelta(seconds=seconds)
    return QuestionAsked(step=step, key=key, at=at, deadline=deadline, after=after, round=number)


def decide_at_deadline(question: Question) -> AnswerGiven | ItemFailed:
    """The event that the deadline of a pick causes: a choice, other candidates, or its failure."""
    then = question.at_deadline
    if then != "fail" or question.wants_changes:
        picked = {
            "first": question.choices[: question.count],
            "judge": question.proposal,
            "approve": (APPROVE,),
            "changes": (END,),
            "fail": (END,),
        }
        return Answer(picked.get(then, ()), channel="deadline").event(question, question.deadline)
    message = "no one answered "
    message += "in time" if question.deadline is None else f"by {utc_minute(question.deadline)}"
    if question.on_timeout == "judge":
        message += f", and {question.judge_error or question.shortfall}"
    return ItemFailed(step=question.step, key=question.key, code=UNANSWERED, message=message)


def first_deadline(questions: Sequence[Question]) -> datetime | None:
    """The earliest deadline of these questions; None if none has one."""
    return min((one.deadline for one in questions if one.deadline is not None), default=None)


def utc_minute(at: datetime) -> str:
    """A UTC time as text: ``2026-11-25 12:00 UTC``."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def question_text(pick: PickArguments, step_id: str, key: str, *, is_review: bool = False) -> str:
    """What a pick or a review asks: as written, else of its name."""
    of = label(step_id, key)
    return str(pick.question or (f"Is {of} approved?" if is_review else f"Which one for {of}?"))


def candidates_of(item: ItemState, picked: Collection[str] = ()) -> tuple[Candidate, ...]:
    """What an item of a pick chooses from, with its scores; `picked` are keys."""
    assert item.request is not None
    pick = item.request.pick
    return read_candidates(pick.candidates, item.scores, proposal(item), picked, pick.values or {})


def read_candidates(
    items: Sequence[PickCandidate],
    judged: Sequence[Score] = (),
    proposed: Collection[str] = (),
    picked: Collection[str] = (),
    values: Mapping[str, float | None] = MappingProxyType({}),
) -> tuple[Candidate, ...]:
    """The items that can be picked; `values` are those of `best`, all else is keys."""
    scores = {one.key: one for one in judged}
    found = []
    for number, one in enumerate(available(items), 1):
        key, credits, task_id = str(one.get("key")), one.get("credits"), one.get("task_id")
        medium, score = one.get("asset"), scores.get(key)
        asset, written = as_asset(medium), medium if isinstance(medium, Mapping) else {}
        found.append(
            Candidate(
                n=number,
                key=key,
                sha256=asset.sha256 if asset else None,
                text=candidate_text(one),
                credits=credits if isinstance(credits, int) else None,
                score=score.score if score else values.get(key),
                reason=score.reason if score else None,
                picked=key in picked,
                proposed=key in proposed,
                asset=asset,
                place=str(written.get("path") or written.get("url") or ""),
                task_id=task_id if isinstance(task_id, str) else None,
            )
        )
    return tuple(found)


def candidate_text(item: PickCandidate) -> str | None:
    """What an item without a medium says, as far as it is shown: its text, else its JSON."""
    if item.get("asset"):
        return None
    text = text_of(item)
    return cut(canonical(item.get("json")) if text is None else text, MAX_TEXT)


@dataclass
class _Rest:
    """What a state leaves for further rounds: one look at all of its steps, if it is asked for."""

    state: State

    @functools.cached_property
    def credits(self) -> int:
        return max(0, (self.state.cap or 0) - self.state.tally.committed - least_left(self.state))


def question_of(state: State, step_id: str, item: ItemState, rest: _Rest | None = None) -> Question:
    """The question of an item; `rest` if there are several of one state."""
    pick, candidates = item.evaluated.pick, candidates_of(item)
    left, is_review = rounds_left(state, step_id, item), is_reviewed(item)
    again = _next_round(state, step_id, item) if left else None
    question = Question(
        step_id,
        item.key,
        question_text(pick, step_id, item.key, is_review=is_review),
        (APPROVE, CHANGES) if is_review else tuple(one.key for one in candidates),
        candidates,
        pick.timeout,
        pick.on_timeout,
        state.deadlines.get((step_id, item.key, item.round)),
        count=pick.count,
        round=item.round,
        rounds_left=left,
        again=again,
        over="" if again is None else _over_budget(rest or _Rest(state), again),
        note_room=_note_room(state, step_id, item) if left else 0,
        sign=pick.sign,
    )
    if is_review:
        # The notes of all reviewers come together in one prompt.
        many = max(len(pick.reviewers), pick.needed)
        room = max(0, question.note_room - 2 * many) // many if left else MAX_NOTE
        return replace(
            question,
            note_room=room,
            reviewers=pick.reviewers,
            need=pick.needed,
            responses=standing_answers(item),
            turn=item.turn + 1,
        )
    chosen = proposal(item)
    return replace(
        question,
        proposal=chosen,
        judge_error=item.judge_error,
        shortfall="" if chosen else shortfall(item),
    )


def _repeated_items(
    state: State, step_id: str, item: ItemState
) -> Iterator[tuple[str, str, ItemState]]:
    """What the next round makes again: each step as written, itself or a step inside it, and their items."""
    for written, name in state.planned_step(step_id).rounds[item.round].items():
        spaces = state.planned_step(name).inside.values()
        inside = (one for space in spaces for one in state.plan.steps_inside(space))
        for one in (name, *inside):
            for made in state.steps[one].items.values():
                if made.requests:
                    yield written, one, made


def _next_round(state: State, step_id: str, item: ItemState) -> NextRound:
    """What it costs to make again what a round has made, with all that may come of it, and to have it judged."""
    steps = dict.fromkeys(_steps_of_round(state, step_id, item.round + 1))
    made = [one for *_, one in _repeated_items(state, step_id, item)]
    items = sum(one.requests[0].price.max != 0 for one in made)
    least = sum(one.requests[0].price.min for one in made)
    tops = [_most_of_step(state, name) for name in steps]
    if (request := item.evaluated).model is not None:
        judged = MAX_TURNS * most_chats(items, request.pick.frames)
        tops.append(None if request.price.max is None else judged * request.price.max)
    known = [top for top in tops if top is not None]
    most = sum(known) if len(known) == len(tops) else None
    return NextRound(items, least if most is None else min(least, most), most)


def _over_budget(rest: _Rest, again: NextRound) -> str:
    """Why a round cannot begin, which would fail for the budget before its end; "" if it can."""
    state = rest.state
    if state.cap is None or state.rehearses or state.on_unfit != "fail":
        return ""
    if not again.least or again.least <= rest.credits:
        return ""
    least = price_of(again.least, again.least)
    return f"over the budget: another round costs at least {least}, and {rest.credits} of the budget of {state.cap} are left for it"


def _steps_of_round(state: State, step_id: str, number: int) -> Iterator[str]:
    """The steps of a round, those inside its included specs, and the rounds of those with rounds of their own."""
    for name in state.planned_step(step_id).rounds[number].values():
        inside = state.planned_step(name).inside.values()
        for one in (name, *(step for space in inside for step in state.plan.steps_inside(space))):
            yield one
            for later in range(1, len(state.planned_step(one).rounds)):
                yield from _steps_of_round(state, one, later)
            if state.planned_step(one).step.repeat is not None:
                yield from state.planned_step(one).rounds[0].values()


def _most_of_step(state: State, name: str) -> int | None:
    """The most that a step of a later round costs; None if only the run knows."""
    planned = state.planned_step(name)
    if planned.skipped or planned.step.repeat is not None or not planned.kind.buys:
        return 0 if not planned.includes or planned.items is not None else None
    first = state.steps[state.plan.first_round(name)]
    tops = [_most_of_item(state, planned, one) for one in first.items.values()]
    known = [one for one in tops if one is not None]
    most = None if len(known) < len(tops) else sum(known)
    if most is not None and planned.items is None:
        written = _most_of_item(state, planned, ItemState("", {}))
        dearest = max([*known, 0 if known else written or 0])
        most = item_range(state, name)[1] * dearest
    left = state.step_credits_left(name)
    return most if left is None else left if most is None else min(most, left)


def _most_of_item(state: State, planned: PlannedStep, item: ItemState) -> int | None:
    prices = [one.price for one in item.requests] if item.requests and not planned.pick else None
    prices = prices or [one for _, one in prices_by_spec(state, planned, item)]
    tops = [one.max for one in prices if one.max is not None]
    if len(tops) < len(prices):
        return None
    return tops[0] * planned.attempts + sum(tops[1:]) + planned.buys_once_more * max(tops)


def _note_room(state: State, step_id: str, item: ItemState) -> int:
    """Characters that a note may have so that each prompt fits its model; 0 if no prompt takes one."""
    again = state.planned_step(step_id).rounds[item.round + 1].items()
    noted = {written for written, name in again if state.planned_step(name).takes_notes}
    requests = [
        request
        for written, _, made in _repeated_items(state, step_id, item)
        if written in noted
        for request in made.requests
        if _prompt(request).strip()
    ]
    models = state.plan.catalogue.models
    asked = [(models[one.model], one) for one in requests if one.model]
    asked = [(model, one) for model, one in asked if not model.speaks]  # it would say the note
    limits = [
        model.max_prompt_length - len(_prompt(one)) - _JOINT
        for model, one in asked
        if model.max_prompt_length is not None
    ]
    return max(0, min([MAX_NOTE, *limits])) if asked else 0


def _prompt(request: ItemRequest) -> str:
    return request.prompt or str(request.arguments.get("message") or "")
