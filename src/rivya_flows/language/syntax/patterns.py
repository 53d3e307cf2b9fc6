"""Regular expressions of inputs, matched in linear time.

Python's `re` backtracks: `(a+)+` on forty letters takes days. The engine of pydantic does not, but
has no look-around and no backreferences. A pattern must be valid in both, since Prefect checks its
forms with Python's.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_CHARACTERS = 1_000


def pattern_error(pattern: str) -> str | None:
    """Why a pattern is not valid, or None."""
    if len(pattern) > MAX_CHARACTERS:
        return f"it has more than {MAX_CHARACTERS:,} characters"
    try:
        with warnings.catch_warnings():
            # Python warns of patterns that may change their meaning, such as `[[a]`.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
        _matcher(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        return str(error)
    except SchemaError as error:
        if "size limit" in str(error):
            return "it repeats too much"
        # The engine shows the pattern first; the last line has the error.
        return str(error).strip().rpartition("\n")[2].removeprefix("error: ")
    return None


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
