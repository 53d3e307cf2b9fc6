"""Telephone numbers in a text, which every language reads digit by digit."""

from __future__ import annotations

import re

# Spaces and hyphens separate dates too. No year here is 18xx: 1800 and 1860 begin the
# toll-free numbers of India.
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_DATE = rf"(?:{_YEAR}-{_MONTH}-{_DAY}|{_DAY}-{_MONTH}-{_YEAR})(?!\d)"
_YEARS = rf"(?:{_YEAR}[ -]){{2,}}{_YEAR}(?!\d)"
TELEPHONE = re.compile(
    rf"(?<![\w.,])(?<!\d-)(?!{_DATE}|{_YEARS})\+?\d(?:[ -]?\d){{9,13}}(?![\d.,]*\d)"
)
