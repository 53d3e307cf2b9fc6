"""The manifests and the templates of work pools in `deploy/`, read without a cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rivya_flows.flows.deploy_blocks import WORK_POOL
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
TEMPLATES = [ROOT / "deploy" / f"{kind}-pool.json" for kind in ("ecs", "kubernetes")]
OBJECTS: dict[str, dict[str, Any]] = {
    f"{one['kind']} {one['metadata']['name']}": one
    for path in sorted(KUBERNETES.glob("*.yaml"))
    for one in yaml.safe_load_all(path.read_text())
}
SETTINGS: dict[str, str] = OBJECTS["ConfigMap rivya-flows"]["data"]
DEPLOYMENTS = [name for name in OBJECTS if name.startswith("Deployment ")]
PLACEHOLDER = re.compile(r"{{ *(\w+) *}}")
SECRET = re.compile(r"PASSWORD|SECRET|AUTH|ACCESS_KEY|API_KEY|_STORE$")


def container(name: str) -> dict[str, Any]:
    [found] = OBJECTS[name]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def template(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def variables_set() -> dict[str, str | None]:
    """Every variable of the environment that a file sets; the last value of each."""
    found: dict[str, str | None] = dict(SETTINGS)
    for name in DEPLOYMENTS:
        found |= {one["name"]: one.get("value") for one in container(name)["env"]}
    for path in TEMPLATES:
        found |= template(path)["variables"]["properties"]["env"]["default"]
    return found


def test_every_variable_is_a_setting_of_ours_or_of_prefect() -> None:
    ours = {name.upper() for name in Settings.model_fields}
    for name in variables_set():
        if name.startswith("RIVYA_"):
            assert name in ours, name
        else:
            assert name in ("DO_NOT_TRACK", "POD_NAME") or name.startswith("PREFECT_"), name


def test_no_secret_stands_in_a_file() -> None:
    assert {value for name, value in variables_set().items() if SECRET.search(name)} <= {None}
    for path in TEMPLATES:
        for one in template(path)["variables"]["properties"].get("secrets", {}).get("default", []):
            assert one["valueFrom"].startswith("arn:aws:secretsmanager:REGION:ACCOUNT:secret:")
    assert not any(name.startswith("Secret ") for name in OBJECTS)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_each_variable_of_a_template_is_used_and_each_placeholder_is_a_variable(path: Path) -> None:
    read = template(path)
    used = set(PLACEHOLDER.findall(json.dumps(read["job_configuration"])))
    assert used == set(read["variables"]["properties"])


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_a_run_has_time_to_stop_and_no_one_but_prefect_starts_it_again(path: Path) -> None:
    properties = template(path)["variables"]["properties"]
    # Prefect waits 30 s for a run to stop.
    assert properties["stop_seconds"]["minimum"] > 30
    if "kubernetes" in path.stem:  # whose worker then asks for a rescheduled run
        job = template(path)["job_configuration"]["job_manifest"]["spec"]
        assert job["backoffLimit"] == 0
        assert job["template"]["spec"]["restartPolicy"] == "Never"
    else:
        behaviour = properties["env"]["default"]["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"]
        assert behaviour == "reschedule"


def test_pods_get_the_settings_that_are_shipped_and_the_image_of_the_dockerfile() -> None:
    properties = template(TEMPLATES[1])["variables"]["properties"]
    for name in DEPLOYMENTS:
        one = container(name)
        [settings, secret] = one["envFrom"]
        assert (
            settings["configMapRef"]["name"] == properties["settings"]["default"] == "rivya-flows"
        )
        assert secret["secretRef"]["name"] == properties["secret"]["default"] == "rivya-flows"
        assert one["image"] == properties["image"]["default"]
        written = {mount["mountPath"] for mount in one["volumeMounts"]}
        homes = [
            e["value"] for e in one["env"] if e["name"] in ("RIVYA_FLOWS_DATA", "PREFECT_HOME")
        ]
        assert len(homes) == 2
        assert all(str(Path(home).parent) in written for home in homes)
    lines = (ROOT / "Dockerfile").read_text()
    for lock in ("postgres", "s3"):  # what the store and the media of the settings need
        assert f"locks/{lock}.txt" in lines
    assert AssetStore(SETTINGS["RIVYA_FLOWS_ASSETS"], Path("unused")).url.startswith("s3://")


def test_probes_ask_where_the_container_listens() -> None:
    for name in DEPLOYMENTS:
        one = container(name)
        [port] = one["ports"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert one[probe]["httpGet"]["port"] == port["name"]
        listens = {e["name"]: e.get("value") for e in one["env"]}.get(
            "PREFECT_WORKER_WEBSERVER_PORT"
        )
        assert str(port["containerPort"]) in (listens, one["command"][-1])
    worker = container("Deployment rivya-flows-worker")
    assert worker["command"][worker["command"].index("--pool") + 1] == WORK_POOL
    service = OBJECTS["Service rivya-flows-receiver"]["spec"]
    labels = OBJECTS["Deployment rivya-flows-receiver"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"].items() <= labels.items()
    assert SETTINGS["RIVYA_FLOWS_PUBLIC_URL"].endswith(f":{service['ports'][0]['port']}")
