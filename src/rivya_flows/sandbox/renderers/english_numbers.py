"""English texts as the packaged voice reads them right: what India writes, and what it stumbles over."""

from __future__ import annotations

import re

_SCALE = r"(?:hundred|thousand|lakhs?|crores?|million|billion)"
_RULES = (
    # Telephone numbers, digit by digit.
    (re.compile(r"(?<![\w.,])\+?\d(?:[ -]?\d){9,13}(?![\d.,]*\d)"), lambda found: _digits(found[0])),
    (re.compile(r"(?<=\d)/-"), ""),
    (re.compile(r"\b(?:Rs\.?|INR)\s*(?=\d)"), "₹"),
    # Lakhs and crores have commas where the voice expects none.
    (re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}"), lambda found: found[0].replace(",", "")),
    (re.compile(rf"₹\s*([\d.,]*\d)\s*({_SCALE})\b"), r"\1 \2 rupees"),
    (re.compile(r"₹\s*([\d.,]*\d)"), lambda found: _rupees(found[1].replace(",", ""))),
    (re.compile(r"\bNo\.\s*(?=\d)"), "number "),
    (re.compile(r"\b24/7\b"), "24 7"),
    (re.compile(r"(?<=\d)\s*W\b"), " watts"),
)  # fmt: skip


def readable(text: str) -> str:
    """The text with numbers, money and units in a form that is read as an Indian reader says it."""
    for pattern, becomes in _RULES:
        text = pattern.sub(becomes, text)
    return text


def _digits(number: str) -> str:
    plus = "plus " if number.startswith("+") else ""
    return plus + " ".join(digit for digit in number if digit.isdigit())


def _rupees(amount: str) -> str:
    whole, _, decimals = amount.partition(".")
    coins = int(decimals.ljust(2, "0")[:2]) if decimals else 0
    spoken = f"{_by_lakh(int(whole))} {'rupee' if int(whole) == 1 else 'rupees'}"
    return f"{spoken} and {coins} paise" if coins else spoken


def _by_lakh(number: int) -> str:
    """Digits and the words between them, such as ``1 lakh 25,000``."""
    parts = []
    for scale, name in ((10**7, "crore"), (10**5, "lakh")):
        if count := number // scale:
            parts.append(f"{count} {name}")
            number %= scale
    if number or not parts:
        parts.append(f"{number:,}")
    return " ".join(parts)
