"""What became of what a run bought: offered, picked, refused, used or lost. Written beside its journal, which stays the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from rivya_flows.errors import RivyaError
from rivya_flows.language.outputs import read_output
from rivya_flows.language.wording import cut
from rivya_flows.plans.plan import steps_in
from rivya_flows.questions.open_questions import MAX_TEXT
from rivya_flows.questions.question import Candidate
from rivya_flows.queue.events import AnsweredBy, purchase_name
from rivya_flows.queue.items import ItemState, Phase
from rivya_flows.queue.judging import BELOW_LEAST
from rivya_flows.queue.queue import replay
from rivya_flows.queue.reviewing import REJECTED
from rivya_flows.queue.state import State
from rivya_flows.receipt.from_journal import earlier_candidates, receipt_of
from rivya_flows.receipt.ledger import History
from rivya_flows.receipt.model import Choice, EarlierCandidate, Item, Receipt
from rivya_flows.steps.kind import Kind
from rivya_flows.store.journal import Journal
from rivya_flows.store.outcomes import Outcome, record_outcomes
from rivya_flows.store.tables import stored_name

_Name = tuple[str, str]
"""Step and key of an item."""

_NO_PERSON = ("deadline", "fork", "agent")
"""Channels of answers that no person gave in this run."""

_FIRST_WORDS, _LONGEST_OPENING = 6, 60


def outcomes_of(receipt: Receipt, history: History, state: State) -> tuple[Outcome, ...]:
    """What became of each purchase and each candidate of a run, and how its questions were decided."""
    return tuple(_Outcomes(receipt, history, state).all())


class _Outcomes:
    def __init__(self, receipt: Receipt, history: History, state: State) -> None:
        self._receipt, self._history, self._state = receipt, history, state
        self._models = {(row.step, row.key): row.model for row in receipt.ledger}
        self._items = {(step.id, item.key): item for step, item in receipt.each()}
        self._makers: dict[str, list[_Name]] = {}
        for name, item in self._items.items():
            if _makes(state.planned_step(name[0]).kind):
                for content in _contents(item):
                    self._makers.setdefault(content, []).append(name)
        self._offered = set[_Name]()
        self._picked = set[_Name]()
        self._refused = set[_Name]()
        self._open = set[_Name]()  # candidates of what no one has decided
        for step, item in receipt.each():
            if "choice" in state.planned_step(step.id).kind.row:
                self._take_earlier(step.id, state.item(step.id, item.key))
                if item.choice is not None:
                    self._decide(item, item.choice)

    def _take_earlier(self, step_id: str, current: ItemState) -> None:
        """Takes what became of the candidates of the rounds that have ended."""
        by_person = {one.round for one in current.sent_back if _is_person(one.channel)}
        is_review = self._state.planned_step(step_id).review is not None
        for one in earlier_candidates(self._state, step_id, current):
            maker = self._maker(one, one.round)
            # What a fork has taken was decided in the forked run.
            if maker and self._items[maker].taken_from is None:
                self._offered.add(maker)
                if is_review or one.round in by_person:
                    self._refused.add(maker)

    def _decide(self, item: Item, choice: Choice) -> None:
        """Takes what became of the candidates of a pick or a review in its last round."""
        is_review = choice.review is not None
        for one in choice.candidates:
            if (maker := self._maker(one, choice.round)) is None:
                continue
            if _is_of_fork(choice.by):
                self._picked |= {maker} if one.picked or is_review else set()
            elif item.status in ("completed", "cached"):
                self._offered.add(maker)
                self._picked |= {maker} if one.picked or is_review else set()
            elif item.code in (BELOW_LEAST, REJECTED):
                self._offered.add(maker)
                self._refused |= {maker} if item.code == REJECTED else set()
            else:
                self._open.add(maker)

    def _maker(self, one: Candidate | EarlierCandidate, number: int) -> _Name | None:
        """The item that made a candidate of a round; where several made the same, that with its key, in their order."""
        makers = self._makers.get(one.sha256 or f"text {one.text}", [])
        makers = [name for name in makers if name[1] == one.key] or makers
        return makers[min(number, len(makers) - 1)] if makers else None

    def all(self) -> Iterator[Outcome]:
        state, used, bought = self._state, self._used_steps(), set[_Name]()
        for row in self._receipt.ledger:
            name = row.step, row.key
            current = state.item(*name)
            made = [one.n for one in current.purchases if one.status in ("succeeded", "answered")]
            own = _makes(state.planned_step(row.step).kind)  # else it is the judge's
            is_result = own and not current.cached and row.n == max(made, default=0)
            is_result = is_result and current.phase is Phase.COMPLETED
            bought |= {name} if is_result else set()
            prompt = None
            if own and current.requests:
                asked = current.requests[row.alternative]
                prompt = asked.prompt or str(asked.arguments.get("message") or "") or None
            yield self._outcome(
                purchase_name(*name, row.n),
                row.step,
                row.model,
                prompt,
                row.at,
                offered=is_result and name in self._offered,
                picked=is_result and name in self._picked & self._offered,
                refused=is_result and name in self._refused,
                accepted=is_result and self._is_accepted(name, used),
                ended=row.status in ("succeeded", "lost", "failed", "answered"),
                failed=row.status == "failed",
                lost=row.status == "lost",
            )
        for name in self._items:
            if name in self._offered - bought:
                yield self._reuse_outcome(name)
        for step, item in self._receipt.each():
            yield from self._decision(step.id, item)

    def _is_accepted(self, name: _Name, used: set[str]) -> bool:
        if name in self._offered | self._open | self._picked:
            return name in self._picked and name not in self._refused
        return name[0] in used

    def _used_steps(self) -> set[str]:
        """The steps that something which was made refers to; without outputs also those at the end."""
        state, used, read = self._state, set[str](), set[str]()
        replaced = set[str]()
        for name, planned in state.plan.steps.items():
            read |= planned.upstream
            done = [one for one in state.steps[name].items.values() if one.phase is Phase.COMPLETED]
            used |= planned.upstream if done else set()
            for item in state.steps[name].items.values() if planned.rounds else ():
                for number, steps in enumerate(planned.rounds[: item.round + 1]):
                    inside = (one for step in steps.values() for one in self._with_inside(step))
                    if number < item.round:
                        replaced |= {*inside}
                    elif done:
                        used |= {*inside}
        for space in state.plan.spaces.values():
            for output in space.workflow.outputs.values():
                used |= steps_in(space, read_output(output)[0])
        if not state.plan.workflow.outputs:
            used |= state.steps.keys() - read
        return used - replaced

    def _with_inside(self, step: str) -> Iterator[str]:
        yield step
        for space in self._state.planned_step(step).inside.values():
            yield from self._state.plan.steps_inside(space)

    def _reuse_outcome(self, name: _Name) -> Outcome:
        """What was offered and not bought by this run: it counts no second time as accepted."""
        item = self._items[name]
        return self._outcome(
            f"item {name[0]}[{name[1]}]",
            name[0],
            item.model,
            item.prompt,
            item.ended_at,
            offered=True,
            picked=name in self._picked,
            refused=name in self._refused,
        )

    def _decision(self, step_id: str, item: Item) -> Iterator[Outcome]:
        """Of a pick, a review or a `repeat` that was decided here, and of a judge whom a person heard."""
        planned, current = self._state.planned_step(step_id), self._state.item(step_id, item.key)
        choice = item.choice
        is_done = item.status == "completed" and not (choice and _is_of_fork(choice.by))
        reviewed = [one for one in current.sent_back if one.proposed is not None]
        reviewed = [one for one in reviewed if _is_person(one.channel)]
        judged, agreed = len(reviewed), sum(not one.proposed for one in reviewed)
        if is_done and choice and choice.by and _is_person(choice.by.channel):
            scored = [one for one in choice.candidates if choice.judge and one.score is not None]
            judged += bool(scored)
            agreed += bool(scored) and max(scored, key=lambda one: one.score or 0).picked
        if (is_done and planned.rounds) or judged:
            yield self._outcome(
                f"decision {step_id}[{item.key}]",
                step_id,
                self._models.get((step_id, item.key)),  # that of the judge
                None,
                item.ended_at,
                judged=judged,
                agreed=agreed,
                rounds=current.round + 1 if is_done and planned.rounds else None,
            )

    def _outcome(
        self,
        purchase: str,
        step: str,
        model: str | None,
        prompt: str | None,
        at: datetime | None,
        **more: bool | int | None,
    ) -> Outcome:
        plan = self._state.plan
        brand = plan.spaces[plan.steps[step].space].workflow.branding
        return Outcome(
            purchase=stored_name(purchase),
            step=step,
            model=None if model is None else stored_name(model),
            brand=None if brand is None else brand.name,
            prompt=None if prompt is None else _opening(prompt),
            at=(at or self._history.last).timestamp(),
            **more,  # type: ignore[arg-type]
        )


def _makes(kind: Kind) -> bool:
    """Whether items of a kind make media or texts, and do not give or choose those that there are."""
    return not kind.fetches and "choice" not in kind.row and (kind.buys or not kind.passes_on)


def _contents(item: Item) -> Iterable[str]:
    """What a candidate has in common with the item that made it."""
    if item.media:
        return (one.sha256 for one in item.media)
    return [] if item.text is None else [f"text {cut(item.text, MAX_TEXT)}"]


def _is_person(channel: str) -> bool:
    return channel not in _NO_PERSON


def _is_of_fork(by: AnsweredBy | None) -> bool:
    """Whether the answer was taken from a forked run, whose outcomes have it."""
    return by is not None and by.channel == "fork"


def _opening(prompt: str) -> str:
    """The first words of a prompt, by which prompts of one kind are found together, also with a note behind them."""
    return " ".join(prompt.split()[:_FIRST_WORDS])[:_LONGEST_OPENING].rstrip(" .,;:–—-")


def update_outcomes(journal: Journal, run_id: str) -> bool:
    """Writes the outcomes of a run by its whole journal; False if that cannot be read any more."""
    with suppress(RivyaError):
        entries = journal.entries(run_id)
        history, state = History(entries), replay(entry.event for entry in entries)
        outcomes = outcomes_of(receipt_of(history, state), history, state)
        record_outcomes(journal.engine, run_id, history.seq, outcomes)
        return True
    return False
