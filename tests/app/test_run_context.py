"""The open things of a run: the client that says when its service is silent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from rivya_flows.app import run_context
from rivya_flows.app.run_context import ServiceConnection, open_context
from rivya_flows.settings import Settings


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
    assert told == ["no answer from http://127.0.0.1:1 within 0 s; it is tried again"]
