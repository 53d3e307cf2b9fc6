"""Random small campaigns."""

from __future__ import annotations

import random

from simulation.service import CHAT

REFUSES = "quality: {refuse: [blank]"
"""In campaigns whose stills may be refused."""


def campaign(chance: random.Random, size: int) -> str:
    """The text of a spec with at most `size` pictures; what is doomed in it always fails, what is blank is refused."""
    lines = ["version: 1", "name: history"]
    lines += chance.choice([[], [f"budget: {{credits: {chance.choice([2, 3, 5])}}}"]])
    lines += ["steps:"]
    chats = chance.random() < 0.4
    if chats:
        expect = chance.choice(["", ", expect: {visual: string}"])
        lines += [
            "  script:",
            "    uses: chat",
            f"    retry: {{attempts: {chance.choice([1, 3, 4])}}}",
            f"    with: {{model: {CHAT}, message: A line for a lamp{expect}}}",
        ]
    if not chats or size > 1:
        things = [
            chance.choice(["lamp", "lamp", "lamp", "doomed"])
            for _ in range(chance.randint(1, size))
        ]
        items = ", ".join(f"{thing} {number}" for number, thing in enumerate(things))
        lines += [
            "  stills:",
            "    uses: generate",
            f"    foreach: [{items}]",
            f"    retry: {{attempts: {chance.choice([1, 3, 4])}}}",
            *chance.choice(
                [[], ["    regenerate: 1"], ["    fallback: [{model: seedream-5-lite}]"]]
            ),
            '    with: {model: z-image, prompt: "${{ item }}"}',
        ]
        if chance.random() < 0.3:
            lines += [
                "  choice:",
                "    uses: pick",
                '    with: {from: "${{ steps.stills.items }}", mode: human, question: Which?}',
                "  hero:",
                "    uses: generate",
                '    with: {model: z-image, prompt: "as ${{ steps.choice.key }}"}',
            ]
            if chance.random() < 0.5:
                lines += [
                    "  sign_off:",
                    "    uses: review",
                    '    with: {media: "${{ steps.hero.asset }}", reviewers: [legal, brand],',
                    "           changes: {redo: [hero], rounds: 2}}",
                ]
    if "  stills:" in lines and chance.random() < 0.4:
        then = chance.choice(["fail", "regenerate", "fallback"])
        if then != "fallback" or any("fallback:" in line for line in lines):
            at = lines.index("  stills:") + 1
            lines.insert(at, f"    {REFUSES}, then: {then}}}")
            if chance.random() < 0.3:
                lines = [line.replace("lamp 0", "blank 0") for line in lines]
    return "\n".join(lines)
