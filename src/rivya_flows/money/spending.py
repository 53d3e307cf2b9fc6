"""What the runs of a store spent, summed up by what the runs and their purchases are."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape
from itertools import takewhile

from rivya_client.printable import one_line, spreadsheet_text
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.store.charges import Charge

NONE = "-"  # the group of a run without the label, and of a purchase without a model
SANDBOX = "sandbox"  # names the local sandboxes, whose credits are pretend


PERIODS: Mapping[str, Callable[[datetime], str]] = {
    "day": lambda at: f"{at:%Y-%m-%d}",
    "week": lambda at: f"{at:%G-W%V}",
    "month": lambda at: f"{at:%Y-%m}",
}
"""Names of the periods of the calendar, UTC, weeks as ISO 8601 counts them."""

_FACTS: Mapping[str, Callable[[Charge], str]] = {
    "model": lambda charge: charge.model or NONE,
    "step": lambda charge: charge.step,
    "spec": lambda charge: charge.run_name,
    "run": lambda charge: charge.run_id,
    "service": lambda charge: charge.service,
}

BY = (*_FACTS, *PERIODS)  # what charges are grouped by; any other name is that of a label


@dataclass
class Sum:
    """A sum of charges.

    Attributes:
        held: Credits of the purchases of `open`.
        purchases: Refused and failed ones with them, which cost nothing.
        open: Purchases that are not settled: under way, uncertain or not collected.
    """

    credits: int = 0
    held: int = 0
    purchases: int = 0
    open: int = 0

    def add(self, charge: Charge) -> None:
        self.credits += charge.credits
        self.purchases += 1
        if not charge.settled:
            self.held += charge.credits
            self.open += 1


@dataclass(frozen=True)
class SpendReport:
    """What was spent at one service: by time where that comes first, else the most credits first."""

    service: str
    by: Sequence[str]
    rows: Mapping[tuple[str, ...], Sum]
    total: Sum
    elsewhere: Mapping[str, Sum]

    def as_csv(self) -> str:
        """A line for each row, below a head; texts are no formulas and break no line."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.by, *Sum.__dataclass_fields__])
        for group, found in self.rows.items():
            cells = ("" if one == NONE else spreadsheet_text(one_line(one)) for one in group)
            writer.writerow([*cells, *vars(found).values()])
        return text.getvalue()


def spending(
    charges: Iterable[Charge], by: Sequence[str], *, service: str, labels: Mapping[str, str]
) -> SpendReport:
    facts = [_fact(name) for name in by]
    rows: dict[tuple[str, ...], Sum] = defaultdict(Sum)
    elsewhere: dict[str, Sum] = defaultdict(Sum)
    total = Sum()
    for charge in charges:
        if not labels.items() <= charge.labels.items():
            continue
        seller = SANDBOX if is_sandbox(charge.service) else charge.service
        if service not in (seller, charge.service):
            elsewhere[seller].add(charge)
            continue
        rows[tuple(fact(charge) for fact in facts)].add(charge)
        total.add(charge)
    in_order = sorted(rows.items())
    if by[0] not in PERIODS:
        in_order.sort(key=lambda row: -row[1].credits)
    return SpendReport(service, by, dict(in_order), total, dict(sorted(elsewhere.items())))


def _fact(name: str) -> Callable[[Charge], str]:
    if period := PERIODS.get(name):
        return lambda charge: period(datetime.fromtimestamp(charge.at, UTC))
    return _FACTS.get(name) or (lambda charge: charge.labels.get(name, NONE))


# Of Okabe and Ito: told apart by people who see colours differently, too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 960, 420, 70, 56, 240, 40
_MOST_DAYS, _MOST_WEEKS = 62, 53
_DATES, _LINES, _LETTERS, _WIDEST = 9, 5, 28, 64.0


def chart(days: Mapping[tuple[str, ...], int], title: str) -> str:
    """An SVG picture of credits by ISO date and name: a bar for each day, week or month, the longer the time."""
    totals: Counter[str] = Counter()
    for (_, name), credits in days.items():
        totals[name] += credits
    names = [name for name, _ in totals.most_common()]
    if len(names) > len(_COLOURS):
        names[len(_COLOURS) - 1 :] = [f"{len(names) - len(_COLOURS) + 1} others"]
    dates = sorted(date.fromisoformat(day) for day, _ in days)
    length = (dates[-1] - dates[0]).days
    period = "day" if length < _MOST_DAYS else "week" if length < 7 * _MOST_WEEKS else "month"
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
