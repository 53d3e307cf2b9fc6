"""The README does what it says, from its first line of Python to its last, against the sandbox."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

import rivya_client
from rivya_client.client import RivyaClient, SyncRivyaClient
from rivya_client.webhook_signatures import CONVENTION, sign_webhook
from rivya_sandbox.service.serve import running

README = Path(__file__).parents[1] / "README.md"
SECRET = "whsec_readme"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the blocks of Python define, run one after the other in a folder of their own."""
    folder = tmp_path_factory.mktemp("readme")
    found: dict[str, Any] = {"__name__": "readme"}
    with running(folder / "service") as service, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RIVYA_API_KEY", service.api_key)
        patch.setenv("RIVYA_BASE_URL", service.base_url)
        patch.setenv("SIGNING_SECRET", SECRET)
        for kind in (RivyaClient, SyncRivyaClient):
            fast = functools.partial(kind, poll_seconds=0.01)
            patch.setattr(rivya_client, kind.__name__, fast, raising=False)
        for code in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL):
            exec(compile(code, str(README), "exec"), found)
        yield found | {"folder": folder, "service": service}


def test_a_picture_is_bought_and_saved_and_another_made_from_it(names: dict[str, Any]) -> None:
    assert [path.name for path in names["folder"].glob("*.png")] == ["lamp-1.png"]
    assert names["job"].status == "succeeded"
    assert names["job"].model == names["model"].id


def test_prices_are_those_of_the_comments(names: dict[str, Any]) -> None:
    price, model = names["catalogue"].price, names["model"]
    assert str(price(model, {"aspect_ratio": "9:16"})) == "5 credits"
    assert str(price(model, {"resolution": "4K"})) == "from 5 credits"


async def test_the_receiver_takes_what_is_signed_and_nothing_else(names: dict[str, Any]) -> None:
    body, now = b'{"id": "evt_1", "type": "generation.succeeded"}', int(time.time())
    headers = {
        CONVENTION.timestamp_header: str(now),
        CONVENTION.signature_header: f"v1={sign_webhook(body, SECRET, now)}",
    }
    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as receiver:
        assert (await receiver.post("/rivya", content=body, headers=headers)).status_code == 204
        assert (await receiver.post("/rivya", content=b"{}", headers=headers)).status_code == 400


def test_a_job_is_bought_once_with_the_same_bytes_and_key(names: dict[str, Any]) -> None:
    body, key = b'{"model": "z-image", "prompt": "A lamp"}', secrets.token_hex(16)
    service = names["service"]
    with SyncRivyaClient(service.api_key, service.base_url) as client:
        bought = names["buy"](client, body, key)
        before = client.credits.retrieve().current_credits
        assert names["buy"](client, body, key) == bought
        assert client.credits.retrieve().current_credits == before
        with pytest.raises(rivya_client.ConflictError):
            names["buy"](client, body.replace(b"lamp", b"fan"), key)
