from __future__ import annotations

import os
import re
from pathlib import Path

from pydantic import SecretStr

from rivya_flows.doctor.examine import HARMFUL, environment, left_running, packages, python
from rivya_flows.money.live_guard import account
from rivya_flows.process_identity import find_process
from rivya_flows.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.settings import Settings


def test_harmless_values_of_harmful_variables_are_ok() -> None:
    harmless = {"PREFECT_LOGGING_TO_API_ENABLED": "true"}
    given = {name: harmless.get(name, "0") for name, *_ in HARMFUL}
    assert [check.status for check in environment(given)] == ["ok"]


def test_the_packages_that_everything_needs_are_there() -> None:
    assert {check.status for check in python()} == {"ok"}


def test_a_package_that_is_missing_or_does_not_fit_is_a_problem() -> None:
    required = [
        "rivya-none>=1",
        "prefect>=99",
        "httpx<0.1,>=0",
        "pydantic>=2",
        'mcp>=99; extra == "mcp"',
    ]
    missing, old, new, _ = packages(required)
    assert missing.message == "rivya-none is not installed"
    assert re.fullmatch(r"prefect is 3\.[\d.]+, and rivya-flows needs >=99", old.message)
    assert old.hint == "pip install 'prefect>=99'"
    assert new.message.endswith("and rivya-flows needs <0.1,>=0")


def test_a_worker_of_another_key_is_a_warning(tmp_path: Path) -> None:
    me = find_process(os.getpid())
    assert me is not None
    keyed = Settings(rivya_flows_data=tmp_path, rivya_api_key=SecretStr("rvya_sk_any"))
    changed = keyed.model_copy(update={"rivya_api_key": SecretStr("rvya_sk_new")})
    elsewhere = keyed.model_copy(update={"rivya_base_url": "https://elsewhere.test"})
    keyless = keyed.model_copy(update={"rivya_api_key": None})
    rehearsing = keyed.model_copy(update={"rivya_flows_sandbox": True})

    def first(worker: Settings, command: Settings) -> tuple[str, str]:
        parts = tuple(
            ManagedProcess(
                name=name,
                pid=me.pid,
                birth=me.birth,
                mark="m",
                account=account(worker, "m"),
                source="there",
            )
            for name in ("server", "receiver", "worker", "watcher")
        )
        write(tmp_path, LeftRunning(parts))
        assert "rvya_sk" not in (tmp_path / "up.json").read_text()
        found, *_ = left_running(command)
        return found.status, found.message

    other = "the worker of `up` was started with another RIVYA_API_KEY or RIVYA_BASE_URL"
    for command in (changed, elsewhere, keyless, rehearsing):
        assert first(keyed, command) == ("warning", f"{other}: runs of deployments buy there")
    assert "with the local sandbox" in first(keyless, keyed)[1]
    well = "server, receiver, worker, watcher run; the worker buys there"
    for command in (keyless, rehearsing):
        assert first(keyless, command) == ("ok", well)
    assert first(keyed, keyed) == ("ok", well)
