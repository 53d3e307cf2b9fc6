from __future__ import annotations

import os
from pathlib import Path

from pydantic import SecretStr

from rivya_flows.app.doctor.machine import HARMFUL, environment, left_running, python
from rivya_flows.app.processes.process_tree import known
from rivya_flows.app.processes.registry import LeftRunning, ManagedProcess, write
from rivya_flows.settings import Settings


def test_harmless_values_of_harmful_variables_are_ok() -> None:
    harmless = {"PREFECT_LOGGING_TO_API_ENABLED": "true"}
    given = {each.name: harmless.get(each.name, "0") for each in HARMFUL}
    assert [check.status for check in environment(given)] == ["ok"]


def test_the_packages_that_everything_needs_are_there() -> None:
    assert {check.status for check in python()} == {"ok"}


def test_a_worker_that_rehearses_beside_a_real_key_is_a_warning(tmp_path: Path) -> None:
    me = known(os.getpid())
    assert me is not None
    parts = tuple(
        ManagedProcess(name=name, pid=me.pid, birth=me.birth, mark="m", rehearses=True)
        for name in ("server", "receiver", "worker", "watcher")
    )
    write(tmp_path, LeftRunning(parts))
    real = Settings(rivya_flows_data=tmp_path, rivya_api_key=SecretStr("rvya_sk_any"))
    first, *_ = left_running(real)
    assert (first.status, first.message) == ("warning", "runs of up buy from the sandbox")
    for other in (
        {"rivya_api_key": None},
        {"rivya_flows_sandbox": True},
        {"rivya_base_url": "http://127.0.0.1:9"},
    ):
        assert [one.status for one in left_running(real.model_copy(update=other))] == ["ok"]
