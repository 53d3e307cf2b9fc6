"""`test`: cases as a person, a script and a CI server see them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from rivya_flows.environment import variables
from rivya_flows.spec_tests import CaseResult, Mismatch, junit
from support.cli_calls import Terminal
from support.engine_runs import stills

PASSES = "version: 1\ncases:\n  - {name: two pictures, expect: {credits: 2}}\n"
FAILS = f"{PASSES}  - {{name: three pictures, expect: {{credits: 3}}}}\n"


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    (tmp_path / "specs").mkdir()
    write(tmp_path, PASSES)
    return Terminal(capsys)


def write(folder: Path, tests: str) -> None:
    (folder / "specs" / "stills.yaml").write_text(stills(2))
    (folder / "specs" / "stills.test.yaml").write_text(tests)


def test_a_failed_case_says_what_was_expected_and_what_runs_it_by_hand(
    call: Terminal, tmp_path: Path
) -> None:
    write(tmp_path, FAILS)
    said = call("test", "specs/stills.yaml", "--junit", "out.xml")
    assert said.code == 1
    assert "FAILED specs/stills.test.yaml: three pictures (" in said.out
    assert "\n  credits: expected 3, not 2\n" in said.out
    assert "\n  by hand: rivya-flows run specs/stills.yaml --sandbox\n" in said.out
    assert "\n1 failed, 1 passed in " in said.out
    [suite] = Xml.parse(tmp_path / "out.xml").getroot()
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == (
        "specs/stills.yaml",
        "2",
        "1",
    )
    assert [case.find("failure") is not None for case in suite] == [False, True]


def test_cases_are_chosen_by_a_text_of_their_name(call: Terminal, tmp_path: Path) -> None:
    write(tmp_path, FAILS)
    said = call("test", "-k", "TWO", "--json")
    assert (said.code, said.err) == (0, "")
    assert (said.document["ok"], said.document["passed"]) == (True, 1)
    [case] = said.document["cases"]
    assert (case["name"], case["credits"], case["status"]) == ("two pictures", 2, "completed")
    assert call("test", "-k", "nowhere").code == 2


def test_a_wrong_file_runs_nothing(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "private.yaml").write_text("key: secret-4711\n")
    outside = PASSES.replace("cases:", "spec: ../private.yaml\ncases:")
    lacks = "cases: [{expect: {credits: 2}}]\n"
    for tests, words in (
        (lacks, ["add `version: 1`", "add `name: two stills and a film`"]),
        (outside, ["is not the path of a spec inside this folder [bad-file]"]),
        (FAILS.replace("expect", "expects"), [":3:26: unknown key 'expects' [unknown-key]"]),
    ):
        write(tmp_path, tests)
        said = call("test")
        assert (said.code, said.out) == (2, "")
        assert all(one in said.err for one in words)
        assert "secret-4711" not in said.err
    document = call("test", "--json").document
    assert (document["ok"], len(document["problems"]), document["cases"]) == (False, 2, [])


def test_results_that_cannot_be_written_are_told(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = call("test", "--junit", "file/out.xml")
    assert said.code == 2
    assert "hint: give another --junit FILE" in said.err


def test_a_line_says_how_each_case_went_and_the_environment_is_as_before(
    call: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_of_the_user")
    before = variables()
    said = call("test")
    assert (said.code, said.err) == (0, "")
    first, _, last = said.out.splitlines()
    assert first.startswith("ok     specs/stills.test.yaml: two pictures (")
    assert last.startswith("1 passed in ")
    assert {**variables(), "PYTEST_CURRENT_TEST": ""} == {**before, "PYTEST_CURRENT_TEST": ""}


def test_a_file_of_tests_is_checked_as_one_and_is_no_spec(call: Terminal, tmp_path: Path) -> None:
    said = call("check", "specs/stills.yaml", "specs/stills.test.yaml")
    assert said.code == 0
    assert "specs/stills.test.yaml: ok (1 test case, " in said.out
    for command in ("plan", "graph"):
        said = call(command, "specs/stills.test.yaml")
        assert said.code == 2
        assert "hint: run `rivya-flows test specs/stills.test.yaml`" in said.err
    write(tmp_path, PASSES.replace("credits", "credit"))
    said = call("check", "specs")
    assert said.code == 2
    assert "[unknown-key]" in said.err


def test_no_text_of_a_stranger_breaks_the_xml() -> None:
    hostile = "a\x00\x1b[31m\x9b\ud800\ufffe]]><b attribute='\"&\n"
    difference = Mismatch("status", hostile, hostile)
    result = CaseResult(
        hostile, hostile, hostile, 0.5, "failed", 3, (difference,), (hostile,), hostile
    )
    [suite] = Xml.fromstring(junit([result]).encode("utf-8"))
    [case] = suite
    assert "]]><b attribute='\"&" in str(case.get("name"))
    assert "\x1b" not in Xml.tostring(suite, "unicode")
