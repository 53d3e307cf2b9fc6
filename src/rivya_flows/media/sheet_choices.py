"""Choices on a contact sheet: the question of a waiting run with its command, or what was picked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rivya_flows.media.embedding import Embedder
from rivya_flows.media.receipt_values import map_in, maps_in, text_of
from rivya_flows.planning.names import label
from rivya_flows.planning.questions.choice_phrases import (
    answering_command,
    are_numbered,
    blank_answer,
    deadline_words,
    manner,
    moment_of,
    readable,
    round_note,
    score_words,
)
from rivya_flows.planning.questions.open_questions import utc_minute
from rivya_flows.printable import one_line
from rivya_flows.program import callable_here


def waiting_hashes(receipt: Mapping[str, Any]) -> list[str]:
    """The media that a waiting run asks about, by hash: the page shows them first."""
    choices = [map_in(item, "choice") for _, item in _waiting(receipt)]
    candidates = [one for choice in choices for one in maps_in(choice, "candidates")]
    return [one["sha256"] for one in candidates if isinstance(one.get("sha256"), str)]


def questions_of(receipt: Mapping[str, Any], embedder: Embedder) -> list[dict[str, Any]]:
    """The open questions of a run as its page shows them; empty unless a person may answer."""
    return [
        _question(f"question-{number}", name, item, embedder)
        for number, (name, item) in enumerate(_waiting(receipt), 1)
    ]


def command_of(receipt: Mapping[str, Any], questions: list[dict[str, Any]]) -> dict[str, str]:
    """The command that answers: its beginning, and the whole with ``STEP=NUMBER`` for each question."""
    run_id = receipt.get("run_id")
    answers = {one["name"]: one["placeholder"] for one in questions}
    return {
        "begin": callable_here(answering_command(run_id, {})),
        "whole": callable_here(answering_command(run_id, answers)),
    }


def decision_of(name: str, item: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was picked and why, for the card of a pick; None for other items."""
    choice = item.get("choice")
    if not isinstance(choice, Mapping):
        return None
    judge = map_in(choice, "judge")
    least = judge.get("least")
    return {
        "name": name,
        "question": text_of(choice.get("question")),
        "waiting": choice.get("waiting") is True,
        "how": manner(choice),
        "round": round_note(_number(choice, "round"), _texts(choice, "notes")),
        "judge": text_of(judge.get("model")),
        "least": f"{least:g}" if isinstance(least, int | float) and least else "",
        "judge_error": text_of(choice.get("judge_error")),
        "candidates": [
            {**_candidate(one), "score": score_words(one, choice.get("mode"))}
            for one in maps_in(choice, "candidates")
        ],
    }


def _waiting(receipt: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each pick that waits for an answer: its name, and its item."""
    for step in maps_in(receipt, "steps"):
        for item in maps_in(step, "items"):
            if map_in(item, "choice").get("waiting") is True:
                # A terminal would act on what a pasted name has; such a name then fits no question.
                yield one_line(label(str(step.get("id")), str(item.get("key") or ""))), item


def _question(
    anchor: str, name: str, item: Mapping[str, Any], embedder: Embedder
) -> dict[str, Any]:
    choice = map_in(item, "choice")
    offered, judge = maps_in(choice, "candidates"), map_in(choice, "judge")
    count, deadline = _number(choice, "count") or 1, moment_of(choice.get("deadline"))
    keys = [str(one.get("key")) for one in offered]
    numbered = are_numbered(keys)
    candidates = [
        {
            **_candidate(one),
            "answer": one_line(str(one.get("n" if numbered else "key"))),
            "score": score_words(one),
            "media": embedder.of_hash(one.get("sha256")),
        }
        for one in offered
    ]
    return {
        "anchor": anchor,
        "name": name,
        "placeholder": blank_answer(keys, min(count, len(offered) or 1)),
        "numbered": numbered,
        "text": text_of(choice.get("question")),
        "count": count,
        "round": round_note(_number(choice, "round"), _texts(choice, "notes")),
        "deadline": deadline.isoformat() if deadline else "",
        "until": utc_minute(deadline) if deadline else "",
        "then": deadline_words(choice.get("then"), count),
        "late": item.get("status") == "failed",
        "judge": text_of(judge.get("model")),
        "criteria": _texts(judge, "criteria"),
        "judge_error": text_of(choice.get("judge_error")),
        "none": _number(choice, "rounds_left"),
        "note_room": _number(choice, "note_room"),
        "candidates": candidates,
        "tall": any(medium.tall for one in candidates for medium in one["media"]),
        "earlier": [*_earlier(choice, embedder)],
    }


def _candidate(candidate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n": _number(candidate, "n"),
        "key": str(candidate.get("key") or ""),
        "credits": candidate.get("credits"),
        "text": readable(text_of(candidate.get("text"))),
        "reason": text_of(candidate.get("reason")),
        "picked": candidate.get("picked") is True,
        "proposed": candidate.get("proposed") is True,
    }


def _earlier(choice: Mapping[str, Any], embedder: Embedder) -> Iterator[dict[str, Any]]:
    """The rounds before, the latest first: what they offered, and what the person said of it."""
    said, offered = _texts(choice, "notes"), maps_in(choice, "earlier")
    for number in reversed(range(_number(choice, "round"))):
        of_round = [one for one in offered if one.get("round") == number]
        if of_round:
            yield {
                "number": number + 1,
                "note": said[number] if number < len(said) else "",
                "candidates": [
                    {**_candidate(one), "media": embedder.of_hash(one.get("sha256"))}
                    for one in of_round
                ],
            }


def _texts(source: Mapping[str, Any], name: str) -> list[str]:
    value = source.get(name)
    return [str(one or "") for one in value] if isinstance(value, list | tuple) else []


def _number(source: Mapping[str, Any], name: str) -> int:
    value = source.get(name)
    return value if isinstance(value, int) and 0 <= value < 100_000 else 0
