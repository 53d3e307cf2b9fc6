"""What most tests of the service use: a sandbox for each module, a customer for each test."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import customer


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A local API with plain media and no simulated time."""
    with running(tmp_path_factory.mktemp("service") / "data") as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A customer with 1,000 credits."""
    with customer(sandbox, credits=1000) as (client, _):
        yield client
