"""What was chosen, from what, by whom and why: the `choice` of each item of a pick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.language.canonical import canonical
from rivya_flows.ledger.times import iso
from rivya_flows.planning.questions.open_questions import answerable, at_deadline, question_text
from rivya_flows.planning.queue.item_state import ItemState, Phase, Score
from rivya_flows.planning.queue.judging import proposal
from rivya_flows.planning.queue.state import State
from rivya_flows.steps.candidates import available, is_available

MAX_TEXT = 2_000
"""Characters of a candidate that is a text."""


class Choices:
    """The choices of a run, as JSON.

    Args:
        state: Of the run.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._open = {(one.step, one.key): one for one in answerable(state)}

    def of(self, step_id: str, item: ItemState) -> dict[str, Any] | None:
        """The choice of an item of a pick so far; None before its candidates are known.

        ``waiting`` is true while a person may answer, also after a deadline that failed the pick.
        """
        if item.request is None:
            return None
        arguments, question = item.request.arguments, self._open.get((step_id, item.key))
        mode, judge = arguments.get("mode") or "first", arguments.get("judge")
        picked = _picked(item)
        written = arguments.get("question")
        if question or mode == "human":
            written = question_text(arguments, step_id, item.key)
        deadline = self._state.deadlines.get((step_id, item.key, item.round))
        return {
            "mode": mode,
            "question": _text(written),
            "count": arguments.get("count") or 1,
            "round": item.round,
            "rounds_left": question.rounds_left if question else 0,
            "note_room": question.note_room if question else 0,
            "notes": list(item.notes),
            "picked": list(picked),
            "by": item.answered_by.model_dump(mode="json") if item.answered_by else None,
            "waiting": question is not None,
            "deadline": iso(deadline.timestamp()) if deadline else None,
            "on_timeout": arguments.get("on_timeout") or "fail",
            "then": at_deadline(question) if question and item.phase is Phase.READY else None,
            "judge": _judge(judge),
            "judge_error": item.judge_error,
            "candidates": _candidates(arguments, item, picked),
            "earlier": [*self._earlier(step_id, item)],
        }

    def _earlier(self, step_id: str, item: ItemState) -> Iterator[dict[str, Any]]:
        """The candidates of the rounds before, in their order."""
        for number in range(item.round if self._state.planned(step_id).rounds else 0):
            made = self._state.steps[self._state.plan.candidates_of(step_id, number)]
            for one in made.items or ():
                if one.phase is Phase.COMPLETED and one.outputs and is_available(one.outputs):
                    yield {"round": number, "key": one.key, **_shown(one.outputs)}


def _candidates(
    arguments: Mapping[str, Any], item: ItemState, picked: tuple[str, ...]
) -> list[dict[str, Any]]:
    said: Mapping[str, Score] = {one.key: one for one in item.scores}
    values: Mapping[str, float | None] = arguments.get("values") or {}
    proposed, found = proposal(item), []
    for number, one in enumerate(available(arguments["from"]), 1):
        key, credits = str(one.get("key")), one.get("credits")
        score = said.get(key)
        found.append(
            {
                "n": number,
                "key": key,
                **_shown(one),
                "credits": credits if isinstance(credits, int) else None,
                "score": score.score if score else values.get(key),
                "reason": score.reason if score else None,
                "picked": key in picked,
                "proposed": key in proposed,
            }
        )
    return found


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """What an item has to be looked at."""
    asset = item.get("asset")
    sha256 = asset.get("sha256") if isinstance(asset, Mapping) else None
    text = None
    if not asset:
        text = item.get("text")
        text = canonical(item.get("json")) if text is None else text
    return {"sha256": sha256 if isinstance(sha256, str) else None, "text": _text(text)}


def _picked(item: ItemState) -> tuple[str, ...]:
    """Keys of what was picked; empty as long as nothing was."""
    if item.picked is not None or item.phase is not Phase.COMPLETED:
        return item.picked or ()
    outputs = item.outputs or {}
    chosen = outputs.get("items")
    keys = [one.get("key") for one in chosen] if isinstance(chosen, list) else [outputs.get("key")]
    return tuple(str(one) for one in keys if one is not None)


def _judge(judge: Any) -> dict[str, Any] | None:
    if not isinstance(judge, Mapping):
        return None
    criteria = [str(one) for one in judge.get("criteria") or ()]
    return {"model": judge.get("model"), "least": judge.get("least") or 0, "criteria": criteria}


def _text(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
