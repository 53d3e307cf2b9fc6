"""A Prefect server that says nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest
from prefect import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from rivya_flows.flows.server import environment
from rivya_flows.flows.server.environment import health_problem


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "HEALTH_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            async with get_client() as client:
                problem = await asyncio.wait_for(health_problem(client), timeout=240)
    assert isinstance(problem, TimeoutError)
