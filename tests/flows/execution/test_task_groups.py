from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from rivya_flows.engine.run import ignore
from rivya_flows.errors import UsageError
from rivya_flows.flows.execution.task_runner import GROUP, MOST_SINGLE, TaskGroup, ranges_of


async def made(key: str) -> str:
    return key


async def refused(key: str) -> str:
    raise UsageError(f"no {key}")


async def endless() -> None:
    await asyncio.Event().wait()


async def run(_: str, function: Callable[[], Awaitable[Any]]) -> Any:
    """Stands in for Prefect, which makes a task run of the function."""
    return await function()


def group_of(
    count: int,
    run: Any = run,
    show: Callable[..., object] = ignore,
    fill: Callable[..., object] = ignore,
) -> TaskGroup:
    keys = [str(number) for number in range(count)]
    page: Any = SimpleNamespace(fill_row=fill, show_group=show)
    return TaskGroup(ranges_of("stills", keys)["0"], "collect", run, page)


async def end_of(group: TaskGroup) -> tuple[str, str]:
    state: Any
    [state] = await group.task
    return state.type, state.message


def test_the_items_of_a_large_step_are_in_groups_and_those_of_a_small_one_are_not() -> None:
    keys = [f"k{number}" for number in range(2 * GROUP + 1)]
    found = ranges_of("stills", keys)
    assert [*found] == keys
    assert {one.name for one in found.values()} == {
        f"1-{GROUP} of {len(keys)}",
        f"{GROUP + 1}-{2 * GROUP} of {len(keys)}",
        f"{len(keys)}-{len(keys)} of {len(keys)}",
    }
    assert ranges_of("stills", keys[:MOST_SINGLE]) == {}


async def test_a_group_ends_with_its_last_item_and_names_those_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("prefect.runtime.task_run.id", str(UUID(int=1)), raising=False)
    shown: list[tuple[Any, ...]] = []
    filled: list[tuple[str, str, str | None]] = []
    count = MOST_SINGLE + 1
    group = group_of(
        count,
        show=lambda *given: shown.append((*given[1:-1], len(given[-1]()))),
        fill=lambda row, stage, result: filled.append((row.item, stage, result)),
    )
    await group.task_run_id()
    for number in range(count - 1):
        assert await group.call(str(number), partial(made, f"x{number}")) == f"x{number}"
    assert not group.over
    with pytest.raises(UsageError):
        await group.call(str(count - 1), partial(refused, "y"))
    assert await end_of(group) == ("FAILED", f"1 of {count} failed; stills[{count - 1}]: no y")
    results = [*(f"x{n}" for n in range(count - 1)), None]
    assert filled == [(f"stills[{n}]", "collect", one) for n, one in enumerate(results)]
    assert shown == [("collect", "stills", group.items.name, n) for n in range(1, count + 1)]


async def test_a_group_shows_its_items_in_their_order_whichever_was_called_first() -> None:
    group = group_of(MOST_SINGLE + 1)
    for key in ("2", "0", "1"):
        with pytest.raises(UsageError):
            await group.call(key, partial(refused, key))
    assert [row.item for row in group.rows()] == ["stills[0]", "stills[1]", "stills[2]"]
    group.end()
    expected = "3 of 3 failed; stills[0]: no 0; stills[1]: no 1; stills[2]: no 2"
    assert await end_of(group) == ("FAILED", expected)


async def test_a_group_does_not_wait_for_items_that_ended_without_a_call() -> None:
    count = MOST_SINGLE + 1
    group = group_of(count)
    await group.call("0", partial(made, "x"))
    for number in range(1, count):
        group.leave_out(str(number))
    assert await end_of(group) == ("COMPLETED", "1 item")


async def test_a_group_of_a_stopped_run_is_cancelled() -> None:
    group = group_of(MOST_SINGLE + 1)
    await group.call("0", partial(made, "x"))
    waiting = asyncio.create_task(group.call("1", endless))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    group.end()
    kind, words = await end_of(group)
    assert kind == "CANCELLED"
    assert words == "1 of 2 stopped; bought jobs continue"


async def test_without_a_task_run_the_items_are_called_all_the_same() -> None:
    async def broken(*_: Any) -> Any:
        raise ConnectionError("Prefect is gone")

    group = group_of(MOST_SINGLE + 1, run=broken)
    assert await group.task_run_id() is None
    assert await group.call("0", partial(made, "x")) == "x"
