"""How many modules of ours lie between a request of a user and a purchase; docs/concepts/architecture.md
walks the same two paths.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import rivya_flows as rf
from rivya_sandbox.service.startup import Sandbox
from support.call_path import CallPath, call_path
from support.cli_calls import Terminal, buy_from

__all__ = ["call_path"]  # the fixture

pytestmark = pytest.mark.prefect

SPEC = """
version: 1
name: path
steps:
  still:
    uses: generate
    matrix: {style: [plain]}
    with: {model: z-image, prompt: "A lamp, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.still.items }}", mode: human}
  large:
    uses: generate
    with: {model: nano-banana-2, prompt: Larger, references: ["${{ steps.hero.asset }}"]}
"""


@pytest.fixture
def spec(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The spec, in a folder of its own."""
    buy_from(sandbox, monkeypatch)
    monkeypatch.setenv("RIVYA_FLOWS_DATA", str(tmp_path / "data"))
    path = tmp_path / "path.yaml"
    path.write_text(SPEC)
    return path


def test_from_the_command_to_the_purchase_there_are_at_most_14_modules(
    spec: Path, call_path: CallPath, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = Terminal(capsys)("run", spec, "--out", tmp_path / "runs")
    assert said.code == 0, said.err
    [first] = call_path.modules
    assert first[0] == "rivya_flows.cli.main"
    assert first[-1].startswith("rivya_client.")
    assert len(first) <= 14, first


async def test_from_a_flow_run_that_continues_to_the_purchase_there_are_at_most_9_modules(
    spec: Path, call_path: CallPath
) -> None:
    """What Prefect calls when a pick was answered: the flow of the spec, as at its beginning."""
    spec.write_text(SPEC.replace("mode: human", "mode: first"))
    receipt = await rf.campaign(spec)()
    assert receipt.status == "completed"
    first = call_path.modules[0]
    assert first[0] == "rivya_flows.flows.compiler"
    assert len(first) <= 9, first
