"""What is told of wrong specs: every mistake, at its place, with the fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from rivya_flows.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.errors import SpecError
from rivya_flows.language.load import check, load
from support.wrong_specs import HEAD, STILL, WRONG


def problems_of(text: str, folder: Path | None = None) -> tuple[Diagnostic, ...]:
    return check(text, file="spec.yaml", catalogue=shipped(), folder=folder)[1]


@pytest.mark.parametrize(("code", "marked", "hint"), WRONG.values(), ids=WRONG.keys())
def test_wrong_spec_has_one_problem_at_its_place_with_the_fix(
    code: str, marked: str, hint: str
) -> None:
    before, _, after = marked.partition("☞")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    found = problems_of(before + after)
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], "\n".join(
        map(str, found)
    )
    assert found[0].hint == hint
    assert found[0].message[0].islower() or not found[0].message[0].isalpha()


def test_all_problems_come_in_one_pass_and_in_the_order_of_the_file() -> None:
    text = (
        HEAD.replace("test", "Test")
        + "titel: x\nsteps:\n"
        + STILL.replace("z-image", "zz")
        + ("outputs: {a: '${{ steps.x.y }}'}\n")
    )
    found = problems_of(text)
    assert [(p.line, p.code) for p in found] == [
        (2, "bad-name"),
        (3, "unknown-key"),
        (7, "unknown-model"),
        (8, "unknown-step"),
    ]


def test_problem_is_shown_with_line_caret_and_hint() -> None:
    with pytest.raises(SpecError) as caught:
        load(HEAD + "titel: x\nsteps:\n" + STILL, file="a.yaml", catalogue=shipped())
    assert str(caught.value) == (
        "a.yaml:3:1: unknown key 'titel' [unknown-key]\n"
        "  titel: x\n  ^\n  hint: did you mean 'title'?"
    )


def test_a_mistake_in_defaults_is_told_once() -> None:
    text = HEAD + "defaults: {generate: {timeout: x}}\nsteps:\n" + STILL
    text += STILL.replace("still:", "other:")
    assert len(problems_of(text)) == 1


def test_files_that_a_spec_names_must_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "outside.png").write_bytes(b"x")
    (tmp_path / "specs" / "empty.png").write_bytes(b"")
    (tmp_path / "specs" / "inside.png").write_bytes(b"x")
    step = (
        "  b:\n    uses: generate\n    with: {model: nano-banana-2, prompt: x, references: [%s]}\n"
    )
    for name, says in {
        "inside.png": "",
        "../outside.png": "is outside the folder",
        "missing.png": "there is no file",
        "empty.png": "is empty",
        "inside.txt": "there is no file",
        "https://example.com/a.png": "",
    }.items():
        found = problems_of(HEAD + "steps:\n" + step % name, tmp_path / "specs")
        assert [says in problem.message for problem in found] == ([True] if says else [])


def test_very_many_problems_are_cut_off() -> None:
    text = HEAD + "".join(f"k{n}: 1\n" for n in range(20_000)) + "steps:\n" + STILL
    found = problems_of(text)
    assert len(found) == 101
    assert found[-1].code == "too-many-problems"


@pytest.mark.parametrize(
    "wanted",
    ["web_search: '${{ inputs.search }}'", "attachments: ['${{ inputs.photo or none }}']"],
)
def test_what_a_chat_model_cannot_do_is_no_problem_where_it_may_not_be_asked_for(
    wanted: str,
) -> None:
    inputs = "inputs:\n  search: {type: boolean, default: false}\n  photo: {type: file, kind: image, required: false}\n"
    chat = f"  s: {{uses: chat, with: {{model: claude-sonnet-4-6-chat, message: Hi, {wanted}}}}}\n"
    assert problems_of(HEAD + inputs + "steps:\n" + chat) == ()


def test_an_empty_fan_out_is_told_once_though_its_members_are_named() -> None:
    empty = "  s:\n    uses: generate\n    foreach: []\n    with: {model: z-image, prompt: x}\n"
    text = HEAD + "steps:\n" + empty + "outputs:\n  a: ${{ steps.s.items[0].asset }}\n"
    assert [one.code for one in problems_of(text)] == ["empty-list"]
