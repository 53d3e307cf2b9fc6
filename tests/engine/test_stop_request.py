"""One run of a process is stopped, and no other."""

from __future__ import annotations

import asyncio

import pytest

from rivya_flows.engine.run import StoppedError, StopRequest, stoppable, stopped_by


async def told_afterwards(request: StopRequest, begun: asyncio.Event) -> str:
    """What a flow does: it is stopped inside, and tells its end afterwards."""
    with stopped_by(request):
        try:
            with stoppable():
                begun.set()
                await asyncio.Event().wait()
        except StoppedError:
            await asyncio.sleep(0)  # as a request to a server
            async with asyncio.timeout(10):
                await asyncio.sleep(0)
            return "stopped"
    return "ended"


async def test_a_request_stops_its_run_which_can_still_tell_its_end() -> None:
    first, second = StopRequest(), StopRequest()
    begun = [asyncio.Event(), asyncio.Event()]
    one = asyncio.create_task(told_afterwards(first, begun[0]))
    other = asyncio.create_task(told_afterwards(second, begun[1]))
    await asyncio.gather(*(event.wait() for event in begun))
    first.make()
    first.make()
    assert await one == "stopped"
    assert one.cancelling() == 0
    assert not other.done()
    second.make()
    assert await other == "stopped"


async def test_a_request_counts_when_the_run_begins_and_no_more_when_it_has_ended() -> None:
    early, late = StopRequest(), StopRequest()
    early.make()
    assert await told_afterwards(early, asyncio.Event()) == "stopped"
    with stopped_by(late):
        with stoppable():
            pass
        late.make()
        await asyncio.sleep(0)


async def test_a_cancellation_by_anybody_else_is_passed_on() -> None:
    begun = asyncio.Event()
    task = asyncio.create_task(told_afterwards(StopRequest(), begun))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
