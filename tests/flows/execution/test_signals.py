from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
from prefect.exceptions import TerminationSignal
from prefect.utilities.engine import capture_sigterm, is_prefect_sigterm_handler_installed

from rivya_flows.flows.execution.turns import cancel_on_termination


def terminate() -> None:
    """What a worker does; in this thread the handler raises before the call is over."""
    with pytest.raises(TerminationSignal) as raised:
        os.kill(os.getpid(), signal.SIGTERM)
    raise raised.value


async def ended_by(start: Callable[[], object]) -> list[str]:
    """How a run ends, and what it still did, when `start` sends the signal from elsewhere."""
    ends: list[str] = []

    async def driving() -> None:
        with cancel_on_termination():
            assert is_prefect_sigterm_handler_installed()
            start()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0.01)
                ends.append("written")
                raise

    with capture_sigterm(), pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(driving())
    return ends


async def test_a_termination_in_a_callback_cancels_the_run_once() -> None:
    assert await ended_by(lambda: asyncio.get_running_loop().call_soon(terminate)) == ["written"]


async def test_a_termination_in_a_task_that_nobody_awaits_cancels_the_run_once() -> None:
    async def background() -> None:
        terminate()

    forgotten = []
    assert await ended_by(lambda: forgotten.append(asyncio.ensure_future(background()))) == [
        "written"
    ]
    assert isinstance(forgotten[0].exception(), TerminationSignal)


async def test_afterwards_nobody_hears_signals_any_more() -> None:
    with cancel_on_termination():
        pass
    assert signal.set_wakeup_fd(-1) == -1


async def test_other_errors_of_the_loop_go_where_they_went_before() -> None:
    loop = asyncio.get_running_loop()
    heard: list[str] = []
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
    with cancel_on_termination():
        loop.call_exception_handler({"message": "another one"})
    loop.call_exception_handler({"message": "and one more"})
    assert heard == ["another one", "and one more"]
