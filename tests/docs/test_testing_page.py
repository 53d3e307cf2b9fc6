"""The example of docs/how-to/testing.md passes, and its tables name all that the format has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rivya_flows.spec.spec_tests import Case, ExpectedOutput, ExpectedRun, ExpectedStep, SpecTests
from support.cli_calls import Terminal

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "testing.md").read_text("utf-8")
FILES = dict(re.findall(r"^```yaml (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def test_the_example_passes_as_the_page_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spots").mkdir()
    for name in ("spots/lamp.yaml", "spots/lamp.test.yaml"):
        (tmp_path / name).write_text(FILES[name])
    call = Terminal(capsys)
    assert call("check", "spots").code == 0
    said = call("test", "spots")
    assert said.code == 0
    [shown] = re.findall(r"^\$ rivya-flows test spots\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    seconds = re.compile(r"\d+\.\d+ s")
    assert seconds.sub("", said.out) == seconds.sub("", shown)


def test_the_recipes_are_yaml_and_call_the_command() -> None:
    for name in (".github/workflows/specs.yaml", ".gitlab-ci.yml"):
        assert yaml.safe_load(FILES[name])
        assert "rivya-flows test specs --junit results.xml" in FILES[name]


def test_the_tables_name_every_key() -> None:
    rows = (*SpecTests.model_fields, *Case.model_fields, *ExpectedRun.model_fields)
    assert [key for key in rows if f"\n| `{key}` |" not in PAGE] == []
    named = (*ExpectedStep.model_fields, *ExpectedOutput.model_fields)
    assert [key for key in named if f"`{key}`" not in PAGE] == []
