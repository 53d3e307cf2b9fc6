from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from rivya_flows import process_identity
from rivya_flows.processes import registry
from rivya_flows.processes.registry import LeftRunning, ManagedProcess
from support.cli_calls import Terminal


def test_down_with_nothing_running_succeeds(call: Terminal) -> None:
    said = call("down")
    assert (said.code, said.out) == (0, "nothing was running\n")
    assert call("down", "--json").document == {"ended": []}


@pytest.mark.parametrize(
    "lines",
    ["a line without an equals sign", "RIVYA_FLOWS_SANDBOX=true", "PREFECT_HOME=/elsewhere"],
)
def test_down_needs_nothing_of_the_folder_and_no_setting_but_the_data_folder(
    call: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    monkeypatch.setenv("RIVYA_FLOWS_WORKER_LIMIT", "many")
    (tmp_path / ".env").write_text(lines)
    (tmp_path / "prefect.toml").write_text("[api]\nurl = 'http://127.0.0.1:1/api'\n")
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as worker:
        try:
            known = process_identity.find_process(worker.pid)
            assert known is not None
            part = ManagedProcess(name="worker", pid=known.pid, birth=known.birth, mark="m")
            (tmp_path / "data").mkdir()
            registry.write(tmp_path / "data", LeftRunning((part,)))
            assert call("down", "--json").document == {"ended": ["worker"]}
            assert worker.wait() == -signal.SIGTERM
        finally:
            worker.kill()
