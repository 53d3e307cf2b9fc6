"""Runs of a customer of the sandbox by their receipts, and a campaign for them."""

from __future__ import annotations

import asyncio
from typing import Any

from rivya_flows.engine.run import RunOptions
from rivya_sandbox.service import admin
from rivya_sandbox.service.startup import Sandbox
from support.engine_runs import Studio

CREATE = "POST /api/v1/generations"
CHAT = "POST /api/v1/chat/completions"
CAMPAIGN = """
version: 1
name: campaign
cache: spec
steps:
  script:
    uses: chat
    with: {model: gemini-2-5-flash-chat, message: A shot for a lamp, expect: {visual: string}}
  stills:
    uses: generate
    matrix: {style: [studio, neon]}
    with: {model: z-image, prompt: "${{ steps.script.json.visual }}, ${{ matrix.style }}"}
  hero:
    uses: pick
    with: {from: "${{ steps.stills.items }}"}
  restyled:
    uses: generate
    with: {model: nano-banana, prompt: In watercolor, references: ["${{ steps.hero.asset }}"]}
  voice:
    uses: generate
    with:
      model: elevenlabs-turbo-2-5
      prompt: Light, where you need it.
      params: {voice: TX3LPaxmHKxFdv7VOQHJ}
outputs:
  picture: ${{ steps.restyled.asset }}
  voice: ${{ steps.voice.asset }}
"""
COST = 1 + 2 + 3 + 6


def executed(
    studio: Studio, run_id: str = "run-1", wish: RunOptions | None = None, **options: Any
) -> dict[str, Any]:
    """The receipt after one more execution; see `Studio.execute` for the options."""
    asyncio.run(studio.execute(run_id, wish, **options))
    return studio.receipt(run_id)


def started(studio: Studio, text: str, run_id: str = "run-1", **options: Any) -> dict[str, Any]:
    """The receipt after the first execution of a new run."""
    asyncio.run(studio.start(text, run_id, **options))
    return executed(studio, run_id)


def codes(receipt: dict[str, Any]) -> list[str | None]:
    """Why the items of the first step failed, in order."""
    return [item["code"] for item in receipt["steps"][0]["items"]]


def jobs(studio: Studio, sandbox: Sandbox) -> list[dict[str, Any]]:
    """What the service has sold to this studio."""
    return list(admin.ledger(sandbox.data, account=studio.account)["generations"])
