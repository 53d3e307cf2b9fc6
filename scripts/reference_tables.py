"""What the pages of the reference have in common: tables, and texts of docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import griffe

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "docs" / "reference"


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table of Markdown, a line for each row."""
    lines = [head, ("---",) * len(head)]
    lines += [tuple(map(_cell, row)) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("  |", " |") for line in lines)


def _cell(text: str) -> str:
    """The text with each bar escaped: in code GitHub needs a backslash, and the site would show it."""
    text = re.sub(r"`([^`]*\|[^`]*)`", lambda found: _code(found[1]), text)
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    special = "".join(f"&#{ord(one)};" if one in "|*_[]<>&" else one for one in text)
    return f"<code>{special}</code>"


def first_line(call: Any) -> str:
    """The first paragraph of the docstring of an object."""
    return in_one_line((inspect.getdoc(call) or "").partition("\n\n")[0])


def in_one_line(text: str) -> str:
    """A paragraph of a docstring as one line of Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


ABSTRACT = "ExplainedError"
"""What errors have in common; no caller catches it; no table has it."""


@cache
def package(name: str = "rivya_flows") -> griffe.Module:
    """A package as its source says it, not imported."""
    loader = griffe.GriffeLoader(
        search_paths=[ROOT / "src", ROOT / "packages/client/src"],
        allow_inspection=False,
        docstring_parser=griffe.Parser.google,
    )
    loader.load("rivya_client", try_relative_path=False)  # `rivya_flows` names errors of it
    found = loader.load(name, try_relative_path=False)
    assert isinstance(found, griffe.Module)
    return found
