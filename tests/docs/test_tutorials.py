"""The tutorials do what they say, from the first block to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import pages

DOCS = Path(__file__).parents[2] / "docs"

# A run starts a Prefect server of its own.
pytestmark = pytest.mark.prefect


def test_the_first_clip(tmp_path: Path) -> None:
    pages.run_page(DOCS / "tutorial" / "first-clip.md", tmp_path)
