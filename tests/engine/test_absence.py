"""The service is away in the middle of a run."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rivya_flows.errors import RivyaError
from rivya_flows.flows.absence import is_absence
from rivya_flows.processes.ports import free_port
from support.engine_runs import CREATE, Studio, outlasting, stills

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("fault", "made"),
    [
        (f'on: "{CREATE}", do: drop_before', 0),
        (f'on: "{CREATE}", do: drop_after_commit', 0),
        (f'on: "{CREATE}", do: status, status: 503', 0),
        (f'on: "{CREATE}", do: status, status: 429', 0),
        (f'on: "{CREATE}", prompt: "lamp 2", do: drop_before', 2),
        ('on: "GET /api/v1/generations/*", do: drop_before', 0),
        ('on: "GET /media/results/*", do: drop_before', 0),
        (None, 0),
    ],
)
def test_a_run_that_outlasts_an_absence_does_what_it_can_and_goes_on_as_if_nothing_had_been(
    fault: str | None, made: int, studio: Studio
) -> None:
    studio.shortened = 2000
    studio.prepared(stills(3))
    away = studio
    if fault is None:
        nowhere = f"http://127.0.0.1:{free_port()}"
        away = replace(studio, service=replace(studio.service, base_url=nowhere))
    else:
        studio.order(fault)
    with pytest.raises(RivyaError) as caught:
        asyncio.run(away.execute("run-1", prepare=outlasting))
    assert is_absence(caught.value)
    kinds = [event.kind for event in studio.events()]
    assert not {"run.ended", "item.failed"} & {*kinds}
    assert kinds.count("item.completed") == made
    assert fault or studio.receipt()["credits"]["spent"] == 0
    studio.order()
    assert studio.executed(prepare=outlasting)["status"] == "completed"
    assert studio.audit() == 3
