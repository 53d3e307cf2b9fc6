"""Calls of the command line, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from rivya_flows.cli.main import run
from rivya_sandbox.service.admin import ledger
from rivya_sandbox.service.startup import Sandbox


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


class Terminal:
    """Calls commands and takes what they say."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def __call__(self, *arguments: object) -> Said:
        self._captured.readouterr()
        trace = logging.getLogger("rivya_client.wire")  # `--verbose` is for a whole process
        level, handlers = trace.level, trace.handlers[:]
        try:
            code = run([str(argument) for argument in arguments])
        finally:
            trace.setLevel(level)
            trace.handlers[:] = handlers
        out, err = self._captured.readouterr()
        assert "Prefect may show the run as it was" not in err, "its server lives"
        return Said(code, out, err)


def buy_from(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the sandbox the service that a key is set for."""
    monkeypatch.setenv("RIVYA_BASE_URL", sandbox.base_url)
    monkeypatch.setenv("RIVYA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("RIVYA_POLL_SECONDS", "0.02")


def started(*arguments: object, **environment: str) -> subprocess.Popen[str]:
    """The command in a process of its own, with nobody at the keyboard."""
    return subprocess.Popen(
        [sys.executable, "-m", "rivya_flows.cli.main", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


def stopped(process: subprocess.Popen[str], word: str, number: signal.Signals) -> tuple[str, str]:
    """Sends a signal when a word is told; gives what came on stdout and on stderr."""
    assert process.stderr is not None
    told = ""
    with contextlib.ExitStack() as closing:
        closing.callback(process.kill)
        for line in process.stderr:
            told += line
            if word in line:
                process.send_signal(number)
                break
        out, rest = process.communicate(timeout=240)
    return out, told + rest


def bought(sandbox: Sandbox) -> Counter[str]:
    """How many jobs of each model there are."""
    return Counter(job["model"] for job in ledger(sandbox.data)["generations"])
