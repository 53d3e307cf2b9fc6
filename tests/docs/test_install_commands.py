"""Nothing that a reader copies installs a name that anybody may take on a registry."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from support.pages import Block, blocks_of

ROOT = Path(__file__).parents[2]
CI = [
    block
    for page in ("ci", "testing")
    for block in blocks_of(ROOT / "docs" / "how-to" / f"{page}.md")
    if block.kind == "yaml" and "scripts/install" in block.text
]
# A name that is part of a path or of a module is none of a package.
_OURS = r"(?<![\w./-])rivya[-_][a-z]+(?:[-_]mcp)?"
_INSTALLED = re.compile(rf"\b(?:pip3?|pipx|uvx?|poetry|pdm)\s+[^\n`|#]*?{_OURS}(?![\w./-])")
_REQUIRED = re.compile(rf"{_OURS}\[|additional_dependencies: *\[[^\n]*?{_OURS}")


def test_no_command_installs_a_package_of_this_repository_by_its_name() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.md", "*.py", "*.yaml", "*.yml", "*Dockerfile", "scripts/*"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = [
        f"{name}: {line.strip()}"
        for name in filter(None, listed.stdout.split("\0"))
        if not name.startswith("tests/") and name != "scripts/package.py"
        for line in (ROOT / name).read_text("utf-8").splitlines()
        if _INSTALLED.search(line) or _REQUIRED.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install rivya-flows",
        "- pip install 'rivya-flows[sandbox]'",
        "uv pip install --upgrade rivya_flows==0.1.0",
        "uvx rivya-flows check",
        "pipx run rivya-sandbox",
        "pip install rivya_client",
        "uv tool install rivya-flows-mcp",
        "Install `rivya-flows[redis]` there",
    ],
)
def test_such_a_command_is_found(command: str) -> None:
    assert _INSTALLED.search(command) or _REQUIRED.search(command)


@pytest.mark.parametrize("block", CI, ids=lambda block: block.place)
def test_a_recipe_for_ci_installs_from_a_checkout_that_it_has_made(block: Block) -> None:
    text = str(yaml.safe_load(block.text))
    made = re.search(r"'path': '(\S+?)'|git clone .*?/rivya-flows (\S+?)'", text)
    assert made
    folder = made[1] or made[2]
    assert text.index(f"{folder}/scripts/install") < text.index(f"{folder}/.venv/bin")
    used = re.search(r"'rivya-flows (check|plan) specs", text)
    assert used
    assert text.index(f"{folder}/.venv/bin") < used.start()
