"""`fork --plan` and `compare`, on a run that a studio has made."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from rivya_flows.settings import read_settings
from rivya_sandbox.service.startup import Sandbox
from support.cli_calls import Terminal, buy_from
from support.engine_runs import customer

SPEC = """
version: 1
name: lamps
inputs: {look: {type: string, default: warm}}
steps:
  still: {uses: generate, with: {model: z-image, prompt: a lamp}}
  other: {uses: generate, with: {model: z-image, prompt: "a lamp, ${{ inputs.look }}"}}
outputs: {still: "${{ steps.still.asset }}"}
"""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.fixture(autouse=True)
def made(shared_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`run-1` is in the store of the commands, and its service is theirs."""
    buy_from(shared_sandbox, monkeypatch)
    studio = customer(shared_sandbox, read_settings().data)
    service = replace(studio.service, identity=shared_sandbox.base_url)
    studio = replace(studio, service=service)
    asyncio.run(studio.start(SPEC, "run-1"))
    asyncio.run(studio.execute("run-1"))


def test_a_plan_of_a_fork_says_what_is_taken(call: Terminal) -> None:
    said = call("fork", "run-1", "-i", "look=cold", "--plan", "--json")
    assert said.document["credits"] == {"min": 1, "max": 1}
    [still, other] = [step["items"][0] for step in said.document["steps"]]
    assert (still["cached"], still["taken_from"]) == (True, "run-1")
    assert (other["cached"], other["taken_from"]) == (False, None)
    assert "taken from run-1, saves 1" in call("fork", "run-1", "--plan").out
    assert call("fork", "run-1", "--from", "other", "--budget", "0", "--plan").code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run-9"], "there is no run 'run-9' in the store"),
        (["run-1", "--from", "stil"], "--from: the run has no step 'stil'"),
        (["run-1", "-i", "lok=cold"], "unknown input 'lok'"),
        (["run-1", "--label", "client"], "label 'client': it has no value"),
        (["run-1", "--sandbox"], "run-1 belongs to http://127.0.0.1"),
    ],
)
def test_a_fork_that_cannot_be_is_refused(call: Terminal, arguments: list[str], words: str) -> None:
    said = call("fork", *arguments, "--plan")
    assert said.code == 2
    assert words in said.err


def test_compare_tells_both_runs_and_writes_a_page(call: Terminal, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    said = call("compare", "run-1", "run-1", "--html", page)
    assert said.code == 0
    assert "spec: equal" in said.out
    assert "still  completed  completed          1  1" in said.out
    assert page.read_text().count('src="data:image/') == 3
    assert call("compare", "run-1", "run-1", "--json").document["spec"]["equal"] is True
    assert call("compare", "run-1", "run-2").code == 2
    assert call("compare", "run-1", "run-1", "--open").code == 2
