"""Executions with a runner that is not Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.engine.run import Run, Runner, RunOptions
from rivya_flows.errors import UsageError
from rivya_flows.receipt.report import RunReport
from rivya_flows.runs.execution import Caller, execute, run_folder
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, stills


@dataclass
class FakeRunner(Runner):
    """A `Runner` that does what it is given instead of executing a flow."""

    work: Callable[[], Awaitable[object]]

    async def execute(self, run: Run) -> RunReport:
        await self.work()
        return run.reporter.write()


@pytest.fixture
async def studio(shared_sandbox: Sandbox, tmp_path: Path) -> Studio:
    """A studio with one run that has not begun."""
    studio = customer(shared_sandbox, tmp_path / "studio")
    await studio.start(stills(1), "run-1")
    return studio


async def executed(
    studio: Studio, work: Callable[[], Awaitable[object]], **hears: Any
) -> RunReport:
    with studio.context(Bomb()) as home:
        caller = Caller(home.settings, FakeRunner(work), **hears)
        return await execute(home, "run-1", RunOptions(), caller)


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", "..", "."])
def test_the_id_of_a_run_that_leads_out_of_a_folder_makes_none(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not the name of a folder"):
        run_folder(tmp_path / "out", name)
    assert list(tmp_path.iterdir()) == []
    assert run_folder(tmp_path / "out", "run-1") == tmp_path / "out" / "run-1"


async def lose_prefect() -> None:
    raise ConnectionError("all connection attempts failed")


async def test_a_prefect_server_that_is_gone_at_the_end_changes_nothing_of_the_run(
    studio: Studio,
) -> None:
    async def work() -> None:
        await studio.execute("run-1")
        await lose_prefect()

    lines: list[str] = []
    report = await executed(studio, work, notify=lines.append)
    assert (report.status, report.sentence) == ("completed", "stills; 1 credit (sandbox)")
    [warning] = lines
    assert "as it was before its end (ConnectionError: all connection attempts" in warning


async def test_a_failure_before_the_end_names_the_command_that_resumes(studio: Studio) -> None:
    lines: list[str] = []
    with pytest.raises(ConnectionError):
        await executed(studio, lose_prefect, notify=lines.append)
    assert lines == ["nothing was bought", "resume with: rivya-flows resume run-1"]


@pytest.mark.parametrize("absorbed", [True, False])
async def test_a_cancelled_run_is_reported_and_its_cancellation_raised_unless_it_is_absorbed(
    studio: Studio, absorbed: bool
) -> None:
    task = asyncio.current_task()
    assert task is not None

    async def work() -> None:
        task.cancel()
        await asyncio.Event().wait()

    if absorbed:
        report = await executed(studio, work, absorb_cancel=task.uncancel)
        assert report.status == "cancelled"
    else:
        with pytest.raises(asyncio.CancelledError):
            await executed(studio, work)
        task.uncancel()
    assert studio.receipt()["status"] == "cancelled"
    assert (studio.folder / "runs" / "run-1" / "receipt.json").exists()


async def test_a_run_that_is_cancelled_twice_before_its_engine_begins_ends_as_cancelled(
    studio: Studio,
) -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.sleep(3600)

    run = asyncio.create_task(executed(studio, wait))
    await begun.wait()
    run.cancel()
    await asyncio.sleep(0)
    run.cancel()
    with suppress(asyncio.CancelledError):
        await run
    assert studio.receipt()["status"] == "cancelled"
