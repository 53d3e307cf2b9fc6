"""`deploy/monitoring`: each rule and panel asks for metrics that there are, and has a place to read on."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from rivya_flows.processes import hosts
from rivya_flows.store.journal import Journal
from rivya_flows.store.run_list import record_sweep
from rivya_flows.webhook_receiver import StoreMetrics

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
    assert hosts.SLOTS is not None  # registered by its import
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


def test_each_query_names_metrics_that_there_are(served: set[str]) -> None:
    named = {metric for _, query in queries() for metric in METRIC.findall(query)}
    assert named <= served
    for name, query in queries():
        plain = re.sub(r'"[^"]*"', "", query)
        assert all(plain.count(one) == plain.count(other) for one, other in ("()", "[]", "{}")), (
            name
        )


QUIET = {
    'up{job="rivya-flows-receiver", instance="receiver"}': "1x2000",
    'up{job="rivya-flows-worker", instance="one"}': "1x2000",
    "rivya_flows_store_runs_unread": "0x2000",
    "rivya_flows_waker_last_sweep_timestamp_seconds": "0+60x2000",
    'rivya_flows_worker_slots{instance="one"}': "50x2000",
    'rivya_flows_worker_slots_used{instance="one"}': "3x2000",
    'rivya_flows_worker_hosts_lost_total{instance="one"}': "0x2000",
}
"""A value each minute, in promtool's notation."""
FAILED, COMPLETED, UNCERTAIN, SUCCEEDED = (
    f'rivya_flows_{metric}{{campaign="launch", status="{status}"}}'
    for metric, status in (
        ("run_ends_total", "failed"),
        ("run_ends_total", "completed"),
        ("jobs_total", "uncertain"),
        ("jobs_total", "succeeded"),
    )
)
STARTS = 'rivya_flows_failed_starts_total{campaign="launch"}'
WALLET = 'rivya_flows_wallet_credits{service="https://rivya.ai"}'
IN_FLIGHT = 'rivya_flows_jobs_in_flight{campaign="launch"}'
FROM_ZERO = "_x9 0 0"  # as the receiver begins a series
STORIES: dict[str, tuple[dict[str, str], dict[str, set[str]]]] = {
    "nothing": ({}, {"20m": set(), "5h": set()}),
    "receiver away": (
        {name: "_" for name in QUIET if "worker" not in name}
        | {'up{job="rivya-flows-receiver", instance="receiver"}': "0x2000"},
        {"4m": set(), "6m": {"ReceiverDown"}, "16m": {"ReceiverDown", "MetricsMissing"}},
    ),
    "waker silent": (
        {"rivya_flows_waker_last_sweep_timestamp_seconds": "0x2000"},
        {"45m": set(), "52m": {"SweepLate"}},
    ),
    "waker never ran": (
        {"rivya_flows_waker_last_sweep_timestamp_seconds": "_"},
        {"55m": set(), "61m": {"NeverSwept"}},
    ),
    "first uncertain purchase": (
        {UNCERTAIN: f"{FROM_ZERO} 1x2000"},
        {"10m": set(), "13m": {"UncertainPurchase"}, "80m": set()},
    ),
    # Prometheus starts, or the receiver was away for hours.
    "old uncertain purchase": ({UNCERTAIN: "_x99 1x2000"}, {"101m": set(), "4h": set()}),
    "four failed starts": (
        {STARTS: f"{FROM_ZERO} 4x2000"},
        {"35m": {"RunsFailedBeforeStart"}, "50m": set()},
    ),
    "three failed starts": ({STARTS: f"{FROM_ZERO} 3x2000"}, {"35m": set()}),
    "pruned failed starts, receiver restarted": ({STARTS: "9x99 5x2000"}, {"101m": set()}),
    "three failed runs": (
        {FAILED: f"{FROM_ZERO} 1 2 3x2000", COMPLETED: "0x2000"},
        {"20m": {"RunsFail"}, "50m": {"RunsFail"}, "90m": set()},
    ),
    "two failed runs": ({FAILED: f"{FROM_ZERO} 1 2x2000"}, {"20m": set(), "65m": set()}),
    "three of sixty runs": ({FAILED: "0 1 2 3x2000", COMPLETED: "0+1x2000"}, {"58m": set()}),
    "jobs that do not end": (
        {IN_FLIGHT: "2x2000", SUCCEEDED: "7x2000"},
        {"25m": set(), "31m": {"JobsStuck"}},
    ),
    "jobs that end": ({IN_FLIGHT: "2x2000", SUCCEEDED: "0+0.2x2000"}, {"90m": set()}),
    "paid jobs left": (
        {'rivya_flows_jobs_left_open{campaign="launch", model="m"}': "2x2000"},
        {"55m": set(), "61m": {"JobsLeftOpen"}},
    ),
    "old question": (
        {'rivya_flows_oldest_question_timestamp_seconds{campaign="launch"}': "0x2000"},
        {"23h": set(), "1441m": {"QuestionWaits"}},
    ),
    "poor wallet": ({WALLET: "99x2000"}, {"10m": set(), "16m": {"WalletLow"}}),
    "wallet of less than two days": (
        {WALLET: "150x2000", 'rivya_flows_credits_total{campaign="launch"}': "0+1x2000"},
        {"8h": set(), "24h": {"WalletLow"}},
    ),
    "poor sandbox": ({'rivya_flows_wallet_credits{service="sandbox:1"}': "9x2000"}, {"1h": set()}),
    "three dead hosts": (
        {'rivya_flows_worker_hosts_lost_total{instance="one"}': "0 0 1 2 3x2000"},
        {"20m": {"HostsDie"}, "90m": set()},
    ),
    "two dead hosts": (
        {'rivya_flows_worker_hosts_lost_total{instance="one"}': "0 0 1 2x2000"},
        {"20m": set()},
    ),
    "full worker": (
        {'rivya_flows_worker_slots_used{instance="one"}': "50x2000"},
        {"25m": set(), "31m": {"WorkersFull"}},
    ),
    "one of two workers away": (
        {'up{job="rivya-flows-worker", instance="two"}': "0x2000"},
        {"4m": set(), "6m": {"WorkerDown"}},
    ),
    "no worker": (
        {'up{job="rivya-flows-worker", instance="one"}': "0x2000"},
        {"4m": set(), "6m": {"WorkerDown", "NoWorker"}},
    ),
}
promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")


