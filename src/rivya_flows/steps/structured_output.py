"""Structured chat answers: the instruction, the parser, and the request to try again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from pydantic import JsonValue

from rivya_flows.language.answers import AnswerFieldError, is_short, read_expect
from rivya_flows.language.canonical import canonical, whole

MAX_TURNS = 3
"""Times that a question is asked before a wrong answer fails the step."""

MAX_DEPTH = 64
"""Nesting of maps and lists in an answer; the same as in a spec."""

_MAX_DIGITS = 300
"""Digits of a whole number; about as many as the largest float has."""


class AnswerError(Exception):
    """An answer is not as expected; the message says where."""


def instruction(expect: JsonValue) -> str:
    """The text added to a message that asks for a structured answer."""
    what, text = "of this shape", expect
    if not is_short(expect):
        what, text = "that fits this JSON Schema", read_expect(expect)[0].json_schema()
    written = json.dumps(text, ensure_ascii=False, separators=(",", ":"))
    return f"\n\nAnswer with one JSON object and nothing else, {what}: {written}"


def repeat(read_again: Callable[[], object]) -> str:
    """The message that asks again in the same session, about what reading the answer raises."""
    problem = "it was not accepted"
    try:
        read_again()
    except AnswerError as error:
        problem = str(error)
    return f"That answer could not be used: {problem}."


def read(content: str, expect: JsonValue) -> dict[str, JsonValue]:
    """The JSON object in an answer, which is as expected; text around it is ignored, other fields are kept."""
    start = content.find("{")
    if start < 0:
        raise AnswerError("it holds no JSON object")
    try:
        value, _ = _DECODER.raw_decode(content[start:])
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnswerError("its JSON is broken") from error
    if _is_deeper(value, MAX_DEPTH):
        raise AnswerError(f"it is nested deeper than {MAX_DEPTH}")
    try:
        fitted = read_expect(expect)[0].fit(value)
    except AnswerFieldError as error:
        raise AnswerError(str(error)) from error
    answer: dict[str, JsonValue] = json.loads(whole(canonical(fitted)))
    return answer


def _integer(digits: str) -> int:
    # A model that repeats itself writes thousands of digits, which Python refuses to read.
    if len(digits) > _MAX_DIGITS:
        raise AnswerError(f"a number has more than {_MAX_DIGITS} digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise AnswerError("a number is too large")
    return number


def _reject(word: str) -> Any:
    raise AnswerError(f"{word} is not a JSON number")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_reject)
"""Accepts only what every JSON parser accepts: answers go into requests and receipts."""


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)
