"""The plain queue: recounts all items after each event and examines every item again."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from rivya_flows.queue.actions import Action, AskCache, UploadMedium
from rivya_flows.queue.events import CacheAnswered, Event, ItemFailed, QuestionsLeft, RunResumed
from rivya_flows.queue.items import ItemState, Phase, Tally
from rivya_flows.queue.queue import step
from rivya_flows.queue.state import ChargedPrices, State, note_price
from rivya_flows.steps.request import PriceClass
from support.naive_service import NOON, NaiveService, Rehearsal, asset, frozen

EVERYTHING = """
version: 1
name: everything
{cache}
{budget}
steps:
  lines:
    uses: generate
    foreach: [{items}]
    allow_failures: 30
    {limit}
    with: {{model: {model}, prompt: "line ${{{{ item }}}}"{params}}}
    {fallback}
  words:
    uses: chat
    with: {{model: gpt-5-2-chat, message: two, expect: {{visual: string, narration: string}}}}
  taught:
    uses: chat
    with: {{model: gpt-5-2-chat, message: "more ${{{{ previous.text | default('') }}}}"}}
    repeat: {{until: "${{{{ steps.taught.session_id | seed(1, 3) == 1 }}}}", at_most: 3}}
  shots:
    uses: generate
    foreach: ${{{{ [steps.words.json.visual, steps.words.json.narration] }}}}
    with: {{model: nano-banana, prompt: "${{{{ item }}}}"}}
  stills:
    uses: generate
    matrix: {{n: [1, 2, 3], m: [a, b]}}
    allow_failures: 4
    with: {{model: z-image, prompt: "the same lamp"}}
    fallback: [{{model: seedream-5-lite}}]
  redrawn:
    uses: generate
    foreach: ${{{{ steps.stills.items }}}}
    allow_failures: 5
    max_parallel: 2
    with:
      model: nano-banana
      prompt: "again ${{{{ item.key }}}}"
      references: ["https://e.example/one.png", "https://e.example/${{{{ item.key | upper }}}}.png"]
    fallback:
      - {{model: seedream-5-lite}}
      - {{prompt: the same lamp, references: [], model: z-image}}
  hero:
    uses: pick
    with:
      from: ${{{{ steps.redrawn.items }}}}
      mode: human
      none: {{rounds: 1}}
      timeout: 1h
      {judge}
  liked:
    uses: pick
    with:
      from: ${{{{ steps.stills.items }}}}
      mode: judge
      count: 2
      judge: {{model: gpt-5-2-chat, criteria: [short], least: {least}}}
      {none}
  film:
    uses: generate
    with: {{model: veo3-1-lite, prompt: push, references: ["${{{{ steps.hero.asset }}}}"]}}
on_failure:
  stand_in:
    uses: generate
    with: {{model: z-image, prompt: "${{{{ steps.film.status }}}}"}}
finally:
  cards:
    uses: generate
    foreach: [x, y]
    with: {{model: z-image, prompt: "${{{{ steps.film.status }}}} ${{{{ item }}}}"}}