def evaluate(folder: Path, stories: list[tuple[str, dict[str, str], list[dict[str, Any]]]]) -> None:
    """Lets promtool compare answers to queries with what they should be in each story."""
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [{"series": one, "values": value} for one, value in values.items()],
            "promql_expr_test": asked,
        }
        for name, values, asked in stories
    ]
    rules = {"rule_files": [str(MONITORING / "alerts.yaml")], "evaluation_interval": "1m"}
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(rules | {"tests": tests}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def firing_at(firing: dict[str, set[str]]) -> list[dict[str, Any]]:
    """The alerts that fire at each time of a story."""
    return [
        {
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
            "eval_time": at,
            "exp_samples": [
                {"labels": f'{{alertname="RivyaFlows{alert}"}}', "value": 1}
                for alert in sorted(alerts)
            ],
        }
        for at, alerts in firing.items()
    ]


@promtool
@pytest.mark.slow
def test_each_alert_fires_for_its_cause_alone_and_ends_with_it(tmp_path: Path) -> None:
    stories = STORIES.items()
    evaluate(tmp_path, [(name, QUIET | own, firing_at(firing)) for name, (own, firing) in stories])


def test_each_alert_has_a_story_in_which_it_fires() -> None:
    fire = {
        alert for _, firing in STORIES.values() for alerts in firing.values() for alert in alerts
    }
    assert {f"RivyaFlows{alert}" for alert in fire} == {rule["alert"] for rule in RULES}


@promtool
@pytest.mark.slow
def test_a_panel_of_one_number_shows_zero_where_there_is_nothing_yet(tmp_path: Path) -> None:
    asked = [
        {
            "expr": target["expr"].replace("$campaign", ".*"),
            "eval_time": "1h",
            "exp_samples": [{"labels": "{}", "value": 0}],
        }
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        if target["expr"].startswith("sum(") and "worker" not in target["expr"]
    ]
    assert asked
    evaluate(tmp_path, [("nothing yet", QUIET, asked)])


@promtool
@pytest.mark.slow
def test_prometheus_takes_the_files() -> None:
    rules, scrape = (str(MONITORING / f"{name}.yaml") for name in ("alerts", "scrape"))
    for command in (["rules", "--lint-fatal", rules], ["config", "--syntax-only", scrape]):
        subprocess.run(["promtool", "check", *command], check=True)


def test_the_page_names_each_metric_and_no_other(served: set[str]) -> None:
    rows = re.findall(r"^\| `(rivya_flows_\w+)`", METRICS_PAGE.read_text("utf-8"), re.M)
    page = {
        series for row in rows for series in (histogram(row) if "job_seconds" in row else {row})
    }
    assert page == served


def test_each_alert_says_how_urgent_it_is_and_where_to_read_on() -> None:
    text = ON_CALL.read_text("utf-8")
    titles = re.findall(r"^## (.+)$", text, re.M)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/how-to/on-call.md"
        assert anchor in anchors, rule["alert"]
        assert re.fullmatch(r"[A-Z{].*[^.]", rule["annotations"]["summary"])
        wakes = "yes" if rule["labels"]["severity"] == "page" else "no"
        row = rf"^\| `{rule['alert']}` \| [^\n]*\(#{anchor}\)[^\n]*\| {wakes} \|$"
        assert re.search(row, text, re.M), rule["alert"]


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
