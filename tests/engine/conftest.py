"""One sandbox for all tests of the engine, each with a customer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, customer


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The `shared_sandbox`, of all modules."""
    with running(tmp_path_factory.mktemp("engine") / "sandbox") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio of a customer with 1,000 credits."""
    return customer(sandbox, tmp_path / "studio")
