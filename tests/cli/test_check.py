"""`check`: problems at their place, and nothing sent."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert (document["ok"], document["fixed"]) == (False, [])


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
