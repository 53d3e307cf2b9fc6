"""Ctrl-C: the first cancels, the second ends at once and names what resumes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from support.cli_calls import started

pytestmark = pytest.mark.slow

CODE = """
import asyncio
from rivya_flows.cli.session import run_interruptibly
async def work(interrupts):
    BEGIN
    print("ready", flush=True)
    try:
        await asyncio.sleep(60)
    finally:
        print("cancelled", flush=True)
        await asyncio.sleep(60)
run_interruptibly(work)
"""


def interrupted(begin: str, *, times: int, code: str = CODE) -> tuple[int, list[str]]:
    """The exit code and stderr of a program that gets so many, each when the last one was heard."""
    command = [sys.executable, "-c", code.replace("BEGIN", begin)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for word in ("ready", "cancelled")[:times]:
            assert process.stdout.readline().strip() == word
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    return process.returncode, errors.splitlines()


def test_the_second_one_names_the_command_that_resumes() -> None:
    jobs = "interrupts.jobs = lambda: ['film (10 credits, task_1)']"
    code, told = interrupted(f"interrupts.begin('run-1'); {jobs}", times=2)
    assert (code, told[1:]) == (130, [
        "still running, and paid for: film (10 credits, task_1)",
        "resume with: rivya-flows resume run-1",
    ])  # fmt: skip
    assert interrupted("pass", times=2)[1][1:] == [], "of no run"


EARLY = """
import os, signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "click":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from MODULE import FUNCTION
FUNCTION()
"""


def test_one_while_the_command_is_imported_ends_it_without_a_traceback() -> None:
    [script] = entry_points(group="console_scripts", name="rivya-flows")
    code = EARLY.replace("MODULE", script.module).replace("FUNCTION", script.attr)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_cancellation_that_nothing_absorbs_names_it_too() -> None:
    code = CODE.replace("        await asyncio.sleep(60)\nrun", "        pass\nrun")
    _, told = interrupted("interrupts.begin('run-1')", times=1, code=code)
    assert "resume with: rivya-flows resume run-1" in told


def test_one_before_the_run_exists_says_that_nothing_was_bought(tmp_path: Path) -> None:
    spec = tmp_path / "still.yaml"
    spec.write_text(
        "version: 1\nname: still\nsteps:\n"
        "  still: {uses: generate, with: {model: z-image, prompt: a lamp}}\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as service:
        address = f"http://127.0.0.1:{service.getsockname()[1]}"
        key = {"RIVYA_API_KEY": "rvya_sk_of_a_test", "RIVYA_BASE_URL": address}
        with started("run", spec, **key) as process:
            connection, _ = service.accept()  # it reads the catalogue, and gets no answer
            with connection:
                process.send_signal(signal.SIGINT)
                _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == "error: interrupted; nothing was bought"
