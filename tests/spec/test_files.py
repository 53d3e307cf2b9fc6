"""Subtitle files and end cards, as a spec names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_cut.fonts import FAMILIES
from rivya_flows.language.syntax.media_references import MAX_FONT_BYTES
from rivya_flows.spec.dump import dump
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import check, load
from rivya_flows.steps.branding import Branding

SRT = "1\n00:00:00,500 --> 00:00:02,000\nOne lamp,\nevery mood.\n\n2\n00:00:02,500 --> 00:00:04,000\nAurora\n"
SPEC = """\
version: 1
name: spot
steps:
  film:
    uses: compose
    with:
      clips: https://example.com/film.mp4
      captions: {file: texts/subs.srt, position: top}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "subs.srt").write_text(SRT)
    return tmp_path


def test_the_text_of_a_subtitle_file_is_kept_with_the_spec(folder: Path) -> None:
    read = load(SPEC, file="a.yaml", catalogue=shipped(), folder=folder)
    texts = included_texts(read)
    assert texts == {"texts/subs.srt": SRT}
    assert load(SPEC, file="a.yaml", catalogue=shipped(), includes=texts) == read
    assert load(dump(read), file="a.yaml", catalogue=shipped(), includes=texts) == read


def test_a_clip_has_the_captions_of_its_own_file(folder: Path) -> None:
    spec = SPEC.replace(
        "clips: https://example.com/film.mp4\n      captions: {file: texts/subs.srt, position: top}",
        "clips: {media: https://example.com/film.mp4, captions: {file: texts/subs.srt}}",
    )
    read = load(spec, file="a.yaml", catalogue=shipped(), folder=folder)
    assert included_texts(read) == {"texts/subs.srt": SRT}
    branding = Branding(texts=included_texts(read))
    [clip] = branding.complete_arguments(read.steps["film"].with_.model_dump())["clips"]
    assert [cue["start"] for cue in clip["captions"]["cues"]] == [0.5, 2.5]


def test_a_written_spec_keeps_what_is_written_also_where_it_is_the_default() -> None:
    spec = SPEC.replace("file: texts/subs.srt, position: top", "text: x, position: bottom")
    spec = spec.replace("clips:", "audio: https://example.com/a.mp3\n      clips:")
    read = load(spec, file="a.yaml", catalogue=shipped())
    again = load(dump(read), file="a.yaml", catalogue=shipped())
    assert again == read
    written, kept = (one.steps["film"].with_ for one in (read, again))
    assert kept.model_dump(exclude_unset=True) == written.model_dump(exclude_unset=True)
    assert "position: bottom" in dump(read)


WRONG = {
    "not there": ("texts/other.srt", None, "there is no file 'texts/other.srt'"),
    "outside": ("../subs.srt", None, "is outside the folder of this spec"),
    "another kind": ("texts/subs.txt", SRT, ".srt or .vtt"),
    "empty": ("texts/subs.srt", "", "texts/subs.srt: no subtitles: expected SRT or WebVTT"),
    "no times": ("texts/subs.srt", SRT.replace("-->", "->", 1), "texts/subs.srt: line 1: expected times"),
    "times the wrong way round": ("texts/subs.srt", SRT.replace("00:00:02,000", "00:00:00,100"),
                                  "line 2: ends before it begins: check the times"),
}  # fmt: skip


@pytest.mark.parametrize(("path", "text", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_subtitle_file_is_told_at_its_path_with_its_line(
    folder: Path, path: str, text: str | None, said: str
) -> None:
    if text is not None:
        (folder / path).write_text(text)
    spec = SPEC.replace("texts/subs.srt", path)
    _, [found] = check(spec, file="a.yaml", catalogue=shipped(), folder=folder)
    assert (found.code, found.line, found.column) == ("bad-captions", 8, 24)
    assert said in found.message
    if path == "texts/subs.srt":
        assert found.hint == "mend the file"


def test_an_expression_as_the_path_of_subtitles_is_told_once(folder: Path) -> None:
    spec = SPEC.replace("texts/subs.srt", '"${{ inputs.subs }}"')
    spec = spec.replace("steps:", "inputs: {subs: {type: string}}\nsteps:")
    _, [found] = check(spec, file="a.yaml", catalogue=shipped(), folder=folder)
    assert (found.code, found.line) == ("expression-not-allowed", 9)


CARD = SPEC.replace("captions: {file: texts/subs.srt, position: top}", "end_card: {}").replace(
    "steps:", "brand: {}\nsteps:"
)


@pytest.mark.parametrize("card", ["true", "{seconds: 3}", "{title: null}"])
def test_an_end_card_shows_something_of_its_own_or_of_the_brand(card: str) -> None:
    spec = CARD.replace("end_card: {}", f"end_card: {card}")
    _, [found] = check(spec, file="a.yaml", catalogue=shipped())
    assert (found.code, found.line) == ("missing-key", 9)
    for brand in ("{logo: 'https://example.com/logo.png'}", "{end_card: {line: Order today}}"):
        filled = spec.replace("brand: {}", f"brand: {brand}")
        assert check(filled, file="a.yaml", catalogue=shipped())[1] == ()


BRAND = CARD.replace("brand: {}", "brand: {font: fonts/own.ttf}").replace(
    "end_card: {}", "end_card: {title: Aurora}"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (FAMILIES["bebas"][0].path.read_bytes(), None),
        (b"wOF2 a web font", "'fonts/own.ttf' is not a TrueType or OpenType font"),
        (b"OTTO a font", "'fonts/own.ttf' is not a font that can be read"),
        (b"", "the file 'fonts/own.ttf' is empty"),
        (None, "there is no file 'fonts/own.ttf'"),
        (b"OTTO".ljust(MAX_FONT_BYTES + 1), "is larger than 20,000,000 bytes"),
    ],
)
def test_the_font_of_a_brand_is_a_font_beside_the_spec(
    content: bytes | None, message: str | None, tmp_path: Path
) -> None:
    (tmp_path / "fonts").mkdir()
    if content is not None:
        (tmp_path / "fonts" / "own.ttf").write_bytes(content)
    found = check(BRAND, file="a.yaml", catalogue=shipped(), folder=tmp_path)[1]
    assert [one.code for one in found] == (["bad-file"] if message else [])
    assert message is None or message in found[0].message


def test_the_font_of_a_brand_stays_in_the_folder_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "own.ttf").write_bytes(b"OTTO")
    (tmp_path / "specs").mkdir()
    spec = BRAND.replace("fonts/own.ttf", "../own.ttf")
    [found] = check(spec, file="a.yaml", catalogue=shipped(), folder=tmp_path / "specs")[1]
    assert found.message == "'../own.ttf' is outside the folder of the spec"
