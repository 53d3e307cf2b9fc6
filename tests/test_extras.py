"""A missing extra: one clear error names it, and nothing is started or written."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

from rivya_flows.extras import EXTRAS
from support.cli_calls import Terminal

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SANDBOX = tomllib.loads((ROOT / "sandbox" / "pyproject.toml").read_text("utf-8"))
SPEC = """\
name: still
steps:
  still:
    uses: image
    with: {model: gpt-image-1, prompt: a lamp}
"""


@pytest.fixture
def terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RIVYA_API_KEY", raising=False)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    return Terminal(capsys)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_modules_of_each_extra_are_those_of_its_packages() -> None:
    owners = importlib.metadata.packages_distributions()
    declared: dict[str, list[str]] = dict(PYPROJECT["project"]["optional-dependencies"])
    base = {*PYPROJECT["project"]["dependencies"], "rivya-flows"}
    names = {re.split(r"[\[<>=~ ]", line)[0] for line in base}
    declared["sandbox"] += [
        line
        for line in SANDBOX["project"]["dependencies"]
        if re.split(r"[\[<>=~ ]", line)[0] not in names
    ]
    assert set(EXTRAS) == set(declared) - {"dev"}
    for name, extra in EXTRAS.items():
        wanted = {normal(re.split(r"[\[<>=~ ]", line)[0]) for line in declared[name]}
        found = {normal(owner) for module in extra.modules for owner in owners.get(module, [])}
        assert found == wanted, name


@pytest.mark.parametrize(
    ("command", "module"),
    [
        (["run", "still.yaml"], "numpy"),
        (["sandbox", "keys", "create"], "h11"),
        *((["credits"], module) for module in EXTRAS["sandbox"].modules),
    ],
)
def test_without_the_sandbox_one_line_says_what_to_install(
    terminal: Terminal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    module: str,
) -> None:
    (tmp_path / "still.yaml").write_text(SPEC)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    said = terminal(*command)
    assert said.code == 2
    [error, hint] = said.err.strip().splitlines()
    assert error == (
        "error: the local sandbox needs the extra 'sandbox', which is not installed:"
        f" no module {module}"
    )
    assert hint.startswith("hint: pip install 'rivya-flows[sandbox]'")
    assert not (tmp_path / "data" / "sandbox").exists()


@pytest.mark.parametrize(
    ("extra", "module", "variable", "value", "command"),
    [
        ("postgres", "psycopg", "RIVYA_FLOWS_STORE", "postgresql://u:p@h/d", ["receipt", "run_1"]),
        ("s3", "s3fs", "RIVYA_FLOWS_ASSETS", "s3://bucket/assets", ["cache", "list"]),
    ],
)
def test_a_store_without_its_client_names_the_extra(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    extra: str,
    module: str,
    variable: str,
    value: str,
    command: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv(variable, value)
    said = terminal(*command)
    assert said.code == 2
    [error, hint] = said.err.strip().splitlines()
    assert error.startswith(f"error: {variable} on ")
    assert f"needs the extra {extra!r}, which is not installed: no module {module}" in error
    assert hint == f"hint: pip install 'rivya-flows[{extra}]'"


def test_messages_on_redis_without_its_client_name_the_extra(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "prefect_redis", None)
    said = terminal("up", "--redis", "redis://127.0.0.1:1/0")
    assert said.code == 2
    assert said.err.strip().splitlines() == [
        "error: --redis needs the extra 'redis', which is not installed: no module prefect_redis",
        "hint: pip install 'rivya-flows[redis]'",
    ]


def test_up_without_the_sandbox_starts_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    try:
        said = terminal("up")
    finally:
        terminal("down")
    assert said.code == 2
    assert said.err.strip().splitlines()[-1].startswith("hint: pip install 'rivya-flows[sandbox]'")
    assert not list((tmp_path / "data").rglob("*.log"))
