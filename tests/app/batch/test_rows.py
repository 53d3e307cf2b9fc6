"""CSV files of a batch: every cell by its type, every mistake at its place, ids that stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.app.batch.rows import BatchRow, batch_id_of, read_rows
from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.language.diagnostic_report import MAX_PROBLEMS
from rivya_flows.language.load import load
from rivya_flows.language.workflow import Workflow

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


def read(workflow: Workflow, text: str, **given: object) -> tuple[BatchRow, ...]:
    return read_rows(text, file="rows.csv", workflow=workflow, batch_id="batch-1", given=given)


def problems(workflow: Workflow, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read(workflow, text)
    return [str(problem).splitlines()[0] for problem in caught.value.diagnostics]


def test_each_cell_is_read_by_the_type_of_its_input(workflow: Workflow) -> None:
    text = (
        "product,count,language,sizes,x-note\n"
        '"Lamp, oak",3,hi,"[9:16, 1:1]",first\n'
        '012,,,,"two\nlines"\n'
    )
    lamp, number = read(workflow, text)
    assert lamp.values == {
        "product": "Lamp, oak",
        "count": 3,
        "language": "hi",
        "sizes": ["9:16", "1:1"],
    }
    assert (lamp.number, lamp.line, lamp.notes) == (1, 2, {"x-note": "first"})
    assert number.values == {"product": "012"}
    assert (number.number, number.line) == (2, 3)


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


def test_a_row_keeps_its_run_wherever_it_stands(workflow: Workflow) -> None:
    before = read(workflow, "product,count\nLamp,1\nDesk,2\n")
    after = read(workflow, "count,product,x-why\n7,Chair,new\n\n2,Desk,\n1,Lamp,moved\n")
    assert [row.run_id for row in before] == [after[2].run_id, after[1].run_id]


def test_a_row_that_changed_is_another_run(workflow: Workflow) -> None:
    [before] = read(workflow, "product,count\nLamp,1\n")
    [after] = read(workflow, "product,count\nLamp,2\n")
    [for_all] = read(workflow, "product,count\nLamp,1\n", language="hi")
    assert len({before.run_id, after.run_id, for_all.run_id}) == 3


def test_equal_rows_are_as_many_runs(workflow: Workflow) -> None:
    rows = read(workflow, "product\nLamp\nLamp\nDesk\nLamp\n")
    ids = [row.run_id for row in rows]
    assert len(set(ids)) == 4
    assert ids[1] == f"{ids[0]}-2"
    assert ids[3] == f"{ids[0]}-3"


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
        (
            "product,product\nLamp,Lamp\n",
            "rows.csv:1:9: repeated column 'product' [repeated-column]",
        ),
        (
            'product,count\nLamp,1\n"Desk"x,2\n',
            "rows.csv:3:1: not valid CSV: ',' expected after '\"' [not-csv]",
        ),
        (
            'product\nLamp\n"Desk\n',
            "rows.csv:3:1: not valid CSV: unexpected end of data [not-csv]",
        ),
        (
            "count\n3\n",
            "rows.csv:2:1: missing input 'product' [missing-input]",
        ),
        (
            "product,photo\nLamp,nowhere.png\n",
            "rows.csv:2:6: photo: there is no file 'nowhere.png' [wrong-input]",
        ),
    ],
)
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
    # Each mistake looks at the whole line again: all of them took minutes.
    assert len(problems(workflow, "caption" + ",caption" * 20_000 + "\n")) == MAX_PROBLEMS
