"""Signing secrets."""

from __future__ import annotations

import stat

import httpx

from rivya_sandbox.service.startup import Sandbox
from support.sandbox_calls import Receiver
from support.webhook_calls import URL, listen


def test_the_data_folder_contains_no_key_and_no_webhook_secret(
    sandbox: Sandbox, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = listen(client, receiver.url)
    rotated = client.post(f"{URL}/{endpoint['id']}/rotate-secret").json()
    client.post(f"{URL}/{endpoint['id']}/test")
    receiver.wait(1)
    secrets = [endpoint["signing_secret"], rotated["signing_secret"], sandbox.api_key]
    own = sandbox.data / "secret.key"
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    secrets.append(own.read_text())
    for path in sandbox.data.rglob("*"):
        if path.is_file() and path != own:
            content = path.read_bytes()
            for secret in secrets:
                assert secret.removeprefix("whsec_").encode() not in content
