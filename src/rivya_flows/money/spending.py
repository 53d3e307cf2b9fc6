"""What the runs of a store spent, summed up by what the runs and their purchases are."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

import jinja2

from rivya_client.printable import one_line, spreadsheet_text
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.store.charges import Charge

NONE = "-"  # the group of a run without the label, and of a purchase without a model
SANDBOX = "sandbox"  # names the local sandboxes

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
    """A sum of charges; `open` purchases are not settled yet, and hold `held` credits; `lost` went for refused media."""

    credits: int = 0
    lost: int = 0
    held: int = 0
    purchases: int = 0
    open: int = 0

    def add(self, charge: Charge) -> None:
        self.credits += charge.credits
        self.purchases += 1
        self.lost += charge.credits if charge.lost else 0
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


# Of Okabe and Ito: people who see colours differently can distinguish them, too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
_MOST_DAYS, _MOST_WEEKS = 62, 53  # of a chart with a bar for each
_DATES, _LINES = 9, 5  # at most so many below the bars and behind them


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
    slots = [*takewhile(lambda day: day <= dates[-1], _starts(_start(dates[0], period), period))]
    most = max(stack.total() for stack in bars.values())
    step = _step(most)
    top = max(step, -(-most // step) * step)
    every = -(-len(slots) // _DATES)
    legend = [*zip(_COLOURS, map(one_line, names), strict=False)]
    template = jinja2.Environment(
        loader=jinja2.PackageLoader("rivya_flows", "money"), autoescape=True, trim_blocks=True
    ).get_template("spend_chart.svg")
    return template.render(
        title=one_line(f"{title}, {dates[0]} to {dates[-1]} by {period}, UTC"),
        top=top,
        lines=range(0, top + 1, step),
        legend=legend,
        bars=[
            (
                f"{slot:{'%Y-%m' if period == 'month' else '%m-%d'}}" * (number % every == 0),
                [
                    (colour, f"{slot} {label}", credits)
                    for (colour, label), name in zip(legend, names, strict=True)
                    if (credits := bars[slot][name])
                ],
            )
            for number, slot in enumerate(slots)
        ],
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


def _step(most: int) -> int:
    """Between two lines of the chart: 1, 2 or 5 with zeros."""
    units: Iterator[int] = (unit * 10**zeros for zeros in range(20) for unit in (1, 2, 5))
    return next(unit for unit in units if unit * _LINES >= most)
