from __future__ import annotations

import asyncio
import signal

import pytest
from prefect.exceptions import TerminationSignal

from flows.terminations import caught_terminations


async def test_a_termination_that_no_one_awaits_cancels_the_run() -> None:
    def terminated() -> None:
        raise TerminationSignal(signal.SIGTERM)

    async def driving() -> None:
        with caught_terminations():
            asyncio.get_running_loop().call_soon(terminated)
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(driving())


async def test_other_errors_of_the_loop_go_where_they_went_before() -> None:
    loop = asyncio.get_running_loop()
    heard: list[str] = []
    loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
    with caught_terminations():
        loop.call_exception_handler({"message": "another one"})
    loop.call_exception_handler({"message": "and one more"})
    assert heard == ["another one", "and one more"]
