"""Sentences about questions and answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from rivya_flows.catalogue.prices import price_of

CHANNELS = {
    "terminal": "in the terminal",
    "command": "with --answer",
    "form": "in Prefect's form",
    "python": "from Python",
    "agent": "over MCP",
}
"""The ways in which people answer, as words."""


def deadline_words(then: object, count: int) -> str:
    """What a deadline does, an `AtDeadline`, as half a sentence."""
    if then == "first":
        return "the first one is taken" if count == 1 else f"the first {count} are taken"
    if then == "judge":
        return "what the judge proposes is taken"
    return "the candidates are bought again" if then == "regenerate" else "the pick fails"


def what_follows(most: int | None) -> str:
    """``the run continues and buys what follows, for at most 10 credits``; None is a price without bound."""
    if most == 0:
        return "the run continues and buys nothing more"
    price = "" if most is None else f", for at most {price_of(most, most)}"
    return f"the run continues and buys what follows{price}"


def readable(written: str) -> str:
    """A candidate that is a text, for people: fields of an answer one to a line, other text as it is."""
    try:
        found = json.loads(written)
    except (ValueError, RecursionError):
        return written
    if not (isinstance(found, dict) and all(map(_is_plain, found.values()))):
        return written
    return "\n".join(f"{name}: {value}" for name, value in found.items()) or written


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def round_note(number: int, notes: Sequence[str]) -> str:
    """``round 2, with the note: warmer light``; "" in the first round."""
    if number < 1:
        return ""
    noted = [one for one in notes if one]
    words = {0: "", 1: ", with the note: "}.get(len(noted), ", with the notes: ")
    return f"round {number + 1}{words}{'; '.join(noted)}"


def are_numbered(keys: Sequence[str]) -> bool:
    """Whether candidates can be told by their numbers: no key is the number of another one.

    A key wins over a number in every answer.
    """
    numbers = {str(number): key for number, key in enumerate(keys, 1)}
    return all(numbers.get(key, key) == key for key in keys)


def blank_answer(keys: Sequence[str], count: int) -> str:
    """What stands for an answer in a command: ``NUMBER``, ``KEY,KEY``."""
    return ",".join(["NUMBER" if are_numbered(keys) else "KEY"] * count)


def answering_command(run_id: str, answers: Mapping[str, str]) -> str:
    """The command that answers questions, by their names."""
    options = [f"--answer {shlex.quote(name)}={answer}" for name, answer in answers.items()]
    return " ".join([f"rivya-flows resume {shlex.quote(run_id)}", *options])
