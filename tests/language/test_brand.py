"""The brand of a spec: in it, in a file of its own, and of the specs that it includes."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.language.brand import Brand, with_words
from rivya_flows.spec.brand_files import check_brand
from rivya_flows.spec.dump import dump
from rivya_flows.spec.inlining import included_texts
from rivya_flows.spec.load import check, load
from rivya_flows.spec.named_files import named_files
from support.wrong_specs import unmarked

BRAND = """\
name: Aurora
logo: logo.png
colours:
  - "#0b3d2e"
  - "#ABC"
font: playfair
prompt: warm evening light
end_card:
  title: Aurora
  image: card.png
  seconds: 3
captions: {position: top, style: plate, language: hi}
x-owner: studio
"""
SPEC = """\
version: 1
name: spot
brand: look/brand.yaml
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "a lamp of ${{ brand.name }}, ${{ brand.colours[0] }}"}
  logo:
    uses: upload
    with: {file: "${{ brand.logo }}"}
"""
INLINE = SPEC.replace("brand: look/brand.yaml", "brand: {name: Aurora, logo: logo.png}").replace(
    ", ${{ brand.colours[0] }}", ""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "look").mkdir()
    (tmp_path / "look" / "brand.yaml").write_text(BRAND)
    for name in ("logo.png", "look/logo.png", "look/card.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


def problems(spec: str, folder: Path | None) -> tuple[Diagnostic, ...]:
    return check(spec, file="specs/spot.yaml", catalogue=shipped(), folder=folder)[1]


def test_a_brand_file_is_read_and_its_text_kept(folder: Path) -> None:
    read = load(SPEC, file="spot.yaml", catalogue=shipped(), folder=folder)
    assert read.branding is not None
    assert read.branding.colours == ("#0b3d2e", "#aabbcc")
    assert read.branding.logo == "look/logo.png"
    assert set(named_files(read)) == {"look/logo.png", "look/card.png"}
    assert included_texts(read) == {"look/brand.yaml": BRAND}
    again = load(dump(read), file="spot.yaml", catalogue=shipped(), includes=included_texts(read))
    assert again == read


def test_a_brand_in_the_spec_has_its_logo_beside_the_spec(folder: Path) -> None:
    read = load(INLINE, file="spot.yaml", catalogue=shipped(), folder=folder)
    assert set(named_files(read)) == {"logo.png"}
    assert included_texts(read) == {}
    assert load(dump(read), file="spot.yaml", catalogue=shipped()) == read


PART = SPEC.replace("brand: look/brand.yaml\n", "").replace("name: spot", "name: part")
WHOLE = """\
version: 1
name: campaign
brand: {name: Lumen, logo: logo.png, colours: ["#fff"]}
steps:
  part:
    uses: include
    with: {spec: parts/part.yaml}
