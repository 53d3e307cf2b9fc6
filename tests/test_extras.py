"""A missing extra: one clear error names it, and nothing is started or written."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from rivya_flows import extras
from rivya_flows.extras import EXTRAS, install
from support.cli_calls import Terminal

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NEEDED = ("client", "cut")
"""Distributions of packages/ that every installation has."""
OURS = {
    path.parent.name: tomllib.loads(path.read_text("utf-8"))["project"]
    for path in ROOT.glob("packages/*/pyproject.toml")
}
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


def complaint(terminal: Terminal, *command: str) -> list[str]:
    """What a command says that cannot go on."""
    said = terminal(*command)
    assert said.code == 2
    return said.err.strip().splitlines()


def normal(name: str) -> str:
    """The name of a package, as of `psycopg[binary]>=3.2`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~ ]", name)[0]).lower()


def test_the_modules_of_each_extra_are_those_of_its_packages() -> None:
    owners = importlib.metadata.packages_distributions()
    declared: dict[str, list[str]] = dict(PYPROJECT["project"]["optional-dependencies"])
    base = {*PYPROJECT["project"]["dependencies"], "rivya-flows"}
    for name in NEEDED:
        base.update(OURS[name]["dependencies"])
    names = set(map(normal, base))
    for name in OURS.keys() - NEEDED:
        more = OURS[name]["dependencies"]
        declared[name] += [line for line in more if normal(line) not in names]
    assert set(EXTRAS) == set(declared) - {"dev"}
    for name, extra in EXTRAS.items():
        wanted = set(map(normal, declared[name]))
        found = {normal(owner) for module in extra.modules for owner in owners.get(module, [])}
        assert found == wanted, name


def beside_its_wheel(extra: str, folder: Path, *, by_path: bool = True) -> str:
    """What installs an extra where rivya-flows was installed from a wheel, by its path or its name."""
    folder.mkdir()
    described = folder / "rivya_flows-1.dist-info"
    described.mkdir()
    version = importlib.metadata.version("rivya-flows")
    (described / "METADATA").write_text(f"Name: rivya-flows\nVersion: {version}\n")
    told = {"url": (folder / "rivya_flows-1.whl").as_uri(), "archive_info": {}}
    if by_path:
        (described / "direct_url.json").write_text(json.dumps(told))
    (folder / f"{EXTRAS[extra].modules[0]}-{version}-py3-none-any.whl").touch()
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(folder)
        return install(extra)


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_installed_from_the_checkout_or_by_packages_that_somebody_owns(
    extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "_ROOT", ROOT)
    monkeypatch.setattr(sys, "prefix", str(ROOT / ".venv"))
    assert install(extra) == f"{ROOT}/scripts/install {extra}"
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    editable = install(extra)
    monkeypatch.setattr(extras, "_ROOT", tmp_path)
    wheel = install(extra)
    if extra in OURS:
        assert editable == f"pip install {ROOT}/packages/{extra}"
        assert (
            beside_its_wheel(extra, tmp_path / "wheels")
            == f"pip install {tmp_path}/wheels/{wheel[14:]}"
        )
        assert beside_its_wheel(extra, tmp_path / "named", by_path=False) == wheel
        assert wheel.startswith(f"pip install ./{OURS[extra]['name'].replace('-', '_')}-")
    else:
        declared = PYPROJECT["project"]["optional-dependencies"][extra]
        assert list(map(normal, shlex.split(wheel)[2:])) == list(map(normal, declared))
        assert editable == wheel


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
    monkeypatch.setenv(
        "RIVYA_FLOWS_SERVER_IDLE", "5"
    )  # as it is for users: the server stays a while
    [error, hint] = complaint(terminal, *command)
    assert error == (
        "error: the local sandbox needs the extra 'sandbox', which is not installed:"
        f" no module {module}"
    )
    assert hint.startswith(f"hint: {install('sandbox')}")
    assert not list(
        (tmp_path / "data").glob("*")
    )  # nothing was started, neither sandbox nor server


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
    [error, hint] = complaint(terminal, *command)
    assert error.startswith(f"error: {variable} on ")
    assert f"needs the extra {extra!r}, which is not installed: no module {module}" in error
    assert hint == f"hint: {install(extra)}"


@pytest.mark.parametrize(
    ("extra", "module", "what", "command"),
    [
        ("redis", "prefect_redis", "--redis", ["up", "--redis", "redis://127.0.0.1:1/0"]),
        ("c2pa", "c2pa", "`verify`", ["verify", __file__]),
        *(("mcp", module, "`mcp`", ["mcp"]) for module in EXTRAS["mcp"].modules),
    ],
)
def test_a_command_without_its_extra_names_it(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    extra: str,
    module: str,
    what: str,
    command: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    assert complaint(terminal, *command) == [
        f"error: {what} needs the extra {extra!r}, which is not installed: no module {module}",
        f"hint: {install(extra)}",
    ]


def test_up_without_the_sandbox_starts_nothing(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    try:
        said = complaint(terminal, "up")
    finally:
        terminal("down")
    assert said[-1].startswith(f"hint: {install('sandbox')}")
    assert not list((tmp_path / "data").rglob("*.log"))
