"""Minimum and median of the repetitions, and the table of a result file."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.bench.scenarios import SCENARIOS


@dataclass(frozen=True)
class Summary:
    """All repetitions of a contender in a scenario that ended.

    Attributes:
        failed: Repetitions that did not end, or not with all jobs.
    """

    scenario: str
    contender: str
    results: Sequence[Mapping[str, Any]]
    failed: int

    def of(self, value: Callable[[Mapping[str, Any]], float | None]) -> float | None:
        """The median of a value; None if no repetition has it."""
        found = [one for result in self.results if (one := value(result)) is not None]
        return statistics.median(found) if found else None

    @property
    def median(self) -> float | None:
        """Wall seconds."""
        return self.of(lambda one: one["seconds"])

    @property
    def least(self) -> float | None:
        """Wall seconds."""
        return min((one["seconds"] for one in self.results), default=None)


def summaries(document: Mapping[str, Any]) -> Iterator[Summary]:
    """In the order of the scenarios and of the first result."""
    names = list(dict.fromkeys(one["contender"] for one in document["results"]))
    for scenario in SCENARIOS:
        for contender in sorted(names):
            found = [
                one
                for one in document["results"]
                if (one["scenario"], one["contender"]) == (scenario, contender)
            ]
            if found:
                whole = [one for one in found if one["ended"]]
                yield Summary(scenario, contender, whole, len(found) - len(whole))


def table(document: Mapping[str, Any], columns: Sequence[str] = ()) -> str:
    """Markdown: a line for each scenario and contender.

    Args:
        document: A file of ``scripts/bench --json``.
        columns: Names of ``COLUMNS``; all of them without any.
    """
    chosen = columns or tuple(COLUMNS)
    lines = [f"| work | by | {' | '.join(chosen)} |", "| --- | --- |" + " ---: |" * len(chosen)]
    for one in summaries(document):
        cells = [COLUMNS[name](one) for name in chosen]
        if one.median is None:
            cells = ["did not end"] + ["–"] * (len(chosen) - 1)
        lines.append(f"| {SCENARIOS[one.scenario].title} | {one.contender} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _lost(one: Summary) -> str:
    return seconds(None if one.median is None else one.median - SCENARIOS[one.scenario].floor)


def _an_item(one: Summary) -> str:
    used = one.of(lambda it: it["processor"])
    return _number(None if used is None else used / SCENARIOS[one.scenario].jobs * 1e3, "{:.1f} ms")


COLUMNS: Mapping[str, Callable[[Summary], str]] = {
    "minimum": lambda one: seconds(one.least),
    "median": lambda one: seconds(one.median),
    "lost": _lost,
    "processor": lambda one: seconds(one.of(lambda it: it["processor"])),
    "an item": _an_item,
    "memory": lambda one: _number(one.of(lambda it: it["together_mb"]), "{:.0f} MB"),
    "first POST": lambda one: seconds(one.of(lambda it: it["first_post"])),
    "looks": lambda one: _number(one.of(lambda it: (it["looks"] or {}).get("mean")), "{:.1f}"),
    "end to known": lambda one: seconds(
        one.of(lambda it: (it["end_to_known"] or {}).get("median"))
    ),
    "ending": lambda one: seconds(one.of(lambda it: it["seconds"] - it["last_job_ended"])),
    "sandbox": lambda one: _number(
        one.of(lambda it: it["sandbox"]["processor"] / it["seconds"]), "{:.0%}"
    ),
}
"""What the table says of a contender in a scenario, by the title of the column."""


def seconds(value: float | None) -> str:
    """With two digits below ten; a dash for None."""
    return _number(value, "{:.2f} s" if value is not None and abs(value) < 10 else "{:.1f} s")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
