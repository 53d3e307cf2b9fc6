"""What is worth its credits: what was offered, picked, refused, lost and paid, by what made it."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import cast

from rivya_client.printable import one_line, spreadsheet_text
from rivya_flows.money.spending import NONE, SANDBOX
from rivya_flows.receipt.phrases import is_sandbox
from rivya_flows.store.journal import Journal
from rivya_flows.store.outcomes import Counted, Fact, outdated_runs, sum_outcomes

LEAST = 5
"""A share of fewer says nothing, and is left out."""

CONFIDENCE = 0.9
_Z = 1.6448536269514722  # the normal quantile of it, both sides


@dataclass(frozen=True)
class Share:
    """So many of `n`, and where the share of all that are like them probably is: an interval of 90 %, by Wilson."""

    count: int
    n: int
    share: float
    low: float
    high: float


def share_of(count: int, n: int) -> Share | None:
    """None of too few."""
    if n < LEAST:
        return None
    share, spread = count / n, _Z * _Z / n
    middle = share + spread / 2
    half = math.sqrt(spread * (share * (1 - share) + spread / 4))
    low, high = (max(0.0, min(1.0, (middle + side * half) / (1 + spread))) for side in (-1, 1))
    return Share(count, n, round(share, 4), round(low, 4), round(high, 4))


@dataclass(frozen=True)
class Insight:
    """What became of what the runs bought, of one model, brand, label or opening of prompts.

    Attributes:
        accepted: Media and texts that were picked or approved, or used where nothing was decided.
        each: Credits for one accepted; None of too few.
        picked, refused: Of those offered. `failed`, `lost`: of the jobs that ended. `agreed`: of what a
            person decided after a judge.
    """

    credits: int
    credits_lost: int
    purchases: int
    accepted: int
    each: float | None
    offered: int
    picked: Share | None
    refused: Share | None
    ended: int
    failed: Share | None
    lost: Share | None
    judged: int
    agreed: Share | None


def _insight(of: Mapping[str, int]) -> Insight:
    accepted, offered, ended, judged = (
        of[name] for name in ("accepted", "offered", "ended", "judged")
    )
    return Insight(
        credits=of["credits"],
        credits_lost=of["credits_lost"],
        purchases=of["purchases"],
        accepted=accepted,
        each=round(of["credits"] / accepted, 2) if accepted >= LEAST else None,
        offered=offered,
        picked=share_of(of["picked"], offered),
        refused=share_of(of["refused"], offered),
        ended=ended,
        failed=share_of(of["failed"], ended),
        lost=share_of(of["lost"], ended),
        judged=judged,
        agreed=share_of(of["agreed"], judged),
    )


@dataclass(frozen=True)
class Insights:
    """By what, most credits first; `elsewhere`: credits at other services."""

    service: str
    by: str
    rows: Mapping[str, Insight]
    total: Insight
    elsewhere: Mapping[str, int]

    def as_csv(self) -> str:
        """A line for each row, below a head; a share has its count, ends and n in columns of its own."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        shares = ("picked", "refused", "failed", "lost", "agreed")
        numbers = [name for name in Insight.__dataclass_fields__ if name not in shares]
        parts = [f"{name}_{part}" for name in shares for part in ("share", "low", "high")]
        writer.writerow([self.by.removeprefix("label:"), *numbers, *parts])
        for group, found in self.rows.items():
            values = [getattr(found, name) for name in numbers]
            for share in (getattr(found, name) for name in shares):
                values += [None] * 3 if share is None else [share.share, share.low, share.high]
            cell = "" if group == NONE else spreadsheet_text(one_line(group))
            writer.writerow([cell, *("" if one is None else one for one in values)])
        return text.getvalue()


@contextmanager
def read_insights(
    store_url: str,
    by: str,
    *,
    since: float | None,
    until: float | None,
    service: str,
    labels: Mapping[str, str],
    notify: Callable[[str], object],
) -> Iterator[tuple[Insights, tuple[str, ...], Journal]]:
    """What a store knows, as of `insights`; with the ids of the runs that cannot be read, and the open store.

    Args:
        since, until: Unix seconds.
    """
    with closing(Journal(store_url)) as journal:
        unread = _update(journal, notify)
        fact = None if by.startswith("label:") else cast("Fact", by)
        sums = sum_outcomes(journal.engine, fact, since=since, until=until)
        yield insights(sums, by, service=service, labels=labels), unread, journal


def _update(journal: Journal, notify: Callable[[str], object]) -> tuple[str, ...]:
    """Brings the outcomes of runs that were killed or answered since up to date; gives those that cannot be."""
    if not (outdated := outdated_runs(journal.engine)):
        return ()
    from rivya_flows.receipt.outcomes import update_outcomes  # heavy, and seldom needed

    if len(outdated) > _MANY:
        notify(f"reading the journals of {len(outdated)} runs that have changed, once")
    return tuple(run_id for run_id in outdated if not update_outcomes(journal, run_id))


_MANY = 20


def insights(
    found: Iterable[Counted], by: str, *, service: str, labels: Mapping[str, str]
) -> Insights:
    """Sums up; `by` is ``model``, ``brand``, ``prompt`` or ``label:NAME``, `labels` are those of the runs that count."""
    rows = defaultdict[str, Counter[str]](Counter)
    total, elsewhere = Counter[str](), Counter[str]()
    is_label, name = by.startswith("label:"), by.removeprefix("label:")
    for one in found:
        if not labels.items() <= one.labels.items():
            continue
        seller = SANDBOX if is_sandbox(one.service) else one.service
        if service not in (seller, one.service):
            elsewhere[seller] += one.counts.get("credits", 0)
            continue
        group = one.labels.get(name, NONE) if is_label else one.value or NONE
        rows[group].update(one.counts)
        total.update(one.counts)
    in_order = sorted(rows.items(), key=lambda row: (-row[1]["credits"], row[0]))
    spent = {name: credits for name, credits in sorted(elsewhere.items()) if credits}
    summed = {group: _insight(of) for group, of in in_order if any(of.values())}
    return Insights(service, by, summed, _insight(total), spent)
