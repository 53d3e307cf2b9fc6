"""The page of a run on a real server: what hangs where, and that it never stands in the way."""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import httpx
import prefect.context
import pytest
from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from rivya_flows.engine import shown_results
from rivya_flows.flows import campaigns, run_page
from rivya_flows.flows.prefect_internals import send_pending
from rivya_flows.flows.run_page import Page
from rivya_flows.settings import read_settings
from rivya_flows.steps.kind import Kind
from rivya_flows.store.journal import Journal
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.prefect_workers import Server

pytestmark = pytest.mark.prefect

SPOT = """\
version: 1
name: spot
title: A spot
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: Describe a lamp, expect: {visual: string}}
  stills:
    uses: generate
    matrix: {style: [neon, "9:16 | नीऑन"]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: first}
  film:
    uses: generate
    with: {model: veo3-1-lite, prompt: Slow, references: ["${{ steps.hero.asset }}"]}
outputs:
  film: ${{ steps.film.asset }}
"""


@pytest.fixture
def server(
    prefect_server: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Server]:
    monkeypatch.setenv("RIVYA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.1")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "spot.yaml").write_text(SPOT)
    with httpx.Client(verify=False, timeout=120) as client:
        yield Server(prefect_server, client)


def artifacts(server: Server, flow_run: str) -> dict[str, list[dict[str, Any]]]:
    """The artifacts of a flow run by key."""
    body = {"flow_runs": {"id": {"any_": [flow_run]}}, "sort": "CREATED_DESC"}
    found: dict[str, list[dict[str, Any]]] = {}
    for one in server.ask("POST", "/artifacts/filter", body):
        found.setdefault(one["key"], []).append(one)
    return found


def names_of(server: Server, flow_run: str) -> dict[str, str]:
    return {one["id"]: one["name"] for one in server.task_runs(flow_run)}


async def run_spot() -> Any:
    return await campaigns.spot(return_state=True)


async def test_each_thing_that_was_made_hangs_on_its_node(server: Server) -> None:
    state = await run_spot()
    assert state.is_completed(), state
    assert state.message == "script, 2 of 2 stills, hero, film; 13 credits"
    flow_run = str(state.state_details.flow_run_id)
    shown = artifacts(server, flow_run)
    assert all(len(versions) == 1 for versions in shown.values())
    nodes = names_of(server, flow_run)
    at = {key: (one["type"], nodes.get(one["task_run_id"])) for key, (one,) in shown.items()}
    hindi = next(key for key in shown if key.startswith("spot-stills-9-16-"))
    assert at == {
        "spot-plan": ("markdown", None),
        "spot-progress": ("progress", None),
        "spot-script": ("markdown", "script chat"),
        "spot-stills-neon": ("image", "stills[neon] collect"),
        hindi: ("image", "stills[9:16 | नीऑन] collect"),
        "spot-hero": ("image", "hero pick"),
        "spot-film-reference": ("image", "film upload"),
        "spot-film": ("markdown", "film collect"),
        "spot-ledger": ("markdown", None),
        "spot-outputs": ("markdown", None),
    }
    assert shown["spot-progress"][0]["data"] == 100
    assert shown["spot-progress"][0]["description"] == "5 of 5 done, completed; 13 credits"
    assert shown["spot-plan"][0]["data"].endswith("**at least 12, at most 15 credits**")
    assert shown["spot-ledger"][0]["data"].split("\n")[-1].startswith("| film | veo3-1-lite |")
    for picture in ("spot-stills-neon", "spot-hero"):
        async with httpx.AsyncClient(timeout=120) as client:
            answer = await client.get(shown[picture][0]["data"])
        assert answer.headers["content-type"] == "image/png"


async def test_a_run_that_is_executed_again_shows_everything_once(
    server: Server, sandbox: Sandbox
) -> None:
    refused = (
        'faults: [{on: "POST /api/v1/generations", model: veo3-1-lite, do: status, status: 422}]'
    )
    admin.set_faults(sandbox.data, refused)
    state = await run_spot()
    assert state.is_failed(), state
    flow_run = str(state.state_details.flow_run_id)
    first = artifacts(server, flow_run)
    assert "What went wrong" in first["spot-outputs"][0]["data"]
    admin.set_faults(sandbox.data, "faults: []")
    async with get_client() as client:
        await client.set_flow_run_state(uuid.UUID(flow_run), AwaitingRetry(), force=True)
        again = await client.read_flow_run(uuid.UUID(flow_run))
    executed: Any = run_flow(campaigns.spot, flow_run=again, parameters={}, return_type="state")
    done = await executed
    assert done.is_completed(), done
    shown = artifacts(server, flow_run)
    # The file of the refused request is uploaded again, and stands on the node of each upload.
    twice = {key for key, versions in shown.items() if len(versions) > 1}
    assert twice == {"spot-film-reference"}
    assert first.keys() | {"spot-film"} == shown.keys()
    assert shown["spot-plan"] == first["spot-plan"]
    assert "What went wrong" not in shown["spot-outputs"][0]["data"]
    assert shown["spot-progress"][0]["data"] == 100
    assert len(shown["spot-ledger"][0]["data"].split("\n")) == 2 + 5


class Refusing(ThreadingTCPServer):
    """Passes everything on to Prefect's server but artifacts: those are refused.

    Attributes:
        asked: What was asked about artifacts.
    """

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.upstream = upstream
        self.asked: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Passing)

    @property
    def api_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/api"


