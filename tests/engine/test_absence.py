"""The service, or the file of the journal, is away in the middle of a run."""

from __future__ import annotations

import asyncio
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.errors import RivyaError
from rivya_flows.flows.absence import is_absence
from rivya_flows.processes.ports import free_port
from rivya_flows.store.journal import Journal
from rivya_sandbox.service.faults import CREATE
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio, accounts_agree, customer, order, outlasting, stills


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    return shared_sandbox


@pytest.fixture
def studio(sandbox: Sandbox, tmp_path: Path) -> Studio:
    return customer(sandbox, tmp_path / "studio")


def kinds(studio: Studio) -> list[str]:
    with closing(Journal(f"sqlite:///{studio.folder / 'journal.sqlite'}")) as journal:
        return [entry.event.kind for entry in journal.entries("run-1")]


@pytest.mark.parametrize(
    "fault",
    [
        f'on: "{CREATE}", do: drop_before',
        f'on: "{CREATE}", do: drop_after_commit',
        f'on: "{CREATE}", do: status, status: 503',
        f'on: "{CREATE}", do: status, status: 429',
        'on: "GET /api/v1/generations/*", do: drop_before',
        'on: "GET /media/results/*", do: drop_before',
    ],
)
def test_a_run_that_outlasts_an_absence_has_not_ended_and_goes_on_as_if_nothing_had_been(
    fault: str, studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(studio.start(stills(3), "run-1"))
    order(sandbox, fault)
    with pytest.raises(RivyaError) as caught:
        asyncio.run(studio.execute("run-1", prepare=outlasting))
    assert is_absence(caught.value)
    assert not {"run.ended", "item.failed"} & {*kinds(studio)}
    order(sandbox)
    state = asyncio.run(studio.execute("run-1", prepare=outlasting))
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_a_run_that_reaches_no_service_holds_no_credits_and_goes_on_later(
    studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(studio.start(stills(3), "run-1"))
    away = replace(studio.service, base_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(RivyaError) as caught:
        asyncio.run(replace(studio, service=away).execute("run-1", prepare=outlasting))
    assert is_absence(caught.value)
    assert not {"run.ended", "item.failed"} & {*kinds(studio)}
    assert studio.receipt("run-1")["credits"]["spent"] == 0
    state = asyncio.run(studio.execute("run-1", prepare=outlasting))
    assert state is not None
    assert state.ended == "completed"
    assert accounts_agree(studio, sandbox.data, "run-1") == 3


def test_what_an_absence_does_not_touch_is_done_before_the_run_gives_way(
    studio: Studio, sandbox: Sandbox
) -> None:
    asyncio.run(studio.start(stills(5), "run-1"))
    order(sandbox, f'on: "{CREATE}", prompt: "lamp 2", do: drop_before')
    with pytest.raises(RivyaError):
        asyncio.run(studio.execute("run-1", prepare=outlasting))
    assert kinds(studio).count("item.completed") == 4
