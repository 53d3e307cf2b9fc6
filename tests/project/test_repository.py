"""The repository: modules, README, links, errors, changelog."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import rivya_client
import rivya_flows
from rivya_client.catalogue.snapshot import shipped
from rivya_client.types import Generation, JobError
from rivya_flows.engine.jobs import CollectError, JobFailedError
from rivya_flows.errors import (
    APIConnectionError,
    APIStatusError,
    BudgetError,
    Diagnostic,
    LeaseLostError,
    MediaError,
    RivyaError,
    SpecError,
    StoreError,
    UsageError,
)
from rivya_flows.spec.load import load

ROOT = Path(__file__).parents[2]


def test_every_module_is_importable_by_itself() -> None:
    # `flows` and `tasks` are linked into it.
    names = [
        module.name
        for package in (rivya_flows, rivya_client)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    assert {"rivya_flows.flows.campaigns", "rivya_flows.tasks.service"} <= set(names)
    for name in names:
        importlib.import_module(name)


@pytest.mark.parametrize(
    "error",
    [
        SpecError((Diagnostic("unknown-key", "unknown key 'a'", file="a.yaml", line=1, column=2),)),
        UsageError("wrong", "do this"),
        BudgetError("too much", None),
        StoreError("broken"),
        LeaseLostError("lost"),
        MediaError("not a picture"),
        APIConnectionError("no answer"),
        APIStatusError(429, "rate_limited", "slow down", "req_1", 2.0),
        CollectError(Generation(id="task_1"), "gone"),
        JobFailedError(Generation(id="task_1", error=JobError(message="it failed"))),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: RivyaError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint) == (type(error), str(error), error.hint)


def test_the_spec_in_the_readme_loads() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert [load(b, file="README.md", catalogue=shipped()).name for b in blocks] == ["chai"]


def test_links_of_pages_beside_the_site_lead_somewhere_and_no_page_is_half_merged() -> None:
    beside = [*ROOT.glob("*.md"), *ROOT.glob("packages/*/README.md")]
    for page in [*beside, *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text("utf-8")
        assert not re.search(r"^(<{7}|>{7}) ", text, re.M), page
        for target in re.findall(r"\]\(([^)#\s]+)", text) if page in beside else ():
            assert re.match("https?://", target) or (page.parent / target).exists(), target


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert headings[0] == "Unreleased" or headings[0].startswith(version)
