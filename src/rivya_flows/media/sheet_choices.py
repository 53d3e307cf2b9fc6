"""Choices on a contact sheet: the question of a waiting run with its command, or what was picked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rivya_flows.ledger.model import Choice, EarlierCandidate, Item, Receipt
from rivya_flows.ledger.summary import manner, score_words
from rivya_flows.media.embedding import Embedder
from rivya_flows.media.receipt_values import text_of
from rivya_flows.planning.names import label
from rivya_flows.planning.questions.open_questions import utc_minute
from rivya_flows.planning.questions.presentation import (
    answering_command,
    are_numbered,
    blank_answer,
    deadline_words,
    readable,
    round_note,
)
from rivya_flows.planning.queue.actions import Candidate
from rivya_flows.printable import one_line
from rivya_flows.program import callable_here


def waiting_hashes(receipt: Receipt) -> list[str]:
    """The media that a waiting run asks about, by hash: the page shows them first."""
    waiting = [choice for _, choice in receipt.choices() if choice.waiting]
    return [one.sha256 for choice in waiting for one in choice.candidates if one.sha256]


def questions_of(receipt: Receipt, embedder: Embedder) -> list[dict[str, Any]]:
    """The open questions of a run as its page shows them; empty unless a person may answer."""
    waiting = [
        # A terminal would act on what a pasted name has; such a name then fits no question.
        (one_line(label(step.id, item.key)), item, item.choice)
        for step, item in receipt.each()
        if item.choice and item.choice.waiting
    ]
    return [
        _question(f"question-{number}", name, item, choice, embedder)
        for number, (name, item, choice) in enumerate(waiting, 1)
    ]


def command_of(receipt: Receipt, questions: list[dict[str, Any]]) -> dict[str, str]:
    """The command that answers: its beginning, and the whole with ``STEP=NUMBER`` for each question."""
    answers = {one["name"]: one["placeholder"] for one in questions}
    return {
        "begin": callable_here(answering_command(receipt.run_id, {})),
        "whole": callable_here(answering_command(receipt.run_id, answers)),
    }


def decision_of(choice: Choice) -> dict[str, Any]:
    """What was picked and why, for the card of a pick."""
    judge = choice.judge
    return {
        "question": text_of(choice.question),
        "waiting": choice.waiting,
        "how": manner(choice),
        "round": round_note(choice.round, choice.notes),
        "judge": judge and judge.model,
        "least": f"{judge.least:g}" if judge and judge.least else "",
        "judge_error": choice.judge_error,
        "candidates": [
            {**_candidate(one), "score": score_words(one, choice.mode)} for one in choice.candidates
        ],
    }


def _question(
    anchor: str, name: str, item: Item, choice: Choice, embedder: Embedder
) -> dict[str, Any]:
    offered, deadline = choice.candidates, choice.deadline
    keys = [one.key for one in offered]
    numbered = are_numbered(keys)
    candidates = [
        {
            **_candidate(one),
            "answer": one_line(str(one.n) if numbered else one.key),
            "score": score_words(one),
            "media": embedder.of_hash(one.sha256),
        }
        for one in offered
    ]
    return {
        "anchor": anchor,
        "name": name,
        "placeholder": blank_answer(keys, min(choice.count, len(offered) or 1)),
        "numbered": numbered,
        "text": text_of(choice.question),
        "count": choice.count,
        "round": round_note(choice.round, choice.notes),
        "deadline": deadline.isoformat() if deadline else "",
        "until": utc_minute(deadline) if deadline else "",
        "then": deadline_words(choice.then, choice.count),
        "late": item.status == "failed",
        "judge": choice.judge and choice.judge.model,
        "criteria": choice.judge.criteria if choice.judge else (),
        "judge_error": choice.judge_error,
        "none": choice.rounds_left,
        "note_room": choice.note_room,
        "candidates": candidates,
        "tall": any(medium.tall for one in candidates for medium in one["media"]),
        "earlier": [*_earlier(choice, embedder)],
    }


def _candidate(one: Candidate | EarlierCandidate) -> dict[str, Any]:
    return {**vars(one), "text": readable(text_of(one.text))}


def _earlier(choice: Choice, embedder: Embedder) -> Iterator[dict[str, Any]]:
    """The rounds before, the latest first: what they offered, and what the person said of it."""
    for number in reversed(range(choice.round)):
        of_round = [one for one in choice.earlier if one.round == number]
        if of_round:
            yield {
                "number": number + 1,
                "note": choice.notes[number] if number < len(choice.notes) else "",
                "candidates": [
                    {**_candidate(one), "media": embedder.of_hash(one.sha256)} for one in of_round
                ],
            }
