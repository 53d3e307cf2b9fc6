"""The examples of docs/reference/collection.md do what the page says, and generated calls fit our deployments."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from prefect._sdk.models import DeploymentInfo, FlowInfo, SDKData, SDKGenerationMetadata
from prefect._sdk.renderer import render_sdk

from rivya_flows.flows.deployment.desired import DeployOptions, desired_deployments, read_specs
from rivya_flows.store.assets import AssetStore
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.loaded_scripts import examples_of, loaded

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "collection.md"
TEXT = PAGE.read_text(encoding="utf-8")
SPEC, PREFECT_YAML = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
SPECS = Path(__file__).parents[2] / "specs"


def generated(folder: Path, *specs: Path) -> ModuleType:
    """What `prefect sdk generate` writes for the deployments of specs, imported."""
    assets = AssetStore((folder / "assets").as_uri(), folder)
    wanted = desired_deployments(read_specs(specs), DeployOptions(), {}, assets)
    flows: dict[str, FlowInfo] = {}
    for one in wanted:
        flow_name, _, name = one.name.partition("/")
        flow = flows.setdefault(flow_name, FlowInfo(flow_name))
        schema = one.fields.parameter_openapi_schema
        flow.deployments.append(DeploymentInfo(name, flow.name, one.name, schema))
    data = SDKData(SDKGenerationMetadata("2026-11-28", "3.9"), flows)
    assert render_sdk(data, folder / "campaigns_sdk.py").warnings == []
    module: ModuleType = loaded(folder / "campaigns_sdk.py")
    return module


def call_of(module: ModuleType, name: str) -> dict[str, tuple[Any, Any]]:
    """Each parameter of a generated call, with its annotation and its default."""
    found = inspect.signature(module.deployments.from_name(name).run).parameters
    return {one.name: (one.annotation, one.default) for one in found.values()}


def test_generated_calls_have_the_types_and_the_defaults_of_their_deployment(
    tmp_path: Path,
) -> None:
    names = ("product-launch", "social-set", "own-photo")
    module = generated(tmp_path, *(SPECS / f"{name}.yaml" for name in names))
    brief, weekly = (call_of(module, f"product-launch/{name}") for name in ("on-brief", "weekly"))
    assert list(brief)[:2] == ["product", "brief"]
    # The weekly entry gives another language. A call that asks for the spec's own must send it.
    assert (brief["language"][1], weekly["language"][1]) == ("en", "hi")
    assert str(weekly["language"][0]) == "typing.Literal['en', 'hi']"
    assert call_of(module, "own-photo/by-hand")["styles"][0] == list[str]
    assert call_of(module, "social-set/by-hand")["title"][0] is str


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "spot.yaml").write_text(SPEC)
    made = generated(tmp_path, tmp_path / "spot.yaml")
    monkeypatch.setitem(sys.modules, "campaigns_sdk", made)
    return examples_of(PAGE)


@pytest.mark.prefect
@pytest.mark.usefixtures("small_pictures", "prefect_server")
async def test_the_page_saves_two_wallets_and_buys_with_each(
    examples: dict[str, Any], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.02")
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    for name in ("page-one", "page-two"):
        admin.add_credits(sandbox.data, 50, account=name)
        key = admin.create_key(sandbox.data, account=name)["api_key"]
        monkeypatch.setenv("RIVYA_API_KEY", key)
        await examples["save"](name)
    spent = await examples["for_clients"]("Comet kettle", ["page-one", "page-two"])
    assert spent == {"page-one": 2, "page-two": 2}
    assert await examples["launch"]("Comet kettle") == 2  # with the key of this process
    assert await examples["balances"](["page-one", "page-two"]) == {"page-one": 48, "page-two": 46}


def test_what_the_page_serves_and_deploys_is_a_campaign(examples: dict[str, Any]) -> None:
    served: list[Any] = []
    examples["serve"] = lambda *deployments: served.extend(deployments)
    examples["serve_both"]()
    assert [one.name for one in served] == ["by-hand", "nightly"]
    for one in served:  # a closure in a file of its own would not be found
        assert one.entrypoint.startswith("rivya_flows.flows.campaigns.file_")
    for entrypoint in re.findall(r"entrypoint: launch.py:(\w+)", PREFECT_YAML):
        assert hasattr(examples[entrypoint], "to_deployment")
    call = call_of(sys.modules["campaigns_sdk"], "spot/by-hand")
    assert list(call) == ["product", "credentials"]
