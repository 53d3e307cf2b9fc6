"""What was chosen, from what, by whom and why: the `choice` of each item of a pick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rivya_flows.ledger.rows import iso
from rivya_flows.planning.names import canonical, label
from rivya_flows.planning.questions.open_questions import answerable
from rivya_flows.planning.queue.actions import Question
from rivya_flows.planning.queue.item_state import ItemState, Phase, Score
from rivya_flows.planning.queue.state import State

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
        candidates, picked = candidates_of(arguments), _picked(item)
        written = arguments.get("question")
        if written is None and mode == "human":
            written = question.text if question else f"Which one for {label(step_id, item.key)}?"
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
            "judge": _judge(judge),
            "judge_error": item.judge_error,
            "candidates": _candidates(candidates, item, picked, _proposed(item, question)),
            "earlier": [*self._earlier(step_id, item)],
        }

    def _earlier(self, step_id: str, item: ItemState) -> Iterator[dict[str, Any]]:
        """The candidates of the rounds before, in their order."""
        for number in range(item.round):
            name = self._state.plan.candidates_of(step_id, number)
            for one in self._state.steps[name].items or ():
                if one.phase is Phase.COMPLETED and (outputs := one.outputs):
                    yield {"round": number, "key": one.key, **_shown(outputs)}


def candidates_of(arguments: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The candidates among the items that a pick was given: those with a medium or a text."""
    given = arguments.get("from")
    items = given if isinstance(given, list | tuple) else ()
    return [one for one in items if isinstance(one, Mapping) and _counts(one)]


def _counts(item: Mapping[str, Any]) -> bool:
    return bool(item.get("asset")) or any(item.get(name) is not None for name in ("text", "json"))


def _candidates(
    candidates: Sequence[Mapping[str, Any]],
    item: ItemState,
    picked: tuple[str, ...],
    proposed: tuple[str, ...],
) -> list[dict[str, Any]]:
    scores: Mapping[str, Score] = {one.key: one for one in item.scores}
    found = []
    for number, one in enumerate(candidates, 1):
        key, credits = str(one.get("key")), one.get("credits")
        score = scores.get(key)
        found.append(
            {
                "n": number,
                "key": key,
                **_shown(one),
                "credits": credits if isinstance(credits, int) else None,
                "score": score.score if score else None,
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


def _proposed(item: ItemState, question: Question | None) -> tuple[str, ...]:
    """Keys of what the judge would pick; ties go to the first."""
    if question is not None:
        return question.proposal
    if item.request is None or not item.scores:
        return ()
    arguments = item.request.arguments
    least = (arguments.get("judge") or {}).get("least") or 0
    good = [one for one in item.scores if one.score >= least]
    best = sorted(good, key=lambda one: -one.score)
    return tuple(one.key for one in best[: arguments.get("count") or 1])


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
