"""Ctrl-C: the first cancels, the second ends at once and names what resumes."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

CODE = """
import asyncio
from rivya_flows.cli.interrupts import run_interruptibly
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


@pytest.mark.parametrize(
    ("begin", "told"),
    [
        ("interrupts.begin('run-1')", ["resume with: rivya-flows resume run-1"]),
        ("pass", []),
    ],
)
def test_the_second_one_names_the_command_that_resumes(begin: str, told: list[str]) -> None:
    command = [sys.executable, "-c", CODE.replace("BEGIN", begin)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for word in ("ready", "cancelled"):
            assert process.stdout.readline().strip() == word
            process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert errors.splitlines()[1:] == told


def test_a_cancellation_that_nothing_absorbs_names_it_too() -> None:
    code = CODE.replace("BEGIN", "interrupts.begin('run-1')").replace(
        "        await asyncio.sleep(60)\nrun", "        pass\nrun"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert "resume with: rivya-flows resume run-1" in errors.splitlines()
