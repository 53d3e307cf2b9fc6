"""What each other command prints with ``--json``, and some for people; `test_runs` has the runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import rivya_flows
from frozen.conftest import Stage
from frozen.golden import compare, hash_of, shape
from frozen.seams import OWN, SPECS

pytestmark = pytest.mark.slow

COMMANDS: dict[str, list[str]] = yaml.safe_load(
    Path(__file__).with_name("commands.yaml").read_text("utf-8")
)
DRAFT = """version: 1
name: draft
steps:
  picture:
    uses: generate
    with: {model: z-imge, prompt: A lamp, parms: {aspect_ratio: "1:1"}}
"""


def test_commands_that_run_nothing_print_what_they_ever_did(stage: Stage) -> None:
    draft = stage.folder / "draft.yaml"
    draft.write_text(DRAFT)
    (stage.folder / "plain.png").write_bytes((OWN / "look" / "logo.png").read_bytes())
    seen: dict[str, Any] = {"schema": hash_of(stage.call("schema").out)}
    for words in (["--diff"], ["--format", "text"], ["--format", "github"], ["--format", "sarif"]):
        said = stage.call("check", draft.name, *words)
        seen[f"check {words[-1]}"] = (said.out + said.err).splitlines()
    pool = ("acme", "--match", "client=acme", "--credits", 9, "--period", "total")
    seen["budgets set"] = stage.call("budgets", "set", *pool).out.splitlines()
    seen["printed"] = stage.played(COMMANDS["plain"])
    seen["quote"] = shape(json.loads((stage.folder / "social.quote").read_text()))
    seen["shapes"] = [shape(one) for one in stage.played(COMMANDS["shapes"])]
    compare("commands", stage.normal(seen))


def test_the_public_names_are_the_same(stage: Stage) -> None:
    compare("public-names", {"all": sorted(rivya_flows.__all__)})
    path = SPECS / "product-launch.yaml"
    assert rivya_flows.plan(path).document == stage.said("plan", path)["printed"]
    assert rivya_flows.check(path) == ()
    assert rivya_flows.load(path).name == path.stem


@pytest.mark.prefect
def test_commands_about_runs_print_what_they_ever_did(stage: Stage) -> None:
    seen = {
        "printed": stage.played(COMMANDS["runs"]),
        "shapes": [shape(one) for one in stage.played(COMMANDS["shapes of runs"])],
        "receipt": stage.call("receipt", stage.runs[-2]).out.splitlines(),
    }
    for name in ("runs", "spend"):
        seen[name] = [" ".join(line.split()) for line in stage.call(name).out.splitlines()]
    seen = stage.normal(seen)
    seen["removed"] = stage.said("store", "remove", stage.runs.pop(), "--yes")
    compare("commands-of-runs", stage.normal(seen))
