"""A question of a run, and its answer, as every place that asks or shows them has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from rivya_client.catalogue.prices import price_of
from rivya_flows.assets import Asset
from rivya_flows.plans.names import label
from rivya_flows.queue.events import AnsweredBy, AnswerGiven, Channel
from rivya_flows.steps.candidates import OnTimeout
from rivya_flows.steps.review import CHANGES

BUDGET = "$budget"
"""Step name of the budget question; no step can have it."""

QuestionName = tuple[str, str, int]
"""Step, key, and how often the candidates had been bought again."""

AtDeadline = Literal["first", "judge", "regenerate", "approve", "changes", "fail"]
"""Take the first candidates or what the judge proposes, buy others; approve, or make the changes that were asked for;
or fail the step."""

Asks = Literal["pick", "review", "budget"]
"""What a question asks for: candidates, approval, or a higher budget."""


class NextRound(NamedTuple):
    """What another round buys: items, and the credits of them and of their judge."""

    items: int
    least: int
    most: int | None

    def __str__(self) -> str:
        return f"{self.items} again for {self.price}"

    @property
    def price(self) -> str:
        """As text: ``4 credits``."""
        return price_of(self.least, self.most)


class Candidate(BaseModel):
    """An item that can be picked, as its question and the receipt have it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    n: int
    """Its number in the list."""
    key: str
    """The item."""
    sha256: str | None
    """Of its medium, in hex; null for a text."""
    text: str | None
    """Of a candidate without a medium: its text, or its JSON."""
    credits: int | None
    """What it cost."""
    score: int | float | None
    """What the judge gives it, 0 to 10; with `best`, the value of `by`."""
    reason: str | None
    """In the words of the judge."""
    picked: bool = False
    """It was picked."""
    proposed: bool = False
    """The judge would pick it."""
    asset: SkipJsonSchema[Asset | None] = Field(default=None, exclude=True)
    """Its medium; not in a receipt."""
    place: SkipJsonSchema[str] = Field(default="", exclude=True)
    """Path or URL of its medium, which only the service may have; not in a receipt."""
    task_id: SkipJsonSchema[str | None] = Field(default=None, exclude=True)
    """Its job; not in a receipt."""


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        timeout_seconds: How long it stays open after it was first asked; None is for ever.
        deadline: When it closes; None before it is asked, and if it never closes.
        count: How many candidates to pick.
        round: How often the candidates have been bought again; `rounds_left`: how often they still may be.
        again: What such a round buys; None if none is left.
        over: Why such a round cannot begin: what is left of the budget does not cover it; else empty.
        note_room: Characters that a note for the next round may have.
        sign: Whether a form must give a name.
        candidates: What is chosen from, or reviewed.
        reviewers: Of a review: who is asked; empty: anyone. `need`: how many must approve.
        responses: Of a review: the last answer of each reviewer in this round; `turn`: the number of the next one.
        proposal: What the judge would pick; `shortfall`: why that is empty.
        judge_error: Why its judge gave no usable scores.
    """

    step: str
    key: str
    text: str
    choices: tuple[str, ...]
    candidates: tuple[Candidate, ...] = field(default=(), hash=False)
    timeout_seconds: float | None = None
    on_timeout: OnTimeout = "fail"
    deadline: datetime | None = None
    count: int = 1
    round: int = 0
    rounds_left: int = 0
    again: NextRound | None = None
    over: str = ""
    note_room: int = 0
    sign: bool = False
    proposal: tuple[str, ...] = ()
    judge_error: str | None = None
    shortfall: str = ""
    reviewers: tuple[str, ...] = ()
    need: int = 1
    responses: tuple[AnswerGiven, ...] = ()
    turn: int = 0

    @property
    def kind(self) -> Asks:
        """What it asks for."""
        if self.step == BUDGET:
            return "budget"
        return "review" if self.turn else "pick"

    @property
    def name(self) -> QuestionName:
        """What tells it from all other questions of a run."""
        return (self.step, self.key, self.round)

    @property
    def label(self) -> str:
        """The name that people and ``--answer`` use: ``step``, ``step[key]`` or ``budget``."""
        return answer_name(self.step, self.key)

    @property
    def spellings(self) -> dict[str, str]:
        """The choices by their spelling in a form."""
        return {writable(choice): choice for choice in self.choices}

    @property
    def title(self) -> str:
        """The text above the choices; the item of a fan-out or the step of an included spec names itself."""
        who = self.label if "__" in self.step else self.key
        if not who or self.step == BUDGET or self.label in self.text:
            return writable(self.text)
        return writable(f"{self.text} ({who})")

    @property
    def at_deadline(self) -> AtDeadline:
        """What the deadline does as things stand."""
        if self.kind == "review":
            if self.wants_changes:
                return "fail" if self.over else "changes"
            return "approve" if self.on_timeout == "approve" else "fail"
        if self.on_timeout == "first" and self.choices:
            return "first"
        if self.on_timeout == "judge" and self.proposal:
            return "judge"
        again = self.rounds_left and self.judge_error is None and not self.over
        return "regenerate" if self.on_timeout == "judge" and again else "fail"

    @property
    def wants_changes(self) -> bool:
        """Whether somebody has asked for changes in this round."""
        return any(one.answer == CHANGES for one in self.responses)

    def is_due(self, at: datetime) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and self.deadline <= at


@dataclass(frozen=True)
class Answer:
    """What a person answers, whatever the channel; `picked` are keys in the order of choice.

    `turn` is that of the question of a form, which may be read again after later answers.
    """

    picked: tuple[str, ...]
    note: str = ""
    name: str | None = None
    channel: Channel = "terminal"
    turn: int = 0

    def __str__(self) -> str:
        """As ``--answer`` takes it."""
        return ", ".join(self.picked) or "none" + (f": {self.note}" if self.note else "")

    def event(
        self, question: Question, at: datetime | None, response: int | None = None
    ) -> AnswerGiven:
        """Its journal entry; it must be one that `check_answer` has returned."""
        step, key, number = question.name
        return AnswerGiven(
            step=step,
            key=key,
            answer=self.picked[0] if self.picked else "",
            picked=() if step == BUDGET else self.picked,
            none=not self.picked,
            note=self.note,
            round=number,
            response=response,
            turn=question.turn,
            by=AnsweredBy(name=self.name, channel=self.channel, at=at),
        )


def answer_name(step: str, key: str) -> str:
    """The name of a question in ``--answer``, as `Question.label`."""
    return "budget" if step == BUDGET else label(step, key)


def writable(text: str) -> str:
    """The text as UTF-8 can encode it: a lone surrogate, as a model may send, becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode()
