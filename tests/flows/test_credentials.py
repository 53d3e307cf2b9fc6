"""The block of a wallet, and campaigns that buy with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from prefect import flow
from prefect.blocks.core import Block
from prefect.plugins import load_prefect_collections
from prefect.workers.base import BaseWorker
from pydantic import SecretStr, ValidationError

import rivya_flows as rf
from rivya_flows.errors import UsageError
from rivya_flows.flows.credentials import load_wallet
from rivya_flows.runs.results import Receipt
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.prefect_workers import Server
from support.tea_time import SPEC

KEY = "rvya_sk_c4n4ry0123456789abcdef"


def credentials(**values: str) -> rf.RivyaCredentials:
    return rf.RivyaCredentials(api_key=SecretStr(KEY), **values)


def test_prefect_finds_the_block_and_the_worker_by_their_entry_point() -> None:
    assert not isinstance(load_prefect_collections()["rivya-flows"], Exception)
    assert Block.get_block_class_from_key("rivya-credentials") is rf.RivyaCredentials
    assert BaseWorker.get_worker_class_from_type("campaign") is not None


async def test_its_client_has_the_key_and_the_service_of_the_block() -> None:
    async with credentials(base_url="http://127.0.0.1:8700/").get_client() as client:
        assert client.base_url == "http://127.0.0.1:8700"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://rivya.ai", "would get the API key unencrypted"),
        ("https://me:word@rivya.ai", "has a user name or a password"),
        ("ftp://rivya.ai", "is not the address of a service"),
    ],
)
def test_an_address_is_checked_as_that_of_the_settings(address: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        credentials(base_url=address)
    assert "RIVYA_BASE_URL" not in str(caught.value)


def test_the_key_is_in_no_text_of_the_block_nor_of_an_error_about_it() -> None:
    block = credentials()
    assert KEY not in f"{block!r}{block}{block.model_dump()}{block.model_dump_json()}"
    with pytest.raises(ValidationError) as caught:
        rf.RivyaCredentials.model_validate({"base_url": "https://rivya.ai", "key": KEY})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("given", [credentials(), {"api_key": KEY}, KEY, SecretStr(KEY)])
async def test_credentials_that_nobody_could_find_again_are_refused_before_prefect_sees_them(
    given: object, tmp_path: Path
) -> None:
    (tmp_path / "tea-time.yaml").write_text(SPEC)
    with pytest.raises(UsageError, match="saved") as caught:
        await rf.campaign("tea-time.yaml")(credentials=given)
    assert KEY not in str(caught.value)


@pytest.mark.prefect
@pytest.mark.usefixtures("small_pictures")
async def test_two_campaigns_of_a_flow_buy_with_two_wallets_once_and_no_key_reaches_prefect(
    tmp_path: Path,
    prefect_data: Path,
    server: Server,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.02")  # and no key: each call brings its own
    keys = {}
    for name in ("acme", "zenith"):
        keys[name] = admin.create_key(sandbox.data, account=name)["api_key"]
        admin.add_credits(sandbox.data, 50, account=name)
        block = rf.RivyaCredentials(api_key=SecretStr(keys[name]), base_url=sandbox.base_url)
        await block.save(name, overwrite=True)
    (tmp_path / "tea-time.yaml").write_text(SPEC)
    tea_time = rf.campaign("tea-time.yaml")
    receipts: list[Receipt] = []

    @flow(retries=1)
    async def launch() -> None:
        for name in keys:
            wallet = await rf.RivyaCredentials.aload(name)
            receipts.append(await tea_time(credentials=wallet))
        if len(receipts) == len(keys):
            raise RuntimeError("after both")

    await launch()
    # The same inputs, and two runs; the retry of the flow adds none.
    assert [one.wallet for one in receipts] == ["acme", "zenith"] * 2
    assert len({one.run_id for one in receipts}) == 2
    for receipt in receipts:
        sold = admin.ledger(sandbox.data, account=receipt.wallet or "")
        assert len(sold["generations"]) == 1
        money = receipt.document["credits"]
        assert (money["before"], money["after"]) == (50, sold["balance"])
        assert (money["unexplained"], money["others"]) == (0, 0)
        assert receipt.document["agreement"]["agrees"]
        assert "went for something else" not in str(receipt.document)
    # What resumes it finds the block by its name, and takes no other key.
    assert (await load_wallet("acme")).api_key.get_secret_value() == keys["acme"]
    with pytest.raises(UsageError, match="no block rivya-credentials/apex"):
        await load_wallet("apex")
    monkeypatch.setenv("RIVYA_API_KEY", keys["zenith"])
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    again = await rf.aresume(receipts[0].run_id)
    assert (again.status, again.wallet) == ("completed", "acme")
    stored = b"".join(file.read_bytes() for file in prefect_data.rglob("*") if file.is_file())
    told = str(server.ask("POST", "/flow_runs/filter", {"limit": 200, "sort": "START_TIME_DESC"}))
    for name, key in keys.items():
        assert f"'tea-time: Lamp, {name}'" in told
        assert f"'_block_document_name': '{name}'" in told
        assert key.encode() not in stored
        assert key not in told
