"""The guide to error codes: it explains every code of the source, with an example that gives it."""

from __future__ import annotations

import ast
import copy
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire, shipped
from rivya_flows.batch.rows import read_rows
from rivya_flows.diagnostics import LINTS, Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.preparation.check import lint_spec
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.spec.load import check, load
from support.cli_calls import Terminal

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "reference" / "errors.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### `([a-z-]+)`\n(.*?)(?=^##|\Z)", GUIDE, re.MULTILINE | re.DOTALL))
FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = next(text for _, said, text in FENCE.findall(GUIDE) if said == "head")

PLACES = {"Diagnostic": 0, "problem": 0, "InferenceError": 0, "Refused": 0, "read_map": 0, "add": 1,
          "unknown": 1, "diagnostic_at": 1, "_Stop": 1, "_note": 1, "_TextFile": 1, "_add": 1,
          "add_at": 2, "_cell": 2}  # fmt: skip
"""Which argument of each call that makes a diagnostic is the code."""

INSIDE = {"reference-too-large"}
"""Codes that `check` never shows: sizes are known to the plan, which reports `bad-arguments`."""


def codes_of_the_source() -> set[str]:
    found: set[str] = set()
    for folder in ("language", "spec", "steps", "preparation", "runs", "batch", "cli"):
        for path in (ROOT / "src" / "rivya_flows" / folder).rglob("*.py"):
            found |= set(_codes(ast.parse(path.read_text("utf-8"))))
    return found


def _codes(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = str(getattr(node.func, "attr", getattr(node.func, "id", "")))
        if name == "problem" and getattr(getattr(node.func, "value", None), "id", "") != "given":
            continue  # of `doctor`
        place = PLACES.get(name)
        given = node.args[place : place + 1] if place is not None else []
        given += [one.value for one in node.keywords if one.arg == "code" and name in PLACES]
        for one in given:
            for part in ast.walk(one):
                value = part.value if isinstance(part, ast.Constant) else None
                if isinstance(value, str) and re.fullmatch(r"[a-z]+(-[a-z]+)*", value):
                    yield value


def written_out(text: str, said: str) -> str:
    """An example with each ``{n}`` line repeated."""
    times = re.match(r"repeated ([\d,]+) times", said)
    if times is None:
        return text
    count = int(times.group(1).replace(",", ""))
    return "".join(
        line.replace("{n}", str(n))
        for line in text.splitlines(keepends=True)
        for n in range(count if "{n}" in line else 1)
    )


def completed(text: str) -> str:
    """An example completed to a whole spec."""
    head, _, steps = HEAD.partition("steps:")
    lacks = "" if re.search(r"^steps:", text, re.MULTILINE) else f"steps:{steps}"
    return f"{head}{text}{lacks}"


def without_sora() -> Catalogue:
    wire = copy.deepcopy(dict(shipped().wire))
    for model in wire["data"]:
        model["api_status"] = "unavailable" if model["id"] == "sora-2" else "available"
    return from_wire(wire, date="2026-01-01", source="live")


def register(text: str, folder: Path) -> None:
    """Installs a package with the entry points of a pyproject."""
    groups: Mapping[str, Mapping[str, str]] = tomllib.loads(text)["project"]["entry-points"]
    package = folder / "example-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1\n")
    lines = [
        f"[{group}]" + "".join(f"\n{k} = {v}" for k, v in e.items()) for group, e in groups.items()
    ]
    (package / "entry_points.txt").write_text("\n".join(lines) + "\n")


def test_the_guide_explains_every_code_of_the_source_and_no_other() -> None:
    assert set(SECTIONS) == codes_of_the_source() - INSIDE


def test_the_guide_explains_every_code_that_the_queue_gives_an_item() -> None:
    table = GUIDE.partition("| `code` of an item | meaning |")[2].partition("\n\n")[0]
    found: set[tuple[str, str]] = set()
    rooms = (ROOT / "src" / "rivya_flows" / room for room in ("plans", "questions", "queue"))
    for path in (one for room in rooms for one in room.rglob("*.py")):
        text = path.read_text("utf-8")
        found |= set(re.findall(r'\bcode="([a-z_]+)"|\bcode = "([a-z_]+)" if', text))
        found |= set(re.findall(r'()\.fail\("([a-z_]+)"', text))
        found |= set(
            re.findall(r'^(?:NOT_BOUGHT|BELOW_LEAST|UNANSWERED)()\s*= "(\w+)"', text, re.M)
        )
    given = {one or other for one, other in found}
    assert given <= set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert {"uncertain", "bad_arguments", "unanswered"} <= given


def test_the_guide_says_what_a_code_means_and_how_to_fix_it() -> None:
    for code, section in SECTIONS.items():
        meaning, _, rest = section.strip().partition("\n\n")
        assert re.fullmatch(r"[A-Z`].*\.", meaning, re.DOTALL), code
        assert "\nFix: " in rest, code


@pytest.mark.parametrize("code", SECTIONS)
def test_the_example_of_the_guide_gives_its_code(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.yaml").write_text(HEAD)
    catalogue = without_sora() if code == "model-unavailable" else shipped()
    told: set[str] = set()
    for language, said, shown in FENCE.findall(SECTIONS[code]):
        text = written_out(shown, said)
        if language == "toml":
            register(text, tmp_path)
            monkeypatch.syspath_prepend(str(tmp_path))
        elif language == "console":
            told |= _called(text, Terminal(capsys))
        elif language == "csv":
            told |= _rows(text)
        elif said.endswith(".yaml"):
            (tmp_path / said).write_text(text, "utf-8")
        else:
            spec = text if said == "whole" else completed(text)
            (tmp_path / "example.yaml").write_text(spec, "utf-8")
            workflow, problems = check(
                spec, file="example.yaml", catalogue=catalogue, folder=tmp_path
            )
            told |= _but_the_rest(problems)
            if code in LINTS and workflow is not None:
                file = SpecFile(spec, "example.yaml", tmp_path)
                told |= {one.code for one in lint_spec(file, workflow, catalogue)}
    assert told == {code}


def _but_the_rest(problems: tuple[Diagnostic, ...]) -> set[str]:
    """The codes; of too many problems only the last one counts."""
    codes = {problem.code for problem in problems}
    return codes - {"unknown-key"} if "too-many-problems" in codes else codes


def _called(text: str, call: Terminal) -> set[str]:
    command = re.sub(r"^\$ rivya-flows ", "", text.strip()).split()
    said = call(*command)
    assert said.code == 2
    return set(re.findall(r"\[([a-z-]+)\]$", said.err, re.MULTILINE))


def _rows(text: str) -> set[str]:
    spec = completed("inputs: {product: {type: string, default: lamp}}\n")
    workflow = load(spec, file="example.yaml", catalogue=shipped())
    with pytest.raises(SpecError) as caught:
        read_rows(text, file="rows.csv", workflow=workflow, batch_id="batch")
    return {problem.code for problem in caught.value.diagnostics}
