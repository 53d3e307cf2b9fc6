"""Outputs that are files in the folder of a run: texts, maps, lists and media."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from rivya_flows.receipt.report import write_report
from rivya_flows.runs.results import receipt_of
from rivya_flows.store.assets import file_hash
from support.engine_runs import Bomb, Studio

SPEC = """\
version: 1
name: letter
inputs:
  skip: {type: boolean, default: false}
steps:
  idea:
    uses: chat
    with: {model: gpt-5-2-chat, message: a title and a line, expect: {title: string, line: string}}
  still:
    uses: generate
    with: {model: z-image, prompt: lamp}
  more:
    uses: generate
    if: ${{ inputs.skip }}
    with: {model: z-image, prompt: more}
outputs:
  letter:
    value: |
      # ${{ steps.idea.json.title }}
      ${{ steps.idea.json.line }}
    file: letter.md
  idea: {value: "${{ steps.idea.json }}", file: idea.json}
  count: {value: "${{ steps.idea.json.title | length }}", file: count.txt}
  cover: {value: "${{ steps.still.asset }}", file: title-page.png}
  other: {value: "${{ steps.more.asset }}", file: more.png}
  plain: {value: "${{ run.id }}"}
"""


def test_outputs_are_written_under_their_names_beside_the_receipt(
    studio: Studio, tmp_path: Path
) -> None:
    receipt = studio.started(SPEC)
    assert receipt["status"] == "completed"
    assert receipt["output_files"] == {
        "letter": "letter.md", "idea": "idea.json", "count": "count.txt", "cover": "title-page.png",
    }  # fmt: skip
    with studio.context(Bomb()) as context:
        entries = context.journal.entries("run-1")
        report = write_report(entries, tmp_path / "out", context.assets)
    outputs = report.receipt.outputs
    title, line = outputs["idea"]["title"], outputs["idea"]["line"]
    folder = tmp_path / "out"
    assert (folder / "letter.md").read_text("utf-8") == f"# {title}\n{line}\n"
    assert json.loads((folder / "idea.json").read_text("utf-8")) == outputs["idea"]
    assert (folder / "count.txt").read_text("utf-8") == str(len(title))
    assert Path(outputs["cover"]["path"]) == folder / "title-page.png"
    assert (folder / "title-page.png").read_bytes()[:4] == b"\x89PNG"
    assert (outputs["other"], outputs["plain"]) == (None, {"value": "run-1"})
    page = report.sheet_path.read_text("utf-8")
    assert '<a href="letter.md">letter.md</a>' in page
    files = receipt_of(report).files
    assert [one.name for one in files] == ["title-page.png", "letter.md", "idea.json", "count.txt"]


def test_what_does_not_fit_its_file_fails_the_run(studio: Studio) -> None:
    spec = SPEC.replace("expect: {title: string, line: string}", "expect: {title: string}")
    spec = spec.replace("      ${{ steps.idea.json.line }}\n", "")
    spec = spec.replace('{value: "${{ steps.idea.json }}", file: idea.json}',
                        '{value: "${{ [steps.idea.json, 1][inputs.skip | string | length - 5] }}", file: idea.md}')  # fmt: skip
    receipt = studio.started(spec)
    assert receipt["status"] == "failed"
    assert receipt["failed_outputs"]["idea"].startswith("a map cannot be written to idea.md")
    assert "idea" not in receipt["output_files"]


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_a_medium_of_another_format_keeps_its_own_suffix(studio: Studio, name: str) -> None:
    spec = SPEC.partition("outputs:")[0] + f'outputs: {{a: {{value: "${{{{ steps.still.asset }}}}", file: {name}}}}}'  # fmt: skip
    assert studio.started(spec)["output_files"] == {"a": "a.png"}


def test_each_named_file_is_written_also_of_a_medium_that_two_outputs_have(
    studio: Studio, tmp_path: Path
) -> None:
    spec = SPEC.partition("outputs:")[0].replace("  more:", "  other: {uses: generate, with: {model: z-image, prompt: other}}\n  more:")  # fmt: skip
    spec += """outputs:
  cover: ["${{ steps.other.asset }}"]
  a: {value: "${{ steps.still.asset }}", file: other-other.png}
  b: {value: "${{ steps.still.asset }}", file: second.png}
  c: {value: "${{ steps.still.asset }}", file: d.webp}
  d: {value: "${{ steps.other.asset }}", file: d.png}
