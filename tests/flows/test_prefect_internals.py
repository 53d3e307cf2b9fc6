"""What we assume of Prefect beyond its documented interface; a new minor version fails here first."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib
import inspect
import logging
import re
import threading
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import prefect
import pytest
from prefect import flow, get_client, get_run_logger
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import Flow as ServerFlow, FlowRun, State
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.events.clients import NullEventsClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import ReservedArgumentError
from prefect.runtime import flow_run
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.states import Completed, Running, Suspended
from prefect.workers.base import BaseWorker
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from rivya_flows.flows import prefect_internals as internals
from rivya_flows.flows.credentials import RivyaCredentials
from rivya_flows.flows.worker import prefect_internals as of_workers
from rivya_flows.flows.worker.campaign_worker import CampaignWorker
from rivya_flows.plans.run_form import CREDENTIALS, RESERVED
from support.prefect_workers import Server, eventually

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGE = Path(inspect.getfile(prefect)).parent
PUBLIC = re.compile(
    r"prefect(\.blocks\.(abstract|core|system)"
    r"|\.client\.(orchestration|schemas\.(actions|filters|objects|responses|schedules|sorting))"
    r"|\.events(\.(actions|clients|filters|schemas\.(automations|events)))?"
    r"|\.(cache_policies|context|exceptions|flow_runs|input|runtime|schedules|settings|states)"
    r"|\.(deployments\.runner|types\.entrypoint|utilities\.annotations|workers\.process))?"
)
"""Modules of Prefect's API reference that this project uses; others are internals."""
HIDDEN = re.compile(
    r"prefect\.server\.|prefect\._|Finished in state|prefect\.(?:flow|task)_runs|prefect-password"
)


# --- Two modules -----------------------------------------------------------------------------------


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}._" for one in node.names if one.name.startswith("_"))


def texts(tree: ast.AST) -> Iterator[str]:
    """String constants but docstrings."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_other_module_uses_what_prefect_does_not_document() -> None:
    folders = (ROOT / "flows", ROOT / "tasks", ROOT / "src" / "rivya_flows")
    ours = {Path(inspect.getfile(one)).resolve() for one in (internals, of_workers)}
    paths = {path.resolve() for folder in folders for path in folder.rglob("*.py")} - ours
    assert len(paths) > 100
    found = {}
    for path in paths:
        source = path.read_text(encoding="utf-8")
        if "prefect" not in source and not HIDDEN.search(source):
            continue
        tree = ast.parse(source)
        of_prefect = {one for one in imported(tree) if one.split(".")[0] == "prefect"}
        hidden = [one for one in of_prefect if not PUBLIC.fullmatch(one)]
        found[path] = [*hidden, *filter(HIDDEN.search, texts(tree))]
    assert {path: uses for path, uses in found.items() if uses} == {}


def test_the_pinned_minor_version_is_the_one_that_was_read() -> None:
    """Read every docstring of both modules against the new version, then raise both."""
    assert prefect.__version__.startswith(f"{internals.READ_FROM}.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert any(
        one.startswith(f"prefect>={internals.READ_FROM},") for one in project["dependencies"]
    )


# --- Without a server -----------------------------------------------------------------------------

OVERRIDDEN = {
    "_get_scheduled_flow_runs": "a worker that drains takes no new runs",
    "_submit_run": "an error of the server there would end the worker with all its runs",
    "_give_worker_labels_to_flow_run": "a run without labels begins all the same",
    "_propose_submitting_state": "a request and an event of each run that tell nobody anything",
    "_propose_crashed_state": "its message says why, and not only that a process ended",
}
"""What `CampaignWorker` overrides of Prefect's worker that begins with an underscore, and why."""

USED = {
    "_logger": "lines of the worker",
    "_release_limit_slot": "of a run that is not begun",
    "_submitting_flow_run_ids": "of a run that is not begun, so that the next look finds it",
}
"""What it uses there besides, and why."""


def test_a_worker_overrides_and_uses_these_private_names_of_prefects_and_no_others() -> None:
    hidden = {one for one in vars(CampaignWorker) if one.startswith("_") and one[1] != "_"}
    methods = {one for one in hidden if callable(getattr(CampaignWorker, one))}
    assert {one for one in methods if hasattr(ProcessWorker, one)} == set(OVERRIDDEN)
    for name in OVERRIDDEN:
        theirs, ours = (getattr(one, name) for one in (ProcessWorker, CampaignWorker))
        assert [*inspect.signature(ours).parameters] == [*inspect.signature(theirs).parameters]
    source = inspect.getsource(CampaignWorker)
    own = set(re.findall(r"\bself\.(_[a-z]\w*)", source))
    made = set(re.findall(r"\bself\.(_[a-z]\w*)(?:: [^=\n]+)? = ", source))
    assert own - made - hidden == set(USED)
    assert all(f"self.{one}" in inspect.getsource(BaseWorker) for one in USED)


