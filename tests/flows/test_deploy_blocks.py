from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect import Flow, get_client
from prefect.flows import load_flow_from_entrypoint

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.errors import SpecError
from rivya_flows.flows import campaigns, spec_registry
from rivya_flows.flows.deployment.infrastructure import ensure_work_pool
from rivya_flows.language.workflow import Deploy, Input, Resources, Schedule, Workflow, WorkPool
from rivya_flows.preparation.deploy_blocks import deployment, first_block, schedule_of
from rivya_flows.preparation.spec_file import specs_at
from rivya_flows.spec.load import load
from support.loaded_scripts import loaded
from support.prefect_workers import deploy
from support.tea_time import SPEC

ROOT = Path(__file__).parents[2]
SPECS = specs_at(ROOT / "specs")
prefect_yaml = loaded("scripts/prefect_yaml.py").prefect_yaml


def workflows() -> list[Workflow]:
    return [
        load(path.read_text(), file=str(path), catalogue=shipped(), folder=path.parent)
        for path in SPECS
    ]


def put(folder: Path, name: str, text: str = SPEC) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("tea-time", name))
    return path


def test_prefect_yaml_is_what_the_specs_say() -> None:
    """Run scripts/prefect_yaml.py when this fails."""
    assert (ROOT / "prefect.yaml").read_text(encoding="utf-8") == prefect_yaml(workflows())


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_every_spec_is_an_entrypoint_that_prefect_loads(path: Path) -> None:
    made: Flow[..., Any] = load_flow_from_entrypoint(
        f"rivya_flows.flows.campaigns:{path.stem.replace('-', '_')}"
    )
    assert isinstance(made, Flow)
    assert made.name == path.stem


def test_every_entrypoint_of_prefect_yaml_is_a_flow_that_takes_its_parameters() -> None:
    for entry in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]:
        made: Flow[..., Any] = load_flow_from_entrypoint(entry["entrypoint"])
        made.validate_parameters(
            {name: field.get("default") for name, field in made.parameters.properties.items()}
            | entry["parameters"]
        )


def test_a_deployment_speaks_the_words_of_prefect() -> None:
    made = Workflow(
        version=1, name="spring-sale", inputs={"copy": Input(type="text", default="")}, steps={}
    )
    deploy = Deploy(
        name="weekly",
        description="Each Monday",
        schedules=(
            Schedule(cron="0 9 * * 1", timezone="Asia/Kolkata"),
            Schedule(interval=3600, active=False, catchup="skip"),
        ),
        inputs={"copy": "Now"},
        tags=("spring", "rivya-flows"),
        work_pool=WorkPool(name="studio", queue="night", job_variables=Resources(memory=4096)),
        concurrency_limit=1,
    )
    assert deployment(made, deploy) == {
        "name": "weekly",
        "entrypoint": "rivya_flows.flows.campaigns:spring_sale",
        "version_type": "prefect:simple",
        "description": "Each Monday",
        "tags": ["rivya-flows", "spring"],
        "parameters": {"input_copy": "Now"},
        "enforce_parameter_schema": True,
        "schedules": [
            {"slug": "schedule-1", "cron": "0 9 * * 1", "timezone": "Asia/Kolkata", "active": True},
            {"slug": "schedule-2", "interval": 3600, "active": False},
        ],
        "concurrency_limit": 1,
        "work_pool": {
            "name": "studio",
            "work_queue_name": "night",
            "job_variables": {"memory": 4096},
        },
    }


def test_deployments_come_sorted_whatever_the_order_of_the_specs() -> None:
    made = [
        Workflow(version=1, name=name, steps={}, deploy=(Deploy(name="d"),)) for name in ("b", "a")
    ]
    assert prefect_yaml(made) == prefect_yaml(reversed(made))
    assert "rivya_flows.flows.campaigns:a" in prefect_yaml(made)


def test_a_spec_of_the_named_or_the_current_folder_is_an_attribute_by_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {one: put(tmp_path / "specs", one) for one in ("tea-time", "load", "path", "any")}
    before = campaigns.tea_time
    for name in paths:
        attribute = name.replace("-", "_")
        assert getattr(campaigns, attribute).name == name
        assert attribute in dir(campaigns)
    assert "product_launch" in dir(campaigns)
    paths["tea-time"].write_text(paths["tea-time"].read_text() + "x-note: later\n")
    assert campaigns.tea_time.version != before.version, "an edited one is compiled anew"
    monkeypatch.setenv("RIVYA_FLOWS_SPECS", str(tmp_path / "named"))
    named = put(tmp_path / "named", "tea-time")
    assert spec_registry.spec_files()["tea_time"] == named


def test_an_unknown_spec_is_told_with_its_neighbour() -> None:
    with pytest.raises(AttributeError, match="did you mean 'product_launch'"):
        _ = campaigns.product_lunch


def test_a_wrong_spec_is_told_with_its_place(tmp_path: Path) -> None:
    put(tmp_path / "specs", "tea-time", SPEC.replace("z-image", "z-imagine"))
    with pytest.raises(SpecError, match=r"tea-time\.yaml:8"):
        _ = campaigns.tea_time


def test_a_spec_whose_file_bears_another_name_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "specs", "tea-time", SPEC.replace("tea-time", "coffee"))
    with pytest.raises(AttributeError, match=r"call the file coffee\.yaml"):
        _ = campaigns.tea_time


def test_a_schedule_is_known_by_its_slug() -> None:
    first, second = Schedule(cron="0 9 * * 1"), Schedule(interval=60)
    made = Workflow(
        version=1,
        name="a",
        steps={},
        deploy=(Deploy(name="d", schedules=(first, second)), Deploy(name="e")),
    )
    assert schedule_of(made, "d", "schedule-2") is second
    for entry, slug in (("d", "schedule-3"), ("e", "schedule-1"), ("d", "mine"), ("d", "")):
        assert schedule_of(made, entry, slug) is None


@pytest.mark.prefect
async def test_a_real_server_takes_prefect_yaml(tmp_path: Path) -> None:
    await ensure_work_pool("campaigns")
    deploy(tmp_path, (ROOT / "prefect.yaml").read_text(), os.environ)
    async with get_client() as client:
        stored = await client.read_deployment_by_name("product-launch/weekly")
    assert stored.entrypoint == "rivya_flows.flows.campaigns:product_launch"
    assert stored.pull_steps == []
    assert stored.parameters == {"language": "hi"}
    assert stored.version == campaigns.product_launch.version
    assert [schedule.slug for schedule in stored.schedules] == ["schedule-1"]


def test_the_first_block_of_a_spec_without_one_has_the_defaults_of_its_inputs() -> None:
    text = """\
version: 1
name: bare
inputs:
  product: {type: string, default: "Lamp: brass"}
  photo: {type: file, required: false}
steps:
  still: {uses: generate, with: {model: z-image, prompt: "${{ inputs.product }}"}}
"""
    block = first_block(load(text, file="bare.yaml", catalogue=shipped()))
    assert block == "deploy:\n- name: by-hand\n  inputs:\n    product: 'Lamp: brass'"
    whole = load(f"{text}{block}\n", file="bare.yaml", catalogue=shipped())
    assert [one.name for one in whole.deploy] == ["by-hand"]
