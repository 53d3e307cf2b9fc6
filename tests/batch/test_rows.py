"""CSV files of a batch: every cell by its type, every mistake at its place, ids that stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.batch.rows import Row, batch_id_of, read_rows, row_folder
from rivya_flows.errors import SpecError, UsageError
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS
from rivya_flows.language.workflow import Workflow
from rivya_flows.spec.load import load

SPEC = """
version: 1
name: spot
inputs:
  product: {type: string}
  count: {type: integer, default: 2, max: 9}
  language: {type: enum, values: [en, hi], default: en}
  sizes: {type: list, of: string, required: false}
  photo: {type: file, kind: image, required: false}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
"""


@pytest.fixture(scope="module")
def workflow() -> Workflow:
    return load(SPEC, file="spec.yaml", catalogue=shipped())


def read(workflow: Workflow, text: str, **given: object) -> tuple[Row, ...]:
    return read_rows(text, file="rows.csv", workflow=workflow, batch_id="batch-1", given=given)


def problems(workflow: Workflow, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(workflow, text)
    return [str(problem).splitlines()[0] for problem in caught.value.diagnostics]


def test_the_column_of_budgets_takes_whole_numbers_and_is_an_input_where_the_spec_has_one(
    workflow: Workflow,
) -> None:
    rows = read(workflow, "product,budget\nLamp, 12\nDesk,\n")
    assert [row.budget for row in rows] == [12, None]
    assert [row.run_id for row in rows] == [
        row.run_id for row in read(workflow, "product\nLamp\nDesk\n")
    ]
    [problem] = problems(workflow, "product,budget\nLamp,a lot\n")
    assert problem.endswith("budget: 'a lot' is not a number of credits [wrong-input]")
    own = load(SPEC.replace("count:", "budget:"), file="spec.yaml", catalogue=shipped())
    [row] = read(own, "product,budget\nLamp,3\n")
    assert (row.budget, row.values["budget"]) == (None, 3)


def test_each_cell_is_read_by_the_type_of_its_input(workflow: Workflow) -> None:
    text = (
        "product,count,language,sizes,x-note\n"
        '"Lamp, oak",3,hi,"[9:16, 1:1]",first\n'
        '012,,,,"two\nlines"\n'
    )
    lamp, number = read(workflow, text)
    sizes = ["9:16", "1:1"]
    assert lamp.values == {"product": "Lamp, oak", "count": 3, "language": "hi", "sizes": sizes}
    assert (lamp.number, lamp.line, lamp.notes) == (1, 2, {"x-note": "first"})
    assert (number.number, number.line, number.values) == (2, 3, {"product": "012"})


def test_a_cell_wins_over_what_is_given_for_all_rows(workflow: Workflow) -> None:
    one, two = read(workflow, "product,language\nLamp,hi\nDesk,\n", language="en", count=5)
    assert one.values == {"product": "Lamp", "language": "hi", "count": 5}
    assert two.values == {"product": "Desk", "language": "en", "count": 5}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_any_country_are_read(workflow: Workflow, separator: str) -> None:
    text = "\ufeff" + "\r\n".join(
        separator.join(cells) for cells in [("product", "count"), ("Lampe", "3"), ("", "")]
    )
    [row] = read(workflow, text)
    assert row.values == {"product": "Lampe", "count": 3}


def ids(workflow: Workflow, text: str, **given: object) -> list[str]:
    return [row.run_id for row in read(workflow, text, **given)]


def test_a_row_keeps_its_run_wherever_it_stands_until_it_changes(workflow: Workflow) -> None:
    lamp, desk = ids(workflow, "product,count\nLamp,1\nDesk,2\n")
    moved = ids(workflow, "count,product,x-why\n7,Chair,new\n\n2,Desk,\n1,Lamp,moved\n")
    assert moved[1:] == [desk, lamp]
    [changed] = ids(workflow, "product,count\nLamp,2\n")
    [for_all] = ids(workflow, "product,count\nLamp,1\n", language="hi")
    assert len({lamp, changed, for_all}) == 3


def test_equal_rows_are_as_many_runs(workflow: Workflow) -> None:
    first, second, desk, third = ids(workflow, "product\nLamp\nLamp\nDesk\nLamp\n")
    assert (second, third) == (f"{first}-2", f"{first}-3")
    assert desk not in (first, second, third)


def test_a_file_is_known_by_its_content(workflow: Workflow, tmp_path: Path) -> None:
    def photographed(name: str, colour: str) -> str:
        path = tmp_path / name
        Image.new("RGB", (8, 8), colour).save(path)
        [row] = read(workflow, f"product,photo\nLamp,{path}\n")
        return row.run_id

    red = photographed("a.png", "red")
    assert photographed("moved.png", "red") == red
    assert photographed("a.png", "blue") != red


def test_all_mistakes_are_told_at_once_each_at_its_place(workflow: Workflow) -> None:
    text = "product,count,language\nLamp,many,hi\n,3,\nDesk,12,fr\nChair,1\n"
    assert problems(workflow, text) == [
        "rows.csv:2:6: count: expected a whole number, not 'many' [wrong-input]",
        "rows.csv:3:1: missing input 'product' [missing-input]",
        "rows.csv:4:6: count: 12 is more than 9 [wrong-input]",
        "rows.csv:4:9: language: 'fr' is not one of en, hi [wrong-input]",
        "rows.csv:5:1: 2 cells, but the header has 3 [wrong-cells]",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "rows.csv:1:1: the file is empty [no-rows]"),
        ("product\n\n", "rows.csv:1:1: no rows below the header [no-rows]"),
        ("produkt\nLamp\n", "rows.csv:1:1: unknown input 'produkt' [unknown-input]"),
        ("product,product\nLamp,Lamp\n", "rows.csv:1:9: repeated column 'product' [repeated-column]"),
        ('product,count\nLamp,1\n"Desk"x,2\n', "rows.csv:3:1: not valid CSV: ',' expected after '\"' [not-csv]"),
        ('product\nLamp\n"Desk\n', "rows.csv:3:1: not valid CSV: unexpected end of data [not-csv]"),
        ("count\n3\n", "rows.csv:2:1: missing input 'product' [missing-input]"),
        ("product,photo\nLamp,nowhere.png\n", "rows.csv:2:6: photo: there is no file 'nowhere.png' [wrong-input]"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_what(workflow: Workflow, text: str, told: str) -> None:
    assert problems(workflow, text) == [told]


def test_a_name_that_is_nearly_right_is_suggested(workflow: Workflow) -> None:
    with pytest.raises(SpecError) as caught:
        read(workflow, "produkt\nLamp\n")
    assert "product" in str(caught.value.diagnostics[0].hint)


def test_a_batch_is_known_by_spec_service_and_file_name(workflow: Workflow) -> None:
    def named(text: str, service: str, file: str) -> str:
        return batch_id_of(workflow, text, service, file)

    first = named(SPEC, "sandbox:1", "here/rows.csv")
    assert first.startswith("batch-spot-")
    assert named(SPEC, "sandbox:1", "there/rows.csv") == first
    others = [
        named(SPEC + "\n", "sandbox:1", "rows.csv"),
        named(SPEC, "https://rivya.ai", "rows.csv"),
        named(SPEC, "sandbox:1", "more.csv"),
    ]
    assert len({first, *others}) == 4


def test_of_a_header_without_an_end_so_many_mistakes_are_told_as_of_any_file(
    workflow: Workflow,
) -> None:
    # Each mistake looks at the whole line again: all of those of a long one took minutes.
    assert len(problems(workflow, "caption" + ",caption" * 2_000 + "\n")) == MAX_PROBLEMS


def folder(workflow: Workflow, text: str, **given: object) -> list[str]:
    rows = read(workflow, text, **given)
    return [row_folder(Path("/none"), row, frozenset()).name for row in rows]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("count,product,language\n3,Aurora Lamp,hi\n4,दीपक,en\n", ["aurora-lamp", "दीपक"]),
        ("language,product,count\nhi,Lamp,1\nhi,Desk,2\n", ["lamp", "desk"]),
        (f"product,language\n{'long ' * 9},en\n../../etc,hi\n", ["en", "hi"]),
        ('product\n../..\n "/" \n', ["row-1", "row-2"]),
        ("product\nLamp\n", ["lamp"]),
        ("product\nLamp\nLamp\nDesk\n", ["lamp-row-1", "lamp-row-2", "desk"]),
    ],
    ids=["the first short text that tells them apart", "one that differs", "short ones",
         "what is a path is no name", "a single row", "equal"],
)  # fmt: skip
def test_a_row_has_a_folder_that_people_can_read(
    workflow: Workflow, text: str, names: list[str]
) -> None:
    assert folder(workflow, text) == names


def test_paths_count_from_the_folder_of_the_table(
    workflow: Workflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tables").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "tables" / "a.png")
    text = "product,photo\nLamp,a.png\nDesk,https://example.com/a.png\n"
    rows = read_rows(text, file="tables/rows.csv", workflow=workflow, batch_id="batch-1")
    assert [row.values["photo"] for row in rows] == ["tables/a.png", "https://example.com/a.png"]


def test_an_input_of_a_batch_may_be_a_table_for_all_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = SPEC.replace(
        "inputs:", "inputs:\n  lines: {type: list, of: map, fields: {text: {type: string}}}"
    )
    made = load(spec, file="spec.yaml", catalogue=shipped())
    (tmp_path / "lines.csv").write_text("text\nFirst\n")
    [row] = read(made, "product\nLamp\n", lines="@lines.csv")
    assert row.values["lines"] == [{"text": "First"}]
    [row] = read(made, 'product,lines\nLamp,"[{text: Own}]"\n', lines="@lines.csv")
    assert row.values["lines"] == [{"text": "Own"}]
    with pytest.raises(UsageError, match=r"lines: there is no file 'none\.csv'"):
        read(made, "product\nLamp\n", lines="none.csv")


def test_tables_of_files_are_named_after_them(workflow: Workflow, tmp_path: Path) -> None:
    for name in ("front.png", "Back side.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    text = f"photo\n{tmp_path}/front.png\n{tmp_path}/Back side.png\n"
    assert folder(workflow, text, product="Lamp") == ["front", "back-side"]


def test_a_note_that_tells_all_rows_apart_comes_first_in_their_names(workflow: Workflow) -> None:
    lamp, desk = read(workflow, "product,x-who,x-sku\nLamp,Asha,L 7\nDesk,,D 1\n")
    assert [lamp.name, desk.name] == ["L 7 Lamp", "D 1 Desk"]
    assert dict(lamp.keys) == {"x-sku": "L 7", "product": "Lamp"}


def test_a_run_is_named_after_the_inputs_of_its_row_alone(workflow: Workflow) -> None:
    """Other rows, notes and key columns may change without another purchase."""
    (alone,) = read(workflow, "product\nAurora Lamp\n")
    first, _ = read(workflow, "x-sku,product\nL 7,Aurora Lamp\nD 1,Desk\n")
    assert first.run_id == alone.run_id
    assert alone.run_id.startswith("batch-1-aurora-lamp-")


def test_key_columns_can_be_chosen_also_of_notes(workflow: Workflow) -> None:
    def chosen(*keys: str) -> tuple[Row, ...]:
        text = "product,x-sku\nLamp,L 7\nDesk,\n"
        return read_rows(
            text, file="rows.csv", workflow=workflow, batch_id="batch-1", given={}, keys=keys
        )

    rows = chosen("x-sku", "product")
    assert [dict(row.keys) for row in rows] == [
        {"x-sku": "L 7", "product": "Lamp"},
        {"x-sku": "", "product": "Desk"},
    ]
    with pytest.raises(UsageError, match=r"--key 'sku': rows\.csv has no such column") as caught:
        chosen("sku")
    assert "x-sku" in str(caught.value.hint)


def test_a_folder_that_another_run_has_is_not_used_again(
    workflow: Workflow, tmp_path: Path
) -> None:
    batch = tmp_path / "batch-1"
    (row,) = read(workflow, "product\nLamp\n")
    own = f"lamp-{row.run_id.removeprefix('batch-1-lamp-')}"
    assert row_folder(batch, row, {batch / "lamp"}).name == own
    (batch / "lamp").mkdir(parents=True)
    assert row_folder(batch, row, frozenset()).name == "lamp"
    (batch / "lamp" / "receipt.json").touch()
    assert row_folder(batch, row, frozenset()).name == own
