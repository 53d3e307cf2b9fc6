"""`plan --against`: what specs cost before and now, in real repositories."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from rivya_flows.preparation import revisions
from support.cli_calls import Terminal
from support.composed_media import still
from support.repositories import committed, git

STILLS = """version: 1
name: stills
inputs: {{product: {{type: string, default: lamp}}}}
steps:
  stills:
    uses: generate
    matrix: {{style: [{styles}]}}
    with: {{model: {model}, prompt: "${{{{ inputs.product }}}}, ${{{{ matrix.style }}}}"}}
outputs: {{stills: "${{{{ steps.stills.items }}}}"}}
"""
VOICE = """version: 1
name: voice
steps:
  voice:
    uses: generate
    with: {model: elevenlabs-turbo-2-5, prompt: a lamp, params: {voice: Jessica}}
outputs: {voice: "${{ steps.voice.asset }}"}
"""


def stills(styles: int, model: str = "z-image") -> str:
    """A spec of so many pictures, each for one credit of `z-image`, or 3 of `nano-banana`."""
    return STILLS.format(styles=", ".join("abcdefghij"[:styles]), model=model)


def write(**texts: str) -> None:
    for name, text in texts.items():
        path = Path("specs", f"{name}.yaml")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table of a terminal, by their first word."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}


def test_specs_have_their_price_before_and_now(call: Terminal, tmp_path: Path) -> None:
    write(changed=stills(2), same=stills(1), gone=stills(1))
    Path("specs/brand.yaml").write_text("name: Aurora\nfont: poppins\n")
    commit = committed(tmp_path)
    write(changed=stills(3), new=stills(2, "nano-banana"))
    Path("specs/gone.yaml").unlink()
    said = call("plan", ".", "--against", "HEAD")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].split() == ["spec", "before", "now", "change"]
    assert rows(said.out) == {
        "spec": ["before", "now", "change"],
        "specs/changed.yaml": ["2", "3", "+1", "(+50", "%)"],
        "specs/gone.yaml": ["1", "–", "gone"],
        "specs/new.yaml": ["–", "6", "new"],
        "specs/same.yaml": ["1", "1"],
        "stills": ["–", "6", "new"],  # of new.yaml, the last one
    }
    document = call("plan", "specs", "--against", "HEAD", "--json").document
    assert (document["against"], document["commit"], document["ok"]) == ("HEAD", commit, True)
    changed, gone, new, same = document["specs"]
    assert [one["change"] for one in document["specs"]] == ["changed", "gone", "new", "same"]
    assert changed["old"] == {"min": 2, "max": 2}
    pair = {"old": {"min": 2, "max": 2}, "new": {"min": 3, "max": 3}}
    assert changed["steps"] == [{"id": "stills", **pair}]
    assert new["models"] == {"new": ["nano-banana"], "gone": []}
    assert (gone["new"], new["old"], same["old"]) == (None, None, same["new"])


def test_models_that_come_and_go_are_named(call: Terminal, tmp_path: Path) -> None:
    write(one=stills(1))
    committed(tmp_path)
    write(one=stills(1, "nano-banana"))
    said = call("plan", "specs/one.yaml", "--against", "HEAD")
    assert said.out.splitlines()[1].endswith("new: nano-banana; gone: z-image")


def test_all_that_a_spec_names_counts_as_it_was(call: Terminal, tmp_path: Path) -> None:
    part = stills(1).replace("name: stills", "name: part")
    whole = """version: 1
name: whole
brand: brand.yaml
inputs:
  products: {type: list, of: map, fields: {name: string}, default: rows.csv}
  photo: {type: file, kind: image, default: photos/lamp.png}
steps:
  part: {uses: include, foreach: "${{ inputs.products }}", with: {spec: parts/part.yaml}}
