"""`deploy/monitoring`: each rule and panel asks for metrics that there are, and has a place to read on."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from rivya_flows.app.metrics import StoreMetrics
from rivya_flows.flows.worker import worker_metrics
from rivya_flows.store.journal import Journal
from rivya_flows.store.sweeps import record_sweep

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
ON_CALL = ROOT / "docs" / "how-to" / "on-call.md"
METRICS_PAGE = ROOT / "docs" / "reference" / "metrics.md"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text())
METRIC = re.compile(r"\brivya_flows_\w+")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of all series of the receiver and of a worker."""
    assert worker_metrics.SLOTS is not None  # registered by its import
    names = {name for family in REGISTRY.collect() for name in names_of(family)}
    store = f"sqlite:///{tmp_path_factory.mktemp('metrics') / 'journal.sqlite'}"
    with contextlib.closing(Journal(store)) as journal:
        record_sweep(journal.engine, 0)
        for line in StoreMetrics(journal.engine).text().decode().splitlines():
            if found := re.match(r"# TYPE (\w+) (\w+)", line):
                names |= {found[1]} if found[2] != "histogram" else histogram(found[1])
    return {name for name in names if name.startswith("rivya_flows_")}


def names_of(family: Any) -> set[str]:
    return {f"{family.name}_total"} if family.type == "counter" else {family.name}


def histogram(name: str) -> set[str]:
    return {f"{name}_{part}" for part in ("bucket", "sum", "count")}


def queries() -> Iterator[tuple[str, str]]:
    """Each query of the rules and of the dashboard, with its name."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


@pytest.mark.parametrize(("name", "query"), [*queries()], ids=[name for name, _ in queries()])
def test_each_query_is_balanced_and_names_metrics_that_there_are(
    name: str, query: str, served: set[str]
) -> None:
    assert set(METRIC.findall(query)) <= served, name
    closing = {")": "(", "]": "[", "}": "{"}
    open_: list[str] = []
    for letter in re.sub(r'"[^"]*"', "", query):
        if letter in closing.values():
            open_.append(letter)
        elif letter in closing:
            assert open_.pop() == closing[letter], query
    assert open_ == []


def test_the_page_names_each_metric_and_no_other(served: set[str]) -> None:
    rows = re.findall(r"^\| `(rivya_flows_\w+)`", METRICS_PAGE.read_text("utf-8"), re.M)
    page = {
        series for row in rows for series in (histogram(row) if "job_seconds" in row else {row})
    }
    assert page == served


def test_each_alert_says_how_urgent_it_is_and_where_to_read_on() -> None:
    titles = re.findall(r"^## (.+)$", ON_CALL.read_text("utf-8"), re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/how-to/on-call.md"
        assert anchor in anchors, rule["alert"]
        assert re.fullmatch(r"[A-Z{].*[^.]", rule["annotations"]["summary"])


def test_the_on_call_page_lists_each_alert_under_the_part_that_it_leads_to() -> None:
    text = ON_CALL.read_text("utf-8")
    for rule in RULES:
        anchor = rule["annotations"]["runbook"].partition("#")[2]
        wakes = "yes" if rule["labels"]["severity"] == "page" else "no"
        assert re.search(
            rf"^\| `{rule['alert']}` \| [^\n]*\(#{anchor}\)[^\n]*\| {wakes} \|$", text, re.M
        )


def test_the_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_what_is_scraped_bears_the_job_names_of_the_rules() -> None:
    jobs = {job for rule in RULES for job in re.findall(r'job="([^"]+)"', rule["expr"])}
    scrape = yaml.safe_load((MONITORING / "scrape.yaml").read_text())["scrape_configs"]
    assert jobs == {one["job_name"] for one in scrape}
    monitors = list(yaml.safe_load_all((MONITORING / "monitors.yaml").read_text()))
    manifests = [
        one
        for path in sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
        for one in yaml.safe_load_all(path.read_text())
    ]
    assert jobs == {one["metadata"]["name"] for one in monitors}
    for monitor in monitors:
        [label] = monitor["spec"]["selector"]["matchLabels"].items()
        assert label == (monitor["spec"]["jobLabel"], monitor["metadata"]["name"])
        if monitor["kind"] == "ServiceMonitor":
            [target] = [one for one in manifests if one["kind"] == "Service"]
            ports = [port["name"] for port in target["spec"]["ports"]]
            [endpoint] = monitor["spec"]["endpoints"]
        else:
            [target] = [
                one["spec"]["template"]
                for one in manifests
                if one["kind"] == "Deployment" and one["metadata"]["name"] == label[1]
            ]
            [container] = target["spec"]["containers"]
            ports = [port["name"] for port in container["ports"]]
            [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        assert label in target["metadata"]["labels"].items()
        assert endpoint["port"] in ports
