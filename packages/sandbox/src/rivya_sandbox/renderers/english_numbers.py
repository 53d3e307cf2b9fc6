"""Rewrites English texts for the packaged voice: Indian numbers, and what it misreads."""

from __future__ import annotations

import re

from rivya_sandbox.renderers.telephone import TELEPHONE

_SCALE = r"(?:hundred|thousand|lakhs?|crores?|million|billion)"
_LONGEST = 15  # digits of an amount that is counted
_AMOUNT = r"(?:\d+(?:,\d+)*(?:\.\d+)?|\.\d+)"
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]  # fmt: skip
_SHORT_MONTHS = {month[:3]: month for month in _MONTHS} | {"Sept": "September"}
_UNITS = {"mo": "month", "yr": "year", "hr": "hour", "pc": "piece"}
_PER = "month|mo|year|yr|day|week|night|person|kg|piece|pc|litre|hour|hr|unit|seat|plate"
_RULES = (
    # Web addresses; the scheme is usually not read aloud.
    (re.compile(r"\b(?:https?://)?www\.", re.IGNORECASE), ""),
    (re.compile(r"(?<![a-z0-9.-])(?:[a-z0-9-]+\.)+(?:com|in|org|net|io|ai|app|shop|store)\b(?!\.\w)", re.IGNORECASE),
     lambda found: found[0].replace(".", " dot ")),
    (TELEPHONE, lambda found: _digits(found[0])),
    (re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\d.])"), lambda found: _date(found)),
    (re.compile(rf"\b({'|'.join(_SHORT_MONTHS)})\.\s*(?=\d)"),
     lambda found: f"{_SHORT_MONTHS[found[1]]} "),
    (re.compile(r"\bVol\.\s*(?=\d)"), "volume "),
    (re.compile(r"\bp\.\s?a\.(?!\w)"), "per annum"),
    (re.compile(r"(?<=\d)/-"), ""),
    (re.compile(r"\b(?:Rs\.?|INR)\s*(?=\d)"), "₹"),
    (re.compile(rf"(?<=\d)\s?/\s?({_PER})\b"),
     lambda found: f" per {_UNITS.get(found[1], found[1])}"),
    (re.compile(r"(?<=\d)\s*([ap])\.?m\b(?!\.\w)(?:\.(?=,|\s+(?-i:[a-z0-9])))?", re.IGNORECASE),
     lambda found: f" {found[1].upper()}M"),
    # From one to another: the voice would leave a pause where the dash is.
    # A dash with spaces separates a price from its description ("₹2,999 - 3 months free").
    (re.compile(rf"₹\s*({_AMOUNT})(?:\s*[-–—]\s*₹\s*(?=\d)|[-–—](?=\d)(?![\d.,]*\s*(?:%|per ?cent)))"),
     r"\1 to ₹"),
    (re.compile(r"(?<=\d)( [AP]M\.?)?\s*[-–—]\s*(?=\d{1,2}(?::\d\d)? [AP]M\b)"),
     r"\1 to "),
    (re.compile(rf"(₹\s*{_AMOUNT})\s*L\b"), r"\1 lakh"),
    (re.compile(r"(?<=\d)\s*Crs?\b\.?"), " crore"),
    (re.compile(rf"₹\s*({_AMOUNT})\s*({_SCALE})\b"), r"\1 \2 rupees"),
    (re.compile(rf"₹\s*({_AMOUNT})"), lambda found: _rupees(found[1].replace(",", ""))),
    # Lakhs and crores have commas where the voice expects none.
    (re.compile(r"\d{1,2}(?:,\d{2}){1,5},\d{3}(?![\d,.]*\d)"),
     lambda found: _by_lakh(int(found[0].replace(",", "")))),
    (re.compile(r"\bNo\.\s*(?=\d)"), "number "),
    (re.compile(r"\b24\s*[x/]\s*7\b"), "24 7"),
    (re.compile(r"(?<=\d)\s*x\s*(?=\d)"), " by "),
    (re.compile(r"(?<=\d)x\b"), " times"),
    (re.compile(r"(\d)'\s*(\d{1,2})(?:\"|''|″)"), r"\1 foot \2"),
    (re.compile(r"(?<=\d)\s*W\b"), " watts"),
    (re.compile(r"(?<=\d)\s*MP\b"), " megapixel"),
    (re.compile(r"(?<![\d.])(\d[\d.]*)\s?L\b"),
     lambda found: f"{found[1]} litre{'s' * (found[1] != '1')}"),
    (re.compile(r"(?<=\d)\s?[\"″](?!\w)"), lambda found: _inches(found)),
)  # fmt: skip


def readable(text: str) -> str:
    """The text with numbers, money and units spelled as an Indian reader says them."""
    for pattern, becomes in _RULES:
        text = pattern.sub(becomes, text)
    return text


def _digits(number: str) -> str:
    plus = "plus " if number.startswith("+") else ""
    return plus + " ".join(digit for digit in number if digit.isdigit())


def _date(found: re.Match[str]) -> str:
    """A date with full stops, which has its day first everywhere."""
    day, month = int(found[1]), int(found[2])
    if not (1 <= day <= 31 and 1 <= month <= 12):
        return found[0]
    return f"{day} {_MONTHS[month - 1]} {found[3]}"


def _inches(found: re.Match[str]) -> str:
    # A quotation mark closes an open quotation.
    before = found.string[: found.start()]
    opened = len(re.findall(r'(?<!\S)"(?=\w)', before)) - len(re.findall(r'(?<=[^\d\s])"', before))
    return found[0] if opened > 0 and found[0].strip() == '"' else " inch"


def _rupees(amount: str) -> str:
    before, _, decimals = amount.partition(".")
    if len(before) > _LONGEST:
        return f"{amount} rupees"
    whole = int(before or 0)
    if len(decimals) > 2:  # parts of a paisa
        return f"{whole:,}.{decimals} rupees"
    coins = int(decimals.ljust(2, "0")) if decimals else 0
    if coins and not whole:
        return f"{coins} paise"
    spoken = f"{_by_lakh(whole)} {'rupee' if whole == 1 else 'rupees'}"
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