"""


def test_an_included_spec_has_the_brand_of_the_spec_around_it_or_its_own(folder: Path) -> None:
    (folder / "parts" / "look").mkdir(parents=True)
    (folder / "parts" / "part.yaml").write_text(PART)
    read = load(WHOLE, file="a.yaml", catalogue=shipped(), folder=folder)
    inner = read.includes["parts/part.yaml"].workflow.branding
    assert inner == read.branding
    assert inner is not None
    assert inner.logo == "logo.png"
    (folder / "parts" / "look" / "brand.yaml").write_text(BRAND)
    for name in ("logo.png", "card.png"):
        (folder / "parts" / "look" / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "parts" / "part.yaml").write_text(SPEC)
    read = load(WHOLE, file="a.yaml", catalogue=shipped(), folder=folder)
    inner = read.includes["parts/part.yaml"].workflow.branding
    assert inner is not None
    assert inner.logo == "parts/look/logo.png"
    assert included_texts(read) == {"parts/part.yaml": SPEC, "parts/look/brand.yaml": BRAND}
    assert load(WHOLE, file="a.yaml", catalogue=shipped(), includes=included_texts(read)) == read


def test_a_spec_that_needs_a_brand_is_told_where_the_one_around_it_has_none(folder: Path) -> None:
    (folder / "parts").mkdir()
    (folder / "parts" / "part.yaml").write_text(PART)
    bare = WHOLE.replace('brand: {name: Lumen, logo: logo.png, colours: ["#fff"]}\n', "")
    told = [(p.file, p.line, p.code) for p in problems(bare, folder)]
    assert told == [
        ("specs/parts/part.yaml", 6, "out-of-scope"),
        ("specs/parts/part.yaml", 6, "out-of-scope"),
        ("specs/parts/part.yaml", 9, "out-of-scope"),
    ]


IN_THE_FILE = {
    "unknown key": ("unknown-key", "colours:", "☞colors:", "did you mean 'colours'?"),
    "unknown key inside": ("unknown-key", "  title:", "  ☞titel:", "did you mean 'title'?"),
    "colour": ("wrong-value", '"#0b3d2e"', '☞"0b3d2e"', "write #rgb or #rrggbb"),
    "colour that is a comment": ("wrong-type", ' "#0b3d2e"', "☞ #0b3d2e", "put it in quotes"),
    "number as colour": ("wrong-type", '"#0b3d2e"', "☞123456", "put it in quotes"),
    "too many colours": ("out-of-range", "\n  - ", ' ☞["#fff"' + ', "#000"' * 8 + "]\nx-c:\n  - ", ""),
    "font": ("wrong-choice", "playfair", "☞comic", "there are: poppins, playfair"),
    "long name": ("wrong-value", "Aurora", "☞" + "a" * 101, "shorten it to 100"),
    "long prompt": ("wrong-value", "warm", "☞" + "a" * 500, "shorten it to 500"),
    "empty prompt": ("wrong-value", "warm evening light", '☞" "', "remove the key"),
    "expression": ("wrong-value", "name: Aurora", "name: ☞${{ inputs.x }}", "write the text"),
    "no logo there": ("bad-file", "logo: logo.png", "logo: ☞nothing.png", "from the folder of"),
    "logo outside": ("bad-file", "logo: logo.png", "logo: ☞../../a.png", "inside that of the spec"),
    "logo of another kind": ("bad-file", "logo: logo.png", "logo: ☞logo.mp4", ""),
    "id as logo": ("bad-file", "logo: logo.png", "logo: ☞file_abc", ""),
    "seconds": ("out-of-range", "seconds: 3", "seconds: ☞90", "write at most 60"),
    "position": ("wrong-choice", "position: top", "position: ☞left", "bottom, middle, top"),
    "language": ("wrong-value", "language: hi", "language: ☞hindi!", "write its code, such as hi"),
    "card": ("wrong-type", "captions: {", "captions: ☞yes\nx-c: {", "position: bottom"),
    "list": ("bad-brand", "", "☞- Aurora", "start with `name: Aurora`"),
    "syntax": ("yaml-syntax", "", 'name: ☞"Aurora', ""),
}  # fmt: skip


@pytest.mark.parametrize(("code", "old", "new", "hint"), IN_THE_FILE.values(), ids=IN_THE_FILE)
def test_a_mistake_in_a_brand_file_is_told_at_its_line(
    folder: Path, code: str, old: str, new: str, hint: str
) -> None:
    assert old in BRAND
    text, line, column = unmarked(BRAND.replace(old, new, 1) if old else new)
    (folder / "look" / "brand.yaml").write_text(text)
    [found] = problems(SPEC, folder)
    place = (found.file, found.line, found.column, found.code)
    assert place == ("specs/look/brand.yaml", line, column, code)
    assert found.source in ("", text.split("\n")[line - 1])  # a long line is cut
    assert hint in (found.hint or "")


IN_THE_SPEC = {
    "no such file": ("bad-brand", "look/brand.yaml", "☞look/nothing.yaml"),
    "outside": ("bad-brand", "look/brand.yaml", "☞../brand.yaml"),
    "computed": ("expression-not-allowed", "look/brand.yaml", "☞${{ inputs.x }}"),
    "number": ("wrong-type", "look/brand.yaml", "☞12"),
    "unknown key": ("unknown-key", "look/brand.yaml", "{☞nam: Aurora}"),
    "no such field": ("unknown-field", "brand.name", "☞brand.nam"),
    "no such colour": ("unknown-field", "brand.colours[0]", "☞brand.colours[2]"),
    "not text": ("not-text", "${{ brand.name", "☞${{ brand.logo"),
    "without a dollar": ("missing-dollar", '"${{ brand.logo }}"', '"☞{{ brand.logo }}"'),
    "bare": ("missing-dollar", '"${{ brand.logo }}"', "☞brand.logo"),
    "a flag": ("wrong-type", "model: z-image", 'model: z-image, brand: ☞"no"'),
    "a loop of that name": (
        "bad-name",
        "generate\n",
        "generate\n    foreach: [a]\n    as: ☞brand\n",
    ),
}


@pytest.mark.parametrize(("code", "old", "new"), IN_THE_SPEC.values(), ids=IN_THE_SPEC)
def test_a_wrong_use_of_a_brand_is_told_at_its_place(
    folder: Path, code: str, old: str, new: str
) -> None:
    text, line, column = unmarked(SPEC.replace(old, new, 1))
    found = {(one.line, one.column) for one in problems(text, folder) if one.code == code}
    assert found == {(line, column)}


def test_a_brand_shares_the_media_of_its_specs_and_no_link_leads_out_of_their_folder(
    folder: Path,
) -> None:
    text = BRAND.replace("logo: logo.png", "logo: ../logo.png")
    (folder / "look" / "brand.yaml").write_text(text)
    workflow, found = check(SPEC, file="a.yaml", catalogue=shipped(), folder=folder)
    assert found == ()
    assert workflow is not None
    assert set(named_files(workflow)) == {"logo.png", "look/card.png"}
    # Alone it does not say which folder it belongs to.
    assert check_brand(text, "brand.yaml", folder / "look") == ()
    (folder / "logo.png").unlink()
    (folder / "logo.png").symlink_to(__file__)
    [refused] = problems(SPEC, folder)
    assert "outside the folder of the spec" in refused.message
    (folder / "look" / "brand.yaml").unlink()
    (folder / "look" / "brand.yaml").symlink_to(__file__)
    [refused] = [one for one in problems(SPEC, folder) if one.code == "bad-brand"]
    assert "outside the folder" in refused.message


def test_what_a_brand_does_not_say_is_named_with_the_fix(folder: Path) -> None:
    spec = INLINE.replace("${{ brand.name }}", "${{ brand.prompt }}")
    [found] = problems(spec, folder)
    assert found.message == "brand has no 'prompt'"
    assert found.hint == "add `prompt:` to the brand"


def test_the_word_brand_keeps_its_meaning_in_a_spec_without_one() -> None:
    spec = """\
