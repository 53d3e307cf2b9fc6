"""What the Tab key offers, as bash asks click for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, ZshComplete

from rivya_flows.cli import main
from rivya_flows.store.journal import Journal
from rivya_flows.store.pools import Pool, Pools
from support.naive_service import frozen

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: launch
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
"""


class Offered:
    """Calls the completion of bash with a line up to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._set = monkeypatch.setenv

    def __call__(self, line: str, shell: type = BashComplete) -> list[str]:
        words = f"rivya-flows {line}".split(" ")
        self._set("COMP_WORDS", " ".join(words))
        self._set("COMP_CWORD", str(len(words) - 1))
        answer = shell(main.program, {}, "rivya-flows", "_RIVYA_FLOWS_COMPLETE").complete()
        return [one.removeprefix("plain,") for one in answer.splitlines()]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offered:
    monkeypatch.chdir(tmp_path)
    return Offered(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with pools and runs, one of which has a name that a shell would act on."""
    path = tmp_path / "data" / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    first = frozen(SPEC).model_copy(update={"plan": {"name": "launch"}})
    for run_id in ("run-1", "run-2", "run-$(touch pwned)"):
        journal.create(first.model_copy(update={"run_id": run_id}), tmp_path / "run")
    pools = Pools(journal.engine)
    for name in ("acme", "team"):
        pools.set(Pool(name, {}, 10))
    journal.close()
    return path


OFFERED: dict[str, list[str]] = {
    "ch": ["check"],
    "run --bu": ["--budget"],
    "run spec": ["file,spec"],
    "models elevenlabs-t": ["elevenlabs-turbo-2-5"],
    "explain over_": ["over_budget", "over_step_budget"],
    "init --template product": ["product-launch"],
    # of the store
    "receipt run-2": ["run-2"],
    "receipt runs/ru": ["file,runs/ru"],
    "budgets remove ": ["acme", "team"],
}


def test_names_of_commands_and_of_the_store_are_offered(store: Path, offered: Offered) -> None:
    assert {line: offered(line) for line in OFFERED} == OFFERED
    assert sorted(offered("resume ")) == ["run-1", "run-2"]
    assert offered("receipt run-2", ZshComplete) == ["plain", "run-2", "launch"]


def test_what_cannot_be_read_gives_no_names_and_no_error(
    offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for line in ("resume ", "budgets remove "):
        assert offered(line) == []
    # A remote store is not asked.
    for url in ("postgresql://10.255.255.1/flows", "sqlite:///", "nonsense"):
        monkeypatch.setenv("RIVYA_FLOWS_STORE", url)
        assert offered("resume ") == []


def test_a_locked_store_gives_nothing(store: Path, offered: Offered) -> None:
    with sqlite3.connect(store) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        assert offered("resume ") == []


def test_nothing_heavy_is_imported_and_nothing_written(store: Path) -> None:
    before = store.read_bytes()
    heavy = ("prefect", "sqlalchemy", "pydantic", "httpx", "rich")
    code = (
        "import sys; from rivya_flows.cli.main import main\n"
        "try: main()\n"
        f"finally: print([one for one in {heavy!r} if one in sys.modules])"
    )
    asked = {"COMP_WORDS": "rivya-flows resume run-1", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"_RIVYA_FLOWS_COMPLETE": "bash_complete"} | asked,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("plain,run-1\n[]\n", "")
    assert store.read_bytes() == before


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script(store: Path) -> None:
    calls = "\n".join((
        "rivya-flows() { \"$PYTHON\" -m rivya_flows.cli.main \"$@\"; }",
        "env() { while [[ $1 == *=* ]]; do local -x \"$1\"; shift; done; \"$@\"; }",
        'eval "$(_RIVYA_FLOWS_COMPLETE=bash_source rivya-flows)"',
        'COMP_WORDS=(rivya-flows resume run-2); COMP_CWORD=2',
        "_rivya_flows_completion rivya-flows",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ))  # fmt: skip
    done = subprocess.run(
        ["bash", "--norc", "-c", calls],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("run-2\n", "")
