"""What `up` gives its processes, without starting one."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr

from rivya_flows.app.processes import process_tree
from rivya_flows.app.processes.process_tree import MARK
from rivya_flows.cli.up_parts import chosen_port
from rivya_flows.cli.up_wish import (
    UpOptions,
    database_url,
    fingerprint,
    marked_environment,
    messages_url,
    working_environment,
)
from rivya_flows.errors import UsageError
from rivya_flows.flows.server import background_server
from rivya_flows.flows.server.environment import redis_environment, server_environment
from rivya_flows.flows.server.local_server import LOCK
from rivya_flows.settings import Settings
from support.cli_calls import Terminal

CLIENT = {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}


def wish(tmp_path: Path, *specs: Path, sandbox: bool = False, **variables: str) -> UpOptions:
    settings = Settings(rivya_flows_data=tmp_path / "data", rivya_api_key=SecretStr("rk_real"))
    return UpOptions(settings=settings, variables=variables, sandbox=sandbox, specs=specs)


def working(tmp_path: Path, *, sandbox: bool = False, **variables: str) -> dict[str, str]:
    return working_environment(
        wish(tmp_path, sandbox=sandbox, **variables),
        "m",
        CLIENT,
        public_url="http://127.0.0.1:8710",
        webhooks=True,
    )


def test_a_worker_gets_our_settings_and_one_server(tmp_path: Path) -> None:
    made = working(
        tmp_path,
        RIVYA_API_KEY="rk_real",
        RIVYA_FLOWS_MARK="of a part that called up",
        PREFECT_API_KEY="cloud",
        BRAND_TOKEN="t",
    )
    assert made["RIVYA_API_KEY"] == "rk_real"
    assert made["BRAND_TOKEN"] == "t"  # a secret that a spec names
    assert made["PREFECT_API_URL"] == CLIENT["PREFECT_API_URL"]
    assert "PREFECT_API_KEY" not in made
    assert made["RIVYA_FLOWS_DATA"] == str(tmp_path / "data")
    assert made["RIVYA_FLOWS_PUBLIC_URL"] == "http://127.0.0.1:8710"
    assert made["RIVYA_FLOWS_WEBHOOKS"] == "true"
    assert made[MARK] == "m"


def test_a_worker_of_the_sandbox_gets_no_key(tmp_path: Path) -> None:
    made = working(
        tmp_path, sandbox=True, RIVYA_API_KEY="rk_real", RIVYA_BASE_URL="https://rivya.ai"
    )
    assert "RIVYA_API_KEY" not in made
    assert "RIVYA_BASE_URL" not in made


def test_a_worker_sees_the_folder_that_was_deployed(tmp_path: Path) -> None:
    file, folder = tmp_path / "one.yaml", tmp_path / "mine"
    file.touch()
    folder.mkdir()
    made = working_environment(
        wish(tmp_path, file, folder, RIVYA_FLOWS_SPECS="/usual"),
        "m",
        CLIENT,
        public_url="",
        webhooks=False,
    )
    assert made["RIVYA_FLOWS_SPECS"] == str(folder)


def test_what_the_user_has_set_stands(tmp_path: Path) -> None:
    made = working(
        tmp_path, RIVYA_FLOWS_PUBLIC_URL="https://media.example", RIVYA_FLOWS_WEBHOOKS="false"
    )
    assert made["RIVYA_FLOWS_PUBLIC_URL"] == "https://media.example"
    assert made["RIVYA_FLOWS_WEBHOOKS"] == "false"


def test_server_and_sandbox_get_no_key_at_all() -> None:
    given = {"RIVYA_API_KEY": "k", "PREFECT_API_KEY": "k", "BRAND_TOKEN": "k", "PATH": "/bin"}
    made = marked_environment(given, "m")
    assert made == {"PATH": "/bin", "DO_NOT_TRACK": "1", MARK: "m"}


def test_a_fingerprint_tells_other_settings_and_no_more(tmp_path: Path) -> None:
    one = working(tmp_path, RIVYA_API_KEY="rk_one")
    other = working(tmp_path, RIVYA_API_KEY="rk_other")
    assert fingerprint(one, "m") == fingerprint(dict(one), "m")
    assert fingerprint(one, "m") != fingerprint(other, "m")
    assert fingerprint(one, "m") != fingerprint(one, "another mark")
    assert "rk_one" not in fingerprint(one, "m")


def test_redis_takes_messages_order_leases_and_tasks_of_the_server(tmp_path: Path) -> None:
    plain = server_environment(tmp_path, 4200, {})
    redis = "redis://127.0.0.1:6379/0"
    made = server_environment(tmp_path, 4200, {}, redis_url=redis)
    assert made.items() - plain.items() == redis_environment(redis).items()
    assert plain.keys() <= made.keys()
    assert made["PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE"] == "1"  # a batch loses some


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h/d", "postgres://u:p@h/d", "postgresql+psycopg://u:p@h/d"]
)
def test_a_database_gets_the_driver_that_prefect_needs(url: str) -> None:
    assert database_url(url) == "postgresql+asyncpg://u:p@h/d"


def test_other_databases_and_brokers_are_refused_without_showing_the_url() -> None:
    with pytest.raises(UsageError) as caught:
        database_url("mysql://u:secret@h/d")
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError) as caught:
        messages_url("amqp://u:secret@h")
    assert "secret" not in str(caught.value)


def test_a_port_is_the_wanted_one_else_the_last_else_the_usual_else_a_free_one() -> None:
    with socket.socket() as taken, socket.socket() as also_taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        also_taken.bind(("127.0.0.1", 0))
        also_taken.listen()
        port, other = taken.getsockname()[1], also_taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is taken"):
            chosen_port(port, None)
        assert chosen_port(None, port, other) not in (port, other)
    assert chosen_port(port, other) == port
    assert chosen_port(None, port, other) == port
    assert chosen_port(None, None, other) == other
    assert chosen_port(0, None, other) != other


def test_the_server_of_a_run_is_waited_for_and_not_replaced(tmp_path: Path) -> None:
    told: list[str] = []
    with (tmp_path / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="a run is under way"):
            background_server.launch(
                tmp_path, 1, {}, tmp_path / "log", tell=told.append, wait_seconds=0.3
            )
    assert len(told) == 1


def test_what_speaks_to_a_server_is_killed_with_it_and_so_is_all_that_it_started(
    tmp_path: Path,
) -> None:
    (tmp_path / "orders.py").write_text(
        "import subprocess, sys\n"
        "wait = [sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(600)']\n"
        "subprocess.Popen(wait, start_new_session=True).wait()\n"
    )
    mark = f"test-{tmp_path}"
    with (tmp_path / LOCK).open("w") as server:
        fcntl.flock(server, fcntl.LOCK_EX)
        worker = subprocess.Popen(
            background_server.followed(tmp_path, "orders"),
            env={**os.environ, MARK: mark, "PYTHONPATH": str(tmp_path)},
            stdout=subprocess.PIPE,
        )
        assert worker.stdout is not None
        assert worker.stdout.read(1) == b"1"
        assert len(process_tree.marked(mark)) == 3
    worker.communicate()  # until the last process that could write is gone
    assert worker.returncode == 0
    assert not process_tree.marked(mark)


def test_what_is_wrong_is_said_before_anything_starts(terminal: Terminal, tmp_path: Path) -> None:
    assert "no such file" in terminal("up", tmp_path / "nowhere.yaml").err
    (tmp_path / "wrong.yaml").write_text("version: 1\nname: wrong\nsteps: {a: {uses: nothing}}\n")
    said = terminal("up", "--specs", tmp_path)
    assert said.code == 2
    assert "wrong.yaml:3" in said.err
    assert not (tmp_path / "data" / "logs").exists()


def test_down_with_nothing_running_is_no_error(terminal: Terminal) -> None:
    said = terminal("down")
    assert (said.code, said.out) == (0, "nothing was running\n")
    assert terminal("down", "--json").document == {"ended": []}


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)
