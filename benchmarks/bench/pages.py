"""Fills docs/performance.md from result files: tables between markers, and plots."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.environment import bench_python
from benchmarks.bench.figures import figures, kinds
from benchmarks.bench.goals import Document, goals, ours
from benchmarks.bench.scenarios import ROOT, SCENARIOS
from benchmarks.bench.summary import summaries, table

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
RESULTS = ROOT / "benchmarks" / "results"
BEFORE, CLUSTER = RESULTS / "before.json", RESULTS / "cluster.json"
PURCHASES_AN_HOUR = 100_000


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
        "goals": goals(now, before),
        "work": table(now),
        "server": _server(now),
        "companions": _companions(now),
        "cluster": _cluster(cluster),
        "estimate": _estimate(now, cluster),
    }


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
    return "\n\n".join(
        f"`{name}`:\n\n{block}" for name, value in told.items() for block in blocks(value)
    )


def blocks(value: Mapping[str, Any]) -> Iterator[str]:
    """Markdown tables of a JSON document: one for each list of maps, and one for all other values."""
    others: dict[str, Any] = {}
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner):
            yield _rows([dict(leaves(row)) for row in inner])
        else:
            others[name] = inner
    if others:
        yield _rows([{"figure": path, "": leaf} for path, leaf in leaves(others)])


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    heads = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    lines += [f"| {' | '.join(str(row.get(head, '–')) for head in heads)} |" for row in rows]
    return "\n".join(lines)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value inside JSON maps and lists, with its path in words."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path} {name}".strip().replace("_", " "))
    elif isinstance(value, list):
        yield path, ", ".join(str(leaf) for inner in value for _, leaf in leaves(inner))
    else:
        yield path, round(value, 3) if isinstance(value, float) else value


def _cluster(cluster: Document) -> str:
    if not cluster:
        return "Not measured yet."
    names = kinds(cluster)
    lines = [
        f"| workers | runs | a minute | cores busy | {' | '.join(names)} |",
        "| ---: |" + " ---: |" * (3 + len(names)),
    ]
    for stage in cluster["stages"]:
        each = [f"{stage['processor'][kind] / stage['runs']:.2f} s" for kind in names]
        lines.append(
            f"| {stage['workers']} | {stage['completed']} of {stage['runs']} | {stage['a_minute']} "
            f"| {stage['busy']:.0%} | {' | '.join(each)} |"
        )
    return "\n".join(lines)


def _estimate(now: Document, cluster: Document) -> str:
    rate = PURCHASES_AN_HOUR / 3600
    lines = ["| | processor time a purchase | cores for it |", "| --- | ---: | ---: |"]
    if cluster:
        stage, jobs = cluster["stages"][-1], cluster["options"]["jobs"]
        for kind in kinds(cluster):
            if kind == "sandbox":  # stands in for the service
                continue
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


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text()) if file.is_file() else {}
