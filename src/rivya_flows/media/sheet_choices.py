"""The questions of a waiting run on its contact sheet, and the command that answers them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rivya_flows.ledger.model import Choice, EarlierCandidate, Receipt
from rivya_flows.ledger.summary import manner, score_words
from rivya_flows.media.embedding import Embedder, SheetMedium
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
from rivya_flows.printable import one_line
from rivya_flows.program import callable_here

FILTERS: dict[str, Callable[..., Any]] = {
    "deadline": lambda choice: deadline_words(choice.then, choice.count),
    "manner": manner,
    "one_line": one_line,
    "readable": lambda text: readable(text_of(text)),
    "round_note": lambda choice: round_note(choice.round, choice.notes),
    "score": score_words,
    "text": text_of,
    "utc": utc_minute,
}
"""What the page shows of a choice and its candidates."""


@dataclass(frozen=True)
class Asked:
    """An open question.

    Attributes:
        late: Its deadline has failed it; an answer still counts.
        media: Of each candidate, in a list of one or none.
        earlier: The rounds before, the latest first: number, note, and what was offered.
    """

    anchor: str
    name: str
    late: bool
    choice: Choice
    media: list[list[SheetMedium]]
    earlier: list[tuple[int, str, list[tuple[EarlierCandidate, list[SheetMedium]]]]]

    @property
    def numbered(self) -> bool:
        """Whether its candidates can be told by their numbers."""
        return are_numbered(self.choice.keys)

    @property
    def tall(self) -> bool:
        """Whether some of its media are taller than wide."""
        return any(medium.tall for media in self.media for medium in media)

    @property
    def blank(self) -> str:
        """What stands for an answer in a command."""
        keys = self.choice.keys
        return blank_answer(keys, min(self.choice.count, len(keys) or 1))


def waiting_hashes(receipt: Receipt) -> list[str]:
    """The media that a waiting run asks about, by hash: the page shows them first."""
    waiting = [choice for _, choice in receipt.choices() if choice.waiting]
    return [one.sha256 for choice in waiting for one in choice.candidates if one.sha256]


def questions_of(receipt: Receipt, embedder: Embedder) -> list[Asked]:
    """The open questions of a run; empty unless a person may answer."""
    found: list[Asked] = []
    for step, item in receipt.each():
        if (choice := item.choice) and choice.waiting:
            # A terminal would act on what a pasted name has; such a name then fits no question.
            name = one_line(label(step.id, item.key))
            media = [embedder.of_hash(one.sha256) for one in choice.candidates]
            earlier = [*_earlier(choice, embedder)]
            anchor, late = f"question-{len(found) + 1}", item.status == "failed"
            found.append(Asked(anchor, name, late, choice, media, earlier))
    return found


def command_of(receipt: Receipt, questions: list[Asked]) -> dict[str, str]:
    """The command that answers: its beginning, and the whole with ``STEP=NUMBER`` for each question."""
    answers = {one.name: one.blank for one in questions}
    return {
        "begin": callable_here(answering_command(receipt.run_id, {})),
        "whole": callable_here(answering_command(receipt.run_id, answers)),
    }


def _earlier(
    choice: Choice, embedder: Embedder
) -> Iterator[tuple[int, str, list[tuple[EarlierCandidate, list[SheetMedium]]]]]:
    for number in reversed(range(choice.round)):
        offered = [one for one in choice.earlier if one.round == number]
        if offered:
            note = choice.notes[number] if number < len(choice.notes) else ""
            yield number + 1, note, [(one, embedder.of_hash(one.sha256)) for one in offered]
