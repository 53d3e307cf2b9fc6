"""The hooks for projects with specs of their own: they name what the command line has."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from rivya_flows.cli.main import program

ROOT = Path(__file__).parents[2]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))


def test_there_is_a_hook_that_reports_and_one_that_fixes() -> None:
    assert [hook["id"] for hook in HOOKS] == ["rivya-flows-check", "rivya-flows-fix"]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_calls_a_command_with_options_that_it_has(hook: dict[str, Any]) -> None:
    script, name, *options = hook["entry"].split()
    assert (script, hook["language"]) == ("rivya-flows", "python")
    command = program.get_command(click.Context(program), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert set(options) <= known


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_takes_what_no_registry_has_from_this_repository(hook: dict[str, Any]) -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    ours = [one.partition("==")[0] for one in needed if one.startswith("rivya-")]
    assert hook["additional_dependencies"] == [
        f"./packages/{name.removeprefix('rivya-')}" for name in ours
    ]


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_takes_specs_alone(hook: dict[str, Any]) -> None:
    names = [path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").rglob("*.*")]
    names += ["campaigns/specs/spot.yaml", "specs/spot.test.yaml", "myspecs/spot.yaml", "spot.yaml"]
    taken = [
        name
        for name in names
        if re.search(hook["files"], name) and not re.search(hook["exclude"], name)
    ]
    specs = [path.relative_to(ROOT).as_posix() for path in (ROOT / "specs").glob("*.yaml")]
    assert sorted(taken) == sorted(
        [*(one for one in specs if ".test." not in one), "campaigns/specs/spot.yaml"]
    )
