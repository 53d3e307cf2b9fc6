"""Media of a contact sheet, and one browser for all pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import CHROMIUM, Tab, browsing
from support.contact_sheets import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "assets")


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A tab; what a test sets for its page, the next one sets anew with `Tab.show_at`."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with browsing(tmp_path_factory.mktemp("profile")) as tab:
        yield tab
