from __future__ import annotations

import asyncio
import socket
from contextlib import closing

from prefect.settings import get_current_settings

from rivya_flows.flows.server.environment import told_outages


async def heard(told: list[str], count: int) -> None:
    while len(told) < count:
        await asyncio.sleep(0.01)


async def test_a_server_that_goes_and_comes_back_is_told_with_its_address() -> None:
    told: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        url = f"http://127.0.0.1:{port}/api"
        async with told_outages(url, told.append, look_seconds=0.01):
            await asyncio.sleep(0.1)
            assert told == []
            server.close()
            await heard(told, 1)
            with closing(socket.create_server(("127.0.0.1", port))):
                await heard(told, 2)
    address = f"the Prefect server at http://127.0.0.1:{port}"
    assert told[0].startswith(f"{address} does not answer: this run goes on")
    assert told[1] == f"{address} answers again"


async def test_after_a_server_of_its_own_died_a_run_does_not_wait_for_it() -> None:
    told: list[str] = []
    before = get_current_settings().client.max_retries
    url = "http://127.0.0.1:1/api"
    async with told_outages(url, told.append, lambda: False, look_seconds=0.01):
        await heard(told, 1)
        await asyncio.sleep(0.05)
        assert get_current_settings().client.max_retries == 0
    assert get_current_settings().client.max_retries == before
    assert [line.partition(":")[0] for line in told] == ["the Prefect server at http"]