"""
"""Fan-outs, fan-outs of fan-outs, a list that the run makes, shared uploads, equal requests, fallbacks, limits, prices by length,
picks whose candidates may be bought again, judges, and a step that repeats."""

_JUDGE = """on_timeout: judge
      judge: {model: gemini-2-5-flash-chat, criteria: [it is lit]}"""


def everything(chance: random.Random) -> WildRun:
    """A run of `EVERYTHING` with chosen limits, prices and faults of the service."""
    by_length = chance.random() < 0.5
    credits, on_unfit = chance.choice([30, 100, 300]), chance.choice(["fail", "pause"])
    text = EVERYTHING.format(
        cache=chance.choice(["", "cache: spec"]),
        budget=chance.choice(["", f"budget: {{credits: {credits}, on_unfit: {on_unfit}}}"]),
        items=", ".join("x" * chance.randrange(1, 900) for _ in range(chance.randrange(1, 8))),
        fallback=chance.choice(["", "fallback: [{prompt: a shorter line}, {prompt: the last}]"]),
        limit=chance.choice(["", "max_parallel: 3", "regenerate: 1"]),
        model="elevenlabs-turbo-2-5" if by_length else "kling-2-6",
        params=", params: {voice: TX3LPaxmHKxFdv7VOQHJ}"
        if by_length
        else ', params: {duration: "10"}',
        judge=chance.choice(["on_timeout: first", _JUDGE]),
        least=chance.choice([0, 6, 9.5]),
        none=chance.choice(["", "none: {rounds: 1}"]),
    )
    service = NaiveService(
        seed=chance.randrange(1000),
        extra=chance.choice([0, 5, 30]),
        failing=chance.choice([0, 0.3]),
        refusing=chance.choice([0, 0.2]),
        rambling=chance.choice([0, 0.5]),
        pool=chance.choice([None, 20, 90]),
    )
    return WildRun(frozen(text), service)


class WildRun(Rehearsal):
    """A rehearsal with failing uploads and cache hits that compares each event with the plain queue."""

    def step(self, event: Event) -> tuple[Action, ...]:
        """Compares actions, state and sums with those of the plain queue."""
        plain, old = forgetful(self.state), _by_name(self.state)
        plain_actions, actions = step(plain, event), super().step(event)
        new = _by_name(self.state)
        differing = {name: old.get(name) for name, item in new.items() if old.get(name) != item}
        if not isinstance(event, RunResumed):  # it makes lists anew, whose items are new ones
            assert {name: self.state.changed[name] for name in differing} == differing
        assert sorted(map(repr, actions)) == sorted(map(repr, plain_actions))
        assert _remembered(self.state) == _remembered(plain)
        wrong = list(miscounts(self.state))
        assert wrong == [], wrong
        return actions

    def play(self, chance: random.Random) -> None:
        """Executes it with stops, resumes, answers, and people who go away."""
        for _ in range(3):
            wish: dict[str, Any] = {"at": NOON + timedelta(hours=chance.choice([0, 2, 30]))}
            if chance.random() < 0.3:
                wish["budget"] = chance.randrange(10, 400)
            if chance.random() < 0.3:
                wish["regenerate"] = ("*",)
            self.take_up(**wish)
            self.run(chance, chance.randrange(5, 400))
            while self.state.asking and self.state.ended is None:
                question = self.state.asking[0]
                of: dict[str, Any] = {"step": question.step, "key": question.key}
                if chance.random() < 0.2:
                    self.feed(QuestionsLeft(at=NOON))
                    break
                of["round"] = question.round
                if question.rounds_left and chance.random() < 0.5:
                    self.answer(**of, none=True, note="new")
                else:
                    self.answer(**of, answer=chance.choice(question.choices))
                self.run(chance, 300)

    def _carry_out(self, action: Action) -> Iterator[Event]:  # type: ignore[override]
        luck = random.Random(f"{self.service.seed}{len(self.journal)}").random()
        if isinstance(action, AskCache) and luck < 0.3:
            made = asset("image", "cached")
            outputs = {"asset": made, "assets": [made], "task_id": "t"}
            of = {"step": action.step, "key": action.key, "request_hash": action.request_hash}
            yield CacheAnswered(**of, outputs=outputs, saved=3)
        elif isinstance(action, UploadMedium) and luck < 0.2:
            yield ItemFailed(step=action.step, key=action.key, code="upload", message="lost")
        else:
            yield from super()._carry_out(action)


def _by_name(state: State) -> dict[tuple[str, str], ItemState]:
    return {(name, item.key): item for name, item in state.each()}


def forgetful(state: State) -> State:
    """The same run with no gates, and with every step marked as changed."""
    made = state.copy()
    for name, current in state.steps.items():
        if current.expanded:
            made.expand(name, map(_ungated, current.items.values()))
    made.touched.update(made.steps)
    return made


def _ungated(item: ItemState) -> ItemState:
    return item._replace(gated=False) if item.gated else item


_REMEMBERED = (
    "cap", "ended", "asking", "answers", "uploads", "awaiting", "claims", "left", "reading",
    "refused_cap", "pool",
)  # fmt: skip


def _remembered(state: State) -> dict[str, Any]:
    """The state without sums and gates."""
    items = [(name, _ungated(item)) for name, item in state.each()]
    balances = {name: one.balances for name, one in state.steps.items()}
    return {"items": items, "balances": balances, **{n: getattr(state, n) for n in _REMEMBERED}}


def miscounts(state: State) -> Iterator[str]:
    """Sums and sets that differ from a plain recount."""
    every, unsettled, inside = Tally(), Counter[str](), Counter[str]()
    for name, current in state.steps.items():
        plain, gated = Tally(), defaultdict[PriceClass, set[str]](set)
        for item in current.items.values():
            plain.count(item)
            every.count(item)
            if item.gate is not None:
                gated[item.gate].add(item.key)
        unsettled[current.planned.part] += not current.settled
        inside[current.planned.space] += not current.settled
        if plain != current.tally:
            yield f"{name}: tally"
        if current.due != {key for key, item in current.items.items() if item.is_due}:
            yield f"{name}: due"
        for price, keys in gated.items():
            if not keys <= {key for _, key in current.gates[price]} or name not in state.gated:
                yield f"{name}: gates"
    if every != state.tally:
        yield "tally"
    if unsettled != state.unsettled:
        yield "unsettled"
    if inside != state.unsettled_inside:
        yield "unsettled inside"
    items = [item for _, item in state.each()]
    if state.charges != _quoted(items):
        yield "quoted"
    if state.spent != sum(item.credits for item in items):
        yield "spent"
    if state.tally.committed != sum(one.held for item in items for one in item.purchases):
        yield "committed"
    for name, item in state.each():
        if item.phase is Phase.UPLOADING and not _is_awaited(state, name, item):
            yield f"{name}: nobody tells when its uploads are there"


def _quoted(items: list[ItemState]) -> ChargedPrices:
    quoted: ChargedPrices = {}
    for item in items:
        for one in item.purchases:
            if one.named is not None:
                note_price(quoted, one.priced_by, one.named)
    return quoted


def _is_awaited(state: State, step_id: str, item: ItemState) -> bool:
    assert item.request is not None
    missing = [name for name in item.request.upload_names() if name not in state.uploads]
    return bool(missing) and all(
        (step_id, item.key) in state.awaiting.get(name, ()) for name in missing
    )
