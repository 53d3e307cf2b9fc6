"""`compose.yaml` and its files, read without Docker: valid names, no open port, no secret."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.settings import (
    PREFECT_TESTING_TEST_MODE,
    Settings as PrefectSettings,
    temporary_settings,
)
from pydantic import BaseModel

from rivya_flows.flows.worker.campaign_worker import LIMIT
from rivya_flows.preparation.deploy_blocks import WORK_POOL
from rivya_flows.processes.hosts import RUNS_PER_HOST
from rivya_flows.settings import Settings, read_settings
from rivya_flows.store.shared_store_checks import find_unshared_stores
from support.loaded_scripts import loaded

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = DOCUMENT["services"]
OURS = sorted(name for name, said in SERVICES.items() if said.get("build") == ".")
WORKERS = [name for name in OURS if name.startswith("worker-")]
VALUES = {
    "POSTGRES_PASSWORD": "of-the-owner",
    "POSTGRES_PREFECT_PASSWORD": "of-prefect",
    "POSTGRES_RIVYA_PASSWORD": "of-the-journal",
    "S3_ROOT_ACCESS_KEY": "root-of-media",
    "S3_ROOT_SECRET_KEY": "secret-of-root",
    "S3_ACCESS_KEY": "studio",
    "S3_SECRET_KEY": "secret-of-media",
    "PREFECT_AUTH": "studio:sesame",
}
ONCE = ("setup", "s3-setup")
OTHERS = {
    "TMPDIR",
    "DO_NOT_TRACK",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
}


@pytest.fixture(scope="module")
def compose() -> Any:
    """The reader of `scripts/cluster`."""
    return loaded("scripts/cluster_compose.py")


def variables_of(model: type[BaseModel]) -> set[str]:
    """Every environment variable that a settings model of Prefect reads."""
    found = set()
    prefix = model.model_config.get("env_prefix", "")
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= variables_of(inner)
        else:
            found.add(f"{prefix}{name}".upper())
    return found


def test_every_variable_is_one_that_somebody_reads(compose: Any) -> None:
    known = variables_of(PrefectSettings) | OTHERS | {one.upper() for one in Settings.model_fields}
    named = {name for one in OURS for name in compose.services(VALUES)[one].environment}
    if importlib.util.find_spec("prefect_redis"):
        client = importlib.import_module("prefect_redis.client")
        messaging = importlib.import_module("prefect_redis.messaging")
        known |= variables_of(client.RedisMessagingSettings)
        known |= variables_of(messaging.RedisMessagingPublisherSettings)
    else:
        named = {name for name in named if not name.startswith("PREFECT_REDIS_")}
    assert named <= known


def test_prefect_takes_the_values_of_its_server(
    compose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in compose.services(VALUES)["server"].environment.items():
        monkeypatch.setenv(name, value)
    server = PrefectSettings().server
    assert server.services.task_run_recorder.batch_size == 100
    assert server.services.db_vacuum.enabled_vacuum_types == {"events", "flow_runs", "orphans"}
    assert server.analytics_enabled is False
    assert server.docket.url.startswith("redis://")
    pool = server.database.sqlalchemy
    assert (pool.pool_size, pool.max_overflow) == (20, 30)  # 15 together are too few
    assert server.database.connection_url is not None
    assert server.database.connection_url.get_secret_value().startswith("postgresql+asyncpg://")
    pytest.importorskip("prefect_redis")
    messaging = importlib.import_module("prefect_redis.messaging")
    # prefect-redis 0.3 loses events that arrive while a batch is sent.
    assert messaging.RedisMessagingPublisherSettings().batch_size == 1
    for module, wanted in (
        (server.events.messaging_broker, "Publisher"),
        (server.events.messaging_cache, "Cache"),
        (server.events.causal_ordering, "CausalOrdering"),
        (server.concurrency.lease_storage, "ConcurrencyLeaseStorage"),
    ):
        assert hasattr(importlib.import_module(module), wanted)


def test_all_connections_to_postgresql_fit(compose: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    services = compose.services(VALUES)
    assert "max_connections" not in str(services["postgres"])  # so it is 100, 3 of them reserved
    opened = 0
    for name in ("server", "services"):
        with monkeypatch.context() as environment:
            for variable, value in services[name].environment.items():
                environment.setenv(variable, value)
            pool = PrefectSettings().server.database.sqlalchemy
        opened += pool.pool_size + pool.max_overflow
    hosts = -(-LIMIT // RUNS_PER_HOST)
    others = ("receiver", "setup")
    assert opened + 2 * (len(WORKERS) * hosts + len(others)) <= 97


def test_what_runs_campaigns_shares_its_store_and_media_and_waits_for_its_key(
    compose: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*WORKERS, "receiver", "setup"):
        with monkeypatch.context() as environment:
            for variable, value in compose.services(VALUES)[name].environment.items():
                environment.setenv(variable, value)
            settings = read_settings()
            assert settings.rivya_api_key is None  # the block holds it
            assert find_unshared_stores(settings, {"one", "another"}) is None
            assert settings.store_url.startswith("postgresql://")
            assert settings.assets_url.startswith("s3://")


def test_all_services_of_prefect_share_one_password_and_workers_alone_serve_metrics(
    compose: Any,
) -> None:
    given = {name: compose.services(VALUES)[name].environment for name in OURS}
    api, clients = "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"
    found = {one[name] for one in given.values() for name in (api, clients) if name in one}
    assert found == {VALUES["PREFECT_AUTH"]}
    assert api in given["server"]
    # A run's process would want the same port.
    serving = "PREFECT_CLIENT_METRICS_ENABLED"
    assert [name for name in OURS if given[name].get(serving) == "true"] == WORKERS


def test_no_service_starts_while_a_secret_is_missing(compose: Any) -> None:
    for missing in VALUES:
        with pytest.raises(KeyError, match=missing):
            compose.services(VALUES | {missing: ""})


def test_no_secret_stands_in_the_file() -> None:
    secret = re.compile(r"PASSWORD|SECRET|AUTH|ACCESS_KEY|API_KEY|CONNECTION_URL|STORE$")
    for name, said in SERVICES.items():
        for variable, value in (said.get("environment") or {}).items():
            if secret.search(variable):
                assert "${" in value, f"{name}: {variable}"
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_example_names_every_variable_and_holds_no_secret() -> None:
    lines = (ROOT / "deploy" / "env.example").read_text().splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    text = (ROOT / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    assert required <= set(example) <= set(re.findall(r"\$\{(\w+)", text))
    assert all(example[name] == "" for name in [*required, "RIVYA_API_KEY"])


def test_ports_are_published_on_loopback_alone() -> None:
    published = {name: port for name, said in SERVICES.items() for port in said.get("ports", ())}
    assert set(published) == {"server", "receiver"}
    for port in published.values():
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


def test_each_container_is_confined() -> None:
    for name, said in SERVICES.items():
        assert said["cap_drop"] == ["ALL"], name
        assert said["security_opt"] == ["no-new-privileges:true"]
        assert said["read_only"] is True
        assert not {"cap_add", "privileged", "network_mode", "pid"} & set(said)
        written = {one.split(":")[0] for one in said["tmpfs"]}
        assert "/tmp" in written
        if name in OURS:
            assert "/home/rivya" in written
            held = written | {one.split(":")[1] for one in said.get("volumes", ())}
            assert "RIVYA_FLOWS_DATA" not in said["environment"] or "/data" in held


def test_each_service_has_the_secrets_that_it_needs_and_no_others(compose: Any) -> None:
    services = compose.services(VALUES)

    def having(variable: str) -> set[str]:
        """Services whose environment quotes a secret."""
        secret = VALUES[variable]
        return {
            name for name, one in services.items() if secret in str([*one.environment.values()])
        }

    runs = {*WORKERS, "receiver", "setup"}
    assert having("POSTGRES_PASSWORD") == {"postgres"}
    assert having("S3_ROOT_SECRET_KEY") == having("S3_ROOT_ACCESS_KEY") == {"s3", "s3-setup"}
    assert having("POSTGRES_PREFECT_PASSWORD") == {"postgres", "server", "services"}
    assert having("POSTGRES_RIVYA_PASSWORD") == {"postgres", *runs}
    assert having("S3_SECRET_KEY") == {"s3-setup", *runs}
    for name in runs:
        assert "//rivya:of-the-journal@postgres:5432/rivya" in str(services[name].environment)


def test_services_wait_for_others_restart_and_mount_what_is_there() -> None:
    for name, said in SERVICES.items():
        for other, wish in (said.get("depends_on") or {}).items():
            if wish["condition"] == "service_healthy":
                assert SERVICES[other]["healthcheck"]["test"][0] == "CMD", other
            else:
                assert wish["condition"] == "service_completed_successfully"
                assert SERVICES[other]["restart"] == "no"
        if name not in ONCE:
            assert said["restart"] == "unless-stopped", name
        if name not in (*ONCE, "services"):
            assert said["healthcheck"]["retries"] >= 4, name
        for source in (volume.split(":")[0] for volume in said.get("volumes", ())):
            assert (
                (ROOT / source).is_file() if source[:2] == "./" else source in DOCUMENT["volumes"]
            )


def test_workers_serve_the_pool_and_checks_of_health_ask_where_a_service_listens(
    compose: Any,
) -> None:
    services = compose.services(VALUES)
    for name, variable in [
        ("server", "PREFECT_SERVER_API_PORT"),
        *[(w, "PREFECT_WORKER_WEBSERVER_PORT") for w in WORKERS],
    ]:
        [code] = [one for one in services[name].rest["healthcheck"]["test"] if "urlopen" in one]
        compile(code, name, "exec")
        assert f":{services[name].environment[variable]}/" in code
    commands = [services[name].command for name in WORKERS]
    assert {command[command.index("--pool") + 1] for command in commands} == {WORK_POOL}
    assert [command[command.index("--name") + 1] for command in commands] == WORKERS
    receiver = services["receiver"]
    port = receiver.command[receiver.command.index("--port") + 1]
    assert f":{port}/healthz" in str(receiver.rest["healthcheck"])
    assert receiver.environment["RIVYA_FLOWS_PUBLIC_URL"].endswith(f":{port}")


@pytest.mark.parametrize("name", [name for name in OURS if name not in WORKERS[1:]])
def test_every_command_and_option_exists(
    compose: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    program, *rest = compose.services(VALUES)[name].command
    if program == "sh":
        script = (ROOT / rest[0]).read_text()
        for path in (rest[0], "deploy/s3-setup.sh"):
            assert subprocess.run(["sh", "-n", ROOT / path], check=False).returncode == 0
        # Who can make no bucket and no user.
        assert "--role user" in (ROOT / "deploy/s3-setup.sh").read_text()
        [line] = re.findall(r"^exec (rivya-flows .*)$", script, re.M)
        program, *rest = shlex.split(line)
    [start] = entry_points(group="console_scripts", name=program)
    words = [word for word in rest if re.fullmatch(r"[a-z]+", word)]
    command = {"server": 2, "services": 3}.get(name, 1 if "deploy" in rest else 2)
    # In this process: one of its own would import Prefect for each.
    monkeypatch.setattr(sys, "argv", [program, *words[:command], "--help"])
    # Or Prefect would send this process's log where this test's output goes.
    with temporary_settings({PREFECT_TESTING_TEST_MODE: True}), pytest.raises(SystemExit) as end:
        start.load()()
    assert not end.value.code
    told = capsys.readouterr().out
    for option in (word for word in rest if word.startswith("--")):
        assert option in told, option


def test_the_image_is_made_of_files_and_extras_that_are_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert re.match(r"FROM python:3\.1[1-5]-slim@", next(x for x in lines if x[:4] == "FROM"))
    copied = [part for line in lines if line[:5] == "COPY " for part in line.split()[1:-1]]
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for part in copied:
        assert (ROOT / part).exists(), part
        assert f"!{part}" in allowed, part
    locks = re.findall(r"--requirement (locks/\w+\.txt)", "\n".join(lines))
    assert {"locks/build.txt", "locks/base.txt"} < set(locks)
    assert all((ROOT / lock).is_file() for lock in locks)
    assert not re.search(r"https?://|--index", "\n".join(lines))
    assert "USER 1000" in lines  # nothing runs as root, and `runAsNonRoot` can tell
