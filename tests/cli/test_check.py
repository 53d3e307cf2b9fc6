"""`check`: problems at their place, and nothing sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.preparation.spec_file import specs_at
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


def test_problem_is_told_with_line_caret_and_hint(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    said = call("check", spec, SPECS / "first-picture.yaml")
    assert said.code == 2
    assert said.err.startswith("wrong.yaml:7:14: no model 'z-imge'")
    assert "\n               ^\n" in said.err
    assert "did you mean 'z-image'?" in said.err
    assert "\nerror: 1 problem found\n" in said.err
    assert said.err.endswith("hint: `rivya-flows check --fix` fixes what is certain\n")
    assert "first-picture.yaml: ok" in said.out


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
    monkeypatch.chdir(tmp_path)
    said = call("check")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: there is no folder specs")
    for name in ("specs", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "good.yaml").write_text(WRONG.replace("z-imge", "z-image"))
    assert call("check").out.startswith("specs/good.yaml: ok (1 step")
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", "mine")
    assert call("check").out.startswith("mine/good.yaml: ok (1 step")


def test_a_spec_that_is_given_by_its_name_is_found_for_the_hint(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "good.yaml").write_text(WRONG)
    assert "did you mean 'specs/good.yaml'?" in call("graph", "good").err


def test_problems_as_json(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    said = call("check", "--json", spec)
    assert said.code == 2
    assert said.document["ok"] is False
    [problem] = said.document["problems"]
    assert problem["file"] == str(spec)
    assert (problem["line"], problem["column"]) == (7, 14)
    assert set(problem) == {"file", "line", "column", "code", "message", "hint"}


def test_missing_file_does_not_keep_others_from_being_checked(call: Terminal) -> None:
    said = call("check", "nowhere.yaml", SPECS / "first-picture.yaml")
    assert said.code == 2
    assert "nowhere.yaml: No such file or directory" in said.err
    assert "first-picture.yaml: ok" in said.out


def test_good_specs_as_json(call: Terminal) -> None:
    said = call("check", "--json", *specs_at(SPECS))
    assert said.code == 0
    assert said.document == {"ok": True, "problems": [], "warnings": []}


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


def test_fix_writes_what_is_certain_and_says_it(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    said = call("check", "--fix", spec)
    assert said.code == 0
    fixed, good = said.out.splitlines()
    assert fixed == "wrong.yaml:7:14: fixed: z-image instead of z-imge [unknown-model]"
    assert good.startswith("wrong.yaml: ok (1 step")
    assert spec.read_text() == WRONG.replace("z-imge", "z-image")


def test_fix_reports_what_is_left(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG.replace("wrong", "Very wrong"))
    said = call("check", "--fix", spec)
    assert said.code == 2
    assert "fixed: z-image" in said.out
    assert "[bad-name]" in said.err
    assert "--fix" not in said.err
    document = call("check", "--fix", "--json", spec).document
    assert (document["ok"], document["fixed"]) == (False, [])


def test_the_json_lists_what_was_fixed(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    said = call("check", "--fix", "--json", tmp_path)
    assert said.code == 0
    [one] = said.document["fixed"]
    assert (one["line"], one["code"], one["wrote"]) == (
        7,
        "unknown-model",
        "z-image instead of z-imge",
    )


def test_diff_writes_nothing(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG)
    said = call("check", "--diff", spec)
    assert said.code == 2
    assert said.out.splitlines()[:2] == [f"--- {spec}", f"+++ {spec}"]
    assert "-      model: z-imge" in said.out.splitlines()
    assert "+      model: z-image" in said.out.splitlines()
    assert spec.read_text() == WRONG
    assert call("check", "--diff", SPECS).code == 0


def test_the_lines_of_a_diff_end_as_those_of_the_file(call: Terminal, tmp_path: Path) -> None:
    spec = tmp_path / "wrong.yaml"
    spec.write_text(WRONG, newline="\r\n")
    lines = call("check", "--diff", spec).out.split("\n")
    assert lines[:2] == [f"--- {spec}", f"+++ {spec}"]
    assert "+      model: z-image\r" in lines


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
