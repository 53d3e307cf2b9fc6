"""`schema` and `graph`: the aids for writing and reading a spec."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from rivya_flows.spec.json_schema import FILE, TESTS_FILE
from support.cli_calls import Terminal

SPECS = Path(__file__).parents[2] / "specs"
ODD = """version: 1
name: odd
inputs:
  styles: {type: list, of: string, default: [neon, noir]}
  extra: {type: boolean, default: false}
steps:
  end:
    uses: generate
    title: 'The "end" <b>#1</b>; %% 100% `x` $y$'
    matrix: {style: "${{ inputs.styles }}"}
    with: {model: z-image, prompt: "a lamp, ${{ matrix.style }}"}
  best:
    uses: pick
    with: {from: "${{ steps.end.items }}"}
  more:
    uses: generate
    if: ${{ inputs.extra }}
    with: {model: z-image, prompt: a lamp, params: {}}
finally:
  tell:
    uses: notify
    with: {url: "https://example.com/hook"}
outputs: {best: "${{ steps.best.asset }}"}
"""
NODE = r'(?:\["[^"]*"\]|\{\{"[^"]*"\}\}|\[/"[^"]*"/\]|\(\["[^"]*"\]\))'
LINES = (
    r"flowchart TD",
    rf" {{4,8}}[A-Za-z]\w*{NODE}",
    r'    subgraph [A-Z_]+\["\w+"\]',
    r"    end",
    r"    [A-Za-z]\w* --> [A-Za-z]\w*",
    r"    classDef skipped stroke-dasharray: 4 4",
    r"    class \w+(?:,\w+)* skipped",
)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd.yaml"
    path.write_text(ODD)
    return path


def test_schema_is_printed_as_it_lies_beside_the_specs(call: Terminal) -> None:
    said = call("schema")
    assert said.code == 0
    assert said.document == json.loads((SPECS / FILE).read_text("utf-8"))


def test_schema_is_written_into_a_folder(call: Terminal, tmp_path: Path) -> None:
    said = call("schema", "--write", tmp_path)
    assert (said.code, said.out.splitlines()[0]) == (0, f"{FILE}: written")
    for name in (FILE, TESTS_FILE):
        assert (tmp_path / name).read_text("utf-8") == (SPECS / name).read_text("utf-8")
    (tmp_path / "specs").mkdir()
    assert call("schema", "--write").code == 0
    written = {path.name for path in (tmp_path / "specs").glob("*.json")}
    assert written == {FILE, TESTS_FILE}


def test_graph_follows_the_inputs_and_quotes_odd_titles_and_names(
    call: Terminal, odd: Path
) -> None:
    given = call("graph", odd, "-i", "styles=[a, b, c]", "-i", "extra=true").out
    assert "end × 3<br/>" in given
    assert "3 credits" in given
    assert "skipped" not in given
    said = call("graph", odd)
    assert said.code == 0
    for line in said.out.splitlines():
        assert any(re.fullmatch(form, line) for form in LINES), line
    assert (
        "The #34;end#34; #60;b#62;#35;1#60;/b#62;; #37;#37; 100#37; #96;x#96; #36;y#36;" in said.out
    )
    assert 'more["more<br/>generate<br/>skipped"]' in said.out
    assert "    class more skipped" in said.out
    assert '    end["' not in said.out
    assert (
        '    subgraph FINALLY["finally"]\n        tell(["tell<br/>notify"])\n    end\n' in said.out
    )


def test_graph_of_a_wrong_spec_tells_its_problems(call: Terminal, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(ODD.replace("z-image", "z-imag", 1))
    said = call("graph", tmp_path / "wrong.yaml")
    assert (said.code, said.out) == (2, "")
    assert "did you mean 'z-image'?" in said.err
