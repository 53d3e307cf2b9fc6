"""The page of a run: what hangs where, on a real server, and what a result is called."""

from __future__ import annotations

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prefect import get_client
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry

from rivya_flows.engine import observers
from rivya_flows.flows import campaigns, run_page
from rivya_flows.flows.run_page import Page
from rivya_flows.steps.kind import Kind
from rivya_flows.steps.registry import known_kind
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import buy_from
from support.engine_runs import order
from support.prefect_workers import Server

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
def spec(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec in the folder that flows are read from."""
    buy_from(sandbox, monkeypatch)
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "spot.yaml").write_text(SPOT)


@pytest.mark.prefect
@pytest.mark.usefixtures("spec")
async def test_a_run_that_is_executed_again_shows_each_thing_once_on_its_node(
    server: Server, sandbox: Sandbox
) -> None:
    order(sandbox, 'on: "POST /api/v1/generations", model: veo3-1-lite, do: status, status: 422')
    state = await campaigns.spot(return_state=True)
    assert state.is_failed(), state
    flow_run = str(state.state_details.flow_run_id)
    first = server.artifacts(flow_run)
    assert "What failed or was skipped" in first["spot-outputs"][0]["data"]
    order(sandbox)
    async with get_client() as client:
        await client.set_flow_run_state(uuid.UUID(flow_run), AwaitingRetry(), force=True)
        again = await client.read_flow_run(uuid.UUID(flow_run))
    executed: Any = run_flow(campaigns.spot, flow_run=again, parameters={}, return_type="state")
    done = await executed
    assert done.is_completed(), done
    assert done.message == "script, 2 of 2 stills, hero, film; 13 credits"

    shown = server.artifacts(flow_run)
    # The file of the refused request is uploaded again, and stands on the node of each upload.
    twice = {key for key, versions in shown.items() if len(versions) > 1}
    assert twice == {"spot-film-reference"}
    assert shown["spot-plan"] == first["spot-plan"]
    nodes = {one["id"]: one["name"] for one in server.task_runs(flow_run)}
    at = {key: (one["type"], nodes.get(one["task_run_id"])) for key, (one, *_) in shown.items()}
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
    page = {key: one["data"] for key, (one, *_) in shown.items()}
    assert page["spot-progress"] == 100
    assert shown["spot-progress"][0]["description"] == "5 of 5 done, completed; 13 credits"
    assert page["spot-plan"].endswith("**at least 12, at most 15 credits**")
    assert page["spot-ledger"].split("\n")[-1].startswith("| film | veo3-1-lite |")
    assert len(page["spot-ledger"].split("\n")) == 2 + 5
    assert "What failed or was skipped" not in page["spot-outputs"]
    for picture in ("spot-stills-neon", "spot-hero"):
        async with httpx.AsyncClient(timeout=120) as client:
            answer = await client.get(page[picture])
        assert answer.headers["content-type"] == "image/png"


@pytest.mark.prefect
@pytest.mark.usefixtures("spec")
async def test_a_server_that_takes_no_artifacts_fails_no_run(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_page, "artifact_key", lambda *names: f"Refused: {names}")
    state = await campaigns.spot(return_state=True)
    assert state.is_completed(), state
    assert state.message == "script, 2 of 2 stills, hero, film; 13 credits"
    assert server.artifacts(str(state.state_details.flow_run_id)) == {}
    # It stops trying after three, and says once that it did.
    assert caplog.text.count("the page of this run is missing an artifact") == 2
    assert caplog.text.count("the page of this run is no longer updated") == 1


class Mirror(Kind):
    uses = "mirror"
    outputs = ("asset", "assets")


def medium(mark: str, kind: str = "image") -> dict[str, Any]:
    url = f"https://media.example/{mark}"
    return {"kind": kind, "sha256": mark * 64, "url": url, "width": 9, "height": 16}


TALL, SQUARE, NEON, NOIR = medium("a", "video"), medium("b", "video"), medium("d"), medium("e")
FILM = {
    "asset": TALL,
    "assets": [TALL, SQUARE],
    "by": {
        "9:16": {"asset": TALL, "clean": medium("c", "video")},
        "1:1": {"asset": SQUARE, "clean": None},
    },
    "poster": NEON,
    "gif": NOIR,
}
PICKED = [
    {"key": "neon", "asset": NEON},
    {"key": "line", "text": "so"},
    {"key": "noir", "asset": NOIR},
]
HERO = {"asset": NEON, "key": "neon", "item": PICKED[0], "items": PICKED, "assets": [NEON, NOIR]}


@pytest.mark.parametrize(
    ("uses", "step", "key", "result", "shown"),
    [
        pytest.param("compose", "spot", "hi", FILM, {
            "launch-spot-hi": r"spot\[hi\] 9:16: film, 9 × 16",
            "launch-spot-hi-2": r"spot\[hi\] 1:1: film, 9 × 16",
            "launch-spot-hi-3": r"spot\[hi\] 9:16 clean: film, 9 × 16",
            "launch-spot-hi-4": r"spot\[hi\] poster: image, 9 × 16",
            "launch-spot-hi-5": r"spot\[hi\] gif: image, 9 × 16",
        }, id="each format of a composition"),
        pytest.param("pick", "hero", "", HERO, {
            "launch-hero": "hero: neon: image, 9 × 16",
            "launch-hero-2": "hero: noir: image, 9 × 16",
        }, id="each picked medium"),
        pytest.param("mirror", "twin", "", {"asset": NEON, "assets": [NEON]}, {
            "launch-twin": "twin: image, 9 × 16",
        }, id="a medium of a kind of others, once"),
    ],
)  # fmt: skip
def test_the_media_of_a_result_hang_on_its_node_under_their_names(
    uses: str, step: str, key: str, result: Any, shown: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in (run_page, observers):
        monkeypatch.setattr(
            module, "known_kind", lambda uses: Mirror() if uses == "mirror" else known_kind(uses)
        )
    drawn: dict[str, str] = {}

    def put(key: str, draw: Any, **_: Any) -> None:
        drawn[key] = draw().description

    context: Any = SimpleNamespace(settings=SimpleNamespace(rivya_flows_public_url=None))
    page = Page(context, "launch", put)
    page.show_result(uuid.uuid4(), "collect", "stills", "", [NEON, NOIR])
    before = {*drawn}
    page.show_result(uuid.uuid4(), uses, step, key, result)
    assert {key: told for key, told in drawn.items() if key not in before} == shown
