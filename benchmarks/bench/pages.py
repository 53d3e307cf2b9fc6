"""Fills docs/performance.md from result files: tables between markers, and plots."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.contenders import CONTENDERS, OURS
from benchmarks.bench.environment import bench_python
from benchmarks.bench.scenarios import ROOT, SCENARIOS
from benchmarks.bench.summary import Summary, seconds, summaries, table

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
RESULTS = ROOT / "benchmarks" / "results"
BEFORE, CLUSTER = RESULTS / "before.json", RESULTS / "cluster.json"
PHASES = ("start", "purchases", "the last jobs", "until the run ends", "until the command ends")
PARTS = ("client", "Prefect server", "sandbox")
PURCHASES_AN_HOUR = 100_000

Document = Mapping[str, Any]


def write(results: Path) -> None:
    """Fill the page and draw its plots.

    Args:
        results: A file of ``scripts/bench --json``.
    """
    now, before, cluster = _read(results), _read(BEFORE), _read(CLUSTER)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), sections(now, before, cluster)))
    subprocess.run(
        [bench_python(), "-m", "benchmarks.bench.plots", str(PLOTS)],
        input=json.dumps(figures(now, cluster)),
        text=True,
        check=True,
        cwd=ROOT,
    )


def filled(page: str, texts: Mapping[str, str]) -> str:
    """The page with a text between ``<!-- NAME -->`` and ``<!-- end of NAME -->``.

    Raises:
        ValueError: A pair of markers is missing.
    """
    for name, text in texts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        whole = f"{begin}\n{text}\n{end}"
        before, *others = pattern.split(page)
        if len(others) != 1:
            raise ValueError(f"{len(others)} times {begin} … {end}")
        page = before + whole + others[0]
    return page


def sections(now: Document, before: Document, cluster: Document) -> dict[str, str]:
    """The text of each marker."""
    return {
        "machine": _machine(now),
        "before": _before(before),
        "goals": _goals(now, before),
        "work": table(now),
        "server": _server(now),
        "companions": _companions(now),
        "cluster": _cluster(cluster),
        "estimate": _estimate(now, cluster),
    }


# --- figures of a document ---------------------------------------------------------------------


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


def _form(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _growth(document: Document) -> str:
    large, small = an_item(document, "fan-out-10000"), an_item(document, "fan-out-1000")
    growth = None if large is None or not small else large / small
    each = _form(None if large is None else large * 1e3, "{:.0f} ms")
    memory = ours(document, "fan-out-10000", lambda one: one["together_mb"])
    return f"{_form(growth, '{:.2f}')}; {each}; {_form(memory, '{:.0f} MB')}"


def _looks(document: Document) -> str:
    looks = ours(document, "fan-out-100", lambda one: (one["looks"] or {}).get("mean"))
    late = ours(document, "fan-out-100", lambda one: (one["end_to_known"] or {}).get("median"))
    return f"{_form(looks, '{:.1f}')}; {seconds(late)}"


def _processor(document: Document) -> str:
    one = ours(document, "fan-out-300", lambda it: it["processor"])
    peers = [found(document, "fan-out-300", peer) for peer in ("prefect", "script")]
    theirs = [peer and peer.of(lambda it: it["processor"]) for peer in peers]
    return " / ".join(_form(one / used if one and used else None, "{:.1f}") for used in theirs)


_GOALS: Sequence[tuple[str, str, Callable[[Document], str]]] = (
    (
        "300 pictures, 100 in flight: time to hand-written Prefect / to the script",
        "≤ 1.1 / ≤ 1.6",
        lambda of: " / ".join(
            _form(ratio(of, "fan-out-300", peer), "{:.1f}") for peer in ("prefect", "script")
        ),
    ),
    ("the same, processor time of the client", "–", _processor),
    (
        "1,000 pictures, 200 in flight: time to hand-written Prefect",
        "≤ 1.0",
        lambda of: _form(ratio(of, "fan-out-1000", "prefect"), "{:.1f}"),
    ),
    (
        "10,000 pictures, 500 in flight: processor time an item to that of 1,000; itself; memory",
        "≤ 1.3; ≤ 20 ms; ≤ 500 MB",
        _growth,
    ),
    (
        "one picture, server warm: start of `run` to the POST",
        "≤ 1.5 s",
        lambda of: seconds(ours(of, "fan-out-1", lambda one: one["first_post"])),
    ),
    (
        "100 pictures: looks at a job; end of a job to known",
        "≤ 4; ≤ 0.2 s",
        _looks,
    ),
    (
        "1,000 pictures: end of the run to the end of the command",
        "≤ 1 s",
        lambda of: seconds(ours(of, "fan-out-1000", lambda one: one["run_ended_to_exit"])),
    ),
)


# --- texts ----------------------------------------------------------------------------------------


def _machine(now: Document) -> str:
    machine, versions = now["machine"], now["versions"]
    names = ("python", "prefect", "httpx", "dbos")
    return (
        f"{machine['cores']} cores ({machine['model']}), {machine['memory_gb']} GB, Linux {machine['kernel']}, "
        f"load {machine['load'][0]} at the start; "
        + ", ".join(f"{name} {versions[name]}" for name in names)
        + f"; commit `{versions['commit']}`."
    )


def _before(before: Document) -> str:
    if not before:
        return "There are no figures of before."
    commit, load = before["versions"]["commit"], before["machine"]["load"][0]
    return f"`before` is `benchmarks/results/before.json`: commit `{commit}`, at a load of {load} at the start."


def _goals(now: Document, before: Document) -> str:
    commits = [of["versions"]["commit"] if of else None for of in (before, now)]
    lines = ["| | goal | before | now |", "| --- | ---: | ---: | ---: |"]
    for title, goal, figure in _GOALS:
        old = figure(before) if before else "–"
        new = figure(now) if commits[0] != commits[1] else "not measured yet"
        lines.append(f"| {title} | {goal} | {old} | {new} |")
    return "\n".join(lines)


def _server(now: Document) -> str:
    lines = [
        "| work | by | calls | an item | rows | an item | server's processor time an item |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in summaries(now):
        scenario, last = SCENARIOS[one.scenario], one.results[-1] if one.results else None
        if last is None or last["server"] is None:
            continue
        calls, rows = (sum(last["server"][name].values()) for name in ("calls", "rows"))
        each = last["server"]["processor"] / scenario.jobs
        lines.append(
            f"| {scenario.title} | {one.contender} | {calls:,} | {calls / scenario.jobs:.1f} "
            f"| {rows:,} | {rows / scenario.jobs:.1f} | {each * 1e3:.0f} ms |"
        )
    return "\n".join(lines)


def _companions(now: Document) -> str:
    told = now.get("companions", {})
    if not told:
        return "Not measured in this file."
    lines = ["| `benchmarks/` | figure | |", "| --- | --- | ---: |"]
    for name, value in told.items():
        lines += [f"| `{name}.py` | {path} | {leaf} |" for path, leaf in leaves(value)]
    return "\n".join(lines)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside JSON maps and lists, with its path in words."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path} {name}".strip().replace("_", " "))
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            yield from leaves(inner, f"{path} {number}".strip())
    else:
        yield path, round(value, 3) if isinstance(value, float) else value


def _cluster(cluster: Document) -> str:
    if not cluster:
        return "Not measured yet."
    kinds = _kinds(cluster)
    lines = [
        f"| workers | runs | a minute | cores busy | {' | '.join(kinds)} |",
        "| ---: |" + " ---: |" * (3 + len(kinds)),
    ]
    for stage in cluster["stages"]:
        each = [f"{stage['processor'][kind] / stage['runs']:.2f} s" for kind in kinds]
        lines.append(
            f"| {stage['workers']} | {stage['completed']} of {stage['runs']} | {stage['a_minute']} "
            f"| {stage['busy']:.0%} | {' | '.join(each)} |"
        )
    return "\n".join(lines)


def _kinds(cluster: Document) -> list[str]:
    """Kinds of process, the most expensive first."""
    used = cluster["stages"][-1]["processor"]
    return sorted(used, key=lambda kind: -used[kind])


def _estimate(now: Document, cluster: Document) -> str:
    rate = PURCHASES_AN_HOUR / 3600
    lines = ["| | processor time a purchase | cores for it |", "| --- | ---: | ---: |"]
    if cluster:
        stage, jobs = cluster["stages"][-1], cluster["options"]["jobs"]
        for kind in _kinds(cluster):
            each = stage["processor"][kind] / stage["runs"] / jobs
            lines.append(
                f"| runs of {jobs} purchases: {kind} | {each * 1e3:.0f} ms | {rate * each:.1f} |"
            )
    for name, jobs in (("fan-out-300", 300), ("fan-out-1000", 1_000)):
        for kind, used in (
            ("runs", ours(now, name, lambda one: one["processor"])),
            ("Prefect server", ours(now, name, lambda one: one["server"]["processor"])),
        ):
            if used is not None:
                each = used / jobs
                lines.append(
                    f"| runs of {jobs:,} purchases: {kind} | {each * 1e3:.0f} ms | {rate * each:.1f} |"
                )
    return "\n".join(lines)


# --- plots ----------------------------------------------------------------------------------------


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
            "parts": _kinds(cluster),
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


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}
