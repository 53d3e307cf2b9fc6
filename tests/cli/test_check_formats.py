"""`check --format`: what GitHub and tools for code analysis read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.cli.check import github_command, sarif
from rivya_flows.diagnostics import Diagnostic
from support.cli_calls import Terminal

WRONG = """version: 1
name: wrong
title: हि 🎬   # code points
steps:
  picture:
    uses: generate
    with: {model: z-imge, prompt: a lamp}
"""


def test_a_workflow_command_escapes_what_github_would_read() -> None:
    problem = Diagnostic(
        "a,b", "100% of: a\r\nb, c", "write %d", file="a:b,c%.yaml", line=3, column=5
    )
    assert github_command(problem) == (
        "::error file=a%3Ab%2Cc%25.yaml,line=3,col=5,title=a%2Cb"
        "::100%25 of: a%0D%0Ab, c%0Ahint: write %25d"
    )


def test_github_gets_paths_from_here_and_no_place_of_what_cannot_be_read(
    call: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "w.yaml").write_text(WRONG)
    said = call("check", tmp_path, "nowhere.yaml", "--format=github")
    first, second = said.out.splitlines()
    assert first.startswith("::error file=w.yaml,line=7,col=19,title=unknown-model::")
    assert second.startswith("::error file=nowhere.yaml,title=unreadable::")


def test_a_text_of_a_stranger_forges_no_command(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text('version: 1\nname: "a\\n::error::no\\x1b[2J"\nsteps: {}\n')
    said = call("check", "w.yaml", "--format", "github")
    assert len(said.out.splitlines()) == 2
    assert all(line.startswith("::error file=w.yaml,") for line in said.out.splitlines())
    assert "\x1b" not in said.out


def test_sarif_has_places_rules_and_fixes(call: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "my specs"
    folder.mkdir()
    (folder / "wröng.yaml").write_text(WRONG, "utf-8")
    said = call("check", "my specs", "--format", "sarif")
    assert said.code == 2
    [run] = said.document["runs"]
    assert said.document["version"] == "2.1.0"
    assert run["columnKind"] == "unicodeCodePoints"
    [rule] = run["tool"]["driver"]["rules"]
    assert rule["id"] == "unknown-model"
    assert rule["shortDescription"]["text"]
    assert rule["help"]["text"]
    [result] = run["results"]
    location = {"uri": "my%20specs/wr%C3%B6ng.yaml", "uriBaseId": "%SRCROOT%"}
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": location,
                "region": {"startLine": 7, "startColumn": 19},
            }
        }
    ]
    region = {"startLine": 7, "startColumn": 19, "endColumn": 25}
    change: dict[str, Any] = {"deletedRegion": region, "insertedContent": {"text": "z-image"}}
    assert result["fixes"] == [
        {
            "description": {"text": "Write z-image instead of z-imge."},
            "artifactChanges": [{"artifactLocation": location, "replacements": [change]}],
        }
    ]


def test_a_file_outside_of_the_folder_has_an_absolute_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    log: Any = sarif([Diagnostic("unreadable", "no such file", file="../b c.yaml")])
    [result] = log["runs"][0]["results"]
    place = {"artifactLocation": {"uri": (tmp_path / "b c.yaml").as_uri()}}
    assert result["locations"] == [{"physicalLocation": place}]


def test_a_mistake_keeps_the_file_that_it_is_in(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(WRONG)
    step = "steps:\n  part: {uses: include, with: {spec: part.yaml}}\n"
    (tmp_path / "whole.yaml").write_text(f"version: 1\nname: whole\n{step}")
    said = call("check", "whole.yaml", "--format", "sarif")
    files = [
        one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for one in said.document["runs"][0]["results"]
    ]
    assert files == ["part.yaml"]
    assert call("check", "whole.yaml", "--fix").code == 2
    assert "z-imge" in (tmp_path / "part.yaml").read_text()


def test_json_is_a_format(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(WRONG)
    given, short = call("check", "w.yaml", "--format", "json"), call("check", "w.yaml", "--json")
    assert given.document == short.document


UNUSED = """version: 1
name: unused
inputs: {product: {type: string, default: lamp}}
steps: {picture: {uses: generate, with: {model: z-image, prompt: a lamp}}}
outputs: {picture: "${{ steps.picture.asset }}"}
"""


def test_a_warning_is_said_in_each_format_and_no_mistake_unless_strict(
    call: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "unused.yaml").write_text(UNUSED)
    said = call("check", "unused.yaml")
    assert (said.code, said.out.splitlines()) == (0, [said.out.strip()])
    assert said.out.startswith("unused.yaml: ok (1 step")
    line = "unused.yaml:3:10: warning: nothing reads the input 'product' [unused-input]"
    assert said.err.splitlines()[0] == line
    document = call("check", "unused.yaml", "--json").document
    assert (document["ok"], [one["code"] for one in document["warnings"]]) == (
        True,
        ["unused-input"],
    )
    github = call("check", "unused.yaml", "--format", "github").out.splitlines()
    assert github[1].startswith("::warning file=unused.yaml,line=3,col=10,title=unused-input::")
    [run] = call("check", "unused.yaml", "--format", "sarif").document["runs"]
    assert [one["level"] for one in run["results"]] == ["warning"]
    strict = call("check", "unused.yaml", "--strict")
    assert (strict.code, strict.err.splitlines()[0]) == (2, line)
    document = call("check", "unused.yaml", "--strict", "--json").document
    assert (document["ok"], len(document["problems"]), document["warnings"]) == (False, 1, [])
