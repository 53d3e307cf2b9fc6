"""Rehearsed runs whose pick has a judge."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rivya_flows.queue.actions import Buy
from rivya_flows.queue.items import ItemState
from support.naive_service import NaiveService, Rehearsal, played

STYLES = ("studio", "neon", "noir")

_SPEC = """
version: 1
name: launch
{top}
steps:
  stills:
    uses: generate
    foreach: [{styles}]
    {step}
    with: {{model: z-image, prompt: "lamp, ${{{{ item }}}}"}}
  hero:
    uses: pick
    with:
      from: ${{{{ steps.stills.items }}}}
      mode: {mode}
      judge: {{model: gemini-2-5-flash-chat, criteria: [the lamp is whole, {{x}}], least: {least}}}
      {more}
  film:
    uses: generate
    with: {{model: nano-banana, prompt: Slow, references: ["${{{{ steps.hero.asset }}}}"]}}
""".replace(", {{x}}", ", it is lit")


def judged_spec(
    mode: str = "judge",
    styles: Sequence[str] = STYLES,
    *,
    least: float = 0,
    more: str = "",
    step: str = "",
    top: str = "",
) -> str:
    """A spec that makes a still for each style, and a film of the one that a judge picks."""
    listed = ", ".join(styles)
    return _SPEC.format(mode=mode, styles=listed, least=least, more=more, step=step, top=top)


def judged_films(frames: int, styles: Sequence[str] = STYLES, *, more: str = "") -> str:
    """A spec that makes a film for each style, and picks one by so many frames of each."""
    text, _, _ = judged_spec(styles=styles, more=more).partition("  film:")
    return text.replace("z-image", "veo3-1-lite").replace("least: 0", f"frames: {frames}")


class Judging(NaiveService):
    """A service whose judge answers as it is told.

    Attributes:
        scores: By the key of the candidate; others get 5.
        answers: Given instead, one after the other; None in it is a right answer.
    """

    def __init__(
        self, scores: Mapping[str, Any] | None = None, answers: Sequence[str | None] = ()
    ) -> None:
        super().__init__()
        self.scores = dict(scores or {})
        self.answers = list(answers)

    def answer(self, buy: Buy) -> tuple[str, str]:
        """As ordered; else the scores."""
        session, content = super().answer(buy)
        instead = self.answers.pop(0) if self.answers else None
        if instead is not None:
            return session, instead
        found = json.loads(content)
        for one, key in zip(found["scores"], self.judged[session], strict=True):
            one["score"] = self.scores.get(key, 5)
        return session, json.dumps(found)


def judged(service: Judging | None = None, **options: Any) -> Rehearsal:
    """A run of `judged_spec`, executed until nothing is left to do."""
    return played(judged_spec(**options), service or Judging())


def hero(run: Rehearsal) -> ItemState:
    """The pick."""
    return run.item("hero")


def chats(run: Rehearsal) -> list[dict[str, Any]]:
    """The bodies of what was asked of the judge."""
    return [json.loads(one.body) for one in hero(run).purchases]
