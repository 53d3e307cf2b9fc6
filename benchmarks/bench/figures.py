"""What `plots` draws, as JSON: that runs in another environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bench.contenders import CONTENDERS
from benchmarks.bench.goals import Document, found
from benchmarks.bench.scenarios import SCENARIOS
from benchmarks.bench.summary import Summary, summaries

PHASES = ("start", "purchases", "the last jobs", "until the run ends", "until the command ends")
PARTS = ("client", "Prefect server", "sandbox")


def figures(now: Document, cluster: Document) -> dict[str, Any]:
    """What `plots` draws, by the name of the file."""
    fans = [one for one in SCENARIOS.values() if one.name.startswith("fan-out-")]

    def lines(value: Callable[[Summary], float | None]) -> dict[str, list[tuple[float, float]]]:
        drawn: dict[str, list[tuple[float, float]]] = {}
        for contender in CONTENDERS:
            points = [
                (float(fan.jobs), y)
                for fan in fans
                if (one := found(now, fan.name, contender)) and (y := value(one)) is not None
            ]
            if points:
                drawn[contender] = points
        return drawn

    measured = {one.scenario for one in summaries(now)}
    drawn: dict[str, Any] = {
        "time": {
            "kind": "lines",
            "x": "pictures of 2 s",
            "y": "seconds",
            "lines": lines(lambda one: one.median),
            "floor": [(fan.jobs, fan.floor) for fan in fans if fan.name in measured],
        },
        "processor": {
            "kind": "lines",
            "x": "pictures of 2 s",
            "y": "processor ms a picture",
            "lines": lines(
                lambda one: (
                    (one.of(lambda it: it["processor"]) or 0) / SCENARIOS[one.scenario].jobs * 1e3
                )
            ),
        },
    }
    rows = dict(_phases(now, "fan-out-300"))
    if rows:
        drawn["phases"] = {"kind": "bars", "x": "seconds", "parts": PHASES, "rows": rows}
    rows = dict(_parts(now, "fan-out-300"))
    if rows:
        x = "processor seconds of 300 pictures"
        drawn["parts"] = {"kind": "bars", "x": x, "parts": PARTS, "rows": rows}
    if cluster:
        drawn["cluster"] = {
            "kind": "bars",
            "x": "processor seconds a run",
            "parts": kinds(cluster),
            "rows": {
                f"{stage['workers']} worker{'s' * (stage['workers'] > 1)}": {
                    kind: used / stage["runs"] for kind, used in stage["processor"].items()
                }
                for stage in cluster["stages"]
            },
        }
    return drawn


def _phases(now: Document, scenario: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Where the time of the first repetition went."""
    for contender in CONTENDERS:
        one = found(now, scenario, contender)
        if one is not None:
            it = one.results[0]
            after = it["seconds"] - it["last_job_ended"]
            ending = it["run_ended_to_exit"] or 0.0
            yield (
                contender,
                {
                    "start": it["first_post"],
                    "purchases": it["last_post"] - it["first_post"],
                    "the last jobs": it["last_job_ended"] - it["last_post"],
                    "until the run ends": after - ending,
                    "until the command ends": ending,
                },
            )


def _parts(now: Document, scenario: str) -> Iterator[tuple[str, dict[str, float]]]:
    """Which processes took the processor time."""
    for contender in CONTENDERS:
        one = found(now, scenario, contender)
        if one is not None:
            server = one.of(lambda it: it["server"] and it["server"]["processor"])
            yield (
                contender,
                {
                    "client": one.of(lambda it: it["processor"]) or 0.0,
                    "Prefect server": server or 0.0,
                    "sandbox": one.of(lambda it: it["sandbox"]["processor"]) or 0.0,
                },
            )


def kinds(cluster: Document) -> list[str]:
    """Kinds of process, the most expensive first."""
    used = cluster["stages"][-1]["processor"]
    return sorted(used, key=lambda kind: -used[kind])
