"""What most tests of the service use: one sandbox for all of them, a customer for each."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import customer


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A local API with plain media and no simulated time."""
    with running(tmp_path_factory.mktemp("service") / "data") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(serving: Sandbox) -> Iterator[Sandbox]:
    """The same; faults and rehearsed answers end with a test."""
    yield serving
    admin.set_faults(serving.data, "")
    admin.set_answers(serving.data, "")


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A customer with 1,000 credits."""
    with customer(sandbox, credits=1000) as (client, _):
        yield client
