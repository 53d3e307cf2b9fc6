"""What the tools for agents take and give, see `agent_tools`; their JSON Schemas come from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from rivya_flows.printable import printable

MAX_TEXT, MAX_ITEMS = 2_000, 200  # characters of one text in a result, and members of one list
MAX_DEPTH = 12  # levels of a value of a run that are shown
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
        max_length=200, description="Id of a quote, as `plan` gives it; it counts once."
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

    min: int = Field(description="The least.")
    max: int | None = Field(description="The most; null where only the service knows it.")


class AgentModel(_Result):
    id: str = Field(description="What a spec names.")
    name: str = Field(description="For people.")
    kind: str = Field(description="image, video, audio or chat.")
    status: str = Field(description="Of the service: available, or why not.")
    credits: AgentCredits = Field(description="Of a request with the default parameters.")
    references: str = Field(description="Reference files that it takes; empty for none.")
    params: list[str] = Field(description="Names of its parameters.")


class AgentModels(_Result):
    date: str = Field(description="Of the catalogue.")
    source: str = Field(description="live or shipped.")
    models: list[AgentModel] = Field(description="In the order of the service.")


class Problem(_Result):
    """One mistake at its place."""

    file: str = Field(description="As it was named.")
    line: int = Field(description="From 1; 0 without a place.")
    column: int = Field(description="From 1; 0 without a place.")
    code: str = Field(description="Stable name.")
    message: str = Field(description="What is wrong.")
    hint: str | None = Field(description="What to write instead.")


class AgentCheck(_Result):
    ok: bool = Field(description="There are no problems.")
    name: str | None = Field(description="Of the spec; null if it is wrong.")
    steps: int = Field(description="How many; 0 if it is wrong.")
    problems: list[Problem] = Field(description="In the order of the text.")
    warnings: list[Problem] = Field(description="What is no mistake, and does nothing.")


class SpecInput(_Result):
    name: str = Field(description="What `inputs` calls it.")
    type: str = Field(description="Of its values.")
    title: str = Field(description="For people; may be empty.")
    description: str = Field(description="For people; may be empty.")
    required: bool = Field(description="It has no default, and must be given.")
    default: Any = Field(description="Null without one.")
    values: list[Any] = Field(description="Of an enum.")


class ListedSpec(_Result):
    path: str = Field(description="From the root.")
    name: str | None = Field(description="Null if the spec is wrong: `check_spec` says why.")
    title: str = Field(description="For people; may be empty.")
    description: str = Field(description="For people; may be empty.")
    inputs: list[SpecInput] = Field(description="In the order of the spec.")


class Specs(_Result):
    root: str = Field(description="Absolute path of the root.")
    specs: list[ListedSpec] = Field(description="In the order of their paths.")


class AgentItem(_Result):
    step: str = Field(description="Id of the step.")
    key: str = Field(
        description="Of the item; empty for a step of one, * for items that only the run knows."
    )
    model: str | None = Field(description="Null for a free step.")
    credits: AgentCredits = Field(description="What it costs.")
    cached: bool = Field(description="An earlier result is taken, for nothing.")
    note: str = Field(description="What the price assumes.")


class Planned(_Result):
    quote: str | None = Field(description="Pass it to `run`. Null if the plan cannot be bought.")
    refused: str | None = Field(description="Why there is no quote.")
    at_most: int | None = Field(description="The most credits that the run of the quote spends.")
    expires_at: str | None = Field(description="When the quote ends, UTC; null without one.")
    buys: str = Field(description="What a run of the quote buys, from whom, and for how much.")
    name: str = Field(description="Of the spec.")
    credits: AgentCredits = Field(description="What all items cost.")
    saved: int = Field(description="Credits that the cache saves.")
    budget: int | None = Field(description="The cap; null for none.")
    balance: int | None = Field(description="Of the wallet; null if unknown.")
    items: list[AgentItem] = Field(description="In the order of the spec.")
    skipped: dict[str, str] = Field(description="Why steps will not run, by id.")


class Started(_Result):
    run: str = Field(description="Id of the run.")
    at_most: int = Field(description="The most credits that it spends.")
    folder: str = Field(description="Gets the outputs, the contact sheet and the receipt.")


class StepCounts(_Result):
    id: str = Field(description="Of the step.")
    status: str = Field(description="Of all its items.")
    items: int = Field(description="How many there are.")
    completed: int = Field(description="How many are done.")
    failed: int = Field(description="How many failed.")


class AgentChoice(_Result):
    key: str = Field(description="For `answer`.")
    kind: str = Field(description="image, video, audio or text.")
    file: str | None = Field(
        description="Path of the medium; null for a text, and where it is not here."
    )
    text: str | None = Field(description="Of a candidate that is a text.")
    score: float | None = Field(description="Of a judge, from 0 to 10.")
    reason: str | None = Field(description="Of the judge.")
    picture: int | None = Field(
        description="Which of the pictures of this result shows it, from 1."
    )


class AgentQuestion(_Result):
    step: str = Field(description="Its name, for `answer`.")
    text: str = Field(description="What is asked.")
    pick: int = Field(description="How many to choose.")
    choices: list[AgentChoice] = Field(description="The candidates.")
    none_left: int = Field(description="How often the candidates can still be bought again.")
    note_room: int = Field(description="Characters of a note for that.")
    deadline: str | None = Field(description="When it closes, UTC; null for never.")


class Spent(_Result):
    spent: int = Field(description="Credits spent or held.")
    saved: int = Field(description="Credits that the cache saved.")
    at_most: int | None = Field(description="The budget of the run; null without one.")


class Status(_Result):
    run: str = Field(description="Id of the run.")
    state: Literal[
        "running", "suspended", "completed", "failed", "cancelled", "waiting", "killed"
    ] = Field(
        description="suspended waits for an answer; waiting tries again later, since something is away; killed means that its process is gone."
    )
    sentence: str = Field(description="How it stands, for people.")
    credits: Spent = Field(description="So far.")
    steps: list[StepCounts] = Field(description="In the order of the spec.")
    questions: list[AgentQuestion] = Field(description="Those that are open.")
    problems: list[str] = Field(description="One line for each item that failed or was skipped.")
    advice: str | None = Field(description="What a person can do about a run that stopped.")


class Answered(_Result):
    run: str = Field(description="Id of the run.")
    step: str = Field(description="Name of the question.")
    picked: list[str] = Field(description="Empty where none was picked.")


class AgentReceipt(_Result):
    run: str = Field(description="Id of the run.")
    status: str = Field(description="As `state` of `status`, without killed.")
    sentence: str = Field(description="How it ended, for people.")
    outputs: dict[str, Any] = Field(description="By name; a medium has the path of its file.")
    credits: Spent = Field(description="Of the whole run.")
    balance_before: int | None = Field(description="Of the wallet; null if unknown.")
    balance_after: int | None = Field(description="Of the wallet; null if unknown.")
    steps: list[StepCounts] = Field(description="In the order of the spec.")
    choices: list[str] = Field(description="Who picked what, for people.")
    problems: list[str] = Field(description="One line for each item that failed or was skipped.")
    folder: str = Field(description="Path of the run's folder.")
    receipt: str = Field(description="File with everything, purchase by purchase.")
    contact_sheet: str = Field(description="Path of the page with all media.")


@dataclass(frozen=True)
class AgentPicture:
    """A small JPEG, and what it shows."""

    name: str
    jpeg: bytes


@dataclass(frozen=True)
class Reply(Generic[R]):
    """What a tool answers."""

    result: R
    lines: Sequence[str]
    pictures: Sequence[AgentPicture] = ()


def bounded(value: Any, depth: int = 0) -> Any:
    """A JSON value of a run without characters that act, lone surrogates and what is too long."""
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
