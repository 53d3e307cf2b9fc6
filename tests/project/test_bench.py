"""What `scripts/bench` lets its peers do, and writes into docs/performance.md."""

from __future__ import annotations

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
_MODULES = ("pages", "peers.work", "scenarios")


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


def test_the_page_has_what_is_generated_from_the_results(bench: Any) -> None:
    page = bench.pages.PAGE.read_text("utf-8")
    now, cluster = (json.loads(one.read_text()) for one in (bench.pages.NOW, bench.pages.CLUSTER))
    assert bench.pages.filled(page, bench.pages.sections(now, cluster)) == page
    assert "Not measured yet." in bench.pages.filled(page, bench.pages.sections(now, {}))
    with pytest.raises(ValueError, match="0 times <!-- none -->"):
        bench.pages.filled(page, {"none": ""})
