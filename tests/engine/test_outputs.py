"""A run with an output that cannot be evaluated: it fails, keeps what was paid, and is not paid again."""

from __future__ import annotations

from rivya_flows.receipt.summary import sentence, troubles
from support.engine_runs import Studio
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


def test_a_wrong_output_fails_the_run_and_says_where(studio: Studio) -> None:
    receipt = studio.started(SPEC)
    assert receipt["status"] == "failed"
    assert (len(receipt["outputs"]["stills"]), receipt["outputs"]["one"]) == (2, None)
    [(name, why)] = receipt["failed_outputs"].items()
    assert name == "one"
    assert why.startswith("steps.stills.by has no ")
    assert why.endswith("(spec.yaml:13)")
    assert sentence(parsed(receipt)).startswith("output one; done: ")
    assert troubles(parsed(receipt)) == [f"output one failed: {why}"]

    mended = studio.started(SPEC.replace("by[steps.idea.text]", "by['a']"), "run-2", cache="spec")
    assert (mended["status"], mended["credits"]["spent"]) == ("completed", 0)
    studio.audit("run-1", "run-2")
