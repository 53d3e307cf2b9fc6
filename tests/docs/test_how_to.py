"""Each guide of docs/how-to can be followed with nothing but the page, in an empty folder."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.spec.load import check
from rivya_sandbox.service.options import Media
from support.pages import (
    Block,
    blocks_of,
    data_at_home,
    not_run,
    reading,
    sandbox_at_home,
    server_of_the_tests,
)
from support.seeded_data import seeded

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
TASKS = {
    "reference-photo": "Use your own photo",
    "pick": "Pick by eye",
    "review": "Let clients and lawyers approve",
    "insights": "What is worth its credits",
    "judge": "Let a judge choose",
    "budget": "Set a budget",
    "quote": "Buy exactly what was quoted",
    "schedule": "Run on a schedule",
    "batch": "Run a table of products",
    "webhooks": "Be told when media are ready: webhooks",
    "cluster": "Run on a cluster",
    "own-step": "Write a step of your own",
    "resume": "Resume a run",
    "quality": "Do not pay for broken clips",
    "captions": "Add captions",
    "scenes": "Make a film of several scenes",
    "chain-shots": "Chain shots",
    "brand": "Keep to a brand",
    "languages": "Make it in several languages",
    "testing": "Test a spec",
    "fork": "Change one thing and pay only for that",
    "share": "Show it to your client",
    "clean-up": "Clean up",
    "formats": "Make a vertical video",
}
STARTS_ALL = {"schedule", "webhooks"}
"""Guides that call `up`. The others use a sandbox and the Prefect server of the tests."""
LOOKS_AT_MEDIA = {"chain-shots"}
"""Guides that measure media, of which plain ones are of one colour."""
NEEDS_RUNS = ("share", "clean-up")
"""Guides that begin with the runs of `fork`, after which one reader follows them, and have no spec."""


def page(name: str) -> Path:
    return HOW_TO / f"{name}.md"


def test_a_guide_is_named_by_its_task_and_begins_with_what_comes_of_it() -> None:
    for name, task in TASKS.items():
        lines = page(name).read_text("utf-8").splitlines()
        assert (lines[0], lines[2][:1].isalpha()) == (f"# {task}", True)


@pytest.mark.parametrize(
    "name",
    sorted(TASKS.keys() - {"own-step", *NEEDS_RUNS}),  # the first runs its own
)
def test_every_spec_of_a_guide_passes_check(name: str, tmp_path: Path) -> None:
    specs = []
    for block in blocks_of(page(name)):
        if block.file and not block.not_run and block.kind != "diff":
            path = tmp_path / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
            if "\nsteps:\n" in block.text:
                specs.append(path)
    assert specs
    for path in specs:
        text = path.read_text("utf-8")
        found = check(text, file=path.name, catalogue=shipped(), folder=path.parent)[1]
        assert found == ()


@pytest.mark.prefect
@pytest.mark.parametrize(
    "name", [*(name for name in TASKS if name not in NEEDS_RUNS), "../hi/quickstart"]
)
def test_a_reader_can_follow_a_guide(name: str, tmp_path: Path, prefect_data: Path) -> None:
    followed = (name, *NEEDS_RUNS) if name == "fork" else (name,)
    blocks = [block for one in followed for block in blocks_of(page(one))]
    reader_has = {}
    with ExitStack() as stage:
        if name in STARTS_ALL:
            seeded(data_at_home(tmp_path), prefect_data, empty=True)
        else:
            reader_has = server_of_the_tests()
            media: Media = "real" if name in LOOKS_AT_MEDIA else "plain"
            stage.enter_context(sandbox_at_home(tmp_path, media))
        if name == "own-step":
            reader_has["PYTHONPATH"] = str(built(blocks, tmp_path / "site"))
        reader = stage.enter_context(reading(tmp_path, **reader_has))
        for block in blocks:
            [run, *_] = re.findall(r"run-\d\S+", reader.shown) or ["RUN"]
            reader.do(replace(block, text=block.text.replace(" RUN\n", f" {run}\n")))


def test_what_is_not_run_says_why() -> None:
    exempt = {name: len(found) for name in TASKS if (found := not_run(page(name)))}
    assert exempt == {"cluster": 3, "own-step": 2, "webhooks": 2}


def test_the_cluster_guide_names_what_there_is() -> None:
    commands = "".join(block.text for block in blocks_of(page("cluster")) if block.not_run)
    for path in ("deploy/env.example", "deploy/kubernetes"):
        assert path in commands
        assert (ROOT / path).exists()
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    assert set(re.findall(r"compose logs (\w+)", commands)) < services.keys()
    started = [" ".join(one["command"]) for one in services.values() if "command" in one]
    [worker] = re.findall(r"^(prefect worker start .*) --name", commands, re.MULTILINE)
    assert any(command.startswith(worker) for command in started)


def built(blocks: list[Block], folder: Path) -> Path:
    """The folder with the package of a page, as `pip install` describes it to Python."""
    folder.mkdir()
    for block in blocks:
        if block.kind in {"toml", "python"} and block.file:
            (folder / block.file).write_text(block.text, "utf-8")
    build = "from setuptools import build_meta as b; b.prepare_metadata_for_build_wheel('.')"
    subprocess.run([sys.executable, "-c", build], cwd=folder, check=True, capture_output=True)
    return folder
