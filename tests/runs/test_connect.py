"""The sandbox that a run starts or joins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from rivya_client.client import RivyaClient
from rivya_flows.engine.run_context import WalletCredentials
from rivya_flows.errors import APIStatusError, UsageError
from rivya_flows.process_identity import find_process
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.runs.connect import chosen_service, join_sandbox, serving
from rivya_flows.settings import Settings
from rivya_sandbox.service.serve import running
from support.small_server import Answer, Request, answering

pytestmark = pytest.mark.slow


def test_a_program_on_the_port_of_an_ended_sandbox_learns_nothing(tmp_path: Path) -> None:
    heard: list[str] = []

    def squat(request: Request) -> Answer:
        heard.append(request.path)
        return Answer()

    with running(tmp_path) as sandbox:
        assert serving(tmp_path) == sandbox.base_url
    port = urlsplit(sandbox.base_url).port
    assert port is not None
    with answering(squat, port):
        assert serving(tmp_path) is None
        with join_sandbox(tmp_path) as other:
            pass
    assert other.base_url != sandbox.base_url
    assert set(heard) == {"/api/v1/models"}  # whether somebody answers


def test_two_users_share_one_sandbox_with_a_key_each(tmp_path: Path) -> None:
    with join_sandbox(tmp_path / "sandbox") as first, join_sandbox(tmp_path / "sandbox") as second:
        assert first.base_url == second.base_url == serving(tmp_path / "sandbox")
        assert first.identity == second.identity
        assert first.api_key != second.api_key


def test_a_sandbox_that_cannot_start_gives_its_own_reason(tmp_path: Path) -> None:
    (tmp_path / "sandbox.sqlite").write_bytes(b"not a database" * 100)
    with (
        pytest.raises(UsageError, match="sandbox: it did not start: ") as failed,
        join_sandbox(tmp_path),
    ):
        pass
    assert failed.value.hint


def test_a_folder_that_cannot_be_written_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match="cannot be used") as failed,
        join_sandbox(tmp_path / "file" / "sandbox"),
    ):
        pass
    assert "RIVYA_FLOWS_DATA" in str(failed.value.hint)


@pytest.mark.parametrize("text", ["", "123", "123 http://127.0.0.1:1\n", "123 http://127"])
def test_a_lock_file_that_nobody_holds_names_no_sandbox(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert serving(tmp_path) is None


async def test_a_key_means_the_real_service_and_no_sandbox(tmp_path: Path) -> None:
    told: list[str] = []
    settings = Settings(rivya_flows_data=tmp_path, rivya_api_key=SecretStr("rvya_sk_1"))
    async with chosen_service(settings, tell=told.append) as service:
        assert service.base_url == "https://rivya.ai"
    assert told == ["using https://rivya.ai"]
    assert not (tmp_path / "sandbox").exists()


@pytest.mark.parametrize("rehearses", [False, True])
async def test_a_wallet_on_this_machine_needs_no_key_and_is_used_in_a_rehearsal_too(
    tmp_path: Path, rehearses: bool
) -> None:
    told: list[str] = []
    settings = Settings(rivya_flows_data=tmp_path, rivya_flows_sandbox=rehearses)
    wallet = WalletCredentials("acme", SecretStr("rvya_sk_1"), "http://127.0.0.1:8700")
    async with chosen_service(settings, wallet=wallet, tell=told.append) as service:
        assert (service.base_url, service.wallet) == ("http://127.0.0.1:8700", "acme")
    assert told == ["using http://127.0.0.1:8700 with the wallet acme"]


@pytest.mark.parametrize(
    ("address", "live"), [("https://rivya.ai", False), ("http://127.0.0.1:8700", True)]
)
async def test_a_real_wallet_is_refused_in_a_rehearsal(
    tmp_path: Path, address: str, live: bool
) -> None:
    settings = Settings(rivya_flows_data=tmp_path, rivya_flows_sandbox=True, rivya_flows_live=live)
    wallet = WalletCredentials("acme", SecretStr("rvya_sk_1"), address)
    with pytest.raises(UsageError, match=f"wallet acme is one of {address}") as caught:
        async with chosen_service(settings, wallet=wallet):
            pass
    assert "nothing was bought" in str(caught.value)


async def test_no_key_means_the_sandbox_of_the_data_folder(tmp_path: Path) -> None:
    told: list[str] = []
    async with chosen_service(Settings(rivya_flows_data=tmp_path), tell=told.append) as service:
        record = json.loads((tmp_path / "sandbox" / "serving.json").read_text())
        assert record == {"base_url": service.base_url}
    assert told == [
        f"no RIVYA_API_KEY: using the local sandbox at {service.base_url} (pretend credits)"
    ]


@pytest.mark.parametrize("registered", [True, False])
async def test_a_sandbox_that_a_run_starts_beside_the_receiver_of_up_sends_webhooks_there(
    tmp_path: Path, registered: bool
) -> None:
    me = find_process(os.getpid())
    assert me is not None
    receiver = ManagedProcess(
        name="receiver", pid=me.pid, birth=me.birth, mark="m", registered=registered
    )
    write(tmp_path, LeftRunning((receiver,)))
    with join_sandbox(tmp_path / "sandbox") as service:
        assert service.api_key is not None
        async with RivyaClient(service.api_key.get_secret_value(), service.base_url) as client:
            if registered:
                assert (await client.webhooks.create("http://127.0.0.1:9/webhooks/rivya")).id
            else:
                with pytest.raises(APIStatusError, match="webhook_url_rejected"):
                    await client.webhooks.create("http://127.0.0.1:9/webhooks/rivya")
