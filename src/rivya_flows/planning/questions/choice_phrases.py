"""Sentences about a choice as a receipt has it, see `ledger.choices`; any part may be missing or foreign."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rivya_flows.planning.questions.open_questions import utc_minute

CHANNELS = {
    "terminal": "in the terminal",
    "command": "with `--answer`",
    "form": "in Prefect's form",
    "python": "from Python",
}
"""The ways in which people answer, as words."""

AT_DEADLINE = {
    "first": "the first one is taken",
    "judge": "what the judge proposes is taken",
    "regenerate": "the candidates are bought again",
    "fail": "the pick fails",
}
"""What a deadline does, by `on_timeout`; of a judge that proposes nothing by `on_none`."""


def how_picked(choice: Mapping[str, Any]) -> str:
    """Who or what picked: "Priya in Prefect's form, 2026-11-27 12:04 UTC"; "" while nothing is picked."""
    if not choice.get("picked"):
        return ""
    by, mode = choice.get("by"), choice.get("mode")
    if isinstance(by, Mapping):
        channel = by.get("channel")
        if channel == "deadline":
            judged = choice.get("on_timeout") == "judge"
            what = "what the judge proposed" if judged else "the first"
            return f"the deadline: nobody answered, so {what} was taken"
        parts = [str(by.get("name") or "a person"), CHANNELS.get(str(channel), "")]
        at = moment_of(by.get("at"))
        return " ".join(filter(None, parts)) + (f", {utc_minute(at)}" if at else "")
    if mode == "judge":
        judge = choice.get("judge")
        model = judge.get("model") if isinstance(judge, Mapping) else None
        return f"the judge{f' {model}' if model else ''}"
    return {"first": "the first one", "best": "the best value"}.get(str(mode), "")


def at_deadline(choice: Mapping[str, Any]) -> str:
    """What happens at the deadline, as half a sentence."""
    then, offered = str(choice.get("on_timeout")), choice.get("candidates")
    listed = offered if isinstance(offered, list | tuple) else ()
    if then == "judge" and not any(
        isinstance(one, Mapping) and one.get("proposed") for one in listed
    ):
        again = choice.get("rounds_left") and not choice.get("judge_error")
        then = str(choice.get("on_none")) if again else "fail"
    count = choice.get("count")
    if then == "first" and isinstance(count, int) and count > 1:
        return f"the first {count} are taken"
    return AT_DEADLINE.get(then, AT_DEADLINE["fail"])


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


def moment_of(value: Any) -> datetime | None:
    """An ISO 8601 text as a UTC time; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found and found.tzinfo else None
    except (ValueError, OverflowError):
        return None
