"""The questions of a run: which are open, until when, and which answers they accept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from types import MappingProxyType

from rivya_flows.assets import as_asset
from rivya_flows.language.canonical import canonical
from rivya_flows.language.wording import cut
from rivya_flows.plans.names import label
from rivya_flows.questions.question import Answer, Candidate, NextRound, Question
from rivya_flows.queue.budget import budget_question
from rivya_flows.queue.events import AnswerGiven, ItemFailed, QuestionAsked
from rivya_flows.queue.items import UNANSWERED, ItemState, Phase, Score
from rivya_flows.queue.judging import BELOW_LEAST, proposal, rounds_left, shortfall
from rivya_flows.queue.state import State
from rivya_flows.steps.candidates import (
    Candidate as PickCandidate,
    PickArguments,
    available,
    text_of,
)
from rivya_flows.steps.judge import MAX_CANDIDATES
from rivya_flows.steps.request import ItemRequest
from rivya_flows.steps.structured_output import MAX_TURNS

MAX_TEXT, MAX_NOTE, MAX_NAME = 2_000, 500, 100
"""Characters of a candidate that is a text, of a note for the next round, of the name of who answers."""

_JOINT = 3  # the most characters that a note adds to a prompt beside its own


def open_questions(state: State) -> tuple[Question, ...]:
    """The questions that wait for a person, in plan order; the budget's question comes last."""
    asked = [
        question_of(state, name, item)
        for name, item in state.each()
        if item.phase is Phase.READY and item.waits_for_person
    ]
    over = None if state.busy else budget_question(state)
    return (*asked, over) if over else tuple(asked)


def answerable(state: State) -> tuple[Question, ...]:
    """The open questions, and those whose pick failed without an answer: a late one repairs it."""
    late = [
        question_of(state, name, item)
        for name, item in state.each()
        if item.phase is Phase.FAILED and item.code in (UNANSWERED, BELOW_LEAST)
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
    if then != "fail":
        picked = {"first": question.choices[: question.count], "judge": question.proposal}
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


def question_text(pick: PickArguments, step_id: str, key: str) -> str:
    """What a pick asks: as written, else of its name."""
    return str(pick.question or f"Which one for {label(step_id, key)}?")


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


def question_of(state: State, step_id: str, item: ItemState) -> Question:
    request, pick = item.evaluated, item.evaluated.pick
    candidates = candidates_of(item)
    chosen = proposal(item)
    left = rounds_left(state, step_id, item)
    source = state.plan.candidates_of(step_id, item.round) if left else ""
    room = _note_room(state, source) if left else 0
    return Question(
        step_id,
        item.key,
        question_text(pick, step_id, item.key),
        tuple(one.key for one in candidates),
        candidates,
        pick.timeout,
        pick.on_timeout,
        state.deadlines.get((step_id, item.key, item.round)),
        count=pick.count,
        round=item.round,
        rounds_left=left,
        again=_next_round(state, source, request) if left else None,
        note_room=room,
        sign=pick.sign,
        proposal=chosen,
        judge_error=item.judge_error,
        on_none=pick.on_none,
        shortfall="" if chosen else shortfall(item),
    )


def _next_round(state: State, again: str, pick: ItemRequest) -> NextRound:
    """What it costs to buy the candidates of a step again, and to have them judged where they are."""
    planned = state.planned_step(again)
    items = [one.requests for one in state.steps[again].items.values() if one.requests]
    bought = [one for first, *rest in items for one in ([first] * planned.attempts + rest)]
    tops = [one.price.max for one in bought]
    if pick.model is not None:
        tops += [pick.price.max] * (MAX_TURNS * ceil(len(items) / MAX_CANDIDATES))
    known = [top for top in tops if top is not None]
    least = sum(first.price.min for first, *_ in items)
    return NextRound(len(items), least, sum(known) if len(known) == len(tops) else None)


def _note_room(state: State, again: str) -> int:
    """Characters that a note may have so that each prompt fits its model; 0 if a model would say it aloud."""
    requests = [
        request
        for item in state.steps[again].items.values()
        for request in item.requests
        if request.prompt.strip()
    ]
    asked = [(state.plan.catalogue.models[one.model], one) for one in requests if one.model]
    if any(model.speaks for model, _ in asked):
        return 0
    limits = [
        model.max_prompt_length - len(one.prompt) - _JOINT
        for model, one in asked
        if model.max_prompt_length is not None
    ]
    return max(0, min([MAX_NOTE, *limits])) if requests else 0
