"""Patterns of inputs, matched in linear time.

Python's `re` backtracks: `(a+)+` on forty letters takes days. The engine of pydantic does not. A pattern must be
valid in both, since Prefect checks its forms with Python's.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from importlib import import_module
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_PATTERN = 1_000

MAX_PATTERN_PARTS = 1_000
"""Characters and classes of one pattern, each as often as it may be repeated by a count."""

MAX_PARTS_OF_ALL = 2_000
"""Of all patterns of a spec together."""

MAX_PATTERN_WORK = 1_000_000
"""Parts of a pattern times characters of a value. The engine may try each part at each character."""

_PARSER: Any = import_module("re._parser")  # of Python's `re`; its types know no such module
_OF_WORDS = 10  # what `\w` weighs: the engine makes hundreds of ranges of it


def pattern_error(pattern: str) -> str | None:
    """Why a pattern is not valid, or None."""
    if len(pattern) > MAX_PATTERN:
        return f"it has more than {MAX_PATTERN:,} characters"
    try:
        with warnings.catch_warnings():
            # Python warns of patterns that may change their meaning, such as `[[a]`.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
        if parts_of(pattern) > MAX_PATTERN_PARTS:
            return "it repeats too much"
        _matcher(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        return str(error)
    except SchemaError as error:
        if "size limit" in str(error):
            return "it repeats too much"
        # The engine shows the pattern first; the last line has the error.
        return str(error).strip().rpartition("\n")[2].removeprefix("error: ")
    return None


@lru_cache(maxsize=256)
def parts_of(pattern: str) -> int:
    """How many parts a pattern has that Python can read, see `MAX_PATTERN_PARTS`."""
    return _parts(_PARSER.parse(pattern))


def _parts(tree: Any) -> int:
    count = 0
    for name, inner in tree:
        kind = str(name)
        if kind.endswith("REPEAT"):  # also the lazy and the possessive one
            least, most, repeated = inner
            often = least if most == _PARSER.MAXREPEAT else most
            count += int(max(often, 1)) * max(_parts(repeated), 1)
        elif kind == "IN":
            count += _OF_WORDS if any(str(one).endswith("WORD") for _, one in inner) else 1
        elif kind == "BRANCH":
            count += sum(map(_parts, inner[1]))
        else:
            nested = inner if isinstance(inner, tuple) else (inner,)
            count += sum(_parts(one) for one in nested if isinstance(one, _PARSER.SubPattern)) or 1
    return count


def matches(pattern: str, text: str) -> bool:
    """Whether a valid pattern matches a whole text."""
    try:
        _matcher(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    whole = rf"\A(?:{pattern})\z"
    return SchemaValidator(core_schema.str_schema(pattern=whole, regex_engine="rust-regex"))
