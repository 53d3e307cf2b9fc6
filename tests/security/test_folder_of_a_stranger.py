"""A folder from a stranger: its `.env` and Prefect's files get neither the key nor our runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rivya_client.client import RivyaClient
from rivya_flows.errors import UsageError
from rivya_flows.folder_settings import MAX_ENV_FILE_BYTES, MAX_TOML_BYTES
from rivya_flows.settings import (
    ENV_FILE_VARIABLE,
    read_secret,
    read_settings,
    variables_for_children,
)
from rivya_flows.up.options import UpOptions, working_environment
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.sandbox_calls import receiving

pytestmark = pytest.mark.slow

KEY = "rvya_sk_c4n4ry_of_the_environment"
SPEC = """\
version: 1
name: lamp
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
"""


@pytest.fixture
def terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return Terminal(capsys)


def env_file(*lines: str) -> None:
    Path(".env").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_key_of_the_environment_never_goes_to_the_url_of_a_folder(
    command: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", KEY)
    with receiving() as stranger:
        for beside in ("", "RIVYA_API_KEY=rvya_sk_theirs", "RIVYA_API_KEY=${RIVYA_API_KEY}"):
            env_file(f"RIVYA_BASE_URL={stranger.url}", beside)
            said = terminal(command, "spec.yaml")
            assert said.code == 2
            assert "RIVYA_BASE_URL counts only together with a RIVYA_API_KEY" in said.err
        monkeypatch.delenv("RIVYA_API_KEY")
        env_file(f"RIVYA_BASE_URL={stranger.url}")
        assert terminal(command, "spec.yaml").code == 2
        assert stranger.received == []


def test_a_url_counts_with_a_key_in_the_same_file_and_is_named(
    shared_sandbox: Sandbox, terminal: Terminal
) -> None:
    env_file(f"RIVYA_BASE_URL={shared_sandbox.base_url}", f"RIVYA_API_KEY={shared_sandbox.api_key}")
    said = terminal("plan", "spec.yaml")
    assert said.code == 0
    assert f"using {shared_sandbox.base_url}" in said.err


def test_the_environment_overrides_the_file(
    shared_sandbox: Sandbox, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(shared_sandbox, monkeypatch)
    env_file("RIVYA_BASE_URL=http://127.0.0.1:9", "RIVYA_API_KEY=x", "RIVYA_POLL_SECONDS=9")
    # One without settings of Prefect is accepted.
    Path("pyproject.toml").write_text("[project]\nname = 'mine'\n[tool.ruff]\n")
    found = read_settings()
    assert (found.rivya_base_url, found.rivya_poll_seconds) == (shared_sandbox.base_url, 0.02)
    assert terminal("plan", "spec.yaml").code == 0


@pytest.mark.parametrize(
    "line",
    [
        "RIVYA_FLOWS_STORE=postgresql://stranger.example/journal",
        "RIVYA_FLOWS_ASSETS=s3://stranger/media",
        "rivya_flows_data=.",
        "RIVYA_FLOWS_SANDBOX=true",
        "PREFECT_API_URL=http://stranger.example/api",
        "export PREFECT_LOGGING_SETTINGS_PATH=theirs.yml",
    ],
)
def test_a_folder_moves_neither_the_journal_nor_prefect_and_a_trusted_one_prefect_alone(
    line: str, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file(line)
    said = terminal("plan", "spec.yaml")
    assert said.code == 2
    assert "cannot be set by a file in a folder" in said.err
    if "PREFECT" not in line:
        monkeypatch.setenv("RIVYA_FLOWS_TRUST_FOLDER", str(tmp_path))
        said = terminal("plan", "spec.yaml")
        assert (said.code, line.partition("=")[0].upper() in said.err) == (2, True)


def test_other_settings_of_a_folder_are_ignored_with_a_note(
    terminal: Terminal, shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy_from(shared_sandbox, monkeypatch)
    env_file(
        "RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY=true",
        "RIVYA_FLOWS_PUBLIC_URL=https://stranger.example",
        "RIVYA_FLOWS_GLOBAL_LIMIT=slow",
        "PREFECT_AUTH=of:compose",
    )
    found = read_settings()
    assert found.rivya_flows_allow_private_notify is False
    assert found.rivya_flows_public_url is None
    assert found.rivya_flows_global_limit == "slow"
    said = terminal("plan", "spec.yaml")
    assert said.code == 0
    assert [line for line in said.err.splitlines() if line.startswith("note")] == [
        f"note: .env, line {line}: {name} is ignored in a file of a folder;"
        f" set it in the environment, and remove line {line} of .env"
        for line, name in ((1, "RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY"), (2, "RIVYA_FLOWS_PUBLIC_URL"))
    ]


def test_a_file_cannot_put_the_key_into_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", KEY)
    env_file("HOOK=https://stranger.example/${RIVYA_API_KEY}", "RIVYA_FLOWS_GLOBAL_LIMIT=$HOOK")
    hook = read_secret("HOOK")
    assert hook is not None
    assert KEY not in hook.get_secret_value()
    assert KEY not in str(read_settings().rivya_flows_global_limit)


def test_processes_of_up_get_settings_and_the_path_of_secrets_and_no_other_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env_file("HOOK=https://mine.example/1", "PYTHONPATH=.", "LD_PRELOAD=x.so", "RIVYA_API_KEY=k")
    options = UpOptions(settings=read_settings(), variables=variables_for_children(), specs=())
    made = working_environment(options, {}, public_url="", webhooks=False)
    assert made["RIVYA_API_KEY"] == "k"
    assert made.get("PYTHONPATH") == os.environ.get("PYTHONPATH")
    assert not {"HOOK", "LD_PRELOAD"} & made.keys()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_secret("HOOK") is None
    monkeypatch.setenv(ENV_FILE_VARIABLE, made[ENV_FILE_VARIABLE])
    found = read_secret("HOOK")
    assert found is not None
    assert found.get_secret_value() == "https://mine.example/1"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (f"RIVYA_API_KEY {KEY}", 'no "="'),
        (f"export RIVYA_API_KEY: {KEY}", 'no "="'),
        (KEY, 'no "="'),
        (f'RIVYA_API_KEY="{KEY}', "cannot be read"),
    ],
)
def test_a_line_that_sets_nothing_is_an_error_that_does_not_show_it(
    terminal: Terminal, line: str, wrong: str
) -> None:
    env_file("A=1", "", line)
    said = terminal("run", "spec.yaml", "--budget", "1")
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        f"error: .env, line 3: {wrong}\nhint: write NAME=value, with both quotes or none\n"
    )


def test_a_huge_or_endless_env_file_is_not_read(terminal: Terminal) -> None:
    Path(".env").write_bytes(b"#" * (MAX_ENV_FILE_BYTES + 1))
    assert ".env: is larger than 64 KiB" in terminal("plan", "spec.yaml").err
    Path(".env").unlink()
    os.mkfifo(".env")
    assert read_settings().rivya_api_key is None


@pytest.mark.parametrize("name", ["prefect.toml", "pyproject.toml"])
def test_a_file_of_prefect_without_an_end_is_refused_and_not_read(
    name: str, terminal: Terminal
) -> None:
    os.mkfifo(name)
    assert f"{name}: Prefect's settings" in terminal("check", "spec.yaml").err
    Path(name).unlink()
    Path(name).symlink_to("/dev/zero")
    assert f"{name}: Prefect's settings" in terminal("check", "spec.yaml").err
    Path(name).unlink()
    Path(name).write_text("#" * (MAX_TOML_BYTES + 1))
    assert f"{name}: Prefect's settings" in terminal("check", "spec.yaml").err


@pytest.mark.parametrize(
    "url", ["http://rivya.example", "http://localhost.rivya.example", "http://10.0.0.7:8700"]
)
def test_a_key_is_never_sent_over_plain_http_to_another_machine(
    url: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_BASE_URL", url)
    monkeypatch.setenv("RIVYA_API_KEY", KEY)
    said = terminal("plan", "spec.yaml")
    assert said.code == 2
    assert "would get the API key unencrypted" in said.err
    with pytest.raises(UsageError):
        RivyaClient(KEY, url)
    assert RivyaClient(None, url).base_url == url


LOGGING = (
    "version: 1\nhandlers: {theirs: {(): os.mkdir, path: taken}}\nroot: {handlers: [theirs]}\n"
)


CALLING = [
    (".env", "PREFECT_LOGGING_SETTINGS_PATH=theirs.yml\n"),
    ("prefect.toml", '[logging]\nconfig_path = "theirs.yml"\n'),
    ("pyproject.toml", '[tool.prefect.logging]\nconfig_path = "theirs.yml"\n'),
]


@pytest.mark.parametrize(("name", "text"), CALLING)
def test_a_folder_cannot_let_prefect_call_code(
    name: str, text: str, terminal: Terminal, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    said = terminal("run", "spec.yaml")
    assert (said.code, name in said.err) == (2, True)


def test_a_folder_cannot_let_prefect_call_code_while_it_is_imported(tmp_path: Path) -> None:
    # As the console script has it: no module comes from here.
    command = [sys.executable, "-P", "-m", "rivya_flows.cli.main", "run", "spec.yaml"]
    begun: list[subprocess.Popen[str]] = []
    for name, text in CALLING:
        folder = tmp_path / str(len(begun))
        folder.mkdir()
        for file, content in ((name, text), ("theirs.yml", LOGGING), ("spec.yaml", SPEC)):
            (folder / file).write_text(content)
        begun.append(subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True))
    told = [process.communicate(timeout=240)[1] for process in begun]
    for (name, _), process, err in zip(CALLING, begun, told, strict=True):
        assert (process.returncode, name in err) == (2, True), err
    assert not [*tmp_path.rglob("taken")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "PREFECT_API_URL={url}\n"),
        ("prefect.toml", '[api]\nurl = "{url}"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "{url}"\n'),
    ],
)
def test_a_folder_that_is_trusted_by_its_path_names_the_server(
    name: str, text: str, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(text.format(url="http://127.0.0.1:9/api"))
    assert f"RIVYA_FLOWS_TRUST_FOLDER={tmp_path}" in terminal("automations", "list").err
    for path in (str(tmp_path.parent), "."):
        monkeypatch.setenv("RIVYA_FLOWS_TRUST_FOLDER", path)
        assert "no Prefect server answers" not in terminal("automations", "list").err
    monkeypatch.setenv("RIVYA_FLOWS_TRUST_FOLDER", str(tmp_path))
    said = terminal("automations", "list")
    assert "no Prefect server answers at http://127.0.0.1:9/api" in said.err
    assert said.code == 2
    if name == "prefect.toml":
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:8/api")
        assert "http://127.0.0.1:8/api" in terminal("automations", "list").err


def test_a_trusted_folder_does_not_move_the_key(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RIVYA_API_KEY", KEY)
    monkeypatch.setenv("RIVYA_FLOWS_TRUST_FOLDER", str(tmp_path))
    env_file("PREFECT_API_URL=http://127.0.0.1:9/api", "RIVYA_BASE_URL=https://stranger.example")
    said = terminal("plan", "spec.yaml")
    assert (said.code, "RIVYA_BASE_URL" in said.err) == (2, True)


def test_a_folder_cannot_trust_itself(terminal: Terminal, tmp_path: Path) -> None:
    env_file(f"RIVYA_FLOWS_TRUST_FOLDER={tmp_path}", "PREFECT_API_URL=http://127.0.0.1:9/api")
    said = terminal("plan", "spec.yaml")
    assert (said.code, "PREFECT_API_URL cannot be set" in said.err) == (2, True)
    env_file(f"RIVYA_FLOWS_TRUST_FOLDER={tmp_path}")
    assert "RIVYA_FLOWS_TRUST_FOLDER is ignored" in terminal("plan", "spec.yaml").err


def test_the_sandbox_imports_no_module_of_the_folder(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "rivya_flows").mkdir()
    (tmp_path / "rivya_flows" / "__init__.py").write_text("open('taken', 'w')\n")
    (tmp_path / "fcntl.py").write_text("open('taken', 'w')\n")
    said = terminal("plan", "spec.yaml", "--sandbox")
    assert (said.code, (tmp_path / "taken").exists()) == (0, False)
