"""A reader who does what a page of the documentation says: its blocks, in order, in one terminal.

* ```` ```sh ```` is run. All blocks share one shell, so `cd` and variables last, and one that fails
  ends the page. It runs in a terminal, as for a person.
* ```` ```yaml ````, and ```` ```ini json csv python toml ````, whose line above names a file in
  backticks is written to that file; ```` ```diff ```` below such a line changes the file.
* ```` ```text ```` is what the last command showed: each of its lines in this order, where `…`
  stands for anything, and ids, times, paths and addresses may differ. Other lines may lie between.
* ```` ```console ```` has commands behind `$ `, and what each showed.
* `<!-- type: y -->` above a block is what the reader types while it runs.
* `<!-- ends with: 3 -->` above a block is the exit code of its one command, which is not 0.
* `<!-- not run: reason -->` above a block exempts it.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rivya_sandbox.service.options import Media
from rivya_sandbox.service.serve import running

BLOCK_SECONDS = 480.0
"""How long a block may take."""

_FENCE = re.compile(r"^```(\w*)(?: +(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOTE = re.compile(r"<!-- (not run|type|ends with): (.*?) -->", re.DOTALL)
_FILE = re.compile(r"`([^\s`]*\.\w+)`")
_WRITTEN = {"yaml", "ini", "json", "csv", "python", "toml"}
_MUST_SAY = {"sh", "console", "yaml", "diff"}
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|\r")

# What differs from one reader to another, and what it may be.
_VARIES = (
    (r"…", r".*?"),
    (r"rvya_sk_\S+", r"rvya_sk_\S+"),
    (r"https?://[^\s)]+", r"https?://\S+"),
    (r"run-[\da-f]{8}-\S+", r"run-\S+"),
    (r"task_\w+", r"task_\w+"),
    (r"sha256:\w+", r"sha256:\w+"),
    (r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?", r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?"),
    (r"\d+:\d\d:\d\d", r"\d+:\d\d:\d\d"),
    (r"\b[\d.]+ (?:s|ms|min|kB|MB)\b", r"[\d.]+ (?:s|ms|min|kB|MB)"),
    (r"(?<=\s)/\S+", r"/\S+"),
    (r" +", r"\\s+"),
)
_ANY = re.compile("|".join(f"({found})" for found, _ in _VARIES))

_SHELL = """
set -eu
while IFS= read -r block <&8; do
    . "$block" 8<&- 9>&-
    printf '%s\\n' "$PWD" >&9
done
"""
# Pages are read side by side, and a reader has these ports for himself.
_OWN_PORTS = """#!/bin/sh
PATH='{folder}':"$PATH"
[ "${{1-}}" = up ] || exec rivya-flows "$@"
shift
exec rivya-flows up --port 0 --receiver-port 0 "$@"
"""


@dataclass(frozen=True)
class Block:
    """A fenced block, or a part of a `console`.

    Attributes:
        kind: What follows the fence: `sh`, `yaml`, `text`, …
        text: Its lines.
        place: Page and line, for messages.
        file: The file that it is written to or changes; None where none is named.
        typed: What the reader types while it runs.
        code: The exit code of its command.
        not_run: Why it is not run; None where it is.
    """

    kind: str
    text: str
    place: str
    file: str | None = None
    typed: str = ""
    code: str = "0"
    not_run: str | None = None


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page in order; a `console` as its commands and what they showed."""
    blocks: list[Block] = []
    text, end = page.read_text("utf-8"), 0
    for found in _FENCE.finditer(text):
        between = text[end : found.start()]
        end = found.end()
        notes = dict(_NOTE.findall(between))
        above = _NOTE.sub("", between).rstrip().rpartition("\n")[2]
        named = _FILE.findall(above)
        kind, info, content = found.groups()
        block = Block(
            kind,
            content,
            f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}",
            info or (named[-1] if named and kind in {*_WRITTEN, "diff"} else None),
            notes.get("type", ""),
            notes.get("ends with", "0"),
            notes.get("not run"),
        )
        blocks += _commands(block) if kind == "console" and not block.not_run else [block]
    return blocks


def not_run(page: Path) -> list[str]:
    """The place and reason of each block that is exempt."""
    return [f"{one.place}: {one.not_run}" for one in blocks_of(page) if one.not_run]


def run_page(page: Path, folder: Path, **environment: str) -> None:
    """Does what a page says, and compares what it shows.

    Args:
        page: The Markdown file.
        folder: An empty one, for the reader's home and work.
        environment: Further variables of the reader's shell.

    Raises:
        AssertionError: A block failed, took too long, or showed something else; names it.
    """
    with reading(folder, **environment) as reader:
        for block in blocks_of(page):
            reader.do(block)