version: 1
name: shops
steps:
  still:
    uses: generate
    foreach: [Aurora, Lumen]
    as: brand
    with: {model: z-image, prompt: "a shop of ${{ brand }}, not {{ brand.name }}"}
"""
    assert problems(spec, None) == ()


def test_the_prompt_of_a_brand_counts_and_can_be_left_out(folder: Path) -> None:
    limit = shipped().models["z-image"].max_prompt_length
    assert limit is not None
    own = "a" * (limit - 5)
    spec = SPEC.replace("a lamp of ${{ brand.name }}, ${{ brand.colours[0] }}", own)
    [found] = problems(spec, folder)
    added = len(with_words(own, "warm evening light")) - len(own)
    assert found.code == "prompt-too-long"
    assert f"the brand adds {added} of them" in found.message
    assert problems(spec.replace("z-image,", "z-image, brand: false,"), folder) == ()


def test_the_words_of_a_brand_are_set_apart() -> None:
    wholes = {"a lamp": "a lamp, warm", "A lamp. ": "A lamp. warm", "a lamp,": "a lamp, warm",
              "एक दीपक।": "एक दीपक। warm", " ": " "}  # fmt: skip
    assert {prompt: with_words(prompt, "warm") for prompt in wholes} == wholes
    assert [with_words(prompt, "") for prompt in wholes] == [*wholes]


def test_the_words_of_a_brand_are_for_pictures_and_films() -> None:
    brand = Brand(prompt="warm")
    words = {model.category: brand.words_for(model) for model in shipped().models.values()}
    assert words == {"image": "warm", "video": "warm", "audio": "", "chat": ""}
