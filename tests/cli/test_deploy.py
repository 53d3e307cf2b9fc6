"""`rivya-flows deploy` against a real Prefect server."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from pydantic import SecretStr

from rivya_client.catalogue.snapshot import shipped
from rivya_flows import process_identity
from rivya_flows.flows.recovery.automations import LOST, MISSED_HEARTBEATS
from rivya_flows.money.live_guard import account, source
from rivya_flows.preparation.deploy_blocks import OWNER_TAG
from rivya_flows.processes import registry
from rivya_flows.processes.registry import LeftRunning, ManagedProcess
from rivya_flows.settings import Settings
from rivya_flows.spec.deploy_block import for_prefect
from rivya_flows.spec.load import load
from support.cli_calls import Terminal
from support.loaded_scripts import loaded
from support.prefect_workers import Server, deploy as prefect_deploy, eventually

pytestmark = pytest.mark.prefect

OLD_KEY = "rvya_sk_0123456789abcdef0old"
SPEC = """\
version: 1
name: NAME
inputs:
  product: {type: string, default: Lamp}
steps:
  still:
    uses: generate
    with: {model: z-image, prompt: "${{ inputs.product }}"}
deploy:
  - name: weekly
    schedules:
      - {cron: "0 9 * * 1", timezone: Asia/Kolkata}
      - {interval: 6h, active: false}
    inputs: {product: Chair}
  - name: on-brief
    triggers:
      - event: campaign.brief.created
        match: {prefect.resource.id: campaign.*}
        inputs: {product: "${{ event.payload.product }}"}
"""


@pytest.fixture(autouse=True)
def rehearsal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers with pretend credits: the specs here have no budget."""
    monkeypatch.setenv("RIVYA_FLOWS_SANDBOX", "true")


def name() -> str:
    """Of a spec that no other test deploys."""
    return f"spec-{uuid.uuid4().hex[:8]}"


def put(folder: Path, name: str, text: str = SPEC) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("NAME", name))
    return path


