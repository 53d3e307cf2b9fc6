from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from rivya_flows import process_identity
from rivya_flows.errors import UsageError
from rivya_flows.flows.server.local_server import LOCK
from rivya_flows.money.live_guard import account, source
from rivya_flows.processes import registry
from rivya_flows.processes.ports import free_port
from rivya_flows.processes.registry import LeftRunning, ManagedProcess
from rivya_flows.runs.connect import starting_sandbox
from rivya_flows.settings import Settings
from rivya_flows.up import start
from rivya_flows.up.options import UpOptions, UpStatus
from rivya_flows.up.provisioning import check
from rivya_flows.up.start import bring_up
from rivya_sandbox.service.serve import running
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from

pytestmark = pytest.mark.slow

OLD_KEY, NEW_KEY = "rvya_sk_0123456789abcdef0old", "rvya_sk_0123456789abcdef0new"
UNCAPPED = """
version: 1
name: lamp
steps: {still: {uses: generate, with: {model: z-image, prompt: A lamp}}}
deploy: [{name: by-hand}]
"""


def test_up_waits_for_the_server_of_a_run_and_does_not_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "RUN_WAIT_SECONDS", 0.3)
    options = UpOptions(Settings(rivya_flows_data=tmp_path), {}, specs=(), port=0, receiver_port=0)
    options.prefect_home.mkdir()
    told: list[str] = []
    with (options.prefect_home / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match="uses its own Prefect server"):
            bring_up(options, told.append)
    assert told == ["waiting until the Prefect server of a run ends"]
    assert registry.read(tmp_path).parts == ()


def test_up_waits_for_the_sandbox_that_a_run_is_starting_and_uses_it(tmp_path: Path) -> None:
    options = UpOptions(Settings(rivya_flows_data=tmp_path, rivya_flows_sandbox=True), {}, specs=())
    told: list[str] = []
    up = start._Starter(options, told.append, UpStatus(tmp_path))
    with ThreadPoolExecutor() as threads, contextlib.ExitStack() as stack:
        with starting_sandbox(tmp_path / "sandbox"):
            begun = threads.submit(up._sandbox)
            sandbox = stack.enter_context(running(tmp_path / "sandbox"))
        begun.result()
    assert told == [f"sandbox: uses the one that serves already at {sandbox.base_url}"]


@pytest.mark.parametrize("known", [True, False], ids=["last", "usual"])
def test_the_receiver_leaves_a_port_that_another_program_has_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, known: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(start, "RECEIVER_PORT", free_port() if known else port)
        told = told_of_the_receiver(tmp_path, last=port if known else None)
    assert told[0].startswith(f"receiver: port {port} is taken by ")
    assert ("older pages" in told[0]) is known
    assert "uses its own Prefect server" in told[-1]


def test_the_server_leaves_a_port_that_another_program_has_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(start, "PREFECT_PORT", port)
        told = told_of_the_receiver(tmp_path, last=None, port=None, receiver_port=0)
    assert told[0].startswith(f"server: port {port} is taken by ")
    assert "it uses" in told[0]


@pytest.mark.parametrize("why", ["named", "a proxy forwards to it", "it restarts"])
def test_the_receiver_stays_at_a_port_whose_address_others_have(tmp_path: Path, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        public = "https://media.example" if why == "a proxy forwards to it" else None
        told = told_of_the_receiver(
            tmp_path,
            last=port,
            public_url=public,
            receiver_port=port if why == "named" else None,
            restarts=why == "it restarts",
        )
    assert len(told) == 1
    assert told[0].startswith(f"port {port} is taken by ")
    assert not (tmp_path / "logs").exists()


def told_of_the_receiver(
    data: Path, *, last: int | None, public_url: str | None = None, **options: Any
) -> list[str]:
    """What `up` says, then its error, where it does not start since a run has the server."""
    settings = Settings(rivya_flows_data=data, rivya_flows_public_url=public_url)
    wanted = UpOptions(settings, {}, specs=(), **{"port": 0, **options})
    wanted.prefect_home.mkdir()
    registry.write(data, LeftRunning(ports={"receiver": last} if last else {}))
    told: list[str] = []
    with (wanted.prefect_home / LOCK).open("a") as lock, pytest.MonkeyPatch.context() as patched:
        patched.setattr(start, "RUN_WAIT_SECONDS", 0)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError) as refused:
            bring_up(wanted, told.append)
    return [*told, refused.value.message]


def test_what_may_not_be_deployed_is_reported_before_anything_starts(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(text: str) -> tuple[int, str]:
        (tmp_path / "spec.yaml").write_text(text)
        said = call("up", "--specs", tmp_path)
        assert not (tmp_path / "data" / "logs").exists()
        return said.code, said.err

    code, told = refused("version: 1\nname: wrong\nsteps: {a: {uses: nothing}}\n")
    assert (code, "spec.yaml:3" in told) == (2, True)
    monkeypatch.setenv("RIVYA_API_KEY", "rvya_sk_any")
    code, told = refused(UNCAPPED)
    assert code == 3
    assert "lamp/by-hand may buy without a cap over time; nothing was deployed" in told
    assert "hint: write `budget: {credits: N}` into the spec, which caps each run" in told
    monkeypatch.setenv("RIVYA_SANDBOX", "true")
    code, told = refused(UNCAPPED)
    assert code == 2
    assert "error: environment: RIVYA_SANDBOX is no setting; nothing is bought" in told


def test_a_key_that_the_service_refuses_starts_nothing_also_where_nothing_is_deployed(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_API_KEY", OLD_KEY)
    monkeypatch.setenv("RIVYA_FLOWS_LIVE", "true")
    said = call("up")
    assert (said.code, said.err.splitlines()[-2][:22]) == (2, "error: api_key_invalid")
    assert not (tmp_path / "data" / "logs").exists()


@pytest.mark.parametrize(
    ("worker_key", "key", "words"),
    [
        (None, None, None),
        (OLD_KEY, None, "buys from https://rivya.ai with the key rvya_sk_…0old, and this `up`"),
        (None, NEW_KEY, "the worker that runs buys from the local sandbox, and this `up`"),
        (OLD_KEY, NEW_KEY, "would buy from https://rivya.ai with the key rvya_sk_…0new; nothing"),
    ],
)
def test_nothing_is_deployed_for_a_worker_that_buys_elsewhere(
    tmp_path: Path, worker_key: str | None, key: str | None, words: str | None
) -> None:
    me = process_identity.find_process(os.getpid())
    assert me is not None
    options = {
        one: UpOptions(
            Settings(
                rivya_flows_data=tmp_path,
                rivya_api_key=SecretStr(one) if one else None,
                rivya_flows_sandbox=one is None,
            ),
            {},
            specs=(),
        )
        for one in (worker_key, key)
    }
    of_worker = options[worker_key]
    worker = ManagedProcess(
        name="worker",
        pid=me.pid,
        birth=me.birth,
        mark="m",
        account=account(of_worker.settings, "m"),
        source=source(of_worker.settings),
    )
    registry.write(tmp_path, registry.read(tmp_path).with_part(worker))
    refused = pytest.raises(UsageError, match=words) if words else contextlib.nullcontext()
    with refused:
        check(options[key], lambda _: None)
