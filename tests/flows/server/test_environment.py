"""What a Prefect server and those who ask it get, and what they hear when it is silent or away."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import closing
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, get_current_settings, temporary_settings
from pydantic import ValidationError

from rivya_flows.errors import UsageError
from rivya_flows.flows import prefect_api
from rivya_flows.flows.server.environment import (
    client_environment,
    pointed_at,
    report_outages,
    server_environment,
)

URL = "http://127.0.0.1:1/api"


def test_the_server_gets_no_setting_and_no_key_of_the_user(tmp_path: Path) -> None:
    given = {
        "PATH": "/bin",
        "PREFECT_API_KEY": "k",
        "PREFECT_SERVER_API_AUTH_STRING": "u:p",
        "RIVYA_API_KEY": "k",
        "BRAND_TOKEN": "k",
        "HTTPS_PROXY": "http://u:p@proxy.example",
    }
    made = server_environment(tmp_path, 4300, given)
    assert "k" not in made.values()
    assert "u:p" not in str(made)
    assert "PREFECT_SERVER_API_AUTH_STRING" not in made  # the server makes its own
    assert made["PATH"] == "/bin"
    assert made["PREFECT_SERVER_API_PORT"] == "4300"


def test_a_client_goes_around_a_proxy_and_links_to_the_ui_that_up_opens(tmp_path: Path) -> None:
    made = client_environment(URL, tmp_path, {"no_proxy": "example.com"}, auth="u:p")
    assert set(made["NO_PROXY"].split(",")) == {"example.com", "127.0.0.1", "localhost"}
    assert made["PREFECT_UI_URL"] == "http://127.0.0.1:1/v2"


def test_redis_takes_messages_order_leases_and_tasks_of_the_server(tmp_path: Path) -> None:
    plain = server_environment(tmp_path, 4200, {})
    redis = "redis://127.0.0.1:6379/0"
    made = server_environment(tmp_path, 4200, {}, redis_url=redis)
    assert plain.keys() <= made.keys()
    parts = ("MESSAGING_BROKER", "MESSAGING_CACHE", "CAUSAL_ORDERING", "LEASE_STORAGE")
    for name in [one for one in made if one.endswith(parts)]:
        assert made[name].startswith("prefect_redis."), name
    assert made["PREFECT_SERVER_DOCKET_URL"] == made["PREFECT_REDIS_MESSAGING_URL"] == redis
    assert made["PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE"] == "1"  # a batch loses some


def test_prefect_uses_another_server_inside_the_block_and_none_if_it_refuses_its_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pointed_at({"PREFECT_API_URL": URL}):
        assert get_current_settings().api.url == URL
    assert get_current_settings().api.url is None
    monkeypatch.setenv("PREFECT_FLOWS_DEFAULT_RETRIES", "many")
    with pytest.raises(ValidationError), pointed_at({"PREFECT_API_URL": URL}):
        pass
    assert "PREFECT_API_URL" not in os.environ


async def test_a_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefect_api, "HEALTH_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            async with asyncio.timeout(240):
                with pytest.raises(UsageError, match="no Prefect server answers") as caught:
                    async with prefect_api.open_client():
                        pass
    assert isinstance(caught.value.__cause__, TimeoutError)


async def heard(told: list[str], count: int) -> None:
    while len(told) < count:
        await asyncio.sleep(0.01)


async def test_a_server_that_goes_and_comes_back_is_told_with_its_address() -> None:
    told: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        url = f"http://127.0.0.1:{port}/api"
        async with report_outages(url, told.append, look_seconds=0.01):
            await asyncio.sleep(0.1)
            assert told == []
            server.close()
            await heard(told, 1)
            with closing(socket.create_server(("127.0.0.1", port))):
                await heard(told, 2)
    address = f"the Prefect server at http://127.0.0.1:{port}"
    assert told[0].startswith(f"{address} does not answer: this run continues")
    assert told[1] == f"{address} answers again"


async def test_after_a_server_of_its_own_died_a_run_does_not_wait_for_it() -> None:
    told: list[str] = []
    before = get_current_settings().client.max_retries
    async with report_outages(URL, told.append, lambda: False, look_seconds=0.01):
        await heard(told, 1)
        await asyncio.sleep(0.05)
        assert get_current_settings().client.max_retries == 0
    assert get_current_settings().client.max_retries == before
    assert [line.partition(":")[0] for line in told] == ["the Prefect server at http"]