FINISHED = 'f"Finished in state {display_state}"'


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("server.models.events", [f'"{internals.RUN_COUNT_LABEL}": str(flow_run.run_count)']),
        (
            "workers.base",
            [f'f"{one}' for one in internals.ROUTINE_LINES["prefect.flow_runs.worker"]],
        ),
        ("flow_engine", [FINISHED, "self.flow_run.id, flow_run_suspension_request\n"]),
        ("task_engine", [FINISHED]),
        ("utilities.engine.__init__", ["type(obj).__weakrefoffset__"]),
        ("context", ["start_client_metrics_server()"]),
        ("server.api.server", ["def create_app(", "final: bool = False"]),  # once and for all
        (internals.LEASES_ON_DISK.removeprefix("prefect."), ["class ConcurrencyLeaseStorage("]),
    ],
)
def test_the_source_of_prefect_still_has_what_was_read_there(module: str, words: list[str]) -> None:
    source = (PACKAGE / f"{module.replace('.', '/')}.py").read_text("utf-8")
    assert [one for one in words if one not in source] == []
    # One place where a flow run begins to hear of its suspension.
    assert source.count("observe_flow_run_suspension(\n") == (module == "flow_engine")
    assert internals.Boxed.__weakrefoffset__


def test_routine_lines_begin_with_the_name_of_a_state() -> None:
    engines = ("prefect.task_runs", "prefect.flow_runs")
    lines = {line for one in engines for line in internals.ROUTINE_LINES[one]}
    states: list[State[Any]] = [Completed(), Running(), Suspended()]
    for state in states:
        assert f"Finished in state {state}".startswith(tuple(lines))


async def _counted(path: Path, writers: int) -> int:
    """What a counter says after so many transactions at once that read it, wait, and write it."""
    config = AioSqliteConfiguration(f"sqlite+aiosqlite:///{path}")
    engine = await config.engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counter (number INTEGER)"))
        await connection.execute(text("INSERT INTO counter VALUES (0)"))

    async def raise_it() -> None:
        session = await config.session(engine)
        async with session, config.begin_transaction(session):
            number = (await session.execute(text("SELECT number FROM counter"))).scalar_one()
            within = await config.session(engine)
            async with within, config.begin_transaction(within):  # reads beside it
                await within.execute(text("SELECT number FROM counter"))
            await session.execute(text(f"UPDATE counter SET number = {number + 1}"))

    try:
        # all are awaited: `dispose` closes no connection that a neighbour of a refused one still uses
        ended = await asyncio.gather(*(raise_it() for _ in range(writers)), return_exceptions=True)
        for refused in filter(None, ended):
            raise refused
        async with engine.connect() as connection:
            found: int = (await connection.execute(text("SELECT number FROM counter"))).scalar_one()
            return found
    finally:
        await engine.dispose()


async def test_transactions_on_sqlite_that_read_before_they_write_are_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OperationalError, match="locked"):  # else the internal is not needed
        await _counted(tmp_path / "as-it-is.db", 5)
    begin = AioSqliteConfiguration.begin_transaction
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", begin)  # set back at the end
    internals.write_in_turns()
    assert await _counted(tmp_path / "in-turns.db", 20) == 20


@pytest.mark.parametrize("intent", ["reschedule", "relinquish"])
def test_a_container_that_is_taken_away_tells_its_run_that_it_goes_on_elsewhere(
    monkeypatch: pytest.MonkeyPatch, intent: str
) -> None:
    monkeypatch.setenv("PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR", intent)
    words = importlib.import_module("prefect.cli.flow_run")._termination_intent()
    assert not internals.goes_on_elsewhere()
    monkeypatch.setattr("prefect._internal.control_listener._intent", words)
    assert internals.goes_on_elsewhere()


def test_both_uis_keep_the_password_under_one_name() -> None:
    for ui in ("ui", "ui-v2"):
        scripts = (PACKAGE / "server" / ui).rglob("*.js")
        assert any(internals.UI_PASSWORD_KEY in one.read_text("utf-8") for one in scripts)


def test_of_the_environment_of_a_flow_run_only_these_variables_belong_to_it_alone() -> None:
    first, second = (_prepared(_deployment()) for _ in range(2))
    differing = {name for name, value in first.env.items() if second.env.get(name) != value}
    assert differing == set(of_workers._OF_ONE_RUN)
    assert of_workers.shared_environment(first.env) == of_workers.shared_environment(second.env)


def test_a_flow_run_that_needs_nothing_but_an_import_is_known_by_its_entrypoint() -> None:
    plain = _deployment()
    assert of_workers.imported_from(_prepared(plain)) == "package.module:name"
    pulled = plain.model_copy(update={"pull_steps": [{"prefect.deployments.steps.x": {}}]})
    stored = plain.model_copy(update={"storage_document_id": uuid.uuid4()})
    for other in (
        *(_prepared(one) for one in (pulled, stored, None)),
        _prepared(plain, command="./run.sh"),
        _prepared(plain, working_dir=Path("/")),
    ):
        assert of_workers.imported_from(other) is None


def _deployment() -> DeploymentResponse:
    return DeploymentResponse(
        id=uuid.uuid4(),
        name=f"d-{uuid.uuid4().hex}",
        flow_id=uuid.uuid4(),
        entrypoint="package.module:name",
        labels={},
    )


def _prepared(deployment: DeploymentResponse | None, **values: Any) -> ProcessJobConfiguration:
    configuration = ProcessJobConfiguration(**values)
    of_run = FlowRun(flow_id=uuid.uuid4(), deployment_id=deployment and deployment.id)
    of_flow = ServerFlow(id=of_run.flow_id, name=f"flow-{of_run.id}", labels={})
    configuration.prepare_for_flow_run(of_run, deployment, of_flow)
    return configuration


def test_the_metrics_of_a_client_are_switched_on_by_these_variables() -> None:
    client = importlib.import_module("prefect.settings.models.client")
    alias = client.ClientMetricsSettings.model_fields["enabled"].validation_alias
    names = {one.upper() for one in alias.choices if isinstance(one, str)}
    assert names == set(of_workers.OF_THE_WORKER)


async def test_a_call_is_repeated_after_a_short_pause_however_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base: Any = importlib.import_module("prefect.client.base")
    pauses: list[float] = []

    def at_once(average: float, factor: float) -> float:
        pauses.append(average)
        return 0.0

    monkeypatch.setattr(base, "clamped_poisson_interval", at_once)
    monkeypatch.setattr(base, "PREFECT_CLIENT_MAX_RETRIES", Mock(value=lambda: 6))
    away = httpx.MockTransport(lambda _: httpx.Response(503))
    async with base.PrefectHttpxAsyncClient(transport=away, raise_on_all_errors=False) as client:
        await client.get("http://server/health")
        assert max(pauses) > of_workers.PAUSE_SECONDS  # else the internal is not needed
        pauses.clear()
        of_workers.ask_often()
        await client.get("http://server/health")
    assert (len(pauses), max(pauses)) == (7, of_workers.PAUSE_SECONDS)


async def test_a_call_that_is_refused_before_one_succeeded_is_repeated_if_we_say_one_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base: Any = importlib.import_module("prefect.client.base")
    monkeypatch.setattr(base, "clamped_poisson_interval", lambda *_: 0.0)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if len(asked) % 2:
            raise httpx.ConnectError("refused")
        return httpx.Response(200)

    transport = httpx.MockTransport(answer)
    async with base.PrefectHttpxAsyncClient(transport=transport) as client:
        with pytest.raises(httpx.ConnectError):  # else the internal is not needed
            await client.get("http://server/health")
        asked.clear()
        client._has_connected = True
        assert (await client.get("http://server/health")).is_success


def test_a_reserved_parameter_is_refused_or_missing_in_the_form() -> None:
    def campaign(**_: Any) -> None:
        """Does nothing."""

    for name in RESERVED - {CREDENTIALS}:
        one = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=str)
        campaign.__signature__ = inspect.Signature([one])  # type: ignore[attr-defined]  # read by inspect
        with contextlib.suppress(ReservedArgumentError):
            made: Any = flow(campaign)
            assert name not in made.parameters.properties


# --- On a real server -----------------------------------------------------------------------------


async def _asked_in_the_loop(block_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The synchronous requests in the event loop of a flow run that a process shares."""
    here, paths = threading.get_ident(), []
    sent = httpx.Client.send

    def send(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        if threading.get_ident() == here:
            paths.append(request.url.path)
        return sent(self, request, **options)

    @flow(flow_run_name=lambda: "a name", persist_result=False, retries=0)
    async def made(credentials: RivyaCredentials | None = None) -> str:
        assert credentials is not None
        return credentials.base_url

    monkeypatch.setattr(httpx.Client, "send", send)
    parameters = {"credentials": {"$ref": {"block_document_id": str(block_id)}}}
    async with of_workers.SharedRuns() as shared:
        run = await shared.client.create_flow_run(made, parameters=parameters)
        assert await shared.execute(run.id, lambda: made)
        state = (await shared.client.read_flow_run(run.id)).state
    assert state is not None
    assert state.is_completed(), state.message
    return paths


@pytest.mark.prefect
async def test_a_flow_run_asks_the_server_for_nothing_in_the_event_loop_of_its_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wallet = RivyaCredentials(api_key="rvya_sk_of_a_test", base_url="http://127.0.0.1:9")
    block_id = await wallet.save(f"wallet-{uuid.uuid4().hex[:8]}")
    assert set(await _asked_in_the_loop(block_id, monkeypatch)) == {"/api/admin/storage"}
    results: Any = importlib.import_module("prefect.results")
    for name in [one for one in vars(results) if one.endswith("_default_result_storage_block_id")]:
        monkeypatch.setattr(results, name, getattr(results, name))  # set back at the end
    of_workers.persist_no_results()
    assert await _asked_in_the_loop(block_id, monkeypatch) == []


@pytest.mark.prefect
async def test_a_server_on_sqlite_is_known_from_its_answers() -> None:
    async with get_client() as client:
        await client.create_flow_from_name("has-a-hyphen")
        assert await internals.is_on_sqlite(client, "has-a-hyphen")
        assert not await internals.is_on_sqlite(client, "is-not-there")


async def test_the_servers_schedules_take_the_fields_of_the_clients() -> None:
    begin = datetime(2026, 11, 30, tzinfo=UTC)
    for schedule in (
        CronSchedule(cron="0 0 * * *", timezone="UTC"),
        IntervalSchedule(interval=timedelta(days=1), anchor_date=begin, timezone="UTC"),
        RRuleSchedule(rrule="FREQ=DAILY;BYHOUR=0;BYMINUTE=0;BYSECOND=0", timezone="UTC"),
    ):
        found = await internals.dates_of(schedule, 9, begin, begin + timedelta(days=1))
        assert found == [begin, begin + timedelta(days=1)]
        assert {type(one) for one in found} == {datetime}


@pytest.mark.prefect
async def test_a_scheduled_run_names_its_schedule() -> None:
    name = f"flow-{uuid.uuid4().hex[:8]}"
    async with get_client() as client:
        flow_id = await client.create_flow_from_name(name)
        schedule = DeploymentScheduleCreate(schedule=CronSchedule(cron="0 9 * * 1"), slug="weekly")
        deployment = await client.create_deployment(flow_id, name, schedules=[schedule])
        await client.request(
            "POST", "/deployments/{id}/schedule", path_params={"id": deployment}, json={}
        )
        of_it = DeploymentFilter(id=DeploymentFilterId(any_=[deployment]))
        made = await client.read_flow_runs(deployment_filter=of_it)
        schedules = (await client.read_deployment(deployment)).schedules
    assert made
    assert all(internals.made_by(one, schedules) == schedules[0] for one in made)
    remade = schedules[0].model_copy(update={"id": uuid.uuid4()})
    unnamed = schedules[0].model_copy(update={"slug": None})
    assert internals.made_by(made[0], [remade]) == remade
    assert internals.made_by(made[0], [unnamed]) == unnamed
    assert internals.made_by(made[0], []) is None
    assert internals.made_by(FlowRun(flow_id=flow_id), schedules) is None


def test_what_a_dead_server_does_not_take_is_dropped() -> None:
    service: Any = EventsWorker.instance(NullEventsClient)
    internals.drop_pending()
    assert service._task is not None  # cancelled, and not asked to send what it holds
    assert service._done_event is not None
    eventually(service._done_event.is_set, "the end of the service")


@pytest.mark.prefect
async def test_pending_lines_are_sent_without_a_warning(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    @flow
    async def logging_flow() -> str:
        get_run_logger().warning("a last word")
        return str(flow_run.id)

    flow_run_id = await logging_flow()
    await internals.send_pending(60)
    server.logged(flow_run_id, "a last word")
    warned = [one for one in caplog.records if one.name in ("EventsWorker", "APILogWorker")]
    assert warned == []
    assert logging.getLogger("EventsWorker").level == logging.NOTSET
