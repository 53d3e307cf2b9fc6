"""`check`: problems at their place, in each format, and nothing sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rivya_flows.cli.check import github_command, sarif
from rivya_flows.diagnostics import Diagnostic
from support.cli_calls import Terminal

SPECS = Path(__file__).parents[2] / "specs"
WRONG = """version: 1
name: wrong
steps:
  picture:
    uses: generate
    with:
      model: z-imge
      prompt: A lamp
"""


def test_good_spec_is_ok_with_the_date_of_the_catalogue(call: Terminal) -> None:
    said = call("check", SPECS / "product-launch.yaml")
    assert said.code == 0
    assert said.out.startswith(f"{SPECS / 'product-launch.yaml'}: ok (7 steps, catalogue of 20")
    assert said.out.endswith(", shipped)\n")


def test_problems_are_told_with_line_caret_and_hint_and_the_other_files_are_checked(
    call: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    said = call("check", "wrong.yaml", "nowhere.yaml", SPECS / "first-picture.yaml")
    assert said.code == 2
    assert said.err.startswith("wrong.yaml:7:14: no model 'z-imge'")
    assert "\n               ^\n" in said.err
    assert "did you mean 'z-image'?" in said.err
    assert "nowhere.yaml: No such file or directory" in said.err
    assert "\nerror: 2 problems found\n" in said.err
    assert said.err.endswith("hint: `rivya-flows check --fix` fixes what is certain\n")
    assert "first-picture.yaml: ok" in said.out
    said = call("check", "--json", "wrong.yaml")
    assert (said.code, said.document["ok"]) == (2, False)
    assert said.document["next"] == "rivya-flows check wrong.yaml --fix"
    [problem] = said.document["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("wrong.yaml", 7, 14)
    assert set(problem) == {"file", "line", "column", "code", "message", "hint"}


def test_a_folder_stands_for_its_specs(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    (tmp_path / "good.yaml").write_text(WRONG.replace("z-imge", "z-image"))
    (tmp_path / "notes.txt").write_text("no spec")
    (tmp_path / "empty").mkdir()
    said = call("check", tmp_path, tmp_path / "empty", "--json")
    assert said.code == 2
    assert [(one["file"], one["code"]) for one in said.document["problems"]] == [
        (str(tmp_path / "wrong.yaml"), "unknown-model"),
        (str(tmp_path / "empty"), "unreadable"),
    ]
    said = call("check", tmp_path)
    assert said.out.startswith("good.yaml: ok (1 step")


def test_without_a_spec_the_folder_of_specs_is_checked(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = call("check")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: there is no folder specs")
    for name in ("specs", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "good.yaml").write_text(WRONG.replace("z-imge", "z-image"))
    assert call("check").out.startswith("specs/good.yaml: ok (1 step")
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", "mine")
    assert call("check").out.startswith("mine/good.yaml: ok (1 step")


def test_a_folder_without_a_spec_is_reported(call: Terminal, tmp_path: Path) -> None:
    said = call("check", tmp_path)
    assert said.code == 2
    assert said.err.startswith(f"{tmp_path}: the folder has no spec (a file that ends in .yaml)")
    assert "hint: the folder has no spec" in call("plan", tmp_path).err
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "one.yaml").write_text(WRONG.replace("z-imge", "z-image"))
    assert "specs/one.yaml: ok" in call("check", tmp_path).out
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    assert call("check", tmp_path).code == 0, "a file of another tool is no spec of the project"
    assert call("check", tmp_path / "compose.yaml").code == 2
    assert "name one of its specs: specs/one.yaml" in call("plan", tmp_path).err


def test_fix_writes_what_is_certain_says_it_and_reports_what_is_left(
    call: Terminal, tmp_path: Path
) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    said = call("check", "--fix", spec)
    assert said.code == 0
    fixed, good = said.out.splitlines()
    assert fixed == "wrong.yaml:7:14: fixed: z-image instead of z-imge [unknown-model]"
    assert good.startswith("wrong.yaml: ok (1 step")
    assert spec.read_text() == WRONG.replace("z-imge", "z-image")
    spec.write_text(WRONG)
    said = call("check", "--fix", "--json", tmp_path)
    [one] = said.document["fixed"]
    told = (said.code, one["line"], one["code"], one["wrote"])
    assert told == (0, 7, "unknown-model", "z-image instead of z-imge")
    spec.write_text(WRONG.replace("wrong", "Very wrong"))
    said = call("check", "--fix", spec)
    assert said.code == 2
    assert "fixed: z-image" in said.out
    assert "[bad-name]" in said.err
    assert "--fix" not in said.err
    document = call("check", "--fix", "--json", spec).document
    assert (document["ok"], document["fixed"], document["next"]) == (False, [], None)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_diff_has_the_line_ends_of_the_file_and_writes_nothing(
    call: Terminal, tmp_path: Path, end: str
) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG, newline=end)
    said = call("check", "--diff", spec)
    assert said.code == 2
    lines = said.out.split("\n")
    assert lines[:2] == [f"--- {spec}", f"+++ {spec}"]
    assert f"-      model: z-imge{end[:-1]}" in lines
    assert f"+      model: z-image{end[:-1]}" in lines
    assert spec.read_bytes().decode() == WRONG.replace("\n", end)
    spec.write_text(WRONG.replace("z-imge", "z-image"))
    assert call("check", "--diff", spec).code == 0


def test_a_brand_file_is_checked_as_a_brand(call: Terminal, tmp_path: Path) -> None:
    brand = tmp_path / "aurora.yaml"
    brand.write_text("name: Aurora\nfont: poppins\n")
    said = call("check", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("aurora.yaml: ok (a brand, ")
    brand.write_text("name: Aurora\nfont: poppins\nclaim: Light\n")
    assert "[unknown-key]" in call("check", brand).err
    brand.write_text("name: Aurora\nfont: popins\npromt: amber\n")
    assert call("check", "--fix", brand).code == 0
    assert brand.read_text() == "name: Aurora\nfont: poppins\nprompt: amber\n"
    assert "the file is a brand and not a spec" in call("plan", brand).err


def test_tests_of_a_spec_are_checked_and_not_fixed(call: Terminal, tmp_path: Path) -> None:
    tests = tmp_path / "spot.test.yaml"
    tests.write_text("version: 1\ncase: []\n")
    said = call("check", "--fix", tests)
    assert said.code == 2
    assert "[unknown-key]" in said.err
    assert tests.read_text() == "version: 1\ncase: []\n"


MISTAKES = """version: 1
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
    (tmp_path / "w.yaml").write_text(MISTAKES)
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
    (folder / "wröng.yaml").write_text(MISTAKES, "utf-8")
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
    (tmp_path / "part.yaml").write_text(MISTAKES)
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
    (tmp_path / "w.yaml").write_text(MISTAKES)
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
