"""`explain`: the page of each code that a command prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rivya_flows.diagnostics import CODES
from support.cli_calls import Terminal

GUIDE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def test_a_mistake_is_explained_with_an_example_and_its_fix(call: Terminal) -> None:
    said = call("explain", "wrong-choice")
    assert said.code == 0
    code, means, *rest = said.out.splitlines()
    assert (code, means) == ("wrong-choice", "A value is not one of the allowed ones.")
    assert rest[:3] == ["", "For example:", ""]
    example, fix = "\n".join(rest[3:]).split("\n\nFix: ")
    assert f"```yaml\n{re.sub('^  ', '', example, flags=re.M)}\n```" in GUIDE.read_text("utf-8")
    assert fix
    assert call("explain", "[wrong-choice]").out == said.out, "as a message has it"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("not_confirmed", "Exit code 3."),
        ("uncertain", "Fix: `resume --resubmit`, or give it up."),
        ("api_key_missing", "Fix: Set RIVYA_API_KEY."),
        ("machine", "Exit code 2."),
    ],
)
def test_an_error_is_explained_too(call: Terminal, code: str, says: str) -> None:
    said = call("explain", code)
    assert (said.code, says in said.out) == (0, True)


def test_every_code_has_a_line(call: Terminal) -> None:
    listed = call("explain").out
    pages = call("explain", "--json").document["codes"]
    assert len(pages) > len(CODES) + 40
    assert all(one["means"] and f"\n{one['code']} " in listed for one in pages)
    assert all(page.example and page.fix for page in CODES.values())
    [page] = call("explain", "over_budget", "--json").document["codes"]
    assert set(page) == {"code", "means", "fix", "example"}


def test_a_code_that_does_not_exist_is_refused_with_the_nearest(call: Terminal) -> None:
    said = call("explain", "unknown-modle")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: no code 'unknown-modle'\nhint: did you mean 'unknown-model'?\n"
    assert "lists all codes" in call("explain", "x" * 200).err


def test_check_says_once_how_to_learn_more(call: Terminal) -> None:
    Path("a.yaml").write_text("version: 1\nname: A B\nsteps: {}\nmore: 1\n")
    said = call("check", "a.yaml")
    [hint] = [line for line in said.err.splitlines() if "rivya-flows explain" in line]
    code = re.findall(r"explain ([a-z-]+)`", hint)[0]
    assert call("explain", code).code == 0
    assert "explain" not in call("check", "a.yaml", "--format", "github").err
