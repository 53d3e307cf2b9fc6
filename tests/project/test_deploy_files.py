"""The manifests, units and templates of work pools in `deploy/`, read without a cluster."""

from __future__ import annotations

import configparser
import http.server
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from rivya_flows.preparation.deploy_blocks import WORK_POOL
from rivya_flows.settings import Settings
from rivya_flows.store.assets import AssetStore
from support.loaded_scripts import loaded

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
TEMPLATES = [ROOT / "deploy" / f"{kind}-pool.json" for kind in ("ecs", "kubernetes")]
OBJECTS: dict[str, dict[str, Any]] = {
    f"{one['kind']} {one['metadata']['name']}": one
    for path in sorted(KUBERNETES.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text())
}
UNITS = {path.stem: path for path in sorted((ROOT / "deploy" / "systemd").glob("*.service"))}
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
def test_a_template_uses_its_variables_and_lets_prefect_alone_start_a_run_again(path: Path) -> None:
    read = template(path)
    properties = read["variables"]["properties"]
    assert set(PLACEHOLDER.findall(json.dumps(read["job_configuration"]))) == set(properties)
    # Prefect waits 30 s for a run to stop.
    assert properties["stop_seconds"]["minimum"] > 30
    if "kubernetes" in path.stem:  # whose worker then asks for a rescheduled run
        job = read["job_configuration"]["job_manifest"]["spec"]
        assert job["backoffLimit"] == 0
        assert job["template"]["spec"]["restartPolicy"] == "Never"
    else:
        behaviour = properties["env"]["default"]["PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR"]
        assert behaviour == "reschedule"


def test_pods_get_the_settings_that_are_shipped_and_the_image_of_the_dockerfile() -> None:
    properties = template(TEMPLATES[1])["variables"]["properties"]
    defaults = {name: one.get("default") for name, one in properties.items()}
    assert (defaults["settings"], defaults["secret"]) == ("rivya-flows", "rivya-flows")
    for name in DEPLOYMENTS:
        one = container(name)
        [settings, secret] = one["envFrom"]
        assert settings["configMapRef"]["name"] == secret["secretRef"]["name"] == "rivya-flows"
        assert one["image"] == defaults["image"]
        written = {mount["mountPath"] for mount in one["volumeMounts"]}
        values = {each["name"]: each.get("value") for each in one["env"]}
        homes = [Path(values[home]) for home in ("RIVYA_FLOWS_DATA", "PREFECT_HOME")]
        assert {str(home.parent) for home in homes} <= written
    lines = (ROOT / "Dockerfile").read_text()
    for lock in ("postgres", "s3"):  # what the store and the media of the settings need
        assert f"locks/{lock}.txt" in lines
    assert AssetStore(SETTINGS["RIVYA_FLOWS_ASSETS"], Path("unused")).url.startswith("s3://")


def test_probes_ask_where_the_container_listens() -> None:
    for name in DEPLOYMENTS:
        one = container(name)
        port = one["ports"][0]
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


