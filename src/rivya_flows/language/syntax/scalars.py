"""What a plain scalar means: the core schema of YAML 1.2.

So `9:16`, `no`, `on` and `12:30` are text, and `012` is twelve.
Source: yaml.org/spec/1.2.2, section 10.3.2.
"""

from __future__ import annotations

import math
import re

_NULL = re.compile(r"(?:null|Null|NULL|~|)$")
_BOOLEAN = re.compile(r"(?:(true|True|TRUE)|false|False|FALSE)$")
_INTEGER = re.compile(r"[-+]?[0-9]+$")
_BASED = re.compile(r"0(?:o([0-7]+)|x([0-9a-fA-F]+))$")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$")


def read_scalar(text: str) -> str | int | float | bool | None:
    """What a plain scalar means.

    Raises:
        ValueError: A number that is too large or not finite; the message says which.
    """
    if _NULL.match(text):
        return None
    if boolean := _BOOLEAN.match(text):
        return boolean.group(1) is not None
    if _INTEGER.match(text) or _BASED.match(text):
        based = _BASED.match(text)
        digits = based.group(1) or based.group(2) if based else text
        base = (8 if based.group(1) else 16) if based else 10
        if len(digits) > 20 or not -(1 << 63) <= (number := int(digits, base)) < 1 << 63:
            raise ValueError("a whole number of more than 64 bits")
        return number
    if _FLOAT.match(text) or _NOT_FINITE.match(text):
        value = math.inf if _NOT_FINITE.match(text) else float(text)
        if not math.isfinite(value):
            raise ValueError("not a finite number")
        return value
    return text
