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
from rivya_flows.language.trigger_values import for_prefect
from rivya_flows.money.live_guard import account, source
from rivya_flows.preparation.deploy_blocks import OWNER_TAG, prefect_yaml
from rivya_flows.processes import registry
from rivya_flows.processes.registry import LeftRunning, ManagedProcess
from rivya_flows.settings import Settings
from rivya_flows.spec.load import load
from support.cli_calls import Terminal
from support.prefect_workers import Server, deploy as prefect_deploy, eventually

pytestmark = pytest.mark.prefect

NEW_KEY = "rvya_sk_0123456789abcdef0new"
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


def test_nothing_is_deployed_for_a_worker_of_up_that_buys_with_another_key(
    call: Terminal, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = process_identity.known(os.getpid())
    assert me is not None
    key = SecretStr("rvya_sk_0123456789abcdef0old")
    own = Settings(rivya_api_key=key, rivya_flows_sandbox=False)
    of_up: dict[str, Any] = {
        "pid": me.pid,
        "birth": me.birth,
        "mark": "m",
        "url": server.api_url.removesuffix("/api"),
    }
    parts = tuple(
        ManagedProcess(name=one, account=account(own, "m"), source=source(own), **of_up)
        for one in ("server", "worker")
    )
    (tmp_path / "data").mkdir()
    registry.write(tmp_path / "data", LeftRunning(parts))
    flow = name()
    spec = put(tmp_path, flow)
    for variable, words in {
        "RIVYA_FLOWS_SANDBOX": "from the local sandbox",
        "RIVYA_API_KEY": "from https://rivya.ai with the key rvya_sk_…0new",
    }.items():
        monkeypatch.delenv("RIVYA_FLOWS_SANDBOX", raising=False)
        monkeypatch.setenv(variable, "true" if "SANDBOX" in variable else NEW_KEY)
        said = call("deploy", spec)
        assert said.code == 2
        worker = "buys from https://rivya.ai with the key rvya_sk_…0old"
        assert f"{worker}, and this `deploy` would buy {words}; nothing was deployed" in said.err
    assert names(server, flow) == []


def test_thirty_specs_are_deployed_at_once_and_one_that_is_gone_is_pruned(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    prefix = name()
    text = SPEC.partition("  - name: on-brief")[0]
    specs = [put(tmp_path / "specs", f"{prefix}-{n:02}", text) for n in range(30)]
    said = call("deploy", *specs, "--json")
    assert said.code == 0, said.err
    assert {one["done"] for one in said.document["deployments"]} == {"made"}
    assert len(names(server, prefix)) == 30
    specs.pop(7).unlink()
    gone = f"{prefix}-07/weekly"

    said = call("deploy", *specs, "--json")
    assert {one["done"] for one in said.document["deployments"]} == {"unchanged"}
    assert said.document["left"] == [gone]

    scheduled = deployment(server, gone)["id"]
    said = call("deploy", *specs, "--prune", "--json")
    assert said.code == 0, said.err
    removed = [one["name"] for one in said.document["deployments"] if one["done"] == "removed"]
    assert removed == [gone]
    assert len(names(server, prefix)) == 29
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


def test_other_specs_of_a_folder_are_not_told_as_what_prune_would_remove(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    one, other = name(), name()
    specs = [put(tmp_path / "specs", each) for each in (one, other)]
    call("deploy", *specs)
    said = call("deploy", specs[0])
    assert other not in said.err
    said = call("deploy", specs[0], "--prune")
    assert f"{other}/weekly: kept, although" in said.err
    assert names(server, other) == [other, other]
    specs[1].unlink()
    said = call("deploy", tmp_path / "specs")
    assert f"{other}/weekly: kept, although" in said.err
    assert "--prune removes it" in said.err


def test_a_deployment_is_what_its_entry_says(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    path = put(tmp_path, mine)
    said = call("deploy", path)
    assert said.code == 0, said.err
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
    (automation,) = automations(server, deployment(server, f"{mine}/on-brief")["id"])
    assert automation["trigger"]["expect"] == ["campaign.brief.created"]
    assert automation["trigger"]["match"] == {"prefect.resource.id": "campaign.*"}


def test_the_patience_with_a_silent_run_follows_the_heartbeat_that_is_set(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    path = put(tmp_path, name())
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 240}):
        assert call("deploy", path).code == 0
    found = server.ask("POST", "/automations/filter", {"limit": 200})
    (lost,) = [one for one in found if one["name"] == LOST]
    assert 0 < lost["trigger"]["within"] - MISSED_HEARTBEATS * 240 < 60


def test_deploying_again_doubles_nothing_and_leaves_what_people_added(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    path = put(tmp_path, mine)
    call("deploy", path)
    weekly = deployment(server, f"{mine}/weekly")
    own = {"schedule": {"cron": "0 0 1 1 *"}, "active": True}
    server.ask("POST", f"/deployments/{weekly['id']}/schedules", [own])

    said = call("--verbose", "deploy", path, "--json")
    assert said.code == 0, said.err + said.out
    assert {one["done"] for one in said.document["deployments"]} == {"unchanged"}
    text = SPEC.replace('cron: "0 9 * * 1"', 'cron: "0 10 * * 1"').replace("payload.product", "id")
    said = call("--verbose", "deploy", put(tmp_path, mine, text), "--json")
    assert said.code == 0, said.err + said.out
    first, second = said.document["deployments"]
    assert first["schedules"] == {"schedule-1": "changed", "schedule-2": "unchanged"}
    assert [*second["triggers"].values()] == ["changed"]
    found = {
        one["slug"]: one["schedule"] for one in deployment(server, f"{mine}/weekly")["schedules"]
    }
    assert (found[None]["cron"], found["schedule-1"]["cron"]) == ("0 0 1 1 *", "0 10 * * 1")
    assert len(found) == 3
    assert len(automations(server, deployment(server, f"{mine}/on-brief")["id"])) == 1


def test_what_an_entry_no_longer_has_is_switched_off_and_pruned_when_asked(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    call(
        "deploy",
        put(tmp_path, mine, SPEC.replace("weekly\n", "weekly\n    concurrency_limit: 1\n")),
    )
    assert deployment(server, f"{mine}/weekly")["global_concurrency_limit"]["limit"] == 1
    text = SPEC.replace("      - {interval: 6h, active: false}\n", "")
    text = text.replace('      - {cron: "0 9 * * 1", timezone: Asia/Kolkata}', "")
    text = text.partition("    triggers:")[0]
    path = put(tmp_path, mine, text.replace("    schedules:\n\n", ""))

    said = call("deploy", path, "--plan", "--json")
    assert said.document["deployments"][0]["schedules"] == {"schedule-1": "switched off"}
    assert len(automations(server, deployment(server, f"{mine}/on-brief")["id"])) == 1

    call("deploy", path)
    assert deployment(server, f"{mine}/weekly")["global_concurrency_limit"] is None
    active = [one["active"] for one in deployment(server, f"{mine}/weekly")["schedules"]]
    assert active == [False, False]
    on_brief = deployment(server, f"{mine}/on-brief")["id"]
    assert [one["enabled"] for one in automations(server, on_brief)] == [False]

    said = call("deploy", path, "--prune")
    assert said.code == 0, said.err
    assert deployment(server, f"{mine}/weekly")["schedules"] == []
    assert automations(server, on_brief) == []


def test_a_deployment_that_is_not_ours_is_neither_changed_nor_pruned(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    flow = server.ask("POST", "/flows/", {"name": mine})
    for one in ("weekly", "somebodys"):
        server.ask("POST", "/deployments/", {"name": one, "flow_id": flow["id"]})
    path = put(tmp_path, mine)
    said = call("deploy", path)
    assert said.code == 2
    assert f"not made by rivya-flows: {mine}/weekly" in said.err
    path.write_text(path.read_text().replace("name: weekly", "name: mondays"))
    assert call("deploy", path, "--prune").code == 0
    assert deployment(server, f"{mine}/somebodys")["tags"] == []


def test_the_plan_of_a_deployment_changes_nothing(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    said = call("deploy", put(tmp_path, mine), "--plan")
    assert said.code == 0, said.err
    assert f"{mine}/weekly: would be made" in said.out
    assert names(server, mine) == []
    assert not (tmp_path / "data" / "journal.sqlite").exists()


def test_nothing_is_deployed_if_one_spec_is_wrong(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine, other, third = name(), name(), name()
    said = call(
        "deploy",
        put(tmp_path, mine),
        put(tmp_path, other, SPEC.replace("product: Chair", "product: 5")),
        put(tmp_path, third, SPEC.replace("0 9 * * 1", "0 9 * * 99")),
        "--json",
    )
    assert said.code == 2
    files = {one["file"]: one["code"] for one in said.document["problems"]}
    assert files == {
        str(tmp_path / f"{other}.yaml"): "wrong-input",
        str(tmp_path / f"{third}.yaml"): "bad-schedule",
    }
    assert names(server, mine) == []


def test_specs_without_an_entry_are_no_success(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    path = tmp_path / "bare.yaml"
    path.write_text(SPEC.partition("deploy:\n")[0].replace("NAME", name()))
    said = call("deploy", path, "--plan")
    assert said.code == 2
    assert "nothing to deploy: no `deploy:` entry" in said.err
    assert "deploy:\n- name: by-hand\n" in said.err
    assert call("deploy", path, "--plan", "--prune").code == 0


def test_a_store_that_workers_cannot_share_is_refused(
    call: Terminal, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = name()
    server.ask("POST", "/work_pools/", {"name": pool, "type": "process"})
    for worker in ("one@render-1", "two@render-2"):
        body = {"name": worker, "heartbeat_interval_seconds": 30}
        server.ask("POST", f"/work_pools/{pool}/workers/heartbeat", body)
    mine = name()
    said = call("deploy", put(tmp_path, mine), "--work-pool", pool)
    assert said.code == 2
    assert "RIVYA_FLOWS_STORE" in said.err
    assert "render-1, render-2" in said.err
    assert names(server, mine) == []
    said = call("deploy", tmp_path, "--work-pool", pool, "--single-machine")
    assert said.code == 0
    assert f"work pool {pool} is of type process; warm workers need campaign" in said.err
    monkeypatch.setenv("RIVYA_FLOWS_STORE", "sqlite:///journal.sqlite")
    said = call("deploy", tmp_path, "--work-pool", pool, "--single-machine")
    assert "relative" in said.err


def test_a_work_pool_that_somebody_has_to_choose_is_not_made(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    pool, mine = name(), name()
    path = put(tmp_path, mine, SPEC.replace("name: weekly", f"name: weekly\n    work_pool: {pool}"))
    said = call("deploy", path)
    assert (said.code, names(server, mine)) == (2, [])
    assert f"prefect work-pool create {pool}" in said.err


def test_prefect_deploys_the_same_from_a_prefect_yaml(
    call: Terminal, server: Server, tmp_path: Path
) -> None:
    mine = name()
    text = SPEC + "    concurrency_limit: 2\n    when_busy: cancel\n"
    path = put(tmp_path / "specs", mine, text)
    assert call("deploy", path).code == 0
    before = deployment(server, f"{mine}/on-brief")
    made = load(path.read_text(), file=str(path), catalogue=shipped())
    prefect_deploy(tmp_path, prefect_yaml([made]), os.environ)
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