class _Passing(BaseRequestHandler):
    server: Refusing

    def handle(self) -> None:
        with socket.create_connection(self.server.upstream) as there:
            back = Thread(target=self._pump, args=(there, self.request), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                own = f"Host: 127.0.0.1:{self.server.server_address[1]}".encode()
                theirs = f"Host: 127.0.0.1:{self.server.upstream[1]}".encode()
                while data := self.request.recv(65536):
                    data = data.replace(own, theirs)  # the server answers under no other name
                    if b"/api/artifacts/" in data.split(b"\r\n")[0]:
                        self.server.asked.append(data)
                        self.request.sendall(
                            b"HTTP/1.1 418 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                        )
                        break
                    there.sendall(data)
                there.shutdown(socket.SHUT_RDWR)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
async def refusing(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Refusing]:
    """What this process's Prefect takes for its server during one test."""
    upstream = httpx.URL(server.api_url)
    with Refusing((upstream.host, upstream.port or 80)) as listening:
        Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("PREFECT_API_URL", listening.api_url)
        prefect.context.refresh_global_settings_context()
        yield listening
        # Prefect's threads keep the address that they began with: the events of the next test
        # would wait for those that nobody takes.
        await send_pending(60)
        monkeypatch.setenv("PREFECT_API_URL", server.api_url)
        prefect.context.refresh_global_settings_context()
        listening.shutdown()


async def test_a_server_that_takes_no_artifacts_fails_no_run(
    server: Server, refusing: Refusing, caplog: pytest.LogCaptureFixture
) -> None:
    state = await run_spot()
    assert state.is_completed(), state
    assert state.message == "script, 2 of 2 stills, hero, film; 13 credits"
    # It stops trying, and says once that it did.
    assert len(refusing.asked) == 3
    flow_run = str(state.state_details.flow_run_id)
    assert artifacts(server, flow_run) == {}
    assert caplog.text.count("the page of this run is no longer updated") == 1
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        (run,) = journal.runs()
        assert journal.entries(run.run_id)[-2].event.kind == "run.ended"


class Collecting:
    """A writer that draws at once what is put into it."""

    def __init__(self) -> None:
        self.drawn: dict[str, str] = {}

    def put(self, key: str, draw: Any, **_: Any) -> None:
        self.drawn[key] = draw().description


def test_each_format_of_a_composition_hangs_on_its_node_under_its_name() -> None:
    def medium(mark: str, kind: str = "image") -> dict[str, Any]:
        url = f"https://media.example/{mark}"
        return {"kind": kind, "sha256": mark * 64, "url": url, "width": 9, "height": 16}

    films = {"9:16": medium("a", "video"), "1:1": medium("b", "video")}
    outputs = {
        "asset": films["9:16"],
        "assets": [*films.values()],
        "by": {
            "9:16": {"asset": films["9:16"], "clean": medium("c", "video")},
            "1:1": {"asset": films["1:1"], "clean": None},
        },
        "poster": medium("d"),
        "gif": medium("e"),
    }
    writer = Collecting()
    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    page = Page(context, "launch", writer.put)
    page.show_result(uuid.uuid4(), "compose", "spot", "hi", outputs)
    assert writer.drawn == {
        "launch-spot-hi": r"spot\[hi\] 9:16: film, 9 × 16",
        "launch-spot-hi-2": r"spot\[hi\] 1:1: film, 9 × 16",
        "launch-spot-hi-3": r"spot\[hi\] 9:16 clean: film, 9 × 16",
        "launch-spot-hi-4": r"spot\[hi\] poster: image, 9 × 16",
        "launch-spot-hi-5": r"spot\[hi\] gif: image, 9 × 16",
    }


def test_each_picked_medium_hangs_on_the_node_of_its_pick_under_its_key() -> None:
    neon, noir = (
        {
            "kind": "image",
            "sha256": mark * 64,
            "url": "https://m.example/a",
            "width": 9,
            "height": 9,
        }
        for mark in "ab"
    )
    items = [
        {"key": "neon", "asset": neon},
        {"key": "line", "text": "so"},
        {"key": "noir", "asset": noir},
    ]
    outputs = {
        "asset": neon,
        "key": "neon",
        "item": items[0],
        "items": items,
        "assets": [neon, noir],
    }
    writer = Collecting()
    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    page = Page(context, "launch", writer.put)
    page.show_result(uuid.uuid4(), "collect", "stills", "", [neon, noir])
    page.show_result(uuid.uuid4(), "pick", "hero", "", outputs)
    shown = {key: told for key, told in writer.drawn.items() if "hero" in key}
    assert shown == {
        "launch-hero": "hero: neon: image, 9 × 9",
        "launch-hero-2": "hero: noir: image, 9 × 9",
    }


def test_a_medium_of_a_kind_of_others_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mirror(Kind):
        uses = "mirror"
        outputs = ("asset", "assets")

    still = {
        "kind": "image",
        "sha256": "a" * 64,
        "url": "https://m.example/a",
        "width": 9,
        "height": 9,
    }
    for module in (run_page, shown_results):
        monkeypatch.setattr(module, "known_kind", {"mirror": Mirror()}.get)
    writer = Collecting()
    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    page = Page(context, "launch", writer.put)
    page.show_result(uuid.uuid4(), "mirror", "twin", "", {"asset": still, "assets": [still]})
    assert writer.drawn == {"launch-twin": "twin: image, 9 × 9"}
