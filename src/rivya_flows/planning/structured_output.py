"""Chat answers of an asked shape: the instruction, the reading, and the second question."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from rivya_flows.planning.names import canonical, whole

TURNS = 3
"""How often a question is asked in all before a wrong answer fails the step."""

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


MAX_DEPTH = 64
"""Of maps and lists inside each other in an answer: as in a spec."""

_MAX_DIGITS = 300
"""Of a whole number; about as many as the largest broken one has."""


class AnswerError(Exception):
    """An answer does not have the asked shape; the message says where."""


def instruction(shape: Mapping[str, Any]) -> str:
    """What is added to a message so that the answer has a shape."""
    written = json.dumps(shape, ensure_ascii=False, separators=(",", ":"))
    return f"\n\nAnswer with one JSON object and nothing else, of this shape: {written}"


def repeat(problem: str) -> str:
    """The message that asks again, in the same session."""
    return f"That answer could not be used: {problem}."


def read(content: str, shape: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object in an answer, checked against the asked shape.

    Text around the object (a code fence, a greeting) is ignored; further names are kept.

    Raises:
        AnswerError: There is no object, a name is missing, or a value has another type.
    """
    start = content.find("{")
    if start < 0:
        raise AnswerError("it holds no JSON object")
    try:
        value, _ = _DECODER.raw_decode(content[start:])
    except (json.JSONDecodeError, RecursionError) as error:
        raise AnswerError("its JSON is broken") from error
    if _is_deeper(value, MAX_DEPTH):
        raise AnswerError(f"it is nested deeper than {MAX_DEPTH}")
    _fit(value, shape, "")
    answer: dict[str, Any] = json.loads(whole(canonical(value)))
    return answer


def _whole(digits: str) -> int:
    # A model that repeats itself writes thousands of digits, which Python refuses to read.
    if len(digits) > _MAX_DIGITS:
        raise AnswerError(f"a number has more than {_MAX_DIGITS} digits")
    return int(digits)


def _broken(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise AnswerError("a number is too large")
    return number


def _no_number(word: str) -> Any:
    raise AnswerError(f"{word} is no number of JSON")


_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_broken, parse_constant=_no_number)
"""Takes what every reader of JSON takes: the answer goes into requests and into the receipt."""


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _fit(value: Any, shape: Any, place: str) -> None:
    where = place or "the answer"
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise AnswerError(f"{where} must be an object")
        for name, inner in shape.items():
            if name not in value:
                raise AnswerError(f"{place + '.' if place else ''}{name} is missing")
            _fit(value[name], inner, f"{place}.{name}" if place else name)
    elif isinstance(shape, list | tuple):
        if not isinstance(value, list):
            raise AnswerError(f"{where} must be a list")
        for index, member in enumerate(value):
            _fit(member, shape[0], f"{place}[{index}]")
    else:
        kinds = _KINDS[shape]
        if not isinstance(value, kinds) or (isinstance(value, bool) and shape != "boolean"):
            raise AnswerError(f"{where} must be of type {shape}")
