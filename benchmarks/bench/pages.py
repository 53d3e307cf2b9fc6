"""Fills docs/performance.md from result files: tables between markers, and plots."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.bench.environment import bench_python
from benchmarks.bench.figures import figures, kinds
from benchmarks.bench.goals import Document, goals, ours
from benchmarks.bench.scenarios import ROOT
from benchmarks.bench.summary import table

PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
RESULTS = ROOT / "benchmarks" / "results"
NOW, CLUSTER = RESULTS / "now.json", RESULTS / "cluster.json"
COLUMNS = ("median", "lost", "an item", "memory", "first POST", "end to known", "ending")
PURCHASES_AN_HOUR = 100_000


def write(results: Path) -> None:
    """Fill the page and draw its plots.

    Args:
        results: A file of ``scripts/bench --json``.
    """
    now, cluster = _read(results), _read(CLUSTER)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), sections(now, cluster)))
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


def sections(now: Document, cluster: Document) -> dict[str, str]:
    """The text of each marker."""
    return {
        "machine": _machine(now),
        "goals": goals(now),
        "work": table(now, COLUMNS),
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
