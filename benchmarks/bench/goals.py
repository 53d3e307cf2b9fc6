"""The goals for speed, and what a result file says about each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.bench.contenders import OURS
from benchmarks.bench.scenarios import SCENARIOS
from benchmarks.bench.summary import Summary, seconds, summaries

Document = Mapping[str, Any]
"""A file of ``scripts/bench --json``."""


def found(document: Document, scenario: str, contender: str) -> Summary | None:
    """The executions of a contender that ended; None if there are none."""
    for one in summaries(document):
        if (one.scenario, one.contender) == (scenario, contender) and one.results:
            return one
    return None


def ratio(document: Document, scenario: str, peer: str) -> float | None:
    """Our median wall time to that of a peer."""
    ours, theirs = found(document, scenario, OURS), found(document, scenario, peer)
    if ours is None or theirs is None or ours.median is None or not theirs.median:
        return None
    return ours.median / theirs.median


def ours(
    document: Document, scenario: str, value: Callable[[Document], float | None]
) -> float | None:
    """The median of a value of rivya-flows; None if it was not measured."""
    one = found(document, scenario, OURS)
    return None if one is None else one.of(value)


def an_item(document: Document, scenario: str) -> float | None:
    """Our processor seconds for each job."""
    used = ours(document, scenario, lambda one: one["processor"])
    return None if used is None else used / SCENARIOS[scenario].jobs


def form(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _row(
    document: Document, companion: str, column: str, table: str = "rows", **wanted: Any
) -> float | None:
    """A value of the row of a companion's table that has the wanted values."""
    for row in document.get("companions", {}).get(companion, {}).get(table, ()):
        if all(row.get(name) == value for name, value in wanted.items()):
            return float(row[column])
    return None


def _growth(document: Document) -> str:
    large, small = an_item(document, "fan-out-10000"), an_item(document, "fan-out-1000")
    growth = None if large is None or not small else large / small
    each = form(None if large is None else large * 1e3, "{:.0f} ms")
    memory = ours(document, "fan-out-10000", lambda one: one["together_mb"])
    return f"{form(growth, '{:.2f}')}; {each}; {form(memory, '{:.0f} MB')}"


def _looks(document: Document) -> str:
    looks = ours(document, "fan-out-100", lambda one: (one["looks"] or {}).get("mean"))
    late = ours(document, "fan-out-100", lambda one: (one["end_to_known"] or {}).get("median"))
    return f"{form(looks, '{:.1f}')}; {seconds(late)}"


def _processor(document: Document) -> str:
    one = ours(document, "fan-out-300", lambda it: it["processor"])
    peers = [found(document, "fan-out-300", peer) for peer in ("prefect", "script")]
    theirs = [peer and peer.of(lambda it: it["processor"]) for peer in peers]
    return " / ".join(form(one / used if one and used else None, "{:.1f}") for used in theirs)


_GOALS: Sequence[tuple[str, str, Callable[[Document], str]]] = (
    (
        "300 pictures, 100 in flight: time to hand-written Prefect / to the script",
        "≤ 1.1 / ≤ 1.6",
        lambda of: " / ".join(
            form(ratio(of, "fan-out-300", peer), "{:.1f}") for peer in ("prefect", "script")
        ),
    ),
    ("the same, processor time of the client", "–", _processor),
    (
        "1,000 pictures, 200 in flight: time to hand-written Prefect",
        "≤ 1.0",
        lambda of: form(ratio(of, "fan-out-1000", "prefect"), "{:.1f}"),
    ),
    (
        "10,000 pictures, 500 in flight: processor time an item to that of 1,000; itself; memory",
        "≤ 1.3; ≤ 20 ms; ≤ 500 MB",
        _growth,
    ),
    (
        "entry of a purchase durable, median: SQLite / PostgreSQL",
        "≤ 2 ms / ≤ 5 ms",
        lambda of: " / ".join(
            form(_row(of, "journal", "median_ms", database=name, in_flight=1), "{:.1f} ms")
            for name in ("SQLite", "PostgreSQL")
        ),
    ),
    (
        "longest block of the event loop, database away for 5 s: SQLite / PostgreSQL",
        "≤ 50 ms",
        lambda of: " / ".join(
            form(_row(of, "loop", "longest_ms", database=name, away=True), "{:.0f} ms")
            for name in ("SQLite", "PostgreSQL")
        ),
    ),
    (
        "one job, start of `run` to the POST: server warm / cold",
        "≤ 1.5 s / ≤ 5 s",
        lambda of: " / ".join(
            seconds(of.get("companions", {}).get("start", {}).get(name, {}).get("seconds"))
            for name in ("run, warm", "run, cold")
        ),
    ),
    (
        "webhook to the next submit, 99 of 100",
        "≤ 100 ms",
        lambda of: form(
            of.get("companions", {}).get("webhooks", {}).get("webhook to submit ms", {}).get("p99"),
            "{:.0f} ms",
        ),
    ),
    (
        "jobs of 7 s / 40 s: looks, 99 of 100; part of a job's time lost, mean",
        "≤ 4; ≤ 10 %",
        lambda of: " / ".join(
            f"{form(_row(of, 'pace', 'looks_99', 'polls', seconds=job), '{:.0f}')}; "
            f"{form(_row(of, 'pace', 'lost_mean', 'polls', seconds=job), '{:.0%}')}"
            for job in (7.0, 40.0)
        ),
    ),
    (
        "one picture, server warm: start of `run` to the POST",
        "≤ 1.5 s",
        lambda of: seconds(ours(of, "fan-out-1", lambda one: one["first_post"])),
    ),
    ("100 pictures: looks at a job; end of a job to known", "≤ 4; ≤ 0.2 s", _looks),
    (
        "1,000 pictures: end of the run to the end of the command",
        "≤ 1 s",
        lambda of: seconds(ours(of, "fan-out-1000", lambda one: one["run_ended_to_exit"])),
    ),
)


def goals(now: Document) -> str:
    """The table of goals."""
    lines = ["| | goal | measured |", "| --- | ---: | ---: |"]
    lines += [f"| {title} | {goal} | {figure(now)} |" for title, goal, figure in _GOALS]
    return "\n".join(lines)
