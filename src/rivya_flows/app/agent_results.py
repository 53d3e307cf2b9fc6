"""What the tools for agents take and give, see `agent_tools`; their JSON Schemas come from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rivya_flows.printable import printable

MAX_TEXT, MAX_ITEMS = 2_000, 200
"""Characters of one text in a result, and members of one list."""

MAX_DEPTH = 12
"""Levels of a value of a run that are shown."""

RUN = "Id of a run, as `run` gives it."
SPEC = (
    "Path of a spec inside the root, such as specs/spot.yaml; or the whole text of one, which has"
    " line breaks: its paths are relative to the root."
)


R = TypeVar("R", bound=BaseModel, covariant=True)


class Arguments(BaseModel):
    """Arguments of a tool; any other name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoArguments(Arguments):
    """Nothing."""


class ModelsArguments(Arguments):
    kind: Literal["image", "video", "audio", "chat"] | None = Field(
        None, description="Only models of this kind."
    )


class CheckArguments(Arguments):
    spec: str = Field(max_length=1 << 20, description=SPEC)


class PlanArguments(Arguments):
    spec: str = Field(max_length=1 << 20, description=SPEC)
    inputs: dict[str, Any] = Field(
        default_factory=dict,
        description="Values of inputs by name. A file is a path inside the root, or a URL.",
    )
    budget: int | None = Field(
        None, ge=0, description="Most credits of the run, instead of the budget of the spec."
    )
    labels: dict[str, str] = Field(
        default_factory=dict, description="What the credits are counted under."
    )


class RunArguments(Arguments):
    quote: str = Field(
        pattern=r"^[0-9a-f]{32}$", description="Id of a quote, as `plan` gives it; it counts once."
    )


class OfRun(Arguments):
    run: str = Field(min_length=1, max_length=200, description=RUN)


class AnswerArguments(OfRun):
    step: str = Field(max_length=500, description="Name of the question, as `status` gives it.")
    choice: str | list[str] | None = Field(
        None, description="Key of the choice; a list of keys where the question asks for several."
    )
    none: str | None = Field(
        None,
        max_length=2_000,
        description=(
            "None of these: the candidates are bought again, within the quote. The text says what"
            " should be different; it may be empty."
        ),
    )


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)


class AgentCredits(_Result):
    """Credits from `min` to `max`, which is null where only the service knows it."""

    min: int
    max: int | None


class AgentModel(_Result):
    id: str
    name: str
    kind: str
    status: str
    credits: AgentCredits = Field(description="Of a request with the default parameters.")
    references: str = Field(description="Reference files that it takes; empty for none.")
    params: list[str]


class AgentModels(_Result):
    date: str = Field(description="Of the catalogue.")
    source: str
    models: list[AgentModel]


class Problem(_Result):
    """One mistake at its place."""

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str | None


class AgentCheck(_Result):
    ok: bool
    name: str | None = Field(description="Of the spec; null if it is wrong.")
    steps: int
    problems: list[Problem]


class SpecInput(_Result):
    name: str
    type: str
    title: str
    description: str
    required: bool = Field(description="It has no default, and must be given.")
    default: Any
    values: list[Any] = Field(description="Of an enum.")


class ListedSpec(_Result):
    path: str = Field(description="From the root.")
    name: str | None = Field(description="Null if the spec is wrong: `check_spec` says why.")
    title: str
    description: str
    inputs: list[SpecInput]


class Specs(_Result):
    root: str
    specs: list[ListedSpec]


class AgentItem(_Result):
    step: str
    key: str
    model: str | None
    credits: AgentCredits
    cached: bool = Field(description="An earlier result is taken, for nothing.")
    note: str


class Planned(_Result):
    quote: str | None = Field(description="Pass it to `run`. Null if the plan cannot be bought.")
    refused: str | None = Field(description="Why there is no quote.")
    at_most: int | None = Field(description="The most credits that the run of the quote spends.")
    expires_at: str | None
    buys: str = Field(description="What a run of the quote buys, from whom, and for how much.")
    name: str
    credits: AgentCredits
    saved: int
    budget: int | None
    balance: int | None
    items: list[AgentItem]
    skipped: dict[str, str]


class Started(_Result):
    run: str
    at_most: int
    folder: str = Field(description="Gets the outputs, the contact sheet and the receipt.")


class StepCounts(_Result):
    id: str
    status: str
    items: int
    completed: int
    failed: int


class AgentChoice(_Result):
    key: str
    kind: str = Field(description="image, video, audio or text.")
    file: str | None
    text: str | None = Field(description="Of a candidate that is a text.")
    score: float | None = Field(description="Of a judge, from 0 to 10.")
    reason: str | None
    picture: int | None = Field(
        description="Which of the pictures of this result shows it, from 1."
    )


class AgentQuestion(_Result):
    step: str = Field(description="Its name, for `answer`.")
    text: str
    pick: int = Field(description="How many to choose.")
    choices: list[AgentChoice]
    none_left: int = Field(description="How often the candidates can still be bought again.")
    note_room: int = Field(description="Characters of a note for that.")
    deadline: str | None


class Spent(_Result):
    spent: int
    saved: int
    at_most: int | None = Field(description="The budget of the run; null without one.")


class Status(_Result):
    run: str
    state: Literal["running", "suspended", "completed", "failed", "cancelled", "killed"] = Field(
        description="suspended waits for an answer; killed means that its process is gone."
    )
    sentence: str
    credits: Spent
    steps: list[StepCounts]
    questions: list[AgentQuestion]
    problems: list[str]
    advice: str | None = Field(description="What a person can do about a run that stopped.")


class Answered(_Result):
    run: str
    step: str
    picked: list[str] = Field(description="Empty where none was picked.")


class AgentReceipt(_Result):
    run: str
    status: str
    sentence: str
    outputs: dict[str, Any] = Field(description="By name; a medium has the path of its file.")
    credits: Spent
    balance_before: int | None
    balance_after: int | None
    steps: list[StepCounts]
    choices: list[str]
    problems: list[str]
    folder: str
    receipt: str = Field(description="File with everything, purchase by purchase.")
    contact_sheet: str


@dataclass(frozen=True)
class AgentPicture:
    """A small JPEG, and what it shows."""

    name: str
    jpeg: bytes


@dataclass(frozen=True)
class Reply(Generic[R]):
    """What a tool answers.

    Attributes:
        result: For programs.
        lines: The same for people and models.
        pictures: Shown after the lines.
    """

    result: R
    lines: Sequence[str]
    pictures: Sequence[AgentPicture] = ()


def bounded(value: Any, depth: int = 0) -> Any:
    """A JSON value of a run without characters that act, and without what is too long.

    A lone surrogate, which a model may send, could not be written as UTF-8.
    """
    if isinstance(value, str):
        cut = value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
        return printable(cut)
    if depth >= MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        return "…"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        return {printable(str(name)[:MAX_TEXT]): bounded(one, depth + 1) for name, one in pairs}
    if isinstance(value, list | tuple):
        return [bounded(one, depth + 1) for one in value[:MAX_ITEMS]]
    return value