"""
    files = studio.started(spec)["output_files"]
    assert files == {"a": "other-other.png", "b": "second.png", "c": "d-2.png", "d": "d.png"}
    with studio.context(Bomb()) as context:
        entries = context.journal.entries("run-1")
        outputs = write_report(entries, tmp_path / "out", context.assets).receipt.outputs
    written = {name: (tmp_path / "out" / file).read_bytes() for name, file in files.items()}
    assert written["a"] == written["b"] == written["c"] != written["d"]
    assert {name: Path(outputs[name]["path"]).name for name in files} == files


def test_each_output_that_is_one_medium_has_its_own_file_also_where_their_bytes_are_equal(
    studio: Studio, tmp_path: Path
) -> None:
    still = '"${{ steps.still.asset }}"'
    spec = (
        SPEC.partition("outputs:")[0]
        + f"outputs: {{all: [{still}], a: {still}, b: {still}, c: {{value: {still}, file: A.png}}}}"
    )
    assert studio.started(spec)["status"] == "completed"
    with studio.context(Bomb()) as context:
        entries = context.journal.entries("run-1")
        outputs = write_report(entries, tmp_path / "out", context.assets).receipt.outputs
    found = {name: Path(outputs[name]["path"]).name for name in ("a", "b", "c")}
    assert found == {"a": "a-2.png", "b": "b.png", "c": "A.png"}
    assert outputs["all"][0]["path"] == outputs["a"]["path"]
    assert {one.name for one in (tmp_path / "out").glob("**/*.png")} == {*found.values()}


def test_captions_beside_a_film_leave_the_file_of_an_output(studio: Studio, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "card.png")
    (tmp_path / "words.srt").write_text("1\n00:00:00,100 --> 00:00:00,400\nWake up\n")
    spec = """version: 1
name: spot
steps:
  spot:
    uses: compose
    with:
      clips: [{media: card.png, seconds: 0.5}]
      captions: {file: words.srt, language: en}
      extras: [srt]
outputs:
  film: {value: "${{ steps.spot.asset }}", file: spot.mp4}
  script: {value: all that is said, file: spot.srt}
"""
    assert studio.started(spec, folder=tmp_path)["status"] == "completed"
    with studio.context(Bomb()) as context:
        write_report(context.journal.entries("run-1"), tmp_path / "out", context.assets)
    assert (tmp_path / "out/spot.srt").read_text("utf-8") == "all that is said"
    assert "Wake up" in (tmp_path / "out/spot-2.srt").read_text("utf-8")


def test_a_timeline_beside_its_film_names_the_copies_of_the_run(
    studio: Studio, tmp_path: Path
) -> None:
    otio = pytest.importorskip("opentimelineio", reason="needs the extra otio")
    Image.new("RGB", (96, 64), "teal").save(tmp_path / "given.png")
    spec = """\
version: 1
name: spot
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: lamp}
  film:
    uses: compose
    with:
      clips:
        - {media: "${{ steps.still.asset }}", seconds: 0.5}
        - {media: given.png, seconds: 0.5}
      formats: ["1:1"]
      extras: [otio]
outputs:
  film: ${{ steps.film.asset }}
"""
    assert studio.started(spec, folder=tmp_path)["status"] == "completed"
    with studio.context(Bomb()) as context:
        entries = context.journal.entries("run-1")
        write_report(entries, tmp_path / "out", context.assets)
    [written] = (tmp_path / "out").rglob("*.otio")
    read = otio.adapters.read_from_file(str(written))
    made, given = read.find_clips()
    medium = made.media_reference
    copy = written.parent / medium.target_url
    assert copy.parent.name == "media"
    assert made.name == copy.stem
    assert medium.metadata["rivya"]["sha256"] == file_hash(copy)
    # What a run was given has no copy there: its name is its hash.
    assert given.media_reference.target_url == file_hash(tmp_path / "given.png")
