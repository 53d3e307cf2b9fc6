"""One execution as the command line makes it, without Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rivya_flows.app.run_options import RunOptions
from rivya_flows.cli.execution import OutputOptions, drive
from rivya_flows.cli.interrupts import run_interruptibly
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Bomb, Studio, customer, stills


def driven(studio: Studio, execute: Callable[..., Awaitable[object]]) -> int:
    asyncio.run(studio.start(stills(1), "run-1"))
    with studio.context(Bomb()) as home:
        return run_interruptibly(
            lambda interrupts: drive(
                home,
                "run-1",
                RunOptions(),
                OutputOptions(False, False),
                interrupts,
                execute=execute,
            )
        )


def test_a_prefect_server_that_is_gone_at_the_end_changes_nothing_of_the_run(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = customer(sandbox, tmp_path / "studio")

    async def execute(*_: Any, **__: Any) -> None:
        await studio.execute("run-1")
        raise ConnectionError("all connection attempts failed")

    assert driven(studio, execute) == 0
    told = capsys.readouterr()
    assert "completed: stills; 1 credit" in told.out
    assert "as it was before its end (ConnectionError: all connection attempts" in told.err


def test_what_fails_before_the_end_is_told_with_how_to_go_on(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def execute(*_: Any, **__: Any) -> None:
        raise ConnectionError("all connection attempts failed")

    with pytest.raises(ConnectionError):
        driven(customer(sandbox, tmp_path / "studio"), execute)
    assert "to go on: rivya-flows resume run-1" in capsys.readouterr().err