def deployment(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.ask("GET", f"/deployments/name/{name}")
    return found


def names(server: Server, prefix: str) -> list[str]:
    """The flows of all deployments with our tag whose flow begins so, once for each deployment."""
    body = {"deployments": {"tags": {"all_": [OWNER_TAG]}}, "limit": 200}
    flows = {one["id"]: one["name"] for one in server.ask("POST", "/flows/filter", {"limit": 200})}
    found = [flows[one["flow_id"]] for one in server.ask("POST", "/deployments/filter", body)]
    return sorted(one for one in found if one.startswith(prefix))


def automations(server: Server, deployment_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.ask(
        "GET", f"/automations/related-to/prefect.deployment.{deployment_id}"
    )
    return found


def test_a_deployment_is_what_its_entry_says_and_what_prefect_makes_of_a_prefect_yaml(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    text = SPEC + "    concurrency_limit: 2\n    when_busy: cancel\n"
    path = put(tmp_path / "specs", mine, text)
    planned = call("deploy", path, "--plan")
    assert (planned.code, f"{mine}/weekly: would be made" in planned.out) == (0, True)
    assert names(server, mine) == []
    assert not (tmp_path / "data" / "journal.sqlite").exists()
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 240}):
        assert call("deploy", path).code == 0
    weekly = deployment(server, f"{mine}/weekly")
    assert weekly["entrypoint"] == f"rivya_flows.flows.campaigns:{mine.replace('-', '_')}"
    assert weekly["tags"] == [OWNER_TAG]
    assert weekly["parameters"] == {"product": "Chair"}
    assert weekly["work_pool_name"] == "campaigns"
    assert weekly["enforce_parameter_schema"] is True
    assert weekly["version"].startswith("sha256:")
    assert weekly["job_variables"]["env"]["RIVYA_FLOWS_SPEC"].startswith(weekly["version"])
    schedules = {one["slug"]: one for one in weekly["schedules"]}
    assert schedules["schedule-1"]["schedule"]["timezone"] == "Asia/Kolkata"
    assert (schedules["schedule-1"]["active"], schedules["schedule-2"]["active"]) == (True, False)
    before = deployment(server, f"{mine}/on-brief")
    (automation,) = automations(server, before["id"])
    assert automation["trigger"]["expect"] == ["campaign.brief.created"]
    assert automation["trigger"]["match"] == {"prefect.resource.id": "campaign.*"}
    # The patience with a silent run follows the heartbeat.
    found = server.ask("POST", "/automations/filter", {"limit": 200})
    (lost,) = [one for one in found if one["name"] == LOST]
    assert 0 < lost["trigger"]["within"] - MISSED_HEARTBEATS * 240 < 60

    made = load(path.read_text(), file=str(path), catalogue=shipped())
    written = loaded("scripts/prefect_yaml.py").prefect_yaml([made])
    prefect_deploy(tmp_path, written, os.environ)
    after = deployment(server, f"{mine}/on-brief")
    assert after["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    for same in ("id", "entrypoint", "tags", "version", "global_concurrency_limit"):
        assert after[same] == before[same], same
    # Without a hash, a worker takes the file.
    assert after["job_variables"] == {}
    (automation,) = automations(server, after["id"])
    assert automation["actions"][0]["parameters"] == {
        "product": for_prefect("${{ event.payload.product }}")
    }


def test_deploying_again_changes_what_differs_and_leaves_what_people_added(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    limited = SPEC.replace("weekly\n", "weekly\n    concurrency_limit: 1\n")
    path = put(tmp_path, mine, limited)
    call("deploy", path)
    weekly = deployment(server, f"{mine}/weekly")
    assert weekly["global_concurrency_limit"]["limit"] == 1
    own = {"schedule": {"cron": "0 0 1 1 *"}, "active": True}
    server.ask("POST", f"/deployments/{weekly['id']}/schedules", [own])
    said = call("--verbose", "deploy", path, "--json")
    assert {one["done"] for one in said.document["deployments"]} == {"unchanged"}

    text = limited.replace('"0 9 * * 1"', '"0 10 * * 1"').replace("payload.product", "id")
    first, second = call("deploy", put(tmp_path, mine, text), "--json").document["deployments"]
    assert first["schedules"] == {"schedule-1": "changed", "schedule-2": "unchanged"}
    assert [*second["triggers"].values()] == ["changed"]
    schedules = deployment(server, f"{mine}/weekly")["schedules"]
    found = {one["slug"]: one["schedule"] for one in schedules}
    assert (found[None]["cron"], found["schedule-1"]["cron"]) == ("0 0 1 1 *", "0 10 * * 1")
    assert len(schedules) == 3
    on_brief = deployment(server, f"{mine}/on-brief")["id"]
    assert len(automations(server, on_brief)) == 1


def test_what_an_entry_no_longer_has_is_switched_off_and_pruned_when_asked(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    path = put(tmp_path, mine, SPEC.replace("weekly\n", "weekly\n    concurrency_limit: 1\n"))
    call("deploy", path)
    on_brief = deployment(server, f"{mine}/on-brief")["id"]
    head, _, rest = SPEC.partition("    schedules:")
    kept = rest[rest.index("    inputs:") :].partition("    triggers:")[0]
    put(tmp_path, mine, head + kept)
    said = call("deploy", path, "--plan", "--json")
    assert said.document["deployments"][0]["schedules"] == {"schedule-1": "switched off"}
    assert [one["enabled"] for one in automations(server, on_brief)] == [True]

    call("deploy", path)
    weekly = deployment(server, f"{mine}/weekly")
    assert weekly["global_concurrency_limit"] is None
    assert [one["active"] for one in weekly["schedules"]] == [False, False]
    assert [one["enabled"] for one in automations(server, on_brief)] == [False]

    said = call("deploy", path, "--prune")
    assert said.code == 0, said.err
    assert deployment(server, f"{mine}/weekly")["schedules"] == []
    assert automations(server, on_brief) == []


def test_many_specs_are_deployed_at_once_and_one_that_is_gone_is_pruned(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    prefix, folder = name(), tmp_path / "specs"
    text = SPEC.partition("  - name: on-brief")[0]
    specs = [put(folder, f"{prefix}-{n:02}", text) for n in range(12)]
    said = call("deploy", *specs, "--json")
    assert said.code == 0, said.err
    assert {one["done"] for one in said.document["deployments"]} == {"made"}
    assert len(names(server, prefix)) == 12
    gone = f"{prefix}-07/weekly"
    kept = f"{gone}: kept, although"
    # Specs of a folder that are not named are nothing that prune would remove.
    assert f"{prefix}-07" not in call("deploy", specs[0]).err
    assert kept in call("deploy", specs[0], "--prune").err
    specs.pop(7).unlink()
    told = call("deploy", folder).err
    assert (kept in told, "--prune removes it" in told) == (True, True)

    said = call("deploy", *specs, "--json")
    assert {one["done"] for one in said.document["deployments"]} == {"unchanged"}
    assert said.document["left"] == [gone]
    scheduled = deployment(server, gone)["id"]
    said = call("deploy", *specs, "--prune", "--json")
    assert said.code == 0, said.err
    removed = [one["name"] for one in said.document["deployments"] if one["done"] == "removed"]
    assert removed == [gone]
    assert len(names(server, prefix)) == 11
    # The server's scheduler stores late what it planned before: the next prune removes that.
    left = {"flow_runs": {"deployment_id": {"any_": [scheduled]}}}

    def all_gone() -> bool:
        call("deploy", *specs, "--prune")
        return bool(server.ask("POST", "/flow_runs/count", left) == 0)

    eventually(all_gone, "the planned runs of a removed deployment are gone")


def test_prune_removes_planned_runs_whose_deployment_is_gone_and_no_others(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    path = put(tmp_path / "specs", name())
    call("deploy", path)
    kept = deployment(server, f"{path.stem}/weekly")
    tags, flow = [OWNER_TAG, "auto-scheduled"], kept["flow_id"]

    def planned(deployment_id: str, tags: list[str]) -> str:
        body = {"flow_id": flow, "deployment_id": deployment_id, "tags": tags}
        made = server.ask("POST", "/flow_runs/", {**body, "state": {"type": "SCHEDULED"}})
        return str(made["id"])

    gone = str(uuid.uuid4())
    late, foreign, ours = planned(gone, tags), planned(gone, tags[1:]), planned(kept["id"], tags)
    assert call("deploy", path, "--prune", "--plan").code == 0
    ids = {"flow_runs": {"id": {"any_": [late, foreign, ours]}}}
    assert server.ask("POST", "/flow_runs/count", ids) == 3
    assert call("deploy", path, "--prune").code == 0
    assert {one["id"] for one in server.ask("POST", "/flow_runs/filter", ids)} == {foreign, ours}


def test_a_deployment_that_is_not_ours_is_neither_changed_nor_pruned(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    flow = server.ask("POST", "/flows/", {"name": mine})
    for one in ("weekly", "somebodys"):
        server.ask("POST", "/deployments/", {"name": one, "flow_id": flow["id"]})
    path = put(tmp_path, mine)
    said = call("deploy", path)
    assert (said.code, f"not made by rivya-flows: {mine}/weekly" in said.err) == (2, True)
    path.write_text(path.read_text().replace("name: weekly", "name: mondays"))
    assert call("deploy", path, "--prune").code == 0
    assert deployment(server, f"{mine}/somebodys")["tags"] == []


def test_nothing_is_deployed_if_one_spec_or_the_pool_or_the_worker_does_not_fit(
    call: Terminal, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other, third, pool = name(), name(), name(), name()
    path = put(tmp_path / "one", mine)
    said = call(
        *("deploy", path, "--json"),
        put(tmp_path, other, SPEC.replace("product: Chair", "product: 5")),
        put(tmp_path, third, SPEC.replace("0 9 * * 1", "0 9 * * 99")),
    )
    assert said.code == 2
    files = {one["file"]: one["code"] for one in said.document["problems"]}
    assert files == {
        str(tmp_path / f"{other}.yaml"): "wrong-input",
        str(tmp_path / f"{third}.yaml"): "bad-schedule",
    }
    bare = tmp_path / "bare.yaml"
    bare.write_text(SPEC.partition("deploy:\n")[0].replace("NAME", name()))
    said = call("deploy", bare, "--plan")
    assert said.code == 2
    assert "nothing to deploy: no `deploy:` entry" in said.err
    assert "deploy:\n- name: by-hand\n" in said.err
    assert call("deploy", bare, "--plan", "--prune").code == 0
    pooled = put(tmp_path, mine, SPEC.replace("weekly", f"weekly\n    work_pool: {pool}", 1))
    said = call("deploy", pooled)
    assert (said.code, f"prefect work-pool create {pool}" in said.err) == (2, True)

    server.ask("POST", "/work_pools/", {"name": pool, "type": "process"})
    for worker in ("one@render-1", "two@render-2"):
        body = {"name": worker, "heartbeat_interval_seconds": 30}
        server.ask("POST", f"/work_pools/{pool}/workers/heartbeat", body)
    said = call("deploy", path, "--work-pool", pool)
    assert said.code == 2
    assert "RIVYA_FLOWS_STORE" in said.err
    assert "render-1, render-2" in said.err

    me = process_identity.find_process(os.getpid())
    assert me is not None
    old = Settings(rivya_api_key=SecretStr(OLD_KEY), rivya_flows_sandbox=False)
    of_up: dict[str, Any] = {"pid": me.pid, "birth": me.birth, "mark": "m"}
    of_up |= {"account": account(old, "m"), "source": source(old)}
    url = server.api_url.removesuffix("/api")
    parts = (ManagedProcess(name=one, url=url, **of_up) for one in ("server", "worker"))
    (tmp_path / "data").mkdir(exist_ok=True)
    registry.write(tmp_path / "data", LeftRunning(tuple(parts)))
    buys = "buys from https://rivya.ai with the key rvya_sk_…0old, and this `deploy` would buy"
    said = call("deploy", path)
    assert said.code == 2
    assert f"{buys} from the local sandbox; nothing was deployed" in said.err
    assert names(server, mine) == []
    (tmp_path / "data" / "up.json").unlink()

    single = ("deploy", tmp_path / "one", "--work-pool", pool, "--single-machine")
    said = call(*single)
    assert said.code == 0
    assert f"work pool {pool} is of type process; warm workers need campaign" in said.err
    monkeypatch.setenv("RIVYA_FLOWS_STORE", "sqlite:///journal.sqlite")
    assert "relative" in call(*single).err


def test_the_server_of_a_prefect_profile_is_used_and_named(
    call: Terminal, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = os.environ["PREFECT_API_AUTH_STRING"]
    for variable in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    profiles = tmp_path / "home" / "profiles.toml"
    profiles.parent.mkdir()

    def become(password: str) -> None:
        profiles.write_text(
            f'active = "studio"\n[profiles.studio]\nPREFECT_API_URL = "{server.api_url}"\n'
            f'PREFECT_API_AUTH_STRING = "{password}"\n'
        )

    mine = name()
    become(auth)
    said = call("deploy", put(tmp_path, mine))
    assert said.code == 0, said.err
    assert f"uses the Prefect server of profile studio at {server.api_url}\n" in said.err
    assert names(server, mine) == [mine, mine]

    become("me:wrong")
    for command in (("deploy", tmp_path), ("run", "--sandbox", put(tmp_path, mine))):
        said = call(*command)
        assert said.code == 2
        assert "HTTP 401" in said.err
        assert "set PREFECT_API_AUTH_STRING to the name:password of that server" in said.err
        assert "wrong" not in said.err
    monkeypatch.setenv("PREFECT_PROFILE", "ephemeral")
    assert "no Prefect server runs" in call("deploy", tmp_path).err
