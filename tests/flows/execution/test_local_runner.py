"""The Prefect server that a runner starts, joins and leaves."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import closing, suppress
from functools import partialmethod
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
import prefect
import psutil
import pytest
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import State
from sqlalchemy import select, update

from rivya_flows.engine.run import Run
from rivya_flows.errors import LeaseLostError
from rivya_flows.flows.execution.local_runner import LocalRunner
from rivya_flows.flows.execution.run_events import announce
from rivya_flows.preparation.prepare import RunRequest
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.queue.events import Event, PurchaseAccepted
from rivya_flows.runs.execution import Caller, run
from rivya_flows.settings import read_settings
from rivya_flows.store.database import reading, writing
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.tables import LEASES
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import bought, buy_from, started
from support.engine_runs import order, stills
from support.prefect_workers import eventually
from support.seeded_data import seeded
from support.small_server import Answer, Request, answering


async def test_the_journal_of_a_run_is_read_beside_the_event_loop_of_the_others() -> None:
    class ReadError(Exception):
        pass

    class Reporter:
        thread: threading.Thread | None = None

        def follow(self) -> None:
            self.thread = threading.current_thread()
            raise ReadError

    reporter = Reporter()
    with pytest.raises(ReadError):
        await LocalRunner().execute(Run(cast("Any", None), cast("Any", reporter)))
    assert reporter.thread not in (None, threading.current_thread())


def renew_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Leases, "hold", partialmethod(Leases.hold, renewal_seconds=0.05))


@pytest.mark.prefect
async def test_a_run_that_lost_its_lease_says_so_also_where_its_server_died(
    sandbox: Sandbox, tmp_path: Path, prefect_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a machine sleeps, and another process continues the run."""
    buy_from(sandbox, monkeypatch)
    renew_often(monkeypatch)
    data = seeded(tmp_path / "own", prefect_data)
    data.chmod(0o700)
    settings = read_settings().model_copy(
        update={"rivya_flows_data": data, "rivya_flows_server_idle": 0, "prefect_api_url": None}
    )

    def kill_server(event: Event, _: object) -> None:
        if isinstance(event, PurchaseAccepted):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # it has just ended
                    if process.environ().get("PREFECT_HOME") == str(data / "prefect"):
                        process.kill()

    def take_over(line: str) -> None:
        if "died" in line:
            with closing(Journal(settings.store_url)) as journal, writing(journal.engine) as store:
                store.execute(update(LEASES).values(fence=LEASES.c.fence + 1))

    order(sandbox, "on: generation, do: stall")
    request = RunRequest(SpecFile(stills(1), "stills.yaml", None), lambda _: {})
    caller = Caller(settings, LocalRunner(), notify=take_over, listen=kill_server)
    with pytest.raises(LeaseLostError, match="another process drives"):
        await run(request, caller, tmp_path / "runs")


@pytest.mark.slow
def test_a_server_that_is_well_and_records_no_run_is_named_and_nothing_is_bought(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while its database recovers."""
    buy_from(sandbox, monkeypatch)
    (tmp_path / "stills.yaml").write_text(stills(1))

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(b'{"exception_message": "Internal Server Error"}', 500)
        if "csrf-token" in request.path:
            return Answer(status=404)  # it asks for none
        version = json.dumps(prefect.__version__).encode()
        return Answer(version if "version" in request.path else b"true")

    with answering(answer) as server:
        process = started(
            "run",
            tmp_path / "stills.yaml",
            PREFECT_API_URL=f"{server}/api",
            RIVYA_FLOWS_DATA=str(tmp_path / "data"),
        )
        try:
            _, err = process.communicate(timeout=240)
        finally:
            process.kill()
    assert process.returncode == 2, err
    assert f"error: the Prefect server at {server}/api does not record the run: HTTP 500" in err
    assert "resume with: rivya-flows resume run-" in err
    assert not bought(sandbox)


@pytest.mark.prefect
async def test_a_run_whose_end_the_server_does_not_record_has_ended_with_a_warning(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(sandbox, monkeypatch)
    set_state = PrefectClient.set_flow_run_state

    async def refuse_end(self: PrefectClient, one: UUID, state: State, **options: Any) -> Any:
        if state.is_completed():
            raise httpx.ConnectError("gone")
        return await set_state(self, one, state, **options)

    monkeypatch.setattr(PrefectClient, "set_flow_run_state", refuse_end)
    told = list[str]()
    request = RunRequest(SpecFile(stills(1), "stills.yaml", None), lambda _: {})
    caller = Caller(read_settings(), LocalRunner(), notify=told.append)
    report = await run(request, caller, tmp_path / "runs")
    assert report.receipt.status == "completed"
    warning = "warning: Prefect may show the run as it was before its end (ConnectError: gone)"
    assert warning in told
    assert not [line for line in told if line.startswith("resume with")]


@pytest.mark.prefect
async def test_a_run_keeps_its_lease_until_its_end_is_announced(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after the last purchase may wait for Prefect longer than a lease lasts."""
    buy_from(sandbox, monkeypatch)
    settings = read_settings()
    renew_often(monkeypatch)
    expiries = set[float]()

    async def waiting(*arguments: Any, **options: Any) -> None:
        def renewed_twice() -> bool:
            with reading(journal.engine) as store:
                expiries.add(store.scalar(select(LEASES.c.expires_at)) or 0)
            return len(expiries) > 2

        with closing(Journal(settings.store_url)) as journal:
            await asyncio.to_thread(eventually, renewed_twice, "renewals of the lease")
        await announce(*arguments, **options)

    monkeypatch.setattr("rivya_flows.flows.execution.execute.announce", waiting)
    request = RunRequest(SpecFile(stills(1), "stills.yaml", None), lambda _: {})
    await run(request, Caller(settings, LocalRunner()), tmp_path / "runs")
    assert 0 not in expiries
    assert len(expiries) > 2
