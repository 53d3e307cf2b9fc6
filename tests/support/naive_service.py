"""A naive model of the service and of an engine, to hold the queue against.

Each action is a generator of events, as in the engine. `Rehearsal` advances them in any order and
may stop at any point, as `kill -9` would: what was yielded is in the journal, what was charged
stays charged, all else is forgotten.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Collection, Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self, TypeVar

from rivya_client.catalogue.snapshot import shipped
from rivya_flows.estimate.estimate import Estimate, ItemEstimate, estimate, rehearse
from rivya_flows.language.inputs import resolve_inputs
from rivya_flows.language.quality import Expected, Fault, Wanted
from rivya_flows.plans.budgets import run_cap
from rivya_flows.questions.open_questions import question_asked
from rivya_flows.queue.actions import (
    Action,
    Ask,
    AskCache,
    Buy,
    Collect,
    EndRun,
    Expire,
    ReadBalance,
    UploadMedium,
    Work,
)
from rivya_flows.queue.events import (
    AnsweredBy,
    AnswerGiven,
    BalanceRead,
    CacheAnswered,
    ChatAnswered,
    Entry,
    Event,
    FileUploaded,
    ItemCompleted,
    ItemFailed,
    JobEnded,
    MediaRefused,
    PoolRefused,
    PurchaseAccepted,
    PurchaseIntended,
    PurchaseRefused,
    QuestionsLeft,
    RunEnded,
    RunFrozen,
    RunResumed,
)
from rivya_flows.queue.items import ItemState
from rivya_flows.queue.queue import replay, step
from rivya_flows.queue.reducer import initial_state
from rivya_flows.queue.state import State
from rivya_flows.spec.load import load
from rivya_flows.steps.candidates import picked_from
from rivya_flows.steps.request import UploadedFile
from rivya_flows.steps.review import review_outputs

E = TypeVar("E", bound=Entry)
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def asset(kind: str, name: str) -> dict[str, Any]:
    """An asset as the spec sees it."""
    return {
        "kind": kind,
        "path": f"/media/{name}",
        "url": f"https://media.example/{name}",
        "mime_type": {"image": "image/png", "video": "video/mp4", "audio": "audio/mpeg"}[kind],
        "width": 8,
        "height": 8,
        "duration_seconds": None,
        "sha256": name,
    }


def frozen(
    text: str, *, budget: int | None = None, includes: dict[str, str] | None = None, **inputs: Any
) -> RunFrozen:
    """The first entry of a run of this spec."""
    catalogue = shipped()
    workflow = load(text, file="spec.yaml", catalogue=catalogue, includes=includes)
    given = resolve_inputs(workflow, inputs, folder=None)
    return RunFrozen(
        run_id="run-1",
        spec_text=text,
        spec_file="spec.yaml",
        includes=includes or {},
        inputs=given,
        catalogue=dict(catalogue.wire),
        catalogue_date=catalogue.date,
        service="naive",
        started_at=NOON,
        nonce="0" * 32,
        budget=run_cap(workflow, given) if budget is None else budget,
    )


@dataclass
class NaiveService:
    """What a service knows: charges and jobs by idempotency key.

    Attributes:
        extra: Credits that it asks beyond the base price of a model.
        failing: Share of jobs that fail, 0 to 1.
        black: Share of jobs whose media are black, 0 to 1.
        refusing: Share of purchases that are refused, 0 to 1.
        rambling: Share of chat answers without the asked shape, 0 to 1.
        failing_models: Models whose jobs all fail.
        black_models: Models whose media are all black.
        refusing_models: Models whose requests are all refused.
        judged: Keys of the candidates that each session was told.
        wallet: Credits before the first charge.
        pool: Credits of the pool ``acme`` of the store, which covers this run alone; None without one.
    """

    seed: int = 0
    extra: int = 0
    failing: float = 0.0
    black: float = 0.0
    refusing: float = 0.0
    rambling: float = 0.0
    failing_models: Collection[str] = ()
    black_models: Collection[str] = ()
    refusing_models: Collection[str] = ()
    bodies: dict[str, str] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    judged: dict[str, list[str]] = field(default_factory=dict)
    wallet: int = 10**6
    pool: int | None = None

    def chance(self, key: str, share: float, what: str) -> bool:
        """The same for a key whenever it is asked, as a service that replays answers."""
        return random.Random(f"{self.seed}{what}{key}").random() < share

    def fails(self, key: str) -> bool:
        """Whether the job of a purchase fails."""
        named = json.loads(self.bodies[key])["model"]
        return named in self.failing_models or self.chance(key, self.failing, "fail")

    def makes_black(self, key: str) -> bool:
        """Whether the medium of a job is black."""
        named = json.loads(self.bodies[key])["model"]
        return named in self.black_models or self.chance(key, self.black, "black")

    def take(self, buy: Buy) -> int | None:
        """Charges once for a key; None where it refuses."""
        named = json.loads(buy.purchase.body)["model"]
        if named in self.refusing_models:
            return None
        if self.chance(buy.purchase.idempotency_key, self.refusing, "refuse"):
            return None
        known = self.bodies.setdefault(buy.purchase.idempotency_key, buy.purchase.body)
        assert known == buy.purchase.body, "other bytes under the same key"
        model = shipped().models[named]
        return self.charges.setdefault(
            buy.purchase.idempotency_key, int(model.base_credits or 0) + self.extra
        )

    def answer(self, buy: Buy) -> tuple[str, str]:
        """The session of a chat and what it answers; a judge scores by the keys of candidates."""
        body = json.loads(buy.purchase.body)
        session: str = body.get("session_id") or f"s_{buy.purchase.idempotency_key}"
        told = re.findall(r'^{"candidate": .*}$', body["message"], re.MULTILINE)
        if told:
            self.judged[session] = [json.loads(one)["key"] for one in told]
        if self.chance(buy.purchase.idempotency_key, self.rambling, "ramble"):
            return session, "hello"
        if session in self.judged:
            scores = [
                {"candidate": number, "score": score_of(key), "reason": f"{key} is lit"}
                for number, key in enumerate(self.judged[session], 1)
            ]
            return session, json.dumps({"scores": scores})
        return session, json.dumps({"visual": "a lamp", "narration": "light"})


def score_of(key: str) -> int:
    """What the judge of this service gives a candidate, 0 to 10."""
    return sum(map(ord, key)) % 11


@dataclass
class Rehearsal:
    """An engine without a clock, a network or tasks.

    Attributes:
        journal: All events so far.
        most: The most credits that were ever held.
        actions: How often each kind of action was asked for.
    """

    start: RunFrozen
    service: NaiveService = field(default_factory=NaiveService)
    journal: list[Event] = field(default_factory=list)
    most: int = 0
    ended: list[str] = field(default_factory=list)
    asked: list[Ask] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.journal.append(self.start)
        self.state: State = initial_state(self.start)
        self._open: list[Generator[Event]] = []

    def take_up(self, **wish: Any) -> None:
        """Starts an execution, as after a crash: from the journal alone."""
        self._open = []
        self.state = replay(self.journal)
        self.feed(RunResumed(at=wish.pop("at", NOON), **wish))

    def execute(self, order: random.Random | None = None, **wish: Any) -> Self:
        """One execution, until nothing is open."""
        self.take_up(**wish)
        self.run(order)
        return self

    def answer(self, step: str, answer: str = "", key: str = "", **more: Any) -> None:
        """Writes the answer of a person."""
        by = AnsweredBy(channel=more.pop("channel", "terminal"))
        self.feed(AnswerGiven(step=step, key=key, answer=answer, by=by, **more))

    def leave(self, at: datetime = NOON) -> None:
        """No one is there to answer."""
        for question in self.state.asking:
            if question.name not in self.state.deadlines:
                self.feed(question_asked(question, at))
        self.feed(QuestionsLeft(at=at))
        self.run()

    def feed(self, event: Event) -> None:
        """Writes an event and starts what the queue asks for."""
        self.journal.append(event)
        actions = self.step(event)
        self.most = max(self.most, self.state.spent)
        for action in actions:
            if isinstance(action, EndRun):
                self.ended.append(action.status)
                self.feed(RunEnded(status=action.status, at=NOON))
            elif isinstance(action, Ask):
                self.asked.append(action)
            else:
                self._open.append(self._carry_out(action))

    def step(self, event: Event) -> tuple[Action, ...]:
        """What the queue makes of an event."""
        return step(self.state, event)

    def advance(self, chosen: int) -> bool:
        """Advances one open action by one event; False when none is open."""
        if not self._open:
            return False
        action = self._open[chosen % len(self._open)]
        event = next(action, None)
        if event is None:
            self._open.remove(action)
        else:
            self.feed(event)
        return True

    def run(self, order: random.Random | None = None, limit: int = 100_000) -> None:
        """Advances until nothing is open, or `limit` times."""
        for _ in range(limit):
            if not self.advance(order.randrange(1000) if order else 0):
                return

    def until(self, kind: type[Entry]) -> Self:
        """Advances to the first event of a kind, which is written and not followed up."""
        while not self.events(kind):
            assert self.advance(0)
        return self

    def events(self, kind: type[E]) -> list[E]:
        """Those of a kind."""
        return [event for event in self.journal if isinstance(event, kind)]

    @property
    def bought(self) -> list[str]:
        """The steps of all intents, in their order."""
        return [intent.step for intent in self.events(PurchaseIntended)]

    @property
    def statuses(self) -> dict[str, str]:
        """Of the steps, by name."""
        return {name: now.status for name, now in self.state.steps.items()}

    def item(self, step: str, key: str = "") -> ItemState:
        """One item as it is now."""
        return self.state.item(step, key)

    def items(self, step: str) -> list[ItemState]:
        """All items of a step."""
        return [*self.state.steps[step].items.values()]

    def phases(self, step: str) -> list[str]:
        """Of the items of a step."""
        return [item.phase.value for item in self.items(step)]

    def prompts(self, step: str) -> list[str]:
        """Of the items of a step that have a request."""
        return [item.request.prompt for item in self.items(step) if item.request]

    def _carry_out(self, action: Action) -> Generator[Event]:
        if isinstance(action, ReadBalance):
            credits = self.service.wallet - sum(self.service.charges.values())
            yield BalanceRead(step=action.step, phase=action.phase, credits=credits)
        elif isinstance(action, AskCache):
            yield CacheAnswered(
                step=action.step, key=action.key, request_hash=action.request_hash, outputs=None
            )
        elif isinstance(action, UploadMedium):
            name = action.source[:8]
            yield FileUploaded(
                source=action.source,
                media=action.media,
                model=action.model,
                file=UploadedFile(id=f"file_{name}", url=f"https://files.example/{name}"),
            )
        elif isinstance(action, Buy):
            yield from self._buy(action)
        elif isinstance(action, Collect):
            yield from self._collect(action)
        elif isinstance(action, Work):
            yield self._work(action)
        elif isinstance(action, Expire):
            yield from action.events

    def _buy(self, action: Buy) -> Generator[Event]:
        of = {"step": action.step, "key": action.key, "n": action.n}
        left = None if self.service.pool is None else self.service.pool - self.state.spent
        needs = max(action.purchase.reserve, action.rest or 0)
        if left is not None and not action.intended and needs > left:
            told = {"needs": needs, "left": max(0, left), "rest": action.rest is not None}
            yield PoolRefused(**of, pool="acme", until=DECEMBER, **told)
            return
        if not action.intended:
            yield PurchaseIntended(
                **of,
                route=action.purchase.route,
                idempotency_key=action.purchase.idempotency_key,
                body=action.purchase.body,
                reserve=action.purchase.reserve,
                at=NOON,
                alternative=action.purchase.alternative,
                rest=action.rest,
            )
        charged = self.service.take(action)
        if charged is None:
            yield PurchaseRefused(**of, code="validation_failed", message="no", status=400)
        elif action.purchase.route == "generation":
            yield PurchaseAccepted(
                **of, task_id=f"task_{action.purchase.idempotency_key}", reserved_credits=charged
            )
        else:
            session, content = self.service.answer(action)
            yield ChatAnswered(
                **of,
                completion_id=f"chat_{action.purchase.idempotency_key}",
                session_id=session,
                content=content,
                reserved_credits=charged,
                final_credits=charged,
            )

    def _collect(self, action: Collect) -> Generator[Event]:
        of = {"step": action.step, "key": action.key}
        key = action.task_id.removeprefix("task_")
        failed = self.service.fails(key)
        if failed:
            self.service.charges[key] = 0
        if not action.settled:
            yield JobEnded(
                **of,
                n=action.n,
                status="failed" if failed else "succeeded",
                final_credits=self.service.charges[key],
                error="it failed" if failed else None,
            )
        if not failed:
            made = asset(action.media, f"{action.step}-{action.key or 'one'}")
            outputs = {"asset": made, "assets": [made], "task_id": action.task_id}
            fault = Fault("black", "black for 100% of its 5.0 s")
            wanted = Wanted(Expected(), self.state.spec(action.step).quality)
            if self.service.makes_black(key) and wanted.refuses(fault):
                cost = self.service.charges[key]
                more = {"n": action.n, "final_credits": cost, "faults": (fault,)}
                yield MediaRefused(**of, **more, outputs=outputs)
            else:
                yield ItemCompleted(**of, outputs=outputs)

    def _work(self, action: Work) -> Event:
        of = {"step": action.step, "key": action.key}
        if action.uses == "pick":
            picked = picked_from(action.arguments)
            if picked is None:
                return ItemFailed(**of, code="nothing", message="nothing to pick")
            return ItemCompleted(**of, outputs=picked)
        if action.uses == "review":
            return ItemCompleted(**of, outputs=review_outputs(action.arguments))
        return ItemCompleted(**of, outputs={"asset": asset("video", f"{action.step}-film")})


def played(text: str, service: NaiveService | None = None, **given: Any) -> Rehearsal:
    """A run of a spec, executed until nothing is left to do; `given` as of `frozen`."""
    return Rehearsal(frozen(text, **given), service or NaiveService()).execute()


def priced(start: RunFrozen | State, balance: int | None = None) -> Estimate:
    """What a run will cost, from its start or from where it is."""
    state = initial_state(start) if isinstance(start, RunFrozen) else start
    return estimate(rehearse(state, NOON, lambda _: None), balance)


def items_priced(start: RunFrozen | State) -> dict[str, ItemEstimate]:
    """The first item of each step."""
    return {step.id: step.items[0] for step in priced(start).steps}
