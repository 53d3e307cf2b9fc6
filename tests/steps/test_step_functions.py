"""Checks of steps that are Python functions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.diagnostics import Diagnostic
from rivya_flows.spec.load import check
from rivya_flows.steps import registry
from support.function_steps import HEAD, SPLIT, Installer, install_paid, install_strange, installing
from support.wrong_specs import unmarked


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    with installing(tmp_path, monkeypatch) as install:
        yield install


@pytest.fixture
def strange(install: Installer) -> None:
    install_strange(install)


def problems(text: str) -> tuple[Diagnostic, ...]:
    return check(text, file="spec.yaml", catalogue=shipped())[1]


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(
    ("code", "marked"),
    [
        ("unknown-uses", SPLIT.replace("uses: split_words", "uses: ☞split_word", 1)),
        ("unknown-key", SPLIT.replace("most: 2", "☞mots: 2")),
        ("missing-key", SPLIT.replace("with: {text: '${{ inputs.text }}', ", "☞with: {")),
        ("wrong-value", SPLIT.replace("most: 2", "most: ☞two")),
        ("wrong-value", SPLIT.replace("most: 2", "by: ☞comma")),
        ("unknown-field", SPLIT.replace("${{ steps.split.words", "${{ ☞steps.split.word")),
        ("wrong-type", SPLIT.replace("foreach: ${{ steps.split.words", "foreach: ☞${{ steps.split.status")),
        ("wrong-type", SPLIT.replace("'${{ inputs.text }}'", "☞'${{ [inputs.text] }}'", 1)),
        ("unknown-step", SPLIT.replace("${{ inputs.text }}", "${{ ☞steps.x.y }}")),
        ("unknown-key", SPLIT.replace("steps:\n", "defaults: {split_words: {☞tries: 5}}\nsteps:\n", 1)),
        *[
            ("broken-step", HEAD + f"steps:\n  a:\n    uses: ☞{kind}\n    with: {{text: a}}\n")
            for kind in ("no_hint", "no_model", "any_number", "taken", "missing", "absent")
        ],
    ],
)  # fmt: skip
def test_wrong_use_of_a_function_is_told_at_its_place(code: str, marked: str) -> None:
    text, line, column = unmarked(marked)
    found = problems(text)
    assert [(p.line, p.column, p.code) for p in found] == [(line, column, code)], "\n".join(
        map(str, found)
    )


def test_values_that_a_type_of_the_function_reads_in_its_own_way_are_left_to_it(
    install: Installer,
) -> None:
    install(
        "tagging",
        """
from typing import Any
from pydantic import BaseModel, RootModel, model_validator

class Tags(RootModel[list[str]]): pass

class Size(BaseModel):
    width: int

    @model_validator(mode="before")
    @classmethod
    def read(cls, value: Any) -> Any:
        return {"width": value} if isinstance(value, str) else value

class Tagged(BaseModel):
    tags: Tags

def tag(tags: Tags, sizes: list[Size]) -> Tagged:
    return Tagged(tags=tags)
""",
        "tag = tagging:tag",
    )
    text = HEAD + (
        "inputs: {words: {type: list, of: string, default: [a]}}\nsteps:\n"
        "  a: {uses: tag, with: {tags: '${{ inputs.words }}', sizes: '${{ inputs.words }}'}}\n"
        "  b: {uses: tag, with: {tags: '${{ steps.a.tags }}', sizes: ['${{ inputs.words[0] }}']}}\n"
    )
    assert problems(text) == ()


@pytest.mark.usefixtures("strange")
def test_the_hint_names_functions_too() -> None:
    [problem] = problems(SPLIT.replace("uses: split_words", "uses: split_word", 1))
    assert problem.hint is not None
    assert "'split_words'" in problem.hint


def test_a_spec_of_our_own_kinds_looks_at_nothing_that_is_installed(install: Installer) -> None:
    install("other_steps", "", "other = other_steps:other")
    looked = registry._entries_on.cache_info()
    still = "steps:\n  a:\n    uses: generate\n    with: {model: z-image, prompt: x}\n"
    assert problems(HEAD + still) == ()
    assert registry._entries_on.cache_info() == looked


@pytest.fixture
def paid(install: Installer) -> None:
    install_paid(install)


@pytest.mark.usefixtures("paid")
def test_a_price_without_an_idempotency_key_is_refused() -> None:
    [problem] = problems(HEAD + "steps:\n  a:\n    uses: without_key\n    with: {motif: a}\n")
    assert (problem.code, "idempotency_key" in problem.message) == ("broken-step", True)
