"""Regular expressions of inputs, matched in a time that grows with the text and no faster.

Python's `re` tries one way after the other: `(a+)+` on forty letters takes days. pydantic brings
an engine that does not, at the price of look-around and references back. A pattern must suit both,
for the forms of Prefect are checked by Python's.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

MAX_CHARACTERS = 1_000


def complaint(pattern: str) -> str | None:
    """Why a pattern cannot be used; None where it can."""
    if len(pattern) > MAX_CHARACTERS:
        return f"it has more than {MAX_CHARACTERS:,} characters"
    try:
        with warnings.catch_warnings():
            # Python warns of what it may read another way one day, such as `[[a]`.
            warnings.simplefilter("error", FutureWarning)
            re.compile(pattern)
        _matcher(pattern)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        return str(error)
    except SchemaError as error:
        if "size limit" in str(error):
            return "it repeats too much"
        # The engine shows the pattern first; what is wrong stands in its last line.
        return str(error).strip().rpartition("\n")[2].removeprefix("error: ")
    return None


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern without complaint matches a whole text."""
    try:
        _matcher(pattern).validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    whole = rf"\A(?:{pattern})\z"
    return SchemaValidator(core_schema.str_schema(pattern=whole, regex_engine="rust-regex"))
