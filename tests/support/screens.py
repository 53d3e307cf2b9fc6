"""Pieces of Python at terminals of any size, each in a fork of one process that has imported the commands."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TESTS = Path(__file__).parents[1]
_PATIENCE = 240  # seconds of a piece of Python, on a busy machine


@dataclass(frozen=True)
class Screen:
    """What some Python wrote.

    Attributes:
        shown: To its terminal, with all control sequences.
        printed: To stdout, where that was a pipe.
    """

    shown: str
    printed: str

    @property
    def lines(self) -> list[str]:
        """What was shown, by lines."""
        return self.shown.splitlines()


class Screens:
    """Executes pieces of Python at terminals; imports take a second, so they are made once."""

    def __init__(self) -> None:
        # It outlives tests, and starts before the first has an environment of its own.
        foreign = ("RIVYA_", "PREFECT_API_")
        kept = {name: text for name, text in os.environ.items() if not name.startswith(foreign)}
        self._forks = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=kept | {"PYTHONPATH": str(_TESTS)},
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._forks.communicate()

    def __call__(
        self,
        code: str,
        *,
        columns: int = 80,
        rows: int = 24,
        typed: bytes = b"",
        piped: bool = False,
        **variables: str,
    ) -> Screen:
        """Executes some Python in the folder of the test.

        Args:
            code: May use what `rivya_flows.cli.output` has.
            columns: 0 as of a terminal that reports no size.
            rows: As that.
            typed: What a person has typed before they are asked.
            piped: Whether stdout is a pipe and not the terminal.
            variables: Of its environment.
        """
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        environment = {"TERM": "xterm", "COLUMNS": "", "LINES": "", "FORCE_COLOR": ""} | variables
        order = {
            "code": code,
            "columns": columns,
            "rows": rows,
            "typed": typed.decode(),
            "piped": piped,
            "environment": environment,
            "folder": str(Path.cwd()),
        }
        self._forks.stdin.write(f"{json.dumps(order)}\n")
        self._forks.stdin.flush()
        ended = json.loads(self._forks.stdout.readline())
        screen = Screen(ended["shown"], ended["printed"])
        assert ended["status"] == 0, screen
        return screen


def _serve() -> None:
    import rivya_flows.cli.progress
    import rivya_flows.cli.terminal  # noqa: F401 - for the forks

    gc.freeze()  # what was imported stays, and no fork has to look through it as it ends
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as printed:
            child, terminal = pty.fork()
            if not child:
                _execute(order, printed.fileno())
                return
            os.write(terminal, order["typed"].encode())
            shown = b""
            with contextlib.suppress(OSError):  # the end of a pseudo-terminal
                while piece := os.read(terminal, 65536):
                    shown += piece
            os.close(terminal)
            _, status = os.waitpid(child, 0)
            printed.seek(0)
            ended = {"status": status, "shown": shown.decode(), "printed": printed.read().decode()}
        print(json.dumps(ended), flush=True)


def _execute(order: dict[str, Any], printed: int) -> None:
    signal.alarm(_PATIENCE)  # whoever asks for more than was typed would wait for ever
    size = struct.pack("HHHH", order["rows"], order["columns"], 0, 0)
    fcntl.ioctl(2, termios.TIOCSWINSZ, size)
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    if order["piped"]:
        os.dup2(printed, 1)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout, sys.stderr = (
        os.fdopen(one, "w", encoding="utf-8", buffering=1, closefd=False) for one in (1, 2)
    )
    exec(f"from rivya_flows.cli.output import *\n{order['code']}", {"__name__": "__main__"})


if __name__ == "__main__":
    _serve()
