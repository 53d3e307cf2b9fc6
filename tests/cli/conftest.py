"""Terminals for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.screens import Screens


@pytest.fixture(scope="session")
def screens() -> Iterator[Screens]:
    """Executes some Python at a terminal of any size."""
    with Screens() as started:
        yield started
