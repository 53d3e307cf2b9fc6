"""Maps, lists of maps, and the CSV, JSON and YAML files that hold them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.inputs import parse_assignments, resolve_inputs
from rivya_flows.language.syntax.source import MAX_BYTES
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import check, load

FIELDS = (
    "{name: {type: string, max: 9}, price: {type: number, default: 5},"
    " photo: {type: file, kind: image, required: false}, tags: {type: list, of: string, required: false}}"
)
SPEC = f"""\
version: 1
name: test
inputs:
  products: {{type: list, of: map, fields: {FIELDS}, max: 3}}
steps:
  still:
    uses: generate
    foreach: ${{{{ inputs.products }}}}
    with: {{model: z-image, prompt: "${{{{ item.name }}}}"}}
outputs: {{all: "${{{{ steps.still.assets }}}}"}}
"""
ONE = SPEC.replace("list, of: map", "map").replace(", max: 3", "").replace("foreach: ${{ inputs.products }}", "").replace("item.", "inputs.products.").replace("assets", "asset")  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a photo beside its tables in `t`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "t" / "red.png")
    return tmp_path


def loaded(text: str = SPEC) -> Workflow:
    return load(text, file="spec.yaml", catalogue=shipped())


def resolved(value: Any, text: str = SPEC) -> Any:
    return resolve_inputs(loaded(text), {"products": value}, folder=None)["products"]


def told(value: Any, text: str = SPEC) -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolved(value, text)
    return [str(problem).splitlines()[0] for problem in caught.value.diagnostics]


def test_a_map_has_each_of_its_fields_with_its_default_or_null(folder: Path) -> None:
    row = {"name": "Lamp", "photo": "t/red.png", "x-note": "oak"}
    photo = {"path": str(folder / "t" / "red.png")}
    whole = {"name": "Lamp", "price": 5, "photo": photo, "tags": None}
    assert resolved([row]) == [whole]
    assert resolved(row, ONE) == whole


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([{"price": 3}], "item 1: the field 'name' is missing"),
        ([{"name": "a"}, {"name": 3}], "item 2: name: expected text, not 3"),
        ([{"name": "a", "prize": 3}], "item 1: unknown field 'prize'"),
        ([{"name": "a long name"}], "item 1: name: 11 characters is more than 9"),
        ([{"name": "a", "photo": "no.png"}], "item 1: photo: there is no file 'no.png'"),
        ([{"name": "a", "tags": [1]}], "item 1: tags: item 1: expected text, not 1"),
        ([{"name": "a"}] * 4, "4 items is more than 3"),
        (["a"], "item 1: expected a map, not 'a'"),
        ({"name": "a"}, "expected a list, not a map"),
    ],
)
def test_what_does_not_fit_is_named_by_its_row_and_its_field(
    folder: Path, value: Any, says: str
) -> None:
    assert told(value) == [f"<inputs>: products: {says} [wrong-input]"]


CSV = "name;price;photo;tags;x-note\nLamp;89;red.png;[oak, 012];good\n\nCup;;;;\n"
ROWS = [
    {"name": "Lamp", "price": 89, "photo": "red.png", "tags": ["oak", "012"]},
    {"name": "Cup", "price": None},
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", CSV),
        ("rows.tsv", "\ufeff" + CSV.replace(";", "\t").replace("\n", "\r\n")),
        ("rows.json", json.dumps(ROWS)),
        ("rows.yaml", "- {name: Lamp, price: 89, photo: red.png, tags: [oak, '012']}\n- name: Cup\n"),
    ],
)  # fmt: skip
def test_a_file_is_a_list_of_maps_with_paths_that_count_from_its_folder(
    folder: Path, name: str, text: str
) -> None:
    (folder / "t" / name).write_text(text, newline="")
    photo = {"path": str(folder / "t" / "red.png")}
    rows = [
        {"name": "Lamp", "price": 89, "photo": photo, "tags": ["oak", "012"]},
        {"name": "Cup", "price": 5, "photo": None, "tags": None},
    ]
    given = parse_assignments([f"products=@t/{name}"], loaded())
    assert resolved(given["products"]) == rows
    assert resolved(f"t/{name}") == rows
    assert resolved(str(folder / "t" / name)) == rows


def test_json_may_write_characters_as_pairs_and_no_halves(folder: Path) -> None:
    (folder / "one.json").write_text('{"name": "\\ud83d\\udca1"}')
    assert resolved("one.json", ONE)["name"] == "💡"
    (folder / "half.json").write_text('{"name": "\\ud83d"}')
    assert len(told("half.json", ONE)) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"name": "\\ud83d\\udca1", "price": 1' + "0" * 400 + "}]", "number"),
        ('[{"name": "a", "price": 1, "price": 2}]', "duplicate-key"),
        ('[{"name": "a", "x-n": ' + "[" * 100 + "]" * 100 + "}]", "too-deep"),
        (json.dumps([{"name": "a", "x-n": [0] * 100_000}]), "too-large"),
        (json.dumps([{"name": "a"}] * 10_001), "too-many-rows"),
    ],
)  # fmt: skip
def test_a_table_in_json_has_the_bounds_of_other_tables(folder: Path, text: str, code: str) -> None:
    (folder / "rows.json").write_text(text)
    [problem] = told("rows.json")
    assert problem.endswith(f"[{code}]")


def test_a_line_separator_in_json_is_a_character(folder: Path) -> None:
    (folder / "one.json").write_text('{"name": "a\u2028  b"}', "utf-8")
    assert resolved("one.json", ONE.replace("string, max: 9", "text"))["name"] == "a\u2028  b"


def test_a_table_has_fewer_rows_if_they_are_wide(folder: Path) -> None:
    fields = ", ".join(f"f{n}: {{type: string, required: false}}" for n in range(100))
    wide = SPEC.replace(f"fields: {FIELDS}", f"fields: {{name: {{type: string}}, {fields}}}")
    wide = wide.replace(", max: 3", "")
    (folder / "wide.csv").write_text("name\n" + "a\n" * 2_000)
    [problem] = told("wide.csv", wide)
    assert problem == "wide.csv:1982:1: a table has at most 1,980 rows [too-many-rows]"


def test_all_mistakes_of_a_table_are_told_each_at_its_cell(folder: Path) -> None:
    (folder / "t" / "rows.csv").write_text(
        "name,price,photo\nLamp,many,red.png\n,3,\nCup,4,blue.png\nDesk,1\n"
    )
    assert told("@t/rows.csv") == [
        "t/rows.csv:2:6: price: expected a number, not 'many' [wrong-input]",
        "t/rows.csv:3:1: missing field 'name' [missing-input]",
        "t/rows.csv:4:7: photo: there is no file 't/blue.png' [wrong-input]",
        "t/rows.csv:5:1: 2 cells, but the header has 3 [wrong-cells]",
    ]


def test_a_line_separator_inside_a_cell_ends_no_line(folder: Path) -> None:
    (folder / "t" / "rows.csv").write_text("name,price\nLa\u2028mp,1\nCup,many\n", "utf-8")
    assert told("@t/rows.csv") == [
        "t/rows.csv:3:5: price: expected a number, not 'many' [wrong-input]"
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "name,colour\nLamp,red\n", "a.csv:1:6: unknown field 'colour' [unknown-field]"),
        ("a.csv", "", "a.csv:1:1: the file is empty [no-rows]"),
        ("a.json", '[{"name": "a",\n  "price": "b"}]', "a.json:2:12: item 1: price: expected a number, not 'b' [wrong-input]"),
        ("a.yaml", "- name: a\n- b", "a.yaml:2:3: item 2: expected a map, not 'b' [wrong-input]"),
        ("a.yaml", "name: [a", "a.yaml:1:7: this [ is never closed [yaml-syntax]"),
        ("a.yaml", "a.yaml", "a.yaml:1:1: expected a list, not 'a.yaml' [wrong-input]"),
        ("a.txt", "Lamp", "<inputs>: products: 'a.txt' is no CSV, JSON or YAML file by its name [wrong-input]"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_what(folder: Path, name: str, text: str, says: str) -> None:
    (folder / name).write_text(text)
    assert told(name) == [says]


def test_a_file_has_bounds_and_holds_no_further_files(folder: Path) -> None:
    assert told("none.csv") == ["<inputs>: products: there is no file 'none.csv' [wrong-input]"]
    (folder / "large.csv").write_text("name\n" + "a" * MAX_BYTES)
    with pytest.raises(UsageError, match=r"large\.csv: larger than 1 MiB"):
        resolved("large.csv")
    (folder / "long.csv").write_text("name\n" + "a\n" * 10_001)
    assert told("long.csv") == ["long.csv:10002:1: a table has at most 10,000 rows [too-many-rows]"]
    inner = SPEC.replace("tags: {type: list, of: string,", "tags: {type: list, of: map, fields: {a: {type: string}},")  # fmt: skip
    (folder / "t" / "in.yaml").write_text("[{a: x}]")
    assert told([{"name": "a", "tags": "t/in.yaml"}], inner) == [
        "<inputs>: products: item 1: tags: expected a list, not 't/in.yaml' [wrong-input]"
    ]
    with pytest.raises(SpecError, match=r"expected a list, not 't/rows\.csv'"):
        resolve_inputs(loaded(), {"products": "t/rows.csv"}, folder=None, paths=False)


def test_rows_may_be_written_where_they_are_given(folder: Path) -> None:
    given = parse_assignments(["products=[{name: Lamp, price: 3}]"], loaded())
    assert given == {"products": [{"name": "Lamp", "price": 3}]}
    assert parse_assignments(["products={name: Lamp}"], loaded(ONE)) == {
        "products": {"name": "Lamp"}
    }


def with_default(folder: Path, written: str) -> tuple[Workflow | None, list[str]]:
    text = SPEC.replace(", max: 3", f", default: {written}")
    workflow, problems = check(text, file="spec.yaml", catalogue=shipped(), folder=folder)
    return workflow, [str(one).splitlines()[0] for one in problems]


def test_a_default_may_be_a_table_beside_the_spec_with_all_its_mistakes_shown(folder: Path) -> None:
    (folder / "t" / "rows.csv").write_text("name,photo\nLamp,red.png\n")
    workflow, _ = with_default(folder, "t/rows.csv")
    assert workflow is not None
    assert workflow.inputs["products"].default == [{"name": "Lamp", "photo": "t/red.png"}]
    assert workflow.texts == {"t/rows.csv": "name,photo\nLamp,red.png\n"}
    (folder / "t" / "rows.csv").write_text("name,photo\nLamp,blue.png\n,red.png\n")
    _, problems = with_default(folder, "t/rows.csv")
    assert problems == [
        "t/rows.csv:2:6: photo: there is no file 't/blue.png' [wrong-input]",
        "t/rows.csv:3:1: missing field 'name' [missing-input]",
    ]
    _, problems = with_default(folder, "../rows.csv")
    [problem] = problems
    assert problem.endswith("'../rows.csv' is outside the folder of this spec [wrong-default]")


def test_an_include_takes_rows_and_no_path_of_a_file(folder: Path) -> None:
    (folder / "inner.yaml").write_text(SPEC)
    (folder / "rows.csv").write_text("name\nLamp\n")
    outer = """\
version: 1
name: outer
inputs: {rows: {type: list, of: map, fields: {name: {type: string}}, default: rows.csv}}
steps: {all: {uses: include, with: {spec: inner.yaml, inputs: {products: GIVEN}}}}
"""
    for given, codes in {"rows.csv": ["wrong-input"], '"${{ inputs.rows }}"': []}.items():
        text = outer.replace("GIVEN", given)
        _, problems = check(text, file="spec.yaml", catalogue=shipped(), folder=folder)
        assert [one.code for one in problems] == codes


def test_a_field_that_is_not_there_is_known_before_the_run() -> None:
    text = SPEC.replace("item.name", "item.nam")
    _, [problem] = check(text, file="spec.yaml", catalogue=shipped())
    assert (problem.code, problem.hint) == (
        "unknown-field",
        "did you mean 'name'? there are: name, price, photo, tags",
    )
