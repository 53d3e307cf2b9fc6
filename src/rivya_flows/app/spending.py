"""What the runs of a store spent, summed up by what the runs and their purchases are."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rivya_flows.ledger.provenance import is_sandbox
from rivya_flows.printable import one_line, spreadsheet_text
from rivya_flows.store.charges import Charge

NONE = "-"
"""The group of a run without the label, and of a purchase without a model."""

SANDBOX = "sandbox"
"""Names the local sandboxes, whose credits are pretend."""


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

BY = (*_FACTS, *PERIODS)
"""What charges are grouped by; any other name is that of a label."""


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
        """Counts one charge."""
        self.credits += charge.credits
        self.purchases += 1
        if not charge.settled:
            self.held += charge.credits
            self.open += 1


@dataclass(frozen=True)
class SpendReport:
    """What was spent at one service.

    Attributes:
        rows: Sums by group: by time where that comes first, else the most credits first.
        elsewhere: Sums of the other services, whose credits are not added to these.
    """

    service: str
    by: Sequence[str]
    rows: Mapping[tuple[str, ...], Sum]
    total: Sum
    elsewhere: Mapping[str, Sum]

    def as_json(self) -> dict[str, Any]:
        """The document of ``spend --json``."""
        return {
            "service": self.service,
            "by": list(self.by),
            "rows": [
                {"of": dict(zip(self.by, group, strict=True)), **vars(found)}
                for group, found in self.rows.items()
            ],
            "total": vars(self.total),
            "elsewhere": {service: vars(found) for service, found in self.elsewhere.items()},
        }

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
    charges: Iterable[Charge],
    by: Sequence[str],
    *,
    service: str,
    labels: Mapping[str, str],
) -> SpendReport:
    """Sums up charges."""
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
