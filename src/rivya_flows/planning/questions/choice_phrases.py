"""Sentences about a choice as a receipt has it, see `ledger.choices`; any part may be missing or of
another type.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rivya_flows.catalogue.prices import price_of
from rivya_flows.planning.names import listed
from rivya_flows.planning.questions.open_questions import utc_minute

CHANNELS = {
    "terminal": "in the terminal",
    "command": "with --answer",
    "form": "in Prefect's form",
    "python": "from Python",
    "agent": "over MCP",
}
"""The ways in which people answer, as words."""


_ALONE = {"first": "as the first", "best": "by value"}
"""How a pick chooses by itself, as words, by its mode."""


def how_picked(choice: Mapping[str, Any]) -> str:
    """Who or what picked: "Priya in Prefect's form, 2026-11-27 12:04 UTC"; "" while nothing is picked."""
    if not choice.get("picked"):
        return ""
    by, mode = choice.get("by"), choice.get("mode")
    if isinstance(by, Mapping):
        channel = by.get("channel")
        if channel == "deadline":
            what = "what the judge proposed was"
            if choice.get("on_timeout") != "judge":
                picked = choice["picked"]
                many = len(picked) if isinstance(picked, list | tuple) else 1
                what = "the first was" if many == 1 else f"the first {many} were"
            return f"the deadline: nobody answered, so {what} taken"
        if channel == "fork":
            return f"{by.get('name')}, which this run forks"
        parts = [str(by.get("name") or "a person"), CHANNELS.get(str(channel), "")]
        at = moment_of(by.get("at"))
        return " ".join(filter(None, parts)) + (f", {utc_minute(at)}" if at else "")
    if mode == "judge":
        judge = choice.get("judge")
        model = judge.get("model") if isinstance(judge, Mapping) else None
        return f"the judge{f' {model}' if model else ''}"
    return {"first": "the first one", "best": "the best value"}.get(str(mode), "")


def manner(choice: Mapping[str, Any]) -> str:
    """``picked by Priya in Prefect's form``, ``picked as the first``; "" while nothing is picked."""
    who = how_picked(choice)
    if not who:
        return ""
    alone = None if isinstance(choice.get("by"), Mapping) else _ALONE.get(str(choice.get("mode")))
    return f"picked {alone or f'by {who}'}"


def decision(choice: Mapping[str, Any]) -> str:
    """``neon, picked by Priya in Prefect's form``, or that nothing is picked."""
    if not choice["picked"]:
        return "nothing is picked"
    return ", ".join(filter(None, (listed(choice["picked"]), manner(choice))))


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


def score_words(candidate: Mapping[str, Any], mode: object = "judge") -> str:
    """``8.5 of 10``; the value alone with `best`; "" without one."""
    score = candidate.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float):
        return ""
    return f"{score:g}" if mode == "best" else f"{score:g} of 10"


def are_numbered(keys: Sequence[str]) -> bool:
    """Whether candidates can be told by their numbers: no key is the number of another one.

    A key wins over a number in every answer.
    """
    numbers = {str(number): key for number, key in enumerate(keys, 1)}
    return all(numbers.get(key, key) == key for key in keys)


def blank_answer(keys: Sequence[str], count: int) -> str:
    """What stands for an answer in a command: ``NUMBER``, ``KEY,KEY``."""
    return ",".join(["NUMBER" if are_numbered(keys) else "KEY"] * count)


def answering_command(run_id: object, answers: Mapping[str, str]) -> str:
    """The command that answers questions, by their names."""
    options = [f"--answer {shlex.quote(name)}={answer}" for name, answer in answers.items()]
    return " ".join([f"rivya-flows resume {shlex.quote(str(run_id))}", *options])


def moment_of(value: Any) -> datetime | None:
    """An ISO 8601 text as a UTC time; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None
