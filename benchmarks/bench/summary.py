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


def table(document: Mapping[str, Any]) -> str:
    """Markdown: a line for each scenario and contender."""
    head = [*("work", "by", "minimum", "median", "lost", "processor", "an item", "memory")]
    head += ["first POST", "looks", "end to known", "ending", "sandbox"]
    lines = [f"| {' | '.join(head)} |", "| --- | --- |" + " ---: |" * (len(head) - 2)]
    for one in summaries(document):
        scenario = SCENARIOS[one.scenario]
        if one.median is None:
            cells = ["did not end"] + ["–"] * (len(head) - 3)
        else:
            processor = one.of(lambda it: it["processor"])
            cells = [
                seconds(one.least),
                seconds(one.median),
                seconds(one.median - scenario.floor),
                seconds(processor),
                "–" if processor is None else f"{processor / scenario.jobs * 1e3:.1f} ms",
                _number(one.of(lambda it: it["together_mb"]), "{:.0f} MB"),
                seconds(one.of(lambda it: it["first_post"])),
                _number(one.of(lambda it: (it["looks"] or {}).get("mean")), "{:.1f}"),
                seconds(one.of(lambda it: (it["end_to_known"] or {}).get("median"))),
                seconds(one.of(lambda it: it["seconds"] - it["last_job_ended"])),
                _number(one.of(lambda it: it["sandbox"]["processor"] / it["seconds"]), "{:.0%}"),
            ]
        lines.append(f"| {' | '.join([scenario.title, one.contender, *cells])} |")
    return "\n".join(lines)


def seconds(value: float | None) -> str:
    """With two digits below ten; a dash for None."""
    return _number(value, "{:.2f} s" if value is not None and abs(value) < 10 else "{:.1f} s")


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
