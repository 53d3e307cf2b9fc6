"""A `pick` with a judge: its chats, its scores, and what they decide."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from rivya_flows.language.canonical import whole
from rivya_flows.queue.events import ChatAnswered, PurchaseRefused
from rivya_flows.queue.items import ItemState, Phase, Score, next_round
from rivya_flows.queue.state import State
from rivya_flows.steps import structured_output
from rivya_flows.steps.candidates import best
from rivya_flows.steps.chat import chat_body
from rivya_flows.steps.judge import SCORES, chats_about, message_about, read_scores, with_chats
from rivya_flows.steps.request import ItemRequest, UploadedFile
from rivya_flows.steps.structured_output import AnswerError

BELOW_LEAST = "below_least"
"""Code of a pick whose judge finds too few candidates good enough."""

_REFUSING = {"validation_failed", "chat_attachment_not_supported", "chat_model_not_supported"}
"""Codes of requests that the service refuses however often they are sent."""

_SESSION_GONE = {"chat_session_conflict", "not_found"}
"""Codes of a turn whose session cannot be continued. Source: contract, section 6.5."""

_MOST_LISTED = 20  # scores in a reason


def is_judged(item: ItemState) -> bool:
    request = item.request
    return request is not None and request.is_judged


def start(state: State, step_id: str, item: ItemState) -> ItemState:
    """A pick with its request, once its arguments are evaluated; what was scored stays scored."""
    request = item.evaluated
    if item.picked is not None or item.judge_error is not None:
        return item._replace(requests=(with_chats(request, (), state.plan.catalogue),))
    scores = {one.key: one for one in item.scores}
    chats = chats_about(request, scores)
    request = with_chats(request, chats, state.plan.catalogue)
    # A resume may have added candidates, or taken some away.
    valid = (scores.get(str(one["key"])) for one in request.pick.candidates)
    item = item._replace(requests=(request,), scores=tuple(one for one in valid if one is not None))
    return _decide(state, step_id, item)


def read_answer(state: State, event: ChatAnswered, item: ItemState) -> ItemState:
    """A pick after an answer of its judge: scored, asked again, or without usable scores."""
    request = item.evaluated
    try:
        found = read_scores(event.content, _keys(request))
    except AnswerError as error:
        turns = item.judge_turns + 1
        item = item._replace(judge_turns=turns, phase=Phase.READY)
        if turns < structured_output.MAX_TURNS:
            return item
        reason = f"the judge gave no usable scores in {turns} turns: {error}"
        return _unusable(state, item, reason)
    scores = (*item.scores, *(Score(*one) for one in found))
    request = with_chats(request, request.chats[1:], state.plan.catalogue)
    item = item._replace(phase=Phase.READY, requests=(request,), scores=scores, judge_turns=0)
    return _decide(state, event.step, item)


def handle_refusal(state: State, event: PurchaseRefused, item: ItemState) -> ItemState | None:
    """A pick that is judged in a new session, or by a person alone; None if neither is possible."""
    if event.code in _SESSION_GONE and is_judged(item) and refused_in_session(item):
        return item._replace(phase=Phase.READY)
    if event.code not in _REFUSING or not _asks_person(item):
        return None
    return _unusable(state, item, f"the service refused the judge: {event.message}")


def proposal(item: ItemState) -> tuple[str, ...]:
    """The keys that the judge would pick, the best first; empty if too few are good enough."""
    request = item.request
    if request is None or request.chats or item.judge_error is not None:
        return ()
    if (judge := request.pick.judge) is None:
        return ()
    scores = [(one.key, one.score) for one in item.scores]
    return best(scores, request.pick.count, least=judge.least)


def shortfall(item: ItemState) -> str:
    """Why nothing is good enough for the judge, with the scores."""
    if item.request is None or (judge := item.request.pick.judge) is None:
        return "it has no judge"
    count = item.request.pick.count
    listed = ", ".join(f"{one.key} {one.score:g}" for one in item.scores[:_MOST_LISTED])
    more = len(item.scores) - _MOST_LISTED
    few = "no candidate reaches" if count == 1 else f"fewer than {count} candidates reach"
    return f"{few} {judge.least:g}: {listed}" + (f" and {more} more" if more > 0 else "")


def rounds_left(state: State, step_id: str, item: ItemState) -> int:
    return max(0, len(state.planned_step(step_id).rounds) - 1 - item.round)


def body(state: State, item: ItemState, files: Sequence[UploadedFile], trace: str) -> str:
    """The body of the next turn, in its session while that is about the same candidates."""
    request = item.evaluated
    model = state.plan.catalogue.models[request.model or ""]
    message = message_about(request, model)
    chat = replace(request, arguments={"message": message, "expect": SCORES})
    if not item.judge_turns or refused_in_session(item):
        return chat_body(chat, files, trace)
    turns = [one for one in item.purchases if one.status == "answered"][-item.judge_turns :]
    instruction = whole(message + structured_output.instruction(SCORES))
    if json.loads(turns[0].body).get("message") != instruction:
        return chat_body(chat, files, trace)
    content, keys = turns[-1].content or "", _keys(request)
    repeated = structured_output.repeat(lambda: read_scores(content, keys))
    return chat_body(chat, files, trace, session=turns[-1].session_id, message=repeated)


def refused_in_session(item: ItemState) -> bool:
    """Whether the last purchase was a turn of an earlier session, and the service refused it."""
    last = item.last
    return last is not None and last.status == "refused" and "session_id" in json.loads(last.body)


def _keys(request: ItemRequest) -> list[str]:
    return [str(one["key"]) for one in request.judged_candidates()]


def _asks_person(item: ItemState) -> bool:
    request = item.request if is_judged(item) else None
    return request is not None and request.decides == "person"


def _unusable(state: State, item: ItemState, reason: str) -> ItemState:
    """Without scores a person chooses alone, or the pick fails."""
    request = item.evaluated
    if not _asks_person(item):
        return item.fail("unexpected_answer", reason)
    request = with_chats(request, (), state.plan.catalogue)
    return item._replace(phase=Phase.READY, requests=(request,), judge_error=reason)


def _decide(state: State, step_id: str, item: ItemState) -> ItemState:
    """What the scores decide, once all candidates have one."""
    request = item.evaluated
    if request.chats or request.decides != "judge":
        return item
    if chosen := proposal(item):
        return item._replace(picked=chosen, answered_by=None)
    if rounds_left(state, step_id, item):
        return next_round(item, "")
    return item.fail(BELOW_LEAST, shortfall(item))