outputs: {all: "${{ steps.part.items }}"}
"""
    write(whole=whole, brand="name: Aurora\nfont: poppins\n")
    Path("specs/parts").mkdir()
    Path("specs/photos").mkdir()
    still(Path("specs/photos/lamp.png"), (8, 8))
    Path("specs/parts/part.yaml").write_text(part)
    Path("specs/rows.csv").write_text("name\nsofa\nlamp\n")
    committed(tmp_path)
    assert rows(call("plan", "specs", "--against", "HEAD").out)["specs/whole.yaml"] == ["2", "2"]
    Path("specs/rows.csv").write_text("name\nsofa\nlamp\nchair\n")
    Path("specs/parts/part.yaml").write_text(part.replace("[a]", "[a, b]"))
    Path("specs/photos/lamp.png").rename("specs/lamp.png")
    write(whole=whole.replace("photos/", ""))
    told = rows(call("plan", "specs", "--against", "HEAD").out)["specs/whole.yaml"]
    assert told[:3] == ["2", "6", "+4"]


def test_another_file_is_compared_with_one_spec(call: Terminal) -> None:
    write(old=stills(1), now=stills(2))
    said = call("plan", "specs/now.yaml", "--against", "specs/old.yaml", "--json")
    [one] = said.document["specs"]
    assert (one["file"], one["old"]["max"], one["new"]["max"]) == ("specs/now.yaml", 1, 2)
    assert said.document["commit"] is None
    said = call("plan", "specs", "--against", "specs/old.yaml")
    assert (said.code, "is compared with one spec" in said.err) == (2, True)


def test_limits_exit_with_3_after_all_is_printed_and_say_which_spec(
    call: Terminal, tmp_path: Path
) -> None:
    write(a=stills(5), b=stills(5), c=stills(1))
    committed(tmp_path)
    write(a=stills(6), b=stills(7), d=stills(9))
    order = ("plan", "specs", "--against", "HEAD")
    said = call(*order, "--max-increase", "20%")
    assert said.code == 3
    assert said.out.splitlines()[-1] == (
        "specs/b.yaml: the most that it costs grows from 5 to 7; the limit is 20 % more than 5"
    )
    assert said.out.count("the limit is") == 1
    assert "specs/d.yaml" in said.out
    assert call(*order, "--max-increase", "40%").code == 0
    said = call(*order, "--max", "8", "--json")
    refused = {one["file"]: one["refused"] for one in said.document["specs"] if one["refused"]}
    assert (said.code, said.document["ok"]) == (3, False)
    assert refused == {"specs/d.yaml": ["at most 9 credits; the limit is 8"]}
    assert call(*order, "--max", "9").code == 0


def test_a_price_without_a_bound_is_over_each_limit_unless_a_budget_bounds_it(
    call: Terminal, tmp_path: Path
) -> None:
    order = ("plan", "specs/voice.yaml", "--against", "HEAD")
    write(voice=VOICE)
    committed(tmp_path)
    said = call(*order, "--max", "500")
    assert said.code == 3
    assert "without a greatest price: what voice will cost at most is not known" in said.out
    assert call(*order, "--max-increase", "0%").code == 0, "it had no bound before"
    write(voice=f"{VOICE}budget: {{credits: 40}}\n")
    assert call(*order, "--max", "40").code == 0
    assert call(*order, "--max", "39").code == 3
    committed(tmp_path)
    write(voice=VOICE)
    said = call(*order, "--max-increase", "50%")
    assert (said.code, "the most that it costs has no bound" in said.out) == (3, True)


def test_a_spec_that_its_own_budget_does_not_cover_is_refused_without_limits(
    call: Terminal, tmp_path: Path
) -> None:
    write(one=stills(1))
    committed(tmp_path)
    write(one=f"{stills(3)}budget: {{credits: 2}}\n")
    said = call("plan", "specs", "--against", "HEAD")
    assert said.code == 3
    assert "over the budget: at least 3 credits, and the budget is 2" in said.out


def test_what_cost_nothing_may_not_get_dearer(call: Terminal, tmp_path: Path) -> None:
    free = 'version: 1\nname: stills\nsteps: {tell: {uses: notify, with: {url: "https://a.example"}}}\n'
    write(one=free)
    committed(tmp_path)
    write(one=stills(1))
    assert call("plan", "specs", "--against", "HEAD", "--max-increase", "900%").code == 3


def test_a_renamed_file_is_the_same_spec(call: Terminal, tmp_path: Path) -> None:
    write(before=stills(1), voice=VOICE)
    committed(tmp_path)
    Path("specs/before.yaml").unlink()
    write(after=stills(2))
    said = call("plan", "specs", "--against", "HEAD", "--max-increase", "10%")
    assert said.code == 3
    assert rows(said.out)["specs/after.yaml"] == ["1", "2", "+1", "(+100", "%)"]
    assert "before.yaml" not in said.out


def test_a_spec_that_was_wrong_is_said_and_no_error_and_one_that_is_wrong_is(
    call: Terminal, tmp_path: Path
) -> None:
    write(one=stills(1, "z-imge"), two=stills(1))
    (tmp_path / "specs" / "three.yaml").write_bytes(b"\xff")
    committed(tmp_path)
    write(one=stills(1), three=stills(1))
    order = ("plan", "specs", "--against", "HEAD", "--max-increase", "1%")
    said = call(*order)
    assert said.code == 0
    assert rows(said.out)["specs/two.yaml"] == ["1", "1"]
    assert "specs/one.yaml: before, it had 1 mistake: no model 'z-imge'" in said.out
    assert "specs/three.yaml: before, it had 1 mistake: is not UTF-8 text" in said.out
    write(two=stills(1, "z-imge"))
    said = call(*order)
    assert said.code == 2
    assert said.err.startswith("specs/two.yaml:8:19: no model 'z-imge'")
    assert said.err.endswith("error: 1 problem found\n")
    assert "specs/two.yaml" in said.out
    [two] = [
        one for one in call(*order, "--json").document["specs"] if one["file"] == "specs/two.yaml"
    ]
    assert (two["change"], two["problems"]["new"][0]["code"]) == ("unknown", "unknown-model")


def test_inputs_are_shared_by_the_specs_that_declare_them(call: Terminal, tmp_path: Path) -> None:
    needs = stills(2).replace(", default: lamp", "").replace("product", "theme")
    write(one=stills(1))
    committed(tmp_path)
    write(needs=needs)
    order = ("plan", "specs", "--against", "HEAD")
    said = call(*order)
    assert said.code == 0, "a spec that asks for an input is right"
    assert "specs/needs.yaml: it has no price: the input 'theme' is required" in said.out
    assert call(*order, "--max", "900").code == 3
    assert call(*order, "--max", "900", "-i", "theme=tea", "-i", "product=sofa").code == 0
    said = call(*order, "-i", "them=tea")
    assert (said.code, said.err.splitlines()[0]) == (2, "error: no spec has the input 'them'")


@pytest.mark.parametrize("name", ["nowhere", "--output=out", "-h", "HEAD:specs", "$(touch out)"])
def test_a_revision_is_a_name_and_never_an_option(
    call: Terminal, tmp_path: Path, name: str
) -> None:
    write(one=stills(1))
    committed(tmp_path)
    Path("nowhere").write_text(stills(1))
    said = call("plan", "specs", f"--against={name}")
    assert said.code == 2
    assert said.err.startswith(f"error: no commit {name!r} in the Git repository ")
    assert not Path("out").exists()


def test_what_is_no_repository_or_a_shallow_one_is_said(call: Terminal, tmp_path: Path) -> None:
    write(one=stills(1))
    said = call("plan", "specs", "--against", "HEAD")
    assert (said.code, "specs: no work tree of Git: not a git repository" in said.err) == (2, True)
    committed(tmp_path)
    committed(tmp_path)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{tmp_path}", "shallow")
    said = call("plan", "shallow/specs", "--against", "HEAD^1")
    assert (said.code, "a shallow clone" in said.err) == (2, True)
    assert "`fetch-depth: 0` of actions/checkout" in said.err


def test_a_file_of_git_lfs_is_taken_from_what_was_fetched(call: Terminal, tmp_path: Path) -> None:
    spec = stills(1).replace(
        "inputs: {", "inputs: {photo: {type: file, kind: image, default: a.png}, "
    )
    write(one=spec)
    photo = still(Path("specs/a.png"), (8, 8)).read_bytes()
    name = hashlib.sha256(photo).hexdigest()
    Path("specs/a.png").write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {len(photo)}\n"
    )
    committed(tmp_path)
    assert "a pointer of Git LFS, which `git lfs pull` replaces" in call("check", "specs").err
    Path("specs/a.png").write_bytes(photo)
    said = call("plan", "specs", "--against", "HEAD")
    assert (said.code, "Git LFS has not fetched 'a.png' as it was" in said.out) == (0, True)
    kept = tmp_path / ".git" / "lfs" / "objects" / name[:2] / name[2:4] / name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(photo)
    assert rows(call("plan", "specs", "--against", "HEAD").out)["specs/one.yaml"] == ["1", "1"]


def test_many_pointers_to_one_file_of_git_lfs_do_not_fill_the_disk(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(one=stills(1))
    photo = bytes(1000)
    name = hashlib.sha256(photo).hexdigest()
    for number in range(9):
        Path(f"specs/{number}.png").write_text(
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize 1000\n"
        )
    kept = tmp_path / ".git" / "lfs" / "objects" / name[:2] / name[2:4] / name
    committed(tmp_path)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(photo)
    monkeypatch.setattr(revisions, "MAX_BYTES", 5000)
    found = revisions.find_revision("HEAD", tmp_path)
    missing = revisions.write_folder(found, tmp_path / "specs", tmp_path / "had")
    assert 5 <= len(missing) < 9


def test_nothing_of_a_repository_is_executed_and_no_link_is_followed(
    call: Terminal, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(stills(1))
    write(one=stills(1))
    Path("specs/link.yaml").symlink_to(outside)
    Path(".gitattributes").write_text("* filter=own diff=own\n")
    committed(tmp_path)
    git(tmp_path, "config", "filter.own.smudge", f"touch {tmp_path / 'executed'}; cat")
    document = call("plan", "specs", "--against", "HEAD", "--json").document
    assert {one["file"]: one["change"] for one in document["specs"]} == {
        "specs/link.yaml": "new",
        "specs/one.yaml": "same",
    }
    assert not Path("executed").exists()


def test_a_folder_that_is_too_large_is_refused(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(one=stills(1), two=stills(1))
    committed(tmp_path)
    monkeypatch.setattr(revisions, "MAX_FILES", 1)
    said = call("plan", "specs", "--against", "HEAD")
    assert (said.code, "specs: has more than 1 files and 256 MiB at 'HEAD'" in said.err) == (
        2,
        True,
    )


def test_a_machine_without_git_says_so(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(one=stills(1))
    monkeypatch.setenv("PATH", str(tmp_path))
    said = call("plan", "specs", "--against", "HEAD")
    assert (said.code, said.err.startswith("error: git: No such file")) == (2, True)


def test_no_text_of_a_stranger_is_markup_in_a_comment(call: Terminal, tmp_path: Path) -> None:
    write(one=stills(1))
    committed(tmp_path)
    names = ("a|b", "<!-- x -->", "<img src=x onerror=y>", "`c`", "@ada #12", "[x](https:\n)")
    for name in names:
        folder = Path("specs", *name.split("/"))
        folder.parent.mkdir(parents=True, exist_ok=True)
        Path(f"{folder}.yaml").write_text(stills(1, f"{name.split()[0]}z"))
    said = call("plan", "specs", "--against", "HEAD", "--format", "markdown")
    assert said.code == 2
    marker, *lines = said.out.splitlines()
    assert marker == "<!-- rivya-flows plan --against -->"
    assert not re.search(r"<(?!/?(details|summary)>)", "\n".join(lines))
    assert not re.search(r"@(?!\u2060)|#(?!\u2060)|://|(?<!\\)\]\(", "\n".join(lines))
    cells = {len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("|")}
    assert cells == {5}


def test_a_comment_says_that_nothing_changes(call: Terminal, tmp_path: Path) -> None:
    write(one=stills(1), two=stills(1))
    committed(tmp_path)
    said = call("plan", "specs", "--against", "HEAD", "--format", "markdown").out
    assert "\n**No price of 2 specs changes** since `HEAD` (" in said
    assert "\n\n\n" not in said


def test_a_comment_has_a_bound_and_is_the_same_for_the_same_change(
    call: Terminal, tmp_path: Path
) -> None:
    committed(tmp_path)
    write(**{f"{'&' * 90}{number}": stills(1, "<" * 60) for number in range(70)})
    order = ("plan", "specs", "--against", "HEAD", "--format", "markdown")
    said = call(*order)
    assert 20_000 < len(said.out) < 65_536
    assert "And 10 more." in said.out
    assert sum(line.startswith("|") for line in said.out.splitlines()) == 2 + 60
    assert said.out == call(*order).out


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("a.yaml b.yaml", "several specs are only compared"),
        ("a.yaml --max 3", "--format, --max and --max-increase need --against"),
        ("a.yaml --against HEAD --out q.json", "--out does not go with --against"),
        ("a.yaml --against HEAD --max-increase 20", "'20' is not a share; write 20%"),
        ("a.yaml --against HEAD --json --format markdown", "exclude each other"),
    ],
)
def test_options_that_do_not_go_together_are_refused(call: Terminal, order: str, says: str) -> None:
    said = call("plan", *order.split())
    assert (said.code, says in said.out + said.err) == (2, True)
