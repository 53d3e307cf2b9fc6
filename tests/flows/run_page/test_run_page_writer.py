"""Artifacts on a real server: written at a bounded rate, given up within bounds."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from typing import Any

import pytest
from prefect import flow
from prefect.events import emit_event
from prefect.runtime import flow_run as here

from rivya_flows.flows import run_page
from rivya_flows.flows.run_page import ArtifactWriter
from rivya_flows.receipt.run_page import Artifact
from support.prefect_workers import Server, eventually

pytestmark = pytest.mark.prefect

LOGGER = logging.getLogger("tests.writer")


async def test_what_cannot_be_drawn_or_sent_is_given_up_within_bounds(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    released, started = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stuck() -> Artifact:
        loop.call_soon_threadsafe(started.set)
        released.wait()
        return Artifact("markdown", "too late", "")

    def broken() -> Artifact:
        raise ZeroDivisionError("no such picture")

    @flow
    async def bare() -> str:
        writer = ArtifactWriter(uuid.UUID(here.id), LOGGER, again=False)
        writer.put("broken", broken)
        writer.put("good", lambda: Artifact("markdown", "seen", ""))
        writer.put("none", lambda: None)
        writer.put("stuck", stuck)
        await started.wait()
        await writer.settle(0.2)
        return str(here.id)

    flow_run = await bare()
    released.set()
    shown = server.artifacts(flow_run)
    assert {key: one["data"] for key, (one,) in shown.items()} == {"good": "seen"}
    told = [one.message for one in caplog.records if one.name == LOGGER.name]
    assert told == ["the page of this run is missing an artifact: no such picture"]


async def test_progress_is_written_at_a_bounded_rate_and_its_last_state_always(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "PACE_SECONDS", 3600.0)
    drawn: list[int] = []

    @flow
    async def bare() -> str:
        writer = ArtifactWriter(uuid.UUID(here.id), LOGGER, again=False)
        for number in range(200):

            def draw(number: int = number) -> Artifact:
                drawn.append(number)
                return Artifact("progress", number / 2, f"{number}")

            writer.put("progress", draw)
            await asyncio.sleep(0)
        await writer.settle()
        return str(here.id)

    flow_run = await bare()
    (one,) = server.artifacts(flow_run)["progress"]
    assert (one["data"], one["description"]) == (99.5, "199")
    assert len(drawn) <= 3


async def test_what_was_not_answered_in_time_is_written_again_and_once(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_page, "WRITE_SECONDS", 1.0)
    create = ArtifactWriter._create
    arrived = asyncio.Event()
    sent: list[asyncio.Task[uuid.UUID]] = []

    def arrive(_: object) -> None:
        monkeypatch.setattr(run_page, "WRITE_SECONDS", 240.0)
        arrived.set()

    async def slow(self: ArtifactWriter, *given: Any) -> uuid.UUID:
        if not sent:  # it arrives however late, and no answer does
            sent.append(asyncio.create_task(create(self, *given)))
            sent[0].add_done_callback(arrive)
        await asyncio.sleep(600)
        raise AssertionError

    @flow
    async def bare() -> str:
        writer = ArtifactWriter(uuid.UUID(here.id), LOGGER, again=False)
        monkeypatch.setattr(ArtifactWriter, "_create", slow)
        writer.put("table", lambda: Artifact("markdown", "old", ""))
        await arrived.wait()
        writer.put("table", lambda: Artifact("markdown", "new", ""))
        await writer.settle()
        return str(here.id)

    shown = server.artifacts(await bare())
    assert [one["data"] for one in shown["table"]] == ["new"]


async def test_an_artifact_is_no_event_of_its_run_and_is_written_only_if_it_changed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    @flow
    async def bare() -> str:
        writer = ArtifactWriter(uuid.UUID(here.id), LOGGER, again=False)
        loop = asyncio.get_running_loop()
        for number, words in enumerate(("same", "same", "new")):
            written = asyncio.Event()

            def draw(words: str = words) -> Artifact:
                return Artifact("markdown", words, "")

            def drawn(written: asyncio.Event = written) -> None:
                loop.call_soon_threadsafe(written.set)

            writer.put("table", draw)
            writer.put(f"after-{number}", drawn)  # one is drawn when that before it is written
            await written.wait()
            seen.extend(await asyncio.to_thread(lambda: server.artifacts(str(here.id))["table"]))
        await writer.settle()
        return str(here.id)

    monkeypatch.setattr(run_page, "PACE_SECONDS", 0.0)
    flow_run = await bare()
    first, second, third = seen
    assert second == first
    assert (third["id"], third["data"]) == (first["id"], "new")
    emit_event("tests.written", resource={"prefect.resource.id": f"tests.{flow_run}"})

    def events(resource: str) -> list[dict[str, Any]]:
        asked = {"filter": {"resource": {"id": [resource]}}}
        found: list[dict[str, Any]] = server.ask("POST", "/events/filter", asked)["events"]
        return found

    await asyncio.to_thread(lambda: eventually(lambda: events(f"tests.{flow_run}"), "the event"))
    assert events(f"prefect.artifact.{first['id']}") == []  # it would have come before
