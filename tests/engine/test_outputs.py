"""A run with an output that cannot be evaluated: it fails, keeps what was paid, and is not paid again."""

from __future__ import annotations

from pathlib import Path

from rivya_flows.receipt.summary import sentence, troubles
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import accounts_agree, customer
from support.receipts import parsed

SPEC = """\
version: 1
name: lines
steps:
  idea:
    uses: chat
    with: {model: gpt-5-2-chat, message: a few words}
  stills:
    uses: generate
    foreach: [a, b]
    with: {model: z-image, prompt: "lamp ${{ item }}"}
outputs:
  stills: ${{ steps.stills.assets }}
  one: ${{ steps.stills.by[steps.idea.text].asset }}
"""


def test_a_wrong_output_fails_the_run_and_says_where(sandbox: Sandbox, tmp_path: Path) -> None:
    studio = customer(sandbox, tmp_path / "studio")
    state = studio.run(SPEC)
    assert state.ended == "failed"
    receipt = studio.receipt("run-1")
    assert receipt["status"] == "failed"
    assert len(receipt["outputs"]["stills"]) == 2
    assert receipt["outputs"]["one"] is None
    assert [*receipt["failed_outputs"]] == ["one"]
    assert receipt["failed_outputs"]["one"].startswith("steps.stills.by has no ")
    assert receipt["failed_outputs"]["one"].endswith("(spec.yaml:13)")
    assert sentence(parsed(receipt)).startswith("output one; done: ")
    assert troubles(parsed(receipt)) == [f"output one failed: {receipt['failed_outputs']['one']}"]

    mended = SPEC.replace("by[steps.idea.text]", "by['a']")
    assert studio.run(mended, "run-2", cache="spec").ended == "completed"
    assert studio.receipt("run-2")["credits"]["spent"] == 0
    accounts_agree(studio, sandbox.data, "run-1", "run-2")
