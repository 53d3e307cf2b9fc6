"""What was spent over time, as a bar chart in SVG."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from html import escape
from itertools import takewhile

from rivya_flows.printable import one_line

# Of Okabe and Ito: told apart by people who see colours differently, too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 960, 420, 70, 56, 240, 40
_MOST_DAYS, _MOST_WEEKS = 62, 53
_DATES, _LINES, _LETTERS, _WIDEST = 9, 5, 28, 64.0


def chart(days: Mapping[tuple[str, ...], int], title: str) -> str:
    """An SVG picture: a bar for each day, week or month, without gaps, the longer the time.

    Args:
        days: Credits by ISO date and name, not empty; names that spent little become one.
    """
    totals: Counter[str] = Counter()
    for (_, name), credits in days.items():
        totals[name] += credits
    names = [name for name, _ in totals.most_common()]
    if len(names) > len(_COLOURS):
        names[len(_COLOURS) - 1 :] = [f"{len(names) - len(_COLOURS) + 1} others"]
    dates = sorted(date.fromisoformat(day) for day, _ in days)
    period = _period((dates[-1] - dates[0]).days)
    bars: dict[date, Counter[str]] = defaultdict(Counter)
    for (day, name), credits in days.items():
        start = _start(date.fromisoformat(day), period)
        bars[start][name if name in names else names[-1]] += credits
    slots = list(takewhile(lambda day: day <= dates[-1], _starts(_start(dates[0], period), period)))
    top, step = _scale(max(sum(stack.values()) for stack in bars.values()))
    floor, room = _HEIGHT - _BOTTOM, _HEIGHT - _TOP - _BOTTOM
    wide = (_WIDTH - _LEFT - _RIGHT) / len(slots)
    bar = min(wide * 0.8, _WIDEST)
    drawn = [_text(_LEFT, 28, f"{title}, {dates[0]} to {dates[-1]} by {period}, UTC", size=16)]
    for value in range(0, top + 1, step):
        y = floor - room * value / top
        drawn.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
        drawn.append(_text(_LEFT - 8, y + 4, f"{value:,}", anchor="end"))
    every = -(-len(slots) // _DATES)
    for number, slot in enumerate(slots):
        x, y = _LEFT + wide * number, float(floor)
        if number % every == 0:
            shown = f"{slot:%Y-%m}" if period == "month" else f"{slot:%m-%d}"
            drawn.append(_text(x + wide / 2, floor + 18, shown, anchor="middle"))
        for colour, name in zip(_COLOURS, names, strict=False):
            if credits := bars[slot][name]:
                high = room * credits / top
                y -= high
                drawn.append(
                    f'<rect x="{x + (wide - bar) / 2:.1f}" y="{y:.1f}" width="{bar:.1f}" height="{high:.1f}"'
                    f' fill="{colour}"><title>{slot} {_safe(name)}: {credits:,}</title></rect>'
                )
    for number, (colour, name) in enumerate(zip(_COLOURS, names, strict=False)):
        x, y = _WIDTH - _RIGHT + 20, _TOP + 22 * number
        drawn.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
        drawn.append(_text(x + 20, y + 11, shown))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
        f' height="{_HEIGHT}" font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def _period(days: int) -> str:
    if days < _MOST_DAYS:
        return "day"
    return "week" if days < 7 * _MOST_WEEKS else "month"


def _start(day: date, period: str) -> date:
    if period == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if period == "week" else day


def _starts(day: date, period: str) -> Iterator[date]:
    while True:
        yield day
        after = day + timedelta(days={"day": 1, "week": 7, "month": 31}[period])
        day = _start(after, period)


def _scale(most: int) -> tuple[int, int]:
    """The number at the top of the chart and the step between two lines: 1, 2 or 5 with zeros."""
    step = next(
        unit * 10**zeros
        for zeros in range(20)
        for unit in (1, 2, 5)
        if unit * 10**zeros * _LINES >= most
    )
    return max(step, -(-most // step) * step), step


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#333">'
        f"{_safe(words)}</text>"
    )


def _safe(words: str) -> str:
    return escape(one_line(words))
