"""The examples of docs/reference/client.md do what the page says, against the sandbox."""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import rivya_client
from rivya_client.calls import api_call
from rivya_client.chat_stream import stream_call
from rivya_client.client import ApiCalls, RivyaClient, SyncRivyaClient
from rivya_client.generations import Generations
from rivya_client.resources import Chat, Files, Models, Sessions, Wallet, WebhookEvents, Webhooks
from rivya_client.webhook_signatures import WebhookError
from rivya_flows.errors import APIError, APIStatusError
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.loaded_scripts import examples_of
from support.sandbox_calls import png

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "client.md"
TEXT = PAGE.read_text(encoding="utf-8")
MODEL = "gpt-5-2-chat"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that may send webhooks to this machine."""
    folder = tmp_path_factory.mktemp("client-docs")
    with running(folder, allow_local_webhooks=True) as sandbox:
        yield sandbox


@pytest.fixture
async def client(service: Sandbox) -> AsyncIterator[RivyaClient]:
    """A client of it that need not wait."""
    async with RivyaClient(service.api_key, service.base_url, poll_seconds=0.01) as one:
        yield one


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    return examples_of(PAGE)


async def test_the_first_example_buys_and_saves_a_picture(
    client: RivyaClient,
    service: Sandbox,
    examples: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = (await client.credits.retrieve()).current_credits
    job = await examples["picture"](client, "A lamp", tmp_path)
    after = (await client.credits.retrieve()).current_credits
    assert (job.status, before - after, job.final_credits) == ("succeeded", 1, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["picture-0.png"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RIVYA_API_KEY", service.api_key)
    monkeypatch.setenv("RIVYA_BASE_URL", service.base_url)
    monkeypatch.setitem(examples, "RivyaClient", functools.partial(RivyaClient, poll_seconds=0.01))
    await examples["main"]()
    shown = capsys.readouterr().out
    assert f"{job.id} succeeded" in shown
    assert "1 credits; balance" in shown


def test_the_synchronous_examples_need_no_event_loop(
    service: Sandbox, examples: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with SyncRivyaClient(service.api_key, service.base_url, poll_seconds=0.01) as client:
        job = examples["picture_without_asyncio"](client, "A lamp")
        assert job.status == "succeeded"
        assert "Z-Image 1" in capsys.readouterr().out
        answer = examples["aloud_without_asyncio"](client, MODEL, "Tell me of a lamp")
    assert capsys.readouterr().out == answer != ""


async def test_options_responses_prices_and_files_work_as_shown(
    client: RivyaClient,
    examples: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    patient = examples["patient"](client)
    credits_now = await examples["balance"](patient)
    assert await examples["traced"](patient) == f"{credits_now} credits"
    assert re.match(r"200 req_\w+ \w", capsys.readouterr().out)
    assert await examples["cheapest"](client, "image") == examples["dearest"](1)[-1] == "z-image"
    (tmp_path / "lamp.png").write_bytes(png())
    job = await examples["restyled"](client, tmp_path / "lamp.png")
    assert (job.status, job.model) == ("succeeded", "nano-banana-2")
    assert (await client.openapi())["openapi"].startswith("3.1")


async def test_chats_continue_in_one_session_and_are_printed_while_they_arrive(
    client: RivyaClient, examples: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    answers = await examples["interview"](client, MODEL, ["Who are you?", "And who am I?"])
    session = (await client.chat.sessions.list()).data[0]
    assert (len(answers), session.message_count) == (2, 4)
    said = await examples["transcript"](client)
    assert said.startswith("user: Who are you?\nassistant: ")
    answer = await examples["aloud"](client, MODEL, "Tell me of a lamp")
    shown = capsys.readouterr().out
    assert shown.startswith(answer)
    assert shown.endswith(" tokens\n")


Receive = Callable[[bytes, dict[str, str]], int]


@asynccontextmanager
async def receiver(receive: Receive) -> AsyncIterator[str]:
    """The address of a web server that answers as `receive` says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.partition(": ") for line in lines if line)
        headers = {name: value for name, _, value in pairs}
        length = next(int(v) for k, v in headers.items() if k.lower() == "content-length")
        status = receive(await reader.readexactly(length), headers)
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def test_events_arrive_and_are_verified_also_after_a_rotation(
    client: RivyaClient, examples: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    secrets: list[str] = []
    seen: set[str] = set()
    arrived: asyncio.Queue[int] = asyncio.Queue()
    ready = asyncio.Event()

    def receive(body: bytes, headers: dict[str, str]) -> int:
        # A test event may overtake the answer that tells the secret.
        status = examples["received"](body, headers, secrets, seen) if ready.is_set() else 503
        arrived.put_nowait(status)
        return int(status)

    async def accepted() -> None:
        async with asyncio.timeout(240):
            while await arrived.get() != 200:
                pass

    async with receiver(receive) as url:
        endpoint_id, secret = await examples["subscribe"](client, url)
        secrets.append(secret)
        ready.set()
        await client.webhooks.test(endpoint_id)
        await accepted()
        await examples["rotated"](client, endpoint_id, secrets)
        assert secrets[0] != secrets[1]
        job = await client.generations.create(
            {"model": "z-image", "prompt": "A lamp"}, idempotency_key="hook-1"
        )
        async with asyncio.timeout(240):
            while f"generation.succeeded {job.id} succeeded" not in capsys.readouterr().out:
                await accepted()
        listed = (await client.webhook_events.list()).data
        assert {event.id for event in listed} >= seen
        assert job.id in {event.generation.id for event in listed if event.generation}
        assert secret not in repr(await client.webhooks.retrieve(endpoint_id))
        await client.webhooks.update(endpoint_id, name="Another name")
        assert (await client.webhooks.list()).data[0].name == "Another name"
        await client.webhooks.delete(endpoint_id)
    assert examples["received"](b"{}", {}, secrets, seen) == 400  # forged


async def test_a_purchase_with_a_key_is_made_once_or_raises_the_documented_error(
    client: RivyaClient, examples: dict[str, Any], tmp_path: Path
) -> None:
    lamp, buy = b'{"model":"z-image","prompt":"A lamp"}', examples["bought"]
    again = [await examples["survives_a_crash"](client, lamp, tmp_path / "key") for _ in "12"]
    assert again[0].id == again[1].id
    assert (await buy(client, lamp, "docs-1")).id
    assert await buy(client, lamp.replace(b"image", b"imag"), "docs-2") is None
    with pytest.raises(APIStatusError, match="idempotency_conflict"):
        await buy(client, lamp.replace(b"A lamp", b"Another lamp"), "docs-1")


def test_the_page_names_every_error_of_the_client_and_every_call() -> None:
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(rivya_client.__path__, "rivya_client.")
    ]
    errors = {
        name
        for module in modules
        for name, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, APIError | WebhookError)
    }
    assert [name for name in sorted(errors) if not re.search(rf"\b{name}`", TEXT)] == []
    with_calls = (ApiCalls, Chat, Files, Generations, Models, Sessions, Wallet, Webhooks)
    calls = {
        name
        for resource in (*with_calls, WebhookEvents)
        for name, value in vars(resource).items()
        if isinstance(value, api_call | stream_call)
    }
    assert len(calls) == 16
    assert [call for call in sorted(calls) if not re.search(rf"[.`]{call}\b", TEXT)] == []
