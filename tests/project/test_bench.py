"""What `scripts/bench` computes; its figures are in docs/performance.md."""

from __future__ import annotations

import asyncio
import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check

ROOT = Path(__file__).parents[2]
SMALL = ("fan-out-1", "fan-out-10", "fan-out-300", "chain-10", "pipeline-100", "campaign")
_MODULES = (
    "__main__",
    "measure",
    "pages",
    "peers.work",
    "processes",
    "scenarios",
    "services",
    "webhooks",
)


@pytest.fixture(scope="module")
def bench() -> Any:
    """Modules of `benchmarks/bench`, which is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        found = {
            name.rpartition(".")[2]: importlib.import_module(f"benchmarks.bench.{name}")
            for name in _MODULES
        }
    return SimpleNamespace(**found)


@pytest.mark.parametrize("name", SMALL)
def test_the_peers_buy_as_many_jobs_as_the_valid_spec_of_a_scenario(
    bench: Any, name: str, tmp_path: Path
) -> None:
    scenario = bench.scenarios.SCENARIOS[name]
    assert check(scenario.spec, file="bench.yaml", catalogue=shipped())[1] == ()
    (tmp_path / "work.json").write_text(scenario.work())
    work = bench.work.read(tmp_path / "work.json")
    assert sum(not one.chat for one in work.purchases) == scenario.jobs
    assert work.limit == scenario.limit


async def test_a_peer_buys_in_order_within_the_limit(bench: Any) -> None:
    work = bench.work.Work(
        [
            bench.work.Purchase("a", {}),
            bench.work.Purchase("b", {}),
            bench.work.Purchase("c", {}),
            bench.work.Purchase("film", {}, after=("a",), reference="a"),
        ],
        limit=2,
    )
    bought, at_once, most = list[tuple[str, str | None]](), 0, 0

    async def buy(purchase: Any, reference: str | None) -> str:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        bought.append((purchase.name, reference))
        return f"{purchase.name}.png"

    assert await bench.work.walk(work, buy) == ["a.png", "b.png", "c.png", "film.png"]
    assert most == 2
    assert ("film", "a.png") in bought


def test_each_repetition_has_every_peer_once_in_an_order_of_its_seed(bench: Any) -> None:
    peers = ["a", "b", "c", "d"]
    chosen = [bench.scenarios.SCENARIOS["fan-out-1"]]
    found = list(bench.__main__.turns(chosen, peers, 5, seed=1))
    assert found == list(bench.__main__.turns(chosen, peers, 5, seed=1))
    orders = [tuple(name for _, name, turn in found if turn == number) for number in range(1, 6)]
    assert all(sorted(order) == peers for order in orders)
    assert len(set(orders)) > 1


def test_the_end_of_a_job_is_known_with_the_first_look_after_it(bench: Any) -> None:
    done = bench.processes.Execution(
        began=100, ended=110, code=0, processor=1, peak_mb=1, together_mb=1
    )
    look = "/api/v1/generations/task_1"
    requests = [
        bench.services.Request(101, 202, "POST", "/api/v1/generations"),
        *(bench.services.Request(at, 200, "GET", look) for at in (102.0, 103.5, 104.0)),
        bench.services.Request(105, 200, "GET", "/media/results/a.png"),
    ]
    found = bench.measure._moments(done, requests, [bench.services.Job("task_1", 101, 103)])
    assert (found["first_post"], found["last_job_ended"], found["last_request"]) == (1, 3, 5)
    assert found["looks"]["mean"] == 3
    assert found["looks_after_the_end"] == 1
    assert found["end_to_known"]["max"] == 0.5


def test_a_webhook_allows_the_purchase_after_those_that_waited_for_nothing(bench: Any) -> None:
    assert bench.webhooks.delays([3.0, 3.5, 6.0], [1.0, 1.0, 3.25, 4.0], limit=2) == [0.25, 0.5]


def test_the_page_has_what_is_generated_from_the_results(bench: Any) -> None:
    page = bench.pages.PAGE.read_text("utf-8")
    now, cluster = (json.loads(one.read_text()) for one in (bench.pages.NOW, bench.pages.CLUSTER))
    assert bench.pages.filled(page, bench.pages.sections(now, cluster)) == page
    assert "Not measured yet." in bench.pages.filled(page, bench.pages.sections(now, {}))
    with pytest.raises(ValueError, match="0 times <!-- none -->"):
        bench.pages.filled(page, {"none": ""})
