"""The board behind the guard: who may read it, and what an answer by a click does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from rivya_flows.processes import board
from rivya_flows.processes.board import Board
from rivya_flows.processes.guard import Guard
from rivya_flows.store import mailbox
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.serve import running
from support.engine_runs import Studio, customer

AUTH, LOGIN = "rivya:secret", ("rivya", "secret")
HERE = "http://127.0.0.1:4200"
SPEC = """
version: 1
name: launch
title: A secret lamp
steps:
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}", mode: human, none: {rounds: 1}}
"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A studio with a run that waits for a pick."""
    folder = tmp_path_factory.mktemp("board")
    with running(folder / "sandbox") as sandbox:
        made = customer(sandbox, folder / "studio")
        assert made.started(SPEC)["status"] == "suspended"
        yield made


@dataclass
class Owner:
    """A browser of the owner, on the board of a studio.

    Attributes:
        delivered: The runs whose answers were delivered.
        ends: The server is about to end.
    """

    client: httpx.AsyncClient
    journal: Journal
    delivered: list[str] = field(default_factory=list)
    ends: bool = False

    async def answer(self, *picked: str, **more: Any) -> httpx.Response:
        """Clicks on an answer of the pick."""
        chosen = {"question": "hero", "round": 0, "picked": picked, **more}
        return await self.client.post("/board/run-1/answers", json=chosen, auth=LOGIN)

    @property
    def waiting(self) -> list[tuple[str, ...]]:
        """What waits in the mailbox, which is emptied."""
        found = mailbox.waiting(self.journal.engine, "run-1")
        for number, _ in found:
            mailbox.remove(self.journal.engine, number)
        return [(str(one.answer), one.answer.channel) for _, one in found]


async def prefect_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands for Prefect."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"PREFECT"})


@pytest.fixture
async def owner(studio: Studio) -> AsyncIterator[Owner]:
    assets = AssetStore((studio.folder / "assets").as_uri(), studio.folder / "copies")
    with closing(Journal(f"sqlite:///{studio.folder / 'journal.sqlite'}")) as journal:

        async def deliver(run_id: str) -> None:
            made.delivered.append(run_id)

        own = Board(journal, assets, AUTH, "password", deliver, lambda: made.ends).app()
        guarded = Guard(prefect_app, 4200, AUTH, "password", lambda *_: True, board=own)
        transport = httpx.ASGITransport(guarded)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            made = Owner(client, journal)
            yield made


async def past(owner: Owner) -> str:
    """The page at the end of the journal."""
    answer = await owner.client.get("/board/run-1/past?seq=999", auth=LOGIN)
    return "".join(answer.json()["pieces"])


async def test_the_page_itself_needs_no_password_and_holds_nothing_of_the_run(owner: Owner) -> None:
    for run in ("run-1", "no-run"):
        answer = await owner.client.get(f"/board/{run}", follow_redirects=True)
        assert answer.status_code == 200
        assert "secret" not in answer.text.replace("secrets", "")
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["known", "events", "past?seq=9"])
async def test_what_a_run_made_is_for_who_has_the_password(owner: Owner, path: str) -> None:
    for login in (None, ("rivya", "guess"), ("rivya", "")):
        answer = await owner.client.get(f"/board/run-1/{path}", auth=login)
        assert answer.status_code == 401
        assert "lamp" not in answer.text
    if path != "events":  # which lasts
        assert (await owner.client.get(f"/board/run-1/{path}", auth=LOGIN)).status_code == 200
    assert (await owner.client.get(f"/board/no-run/{path}", auth=LOGIN)).status_code == 404


async def test_other_hosts_and_origins_are_refused_even_with_the_password(owner: Owner) -> None:
    for headers in (
        {"Host": "evil.example:4200"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:3000"},
    ):
        for path in ("known", "past?seq=9"):
            got = await owner.client.get(f"/board/run-1/{path}", auth=LOGIN, headers=headers)
            assert got.status_code == 403, headers
        sent = await owner.client.post(
            "/board/run-1/answers", auth=LOGIN, headers=headers, content=b"{}"
        )
        assert sent.status_code == 403, headers
    site = {"Sec-Fetch-Site": "same-site"}
    sent = await owner.client.post("/board/run-1/answers", auth=LOGIN, headers=site, content=b"{}")
    assert sent.status_code == 403


async def test_media_have_addresses_of_their_own_which_cannot_be_guessed(owner: Owner) -> None:
    page = await past(owner)
    address = page.partition('href="../media/')[2].partition('"')[0]
    for kind, mime_type in (("media", "image/png"), ("stills", "image/webp")):
        found = await owner.client.get(f"/board/{kind}/{address}")
        assert (found.status_code, found.headers["content-type"]) == (200, mime_type)
        assert (await owner.client.get(f"/board/{kind}/x{address}")).status_code == 404


async def test_a_click_leaves_the_answer_in_the_mailbox_and_has_it_delivered(owner: Owner) -> None:
    assert (await owner.answer("neon")).status_code == 202
    assert owner.waiting == [("neon", "board")]
    assert (await owner.answer(note="warmer\n light")).status_code == 202
    assert owner.waiting == [("none: warmer light", "board")]
    await asyncio.sleep(0)
    assert owner.delivered == ["run-1", "run-1"]


async def test_what_the_question_does_not_allow_is_refused_in_words(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for picked, more, status in (
        (["pink"], {}, 422),
        (["neon", "studio"], {}, 422),
        ([], {"note": "x" * 600}, 422),
        (["neon"], {"round": 1}, 410),
        (["neon"], {"question": "film"}, 410),
        (["x" * 3_000], {}, 400),
        (["neon"], {"round": "first"}, 400),
    ):
        answer = await owner.answer(*picked, **more)
        assert answer.status_code == status, picked
        assert answer.json()["error"]
    monkeypatch.setattr(board, "MAX_BYTES", 10)
    assert (await owner.answer("neon")).status_code == 413
    nobody = await owner.client.post("/board/run-1/answers", json={"question": "hero"})
    assert nobody.status_code == 401
    assert owner.waiting == []
    assert owner.delivered == []


async def test_a_higher_budget_is_a_click(studio: Studio, owner: Owner) -> None:
    spec = SPEC.partition("  hero:")[0] + "budget: {credits: 1, on_unfit: pause}\n"
    await studio.start(spec, "run-2")
    assert await studio.ends("run-2") == "suspended"
    page = await owner.client.get("/board/run-2/past?seq=999", auth=LOGIN)
    text = "".join(page.json()["pieces"])
    assert "Raise the budget to 2?" in text
    assert 'data-name="budget"' in text
    chosen = {"question": "budget", "round": 0, "picked": ["yes"]}
    sent = await owner.client.post("/board/run-2/answers", json=chosen, auth=LOGIN)
    assert sent.status_code == 202
    [(_, waiting)] = mailbox.waiting(owner.journal.engine, "run-2")
    assert waiting.answer.picked == ("yes",)


async def test_a_server_that_ends_does_not_wait_for_open_pages(owner: Owner) -> None:
    owner.ends = True
    async with asyncio.timeout(240):
        assert (await owner.client.get("/board/run-1/events", auth=LOGIN)).status_code == 200


async def test_everything_else_is_prefect(owner: Owner) -> None:
    for path in ("/board", "/boards/run-1", "/api/health"):
        assert (await owner.client.get(path)).text == "PREFECT"
