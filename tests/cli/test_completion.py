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


def test_runs_are_offered_with_spec_and_status(
    store: Path, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sorted(offered("resume ")) == ["run-1", "run-2"]
    assert offered("receipt run-2") == ["run-2"]
    assert offered("compare run-1 ") == ["run-2"]
    monkeypatch.setenv("COMP_WORDS", "rivya-flows resume run-1")
    monkeypatch.setenv("COMP_CWORD", "run-1")
    told = Fish(main.program, {}, "rivya-flows", "_RIVYA_FLOWS_COMPLETE").complete()
    assert told == "plain,run-1\tlaunch, running"


def test_an_open_question_and_its_keys_are_offered(store: Path, offered: Offered) -> None:
    assert offered("resume run-1 --answer ") == ["hero="]
    assert offered("resume run-1 --answer hero=st") == ["studio", "street"]
    assert offered("resume run-2 --answer ") == []


def test_steps_and_inputs_of_a_run_are_offered(store: Path, offered: Offered) -> None:
    assert offered("fork run-1 --from ") == ["stills", "hero"]
    assert offered("fork run-1 -i pi") == ["pick="]
    assert offered("fork run-1 -i pick=hu") == ["human"]


def test_labels_pools_and_names_are_offered(store: Path, offered: Offered) -> None:
    assert offered("runs --label ") == ["client="]
    assert offered("spend --label=client=a") == ["acme"]
    assert offered("budgets remove ") == ["acme", "team"]
    assert offered("runs --spec ") == ["launch"]


def test_specs_and_folders_are_offered_and_no_tests(offered: Offered) -> None:
    Path("specs").mkdir()
    for name in ("launch.yaml", "launch.test.yaml", "rows.csv", ".hidden.yaml"):
        (Path("specs") / name).touch()
    assert offered("run sp") == ["specs/"]
    assert offered("run specs/") == ["specs/launch.yaml"]


def test_inputs_of_a_spec_are_offered_and_their_values(offered: Offered) -> None:
    Path("spec.yaml").write_text(SPEC)
    assert offered("run spec.yaml -i ") == ["pick=", "ratio=", "on="]
    assert offered("run spec.yaml --input=on=") == ["true", "false"]
    assert offered("run spec.yaml -i ratio=16:") == ["9"]


def test_a_value_of_a_strange_spec_does_nothing_in_a_shell(offered: Offered) -> None:
    Path("spec.yaml").write_text(SPEC)
    assert offered("run spec.yaml -i ratio=") == ["16:9", "'a b'", "'$(touch pwned)'"]
    assert offered("run spec.yaml -i ratio='") == ["ratio=16:9"]


def test_commands_options_and_models_are_offered(offered: Offered) -> None:
    assert offered("ch") == ["check"]
    assert offered("run --bu") == ["--budget"]
    assert offered("models elevenlabs-t") == ["elevenlabs-turbo-2-5"]


@pytest.mark.parametrize(
    "line",
    [
        "resume ",
        "budgets remove ",
        "run no.yaml -i ",
        "run ~none/",
        "nothing here ",
        "fork x --from ",
    ],
)
def test_what_cannot_be_read_gives_no_names_and_no_error(line: str, offered: Offered) -> None:
    assert not {*offered(line)} - {*main.COMMANDS}


@pytest.mark.parametrize("url", ["postgresql://10.255.255.1/flows", "sqlite:///", "nonsense"])
def test_a_remote_store_is_not_asked(
    url: str, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_zsh_is_told_which_names_go_on(offered: Offered, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("spec.yaml").write_text(SPEC)
    monkeypatch.setenv("COMP_WORDS", "rivya-flows run spec.yaml -i p")
    monkeypatch.setenv("COMP_CWORD", "4")
    told = Zsh(main.program, {}, "rivya-flows", "_RIVYA_FLOWS_COMPLETE").complete()
    assert told == "open\npick=\nWho picks"


def test_templates_are_offered(offered: Offered) -> None:
    assert offered("init --template product") == ["product-launch"]
