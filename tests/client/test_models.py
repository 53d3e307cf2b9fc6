"""The list of models needs no key."""

from __future__ import annotations

import httpx
import pytest

from rivya_flows.errors import UsageError
from support.api_stage import Stage


async def test_the_list_of_models_needs_no_key_and_sends_none() -> None:
    listed = httpx.Response(200, json={"object": "list", "data": [{"id": "z-image"}]})
    stage = Stage(listed, listed, listed)
    async with stage.client() as client:
        assert (await client.models.list()).data[0].id == "z-image"
        with pytest.raises(UsageError, match="'z-imag'"):
            await client.models.retrieve("z-imag")
    assert "authorization" not in stage.requests[0].headers
    async with stage.client(api_key=None) as client:
        assert (await client.models.retrieve("z-image")).id == "z-image"
