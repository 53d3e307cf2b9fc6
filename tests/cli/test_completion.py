"""What the Tab key offers, as bash asks for it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from rivya_flows.cli import main
from rivya_flows.cli.completion import Bash, Fish, Zsh
from rivya_flows.queue.events import QuestionAsked
from rivya_flows.store.journal import Journal
from rivya_flows.store.leases import Leases
from rivya_flows.store.pools import Pool, Pools
from support.naive_service import NOON, NaiveService, Rehearsal, frozen

pytestmark = pytest.mark.slow

SPEC = """
version: 1
name: launch
inputs:
  pick: {type: enum, values: [human, first], default: human, title: Who picks}
  ratio: {type: enum, values: ["16:9", a b, $(touch pwned), "two\\nlines"], default: "16:9"}
  on: {type: boolean, default: true}
steps:
  stills:
    uses: generate
    title: Stills
    matrix: {style: [studio, street]}
    with: {model: z-image, prompt: "${{ matrix.style }}"}
  hero: {uses: pick, with: {from: "${{ steps.stills.items }}", mode: "${{ inputs.pick }}"}}
"""


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Offered:
    monkeypatch.chdir(tmp_path)
    return Offered(monkeypatch)


class Offered:
    """Calls the completion of bash with a line up to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._set = monkeypatch.setenv

    def __call__(self, line: str) -> list[str]:
        self._set("COMP_LINE", f"rivya-flows {line}")
        self._set("COMP_WORDBREAKS", " \t\n\"'><=;|&(:")
        told = Bash(main.program, {}, "rivya-flows", "_RIVYA_FLOWS_COMPLETE").complete()
        lines = [one.partition(",") for one in told.splitlines()]
        return [value for kind, _, value in lines if kind in ("plain", "open")]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store with a run that waits for a pick, one with a label, and two pools."""
    path = tmp_path / "data" / "journal.sqlite"
    journal = Journal(f"sqlite:///{path}")
    first = frozen(SPEC).model_copy(update={"plan": {"name": "launch"}})
    rehearsal = Rehearsal(first, NaiveService())
    rehearsal.take_up()
    rehearsal.run()
    journal.create(first, tmp_path / "run-1")
    fence = Leases(journal.engine).acquire("run-1").fence
    for event in (*rehearsal.journal[1:], QuestionAsked(step="hero", key="", at=NOON)):
        journal.append("run-1", event, fence)
    other = first.model_copy(update={"run_id": "run-2", "labels": {"client": "acme"}})
    journal.create(other, tmp_path / "run-2")
    pools = Pools(journal.engine)
    pools.set(Pool("acme", {}, 10))
    pools.set(Pool("team", {}, 10))
    journal.close()
    return path


OFFERED: dict[str, list[str]] = {
    "ch": ["check"],
    "run --bu": ["--budget"],
    "models elevenlabs-t": ["elevenlabs-turbo-2-5"],
    "init --template product": ["product-launch"],
    # of the folder
    "run specs": ["specs/"],
    "run specs/": ["specs/launch.yaml"],
    "run spec.yaml -i ": ["pick=", "ratio=", "on="],
    "run spec.yaml --input=on=": ["true", "false"],
    "run spec.yaml -i ratio=16:": ["9"],
    # A value of a strange spec does nothing in a shell.
    "run spec.yaml -i ratio=": ["16:9", "'a b'", "'$(touch pwned)'"],
    "run spec.yaml -i ratio='": ["ratio=16:9"],
    # of the store
    "receipt run-2": ["run-2"],
    "compare run-1 ": ["run-2"],
    "resume run-1 --answer ": ["hero="],
    "resume run-1 --answer hero=st": ["studio", "street"],
    "resume run-2 --answer ": [],
    "fork run-1 --from ": ["stills", "hero"],
    "fork run-1 -i pi": ["pick="],
    "fork run-1 -i pick=hu": ["human"],
    "runs --label ": ["client="],
    "spend --label=client=a": ["acme"],
    "budgets remove ": ["acme", "team"],
    "runs --spec ": ["launch"],
}


def test_names_of_commands_specs_and_the_store_are_offered(
    store: Path, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("spec.yaml").write_text(SPEC)
    Path("specs").mkdir()
    for name in ("launch.yaml", "launch.test.yaml", "rows.csv", ".hidden.yaml"):
        (Path("specs") / name).touch()
    assert {line: offered(line) for line in OFFERED} == OFFERED
    assert sorted(offered("resume ")) == ["run-1", "run-2"]
    empty: dict[str, object] = {}
    given = (main.program, empty, "rivya-flows", "_RIVYA_FLOWS_COMPLETE")
    monkeypatch.setenv("COMP_WORDS", "rivya-flows resume run-1")
    monkeypatch.setenv("COMP_CWORD", "run-1")
    assert Fish(*given).complete() == "plain,run-1\tlaunch, running"
    monkeypatch.setenv("COMP_WORDS", "rivya-flows run spec.yaml -i p")
    monkeypatch.setenv("COMP_CWORD", "4")
    assert Zsh(*given).complete() == "open\npick=\nWho picks", "it is told which names go on"


def test_what_cannot_be_read_gives_no_names_and_no_error(
    offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "resume ,budgets remove ,run no.yaml -i ,run ~none/,nothing here ,fork x --from "
    for line in lines.split(","):
        assert not {*offered(line)} - {*main.COMMANDS}
    # A remote store is not asked.
    for url in ("postgresql://10.255.255.1/flows", "sqlite:///", "nonsense"):
        monkeypatch.setenv("RIVYA_FLOWS_STORE", url)
        assert offered("resume ") == []


def test_a_locked_store_gives_nothing(store: Path, offered: Offered) -> None:
    with sqlite3.connect(store) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        assert offered("resume ") == []


def test_nothing_heavy_is_imported_and_nothing_written(store: Path, tmp_path: Path) -> None:
    before = store.read_bytes()
    heavy = ("prefect", "sqlalchemy", "pydantic", "httpx", "rich")
    line = "rivya-flows resume run-1 --answer hero="
    code = (
        "import sys; from rivya_flows.cli.main import main\n"
        "try: main()\n"
        f"finally: print({heavy!r} and [one for one in {heavy!r} if one in sys.modules])"
    )
    own = {"_RIVYA_FLOWS_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_WORDBREAKS": "=:"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | own, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("plain,studio\nplain,street\n[]\n", "")
    assert store.read_bytes() == before


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script(store: Path, tmp_path: Path) -> None:
    calls = "\n".join((
        "rivya-flows() { \"$PYTHON\" -m rivya_flows.cli.main \"$@\"; }",
        "env() { while [[ $1 == *=* ]]; do local -x \"$1\"; shift; done; \"$@\"; }",
        'eval "$(_RIVYA_FLOWS_COMPLETE=bash_source rivya-flows)"',
        'COMP_LINE="rivya-flows resume run-1 --answer hero=st"; COMP_POINT=${#COMP_LINE}',
        "_rivya_flows_completion rivya-flows",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    ))  # fmt: skip
    done = subprocess.run(
        ["bash", "--norc", "-c", calls],
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("studio\nstreet\n", "")
