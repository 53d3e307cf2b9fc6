"""The open things of a run: the client that says when its service is silent."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_client.retries import ONCE
from rivya_client.types import File
from rivya_flows.engine import run_context
from rivya_flows.engine.run_context import (
    ServiceConnection,
    SharedUploads,
    WalletCredentials,
    known_run,
    open_context,
    real_service,
)
from rivya_flows.errors import APIConnectionError, MediaError, UsageError
from rivya_flows.settings import Settings
from support.journal_entries import frozen


async def test_a_service_that_does_not_answer_is_named_while_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = ServiceConnection("http://127.0.0.1:1", None, "x", 1.0)
    told: list[str] = []
    with open_context(Settings(rivya_flows_data=tmp_path / "data"), service) as context:
        async with context.first_client(told.append):
            pass
        monkeypatch.setattr(run_context, "SILENT_SECONDS", 0.0)
        async with context.first_client(told.append):
            await asyncio.sleep(0.05)
    assert told == ["no answer from http://127.0.0.1:1 within 0 s; waiting a little longer"]


async def test_a_person_waits_for_one_short_attempt_and_reads_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_context, "WAITING_SECONDS", 0.1)
    monkeypatch.setattr(run_context, "IMPATIENT", ONCE)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        service = ServiceConnection(url, SecretStr("rvya_sk_1"), url, 1.0)
        with open_context(Settings(rivya_flows_data=tmp_path / "data"), service) as context:
            async with context.first_client(lambda _: None) as client:
                with pytest.raises(APIConnectionError) as raised:
                    await client.credits.retrieve()
    assert str(raised.value) == f"GET /api/v1/credits ({url}): no whole answer within 0.1 s"


def test_machines_that_spell_the_address_otherwise_share_runs_and_pools(tmp_path: Path) -> None:
    """The charges of a run are those of its service, by this name."""
    spelled = Settings(
        rivya_flows_data=tmp_path / "data",
        rivya_api_key="rvya_sk_1",
        rivya_base_url="https://Rivya.ai:443/",
    )
    service = real_service(spelled)
    assert (service.identity, service.base_url) == ("https://rivya.ai", "https://Rivya.ai:443")
    with open_context(spelled, service) as context:
        for number, written in enumerate(("https://rivya.ai", "https://Rivya.ai:443")):
            run = frozen(f"run-{number}").model_copy(update={"service": written})
            context.journal.create(run, tmp_path / "run")
            assert known_run(context, run.run_id).service == written


def test_a_run_of_another_machine_is_reported_where_this_one_can_write(tmp_path: Path) -> None:
    settings = Settings(rivya_flows_data=tmp_path / "data", rivya_api_key="rvya_sk_1")
    (tmp_path / "home").write_text("no folder can be made below a file")
    folders = tmp_path / "mine" / "runs" / "run-1", tmp_path / "home" / "runs" / "run-2"
    found = tmp_path / "mine" / "runs" / "run-1", tmp_path / "data" / "runs" / "run-2"
    with open_context(settings, real_service(settings)) as context:
        for folder, where in zip(folders, found, strict=True):
            run = frozen(folder.name).model_copy(update={"service": "https://rivya.ai"})
            context.journal.create(run, folder)
            assert known_run(context, run.run_id).folder == where


@pytest.mark.parametrize(("bought_with", "at_hand"), [("acme", None), ("acme", "zenith")])
def test_a_run_is_not_continued_with_the_key_of_another_wallet(
    tmp_path: Path, bought_with: str, at_hand: str | None
) -> None:
    settings = Settings(rivya_flows_data=tmp_path / "data", rivya_api_key="rvya_sk_1")
    wallet = (
        None if at_hand is None else WalletCredentials(at_hand, SecretStr("k"), "https://rivya.ai")
    )
    with open_context(settings, real_service(settings, wallet)) as context:
        ours = {"service": "https://rivya.ai", "wallet": bought_with}
        context.journal.create(frozen("run-1").model_copy(update=ours), tmp_path / "run")
        with pytest.raises(UsageError, match="buys with the wallet acme, not with the"):
            known_run(context, "run-1")


class Sender:
    """Sends files with ids from 1; the first `failing` sends fail."""

    def __init__(self, failing: int = 0) -> None:
        self.failing, self.sent = failing, 0

    async def __call__(self) -> File:
        self.sent += 1
        number = self.sent
        await asyncio.sleep(0)
        if number <= self.failing:
            raise MediaError("refused")
        return File.model_validate({"id": f"file_{number}", "url": "https://files.example/1"})


async def test_runs_that_ask_at_once_share_one_upload() -> None:
    uploads, send = SharedUploads(), Sender()
    files = await asyncio.gather(*(uploads.once(f"run-{n}", "a", send) for n in range(5)))
    assert ({file.id for file in files}, send.sent) == ({"file_1"}, 1)
    assert (await uploads.once("run-1", "b", send)).id == "file_2"


async def test_a_failed_upload_is_not_shared_and_a_cancelled_one_keeps_nobody_back() -> None:
    uploads, send = SharedUploads(), Sender(failing=1)
    first, second = await asyncio.gather(
        *(uploads.once(f"run-{n}", "a", send) for n in (1, 2)), return_exceptions=True
    )
    assert isinstance(first, MediaError)
    assert isinstance(second, File)
    tasks = [asyncio.create_task(uploads.once(f"run-{n}", "b", send)) for n in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert (await tasks[1]).id == "file_4"


async def test_a_run_that_asks_again_gets_a_new_upload_which_others_get_too() -> None:
    uploads, send = SharedUploads(), Sender()
    asked = [await uploads.once(run, "a", send) for run in ("run-1", "run-2", "run-1", "run-3")]
    assert [file.id for file in asked] == ["file_1", "file_1", "file_2", "file_2"]
