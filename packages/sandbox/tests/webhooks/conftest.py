"""What the tests of webhooks use: a sandbox that may call this machine, a customer, a receiver."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from rivya_sandbox.service import admin
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import Receiver, customer, receiving


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    data = tmp_path_factory.mktemp("webhooks") / "data"
    with running(data, allow_local_webhooks=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(serving: Sandbox) -> Iterator[Sandbox]:
    yield serving
    admin.set_faults(serving.data, "")


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with customer(sandbox) as (client, _):
        yield client


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver
