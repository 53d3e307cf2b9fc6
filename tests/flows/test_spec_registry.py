"""Which flow a worker's process gets: of the run's journal, of the deployed spec, or of the file."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import Flow
from prefect.settings import PREFECT_API_URL, temporary_settings

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.flows import campaigns
from rivya_flows.flows.current_run import run_id_of
from rivya_flows.flows.spec_registry import flow_of_file
from rivya_flows.preparation.prepare import Market, PlanningStore, RunRequest, prepare
from rivya_flows.preparation.spec_file import SpecFile
from rivya_flows.settings import read_settings
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.deployments import DeployedSpec, keep_spec
from rivya_flows.store.journal import Journal
from support.tea_time import SPEC


@pytest.fixture
def flow_run_id(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Makes this process one that executes a flow run, without the server that an earlier test named."""
    found = str(uuid.uuid4())
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", found)
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield found


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> DeployedSpec:
    """A spec in the store, which the deployment of the flow run names."""
    spec = DeployedSpec("tea-time", SPEC)
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        monkeypatch.setenv("RIVYA_FLOWS_SPEC", keep_spec(journal.engine, spec))
    return spec


def put(folder: Path, text: str, name: str = "tea-time") -> None:
    (folder / "specs").mkdir()
    (folder / "specs" / f"{name}.yaml").write_text(text)


def inputs_of(made: Flow[..., Any]) -> list[str]:
    return [name for name in made.parameters.properties if name != "credentials"]


async def told(made: Flow[..., Any]) -> str:
    """What a flow that cannot be made says when it runs."""
    state = await made.fn()
    return str(state.message)


def test_a_flow_run_has_the_deployed_spec_and_where_none_is_executed_the_file_counts(
    tmp_path: Path, deployed: DeployedSpec, request: pytest.FixtureRequest
) -> None:
    put(tmp_path, SPEC.replace("product", "goods"))
    assert inputs_of(campaigns.tea_time) == ["goods"]
    request.getfixturevalue("flow_run_id")
    made = campaigns.tea_time
    assert (made.name, made.version) == ("tea-time", deployed.version)
    assert inputs_of(made) == ["product"], "an edit waits until it is deployed"


def test_a_run_that_has_begun_keeps_its_form(
    flow_run_id: str, deployed: DeployedSpec, tmp_path: Path
) -> None:
    """It may have waited for an answer while another version of the spec was deployed."""
    before = SpecFile(SPEC.replace("product", "goods"), "tea-time.yaml", None)
    frozen = prepare(
        RunRequest(before, lambda _: {"goods": "Bowl"}),
        Market(shipped(), "https://rivya.ai", balance=100),
        run_id_of(flow_run_id),
        PlanningStore(AssetStore((tmp_path / "assets").as_uri(), tmp_path)),
    ).frozen
    with contextlib.closing(Journal(read_settings().store_url)) as journal:
        journal.create(frozen, tmp_path / "run")
    made = campaigns.tea_time
    assert inputs_of(made) == ["goods"]
    assert made.version != deployed.version


@pytest.mark.usefixtures("flow_run_id")
async def test_a_hash_that_the_store_lacks_ends_the_run_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_SPEC", "sha256:" + "0" * 64)
    put(tmp_path, SPEC)
    said = await told(campaigns.tea_time)
    assert "the deployed spec sha256:000000000000 is not in the store of this worker" in said
    assert "RIVYA_FLOWS_STORE" in said


@pytest.mark.usefixtures("flow_run_id")
async def test_a_store_that_cannot_be_opened_ends_the_run_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_STORE", "no url")
    assert "cannot open the store" in await told(campaigns.tea_time)


@pytest.mark.usefixtures("flow_run_id", "deployed")
async def test_a_deployment_runs_no_spec_but_its_own() -> None:
    assert "the deployed spec is 'tea-time'" in await told(campaigns.product_launch)


@pytest.mark.usefixtures("flow_run_id")
def test_a_flow_of_any_file_is_found_again_by_the_entrypoint_of_its_deployments(
    tmp_path: Path,
) -> None:
    path = tmp_path / "été 1.0" / "tea_time.yaml"
    path.parent.mkdir()
    path.write_text(SPEC)
    made = flow_of_file(path)
    deployment: Any = made.to_deployment("here")
    module, _, attribute = str(deployment.entrypoint).rpartition(".")
    assert (made.name, module) == ("tea-time", "rivya_flows.flows.campaigns")
    found = getattr(campaigns, attribute)
    assert (found.name, found.version) == (made.name, made.version)


def test_a_spec_may_have_a_name_that_begins_as_an_encoded_path_does(tmp_path: Path) -> None:
    put(tmp_path, SPEC.replace("tea-time", "file-drop"), "file-drop")
    assert campaigns.file_drop.name == "file-drop"
