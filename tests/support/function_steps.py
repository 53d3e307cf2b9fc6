"""Python functions as steps, installed for one test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HEAD = "version: 1\nname: test\n"
STRANGE = """
from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel


class Words(BaseModel):
    words: list[str]
    of: dict[str, Any] = {}


async def split_words(text: str, by: Literal["space", "line"] = "space", most: int | None = None) -> Words:
    found = text.split(" " if by == "space" else "\\n")[:most]
    if found == ["fail"]:
        raise ValueError("it was asked to fail")
    return Words(words=found, of={"length": len(text)})


def no_hint(text) -> Words: ...
def no_model(text: str) -> str: ...
def any_number(*texts: str) -> Words: ...


class Taken(BaseModel):
    status: str


def taken(text: str) -> Taken: ...
"""
PAID = """
from pathlib import Path

from pydantic import BaseModel


class Receipt(BaseModel):
    number: str


async def order_print(motif: str, book: str, idempotency_key: str) -> Receipt:
    with Path(book).open("a") as file:
        file.write(idempotency_key + " " + motif + "\\n")
    if motif == "unknown":
        raise ConnectionError("no answer")
    return Receipt(number="A" + idempotency_key[-4:])


order_print.credits = 3


def without_key(motif: str) -> Receipt: ...


without_key.credits = 3
"""
SPLIT = HEAD + (
    "inputs:\n  text: {type: string, default: a b c}\nsteps:\n"
    "  split:\n    uses: split_words\n    with: {text: '${{ inputs.text }}', most: 2}\n"
    "  each:\n    uses: split_words\n    foreach: ${{ steps.split.words }}\n"
    "    with: {text: '${{ item }}-${{ steps.split.of.length }}'}\n"
    "outputs:\n  words: ${{ steps.each.items[1].words }}\n"
)

Installer = Callable[[str, str, str], None]


@contextmanager
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Installs a distribution of one module: its name, code and entry points."""
    made: list[str] = []

    def put(module: str, code: str, entry_points: str) -> None:
        folder = tmp_path / f"site-{module}"
        about = folder / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[rivya_flows.steps]\n{entry_points}\n")
        monkeypatch.syspath_prepend(str(folder))
        made.append(module)

    yield put
    for module in made:
        sys.modules.pop(module, None)


def install_strange(install: Installer) -> None:
    """Functions, most of which cannot be a step."""
    kinds = ("split_words", "no_hint", "no_model", "any_number", "taken", "missing")
    lines = [f"{kind} = strange_steps:{kind}" for kind in kinds]
    install("strange_steps", STRANGE, "\n".join([*lines, "absent = strange_absent:step"]))


def install_paid(install: Installer) -> None:
    """A function that costs credits, and one that lacks an idempotency key."""
    kinds = "order_print = paid_steps:order_print\nwithout_key = paid_steps:without_key"
    install("paid_steps", PAID, kinds)
