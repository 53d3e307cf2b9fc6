"""What `check`, `plan` and `graph` say of each spec of the repository and of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from frozen.conftest import Stage
from frozen.golden import compare
from frozen.seams import DOCS, OWN, SPECS

FILES = [
    path
    for folder in (SPECS, OWN, DOCS)
    for path in sorted(folder.glob("*.yaml"))
    if not path.name.endswith(".test.yaml")
]
VARIANTS: dict[str, tuple[str, ...]] = {
    "launch-human": ("product-launch", "-i", "pick=human", "-i", "language=hi", "--budget", "40"),
    "launch-one": ("product-launch", "-i", "styles=[neon]", "--label", "client=acme"),
    "ads-one": ("table-ads", "-i", "first=1", "--cache", "off"),
    "photo-two": ("own-photo", "-i", "styles=[noir, comic]", "-i", "keep=the mug"),
    "kinds-plain": ("kinds", "-i", "bold=false", "-i", "lights=[noon]", "-i", "many=1"),
    "launch-over": ("product-launch", "--budget", "3"),
    "launch-wrong": ("product-launch", "-i", "styles=[]", "-i", "language=fr", "-i", "colour=red"),
}


def _planned(stage: Stage, path: Path, *more: str) -> dict[str, object]:
    inputs = [word for at in range(len(more)) if more[at] == "-i" for word in more[at : at + 2]]
    graph, text = stage.call("graph", path, *inputs), stage.call("plan", path, *more)
    return {
        "check": stage.said("check", path),
        "plan": stage.said("plan", path, *more),
        "graph": graph.out.splitlines(),
        "text": text.out.splitlines(),
        "told": text.err.splitlines(),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_spec_is_checked_planned_and_drawn_as_ever(stage: Stage, path: Path) -> None:
    seen = stage.normal(_planned(stage, path))
    assert [line for line in stage.wire.asked if line.startswith("POST")] == []
    compare(f"specs/{path.parent.name}-{path.stem}", seen)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_plan_follows_its_inputs_and_options_as_ever(stage: Stage, name: str) -> None:
    spec, *more = VARIANTS[name]
    [path] = [path for path in FILES if path.stem == spec]
    compare(f"specs/{name}", stage.normal(_planned(stage, path, *more)))
