"""Calls of the command line, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from rivya_flows.cli.main import run
from rivya_flows.sandbox.site import Sandbox


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
        code = run([str(argument) for argument in arguments])
        out, err = self._captured.readouterr()
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