class Strict(yaml.SafeLoader):
    """Refuses a key that comes twice in a map, as kubectl and Prometheus do and YAML's loader does not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        assert len(keys) == len(set(keys)), node.start_mark
        return dict(super().construct_mapping(node, deep))


def test_no_key_comes_twice() -> None:
    for path in (*(ROOT / "deploy").rglob("*.yaml"), ROOT / "compose.yaml"):
        assert list(yaml.load_all(path.read_text(), Strict)), path


def test_browsers_reach_the_receiver_at_the_address_of_the_settings() -> None:
    ingress = OBJECTS["Ingress rivya-flows-receiver"]["spec"]
    [rule] = ingress["rules"]
    assert SETTINGS["RIVYA_FLOWS_PUBLIC_URL"] == f"https://{rule['host']}"
    assert [rule["host"]] == ingress["tls"][0]["hosts"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    [port] = OBJECTS[f"Service {backend['name']}"]["spec"]["ports"]
    assert backend["port"]["name"] == port["name"]


def test_pods_may_write_into_their_scratch_alone_and_do_not_leave_one_node_together() -> None:
    for name in DEPLOYMENTS:
        one = container(name)
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        volumes = OBJECTS[name]["spec"]["template"]["spec"]["volumes"]
        assert [set(volume) - {"name"} for volume in volumes] == [{"emptyDir"}]
        assert [mount["mountPath"] for mount in one["volumeMounts"]] == ["/tmp"]
    worker = OBJECTS["Deployment rivya-flows-worker"]["spec"]
    [spread] = worker["template"]["spec"]["topologySpreadConstraints"]
    budget = OBJECTS["PodDisruptionBudget rivya-flows-worker"]["spec"]
    assert spread["labelSelector"] == budget["selector"] == worker["selector"]
    assert budget["maxUnavailable"] < worker["replicas"]


def test_each_pod_is_called_only_at_ports_that_it_has() -> None:
    policies = [one for name, one in OBJECTS.items() if name.startswith("NetworkPolicy ")]
    assert {f"Deployment {one['metadata']['name']}" for one in policies} == set(DEPLOYMENTS)
    for policy in policies:
        pods = OBJECTS[f"Deployment {policy['metadata']['name']}"]["spec"]
        assert policy["spec"]["podSelector"] == pods["selector"]
        ports = {
            port["name"] for port in container(f"Deployment {policy['metadata']['name']}")["ports"]
        }
        for rule in policy["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= ports
            assert all(source.get("namespaceSelector") for source in rule["from"])


def test_one_place_says_by_its_digest_which_image_all_pods_run() -> None:
    there = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
    files = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(there["resources"]) == files
    [image] = there["images"]
    assert re.fullmatch(r"sha256:0{64}", image["digest"])  # a placeholder, which no registry has
    assert {container(name)["image"].partition(":")[0] for name in DEPLOYMENTS} == {image["name"]}


def unit(path: Path) -> configparser.ConfigParser:
    read = configparser.ConfigParser(interpolation=None, strict=False)
    read.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    read.read_string(path.read_text())
    return read


def test_there_is_a_unit_of_each_process_of_ours_in_the_order_in_which_they_start() -> None:
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = {
        "setup" if one == "deploy" else one for one in (name.partition("-")[2] for name in UNITS)
    }
    assert ours == {name.partition("-")[0] for name, one in composed.items() if one.get("build")}
    order = ["rivya-server", "rivya-services", "rivya-deploy", "rivya-worker", "rivya-receiver"]
    assert set(order) == set(UNITS)
    for name, path in UNITS.items():
        after = unit(path)["Unit"]["After"].split()
        units = [one.removesuffix(".service") for one in after if one.startswith("rivya-")]
        assert ("rivya-server" in units) is (name != "rivya-server")
        assert all(order.index(one) < order.index(name) for one in units)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_starts_a_command_that_there_is_and_confines_it(name: str) -> None:
    service = unit(UNITS[name])["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name in {one.name for one in entry_points(group="console_scripts")}
    assert service["EnvironmentFile"] == f"/etc/rivya-flows/{name.partition('-')[2]}.env"
    assert service["User"] != "root"
    assert service["UMask"] == "0077"
    for setting in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert service[setting] == "yes"
    assert service["ProtectSystem"] == "strict"
    state = Path("/var/lib") / service["StateDirectory"]
    for home in re.findall(r"(?:HOME|DATA)=(\S+)", UNITS[name].read_text()):
        assert Path(home).is_relative_to(state)
    if name != "rivya-deploy":
        assert service["Restart"] == "always"
        assert service["KillMode"] == ("mixed" if name == "rivya-worker" else "control-group")
    if name == "rivya-worker":
        assert arguments[arguments.index("--pool") + 1] == WORK_POOL


def test_a_worker_that_is_stopped_has_time_to_let_its_runs_end() -> None:
    [seconds] = re.findall(r"DRAIN_SECONDS=(\d+)", UNITS["rivya-worker"].read_text())
    assert int(unit(UNITS["rivya-worker"])["Service"]["TimeoutStopSec"]) > int(seconds)
    pod = OBJECTS["Deployment rivya-flows-worker"]["spec"]["template"]["spec"]
    [drain] = [
        one["value"]
        for one in pod["containers"][0]["env"]
        if one["name"] == "RIVYA_FLOWS_WORKER_DRAIN_SECONDS"
    ]
    assert pod["terminationGracePeriodSeconds"] > int(drain)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in UNITS.values():
        text = path.read_text().replace(
            "/opt/rivya-flows/.venv/bin", str(Path(sys.executable).parent)
        )
        (tmp_path / path.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", *map(str, tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_container_is_healthy_if_what_listens_in_it_answers() -> None:
    class Answer(http.server.BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(self.status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    health = loaded("deploy/health.py")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        health.PATHS = {server.server_port: "/health"}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        health.main()
        Answer.status = 503
        with pytest.raises(SystemExit, match=r"/health: HTTP Error 503"):
            health.main()
        server.shutdown()
    health.main()  # nothing listens, as in the container of another service