class Reader:
    """One person at one terminal.

    Attributes:
        folder: Where the shell is.
        environment: The variables of the shell.
        shown: What the last command showed, without colours.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], blocks: Path) -> None:
        self.folder = folder
        self.environment = environment
        self.shown = ""
        self._blocks = blocks
        self._terminal, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (50, 120))
        read, self._orders = os.pipe()
        self._done, write = os.pipe()
        opened = f"exec 8<&{read} 9>&{write} {read}<&- {write}>&-\n"
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-c", opened + _SHELL],
            cwd=folder,
            env=environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            pass_fds=(read, write),
            start_new_session=True,
        )
        for one in (terminal, read, write):
            os.close(one)

    def do(self, block: Block) -> None:
        """Runs, writes or compares a block; see the module."""
        if block.not_run:
            return
        if block.kind == "sh":
            self.run(block)
        elif block.kind == "text":
            missing = missing_line(block.text, self.shown)
            assert missing is None, f"{block.place}: nothing showed {missing!r}:\n{self.shown}"
        elif block.file is None:
            assert block.kind not in _MUST_SAY, f"{block.place}: no file is named above it"
        elif block.kind == "diff":
            changed(self.folder / block.file, block)
        elif block.kind in _WRITTEN:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")

    def run(self, block: Block, seconds: float = BLOCK_SECONDS) -> None:
        """Runs the commands of a block to their end."""
        script = self._blocks / f"{len(list(self._blocks.iterdir()))}.sh"
        text = block.text
        if block.code != "0":
            text = f"if\n{text}then false; else test $? = {block.code}; fi\n"
        script.write_text(text, "utf-8")
        if block.typed:
            os.write(self._terminal, f"{block.typed}\n".encode())
        os.write(self._orders, f"{script}\n".encode())
        raw, folder, give_up = b"", b"", time.monotonic() + seconds
        while not folder.endswith(b"\n"):
            ready, _, _ = select.select([self._terminal, self._done], [], [], 1.0)
            assert time.monotonic() < give_up, (
                f"{block.place}: no end after {seconds:g} s:\n{block.text}\n{_plain(raw)}"
            )
            # Asked again after `ready`: what a command shows just before it ends comes first.
            if part := _read(self._terminal):
                raw += part
            elif self._done in ready:
                part = os.read(self._done, 4096)
                assert part, f"{block.place} failed:\n{block.text}\n{_plain(raw)}"
                folder += part
        self.shown = _plain(raw)
        self.folder = Path(os.fsdecode(folder[:-1]))

    def leave(self) -> None:
        """Closes the terminal."""
        with suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
        for one in (self._terminal, self._orders, self._done):
            os.close(one)


@contextmanager
def reading(folder: Path, **environment: str) -> Iterator[Reader]:
    """A reader with a home of his own and without a key; what he left running ends with him."""
    blocks, commands, home = (folder / name for name in (".blocks", ".commands", "home"))
    work = home / "work"
    for one in (blocks, commands, work):
        one.mkdir(parents=True)
    surroundings = _environment(home, commands) | environment
    reader = Reader(work, surroundings, blocks)
    try:
        yield reader
    finally:
        reader.leave()
        if [*home.iterdir()] != [work]:  # a data folder, perhaps with servers
            subprocess.run(
                [commands / "rivya-flows", "down"],
                cwd=work,
                env=surroundings,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=BLOCK_SECONDS,
            )


@contextmanager
def sandbox_at_home(folder: Path, media: Media = "plain") -> Iterator[None]:
    """A sandbox that the reader's commands find, without waiting."""
    with running(data_at_home(folder) / "sandbox", media=media):
        yield


def data_at_home(folder: Path) -> Path:
    """The data folder that the reader's commands find: made here, and empty."""
    data = folder / "home" / ".local" / "share" / "rivya-flows"
    data.mkdir(parents=True, mode=0o700)
    return data


def server_of_the_tests() -> dict[str, str]:
    """The variables of a reader whose commands use the Prefect server of the tests."""
    names = ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING")
    return {name: value for name, value in os.environ.items() if name in names}


def missing_line(shown: str, output: str) -> str | None:
    """The first line of a `text` block that an output lacks; None if it has all of them."""
    at = 0
    for line in filter(None, map(str.strip, shown.splitlines())):
        found = re.compile(_pattern(line)).search(output, at)
        if found is None:
            return line
        at = found.end()
    return None


def changed(path: Path, block: Block) -> None:
    """Changes a file as the lines of a `diff` block say."""
    lines = [line for line in block.text.splitlines() if not line.startswith(("---", "+++", "@@"))]
    old = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    new = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    text = path.read_text("utf-8")
    count = text.count(old)
    assert count == 1, f"{block.place}: {path.name} has these lines {count} times:\n{old}"
    path.write_text(text.replace(old, new), "utf-8")


def _commands(block: Block) -> Iterator[Block]:
    """A `console` as commands and what each showed."""
    for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE):
        command = re.match(r"\$ ((?:.*\\\n)*.*\n)", part)
        if command:
            yield replace(block, kind="sh", text=command[1])
        if rest := part[command.end() if command else 0 :]:
            yield replace(block, kind="text", text=rest)


def _pattern(line: str) -> str:
    pattern, end = "", 0
    for found in _ANY.finditer(line):
        assert found.lastindex is not None
        pattern += re.escape(line[end : found.start()]) + _VARIES[found.lastindex - 1][1]
        end = found.end()
    return pattern.replace(r"\\s", r"\s") + re.escape(line[end:])


def _environment(home: Path, commands: Path) -> dict[str, str]:
    command = Path(sys.executable).parent / "rivya-flows"
    own = commands / "rivya-flows"
    own.write_text(_OWN_PORTS.format(folder=command.parent))
    own.chmod(0o755)
    dropped = ("RIVYA_", "PREFECT_", "XDG_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped) and k != "CI"}
    path = os.pathsep.join(map(str, (commands, command.parent, kept.get("PATH", os.defpath))))
    browser = shutil.which("true") or "true"
    own_values = {"HOME": str(home), "PATH": path, "TERM": "xterm", "BROWSER": browser}
    return kept | own_values | {"RIVYA_POLL_SECONDS": "0.1"}  # the sandbox is never busy for long


def _read(terminal: int) -> bytes:
    """What has come from the terminal by now; nothing once its other end is closed."""
    if not select.select([terminal], [], [], 0)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def _plain(raw: bytes) -> str:
    return _ANSI.sub("", raw.decode("utf-8", "replace"))
