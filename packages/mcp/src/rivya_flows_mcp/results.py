"""What the tools for agents give, see `tools`: models whose JSON Schemas clients read, and how they are made."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rivya_client.catalogue.catalogue import Model, Param
from rivya_client.catalogue.prices import price
from rivya_client.printable import printable
from rivya_flows.errors import RivyaError
from rivya_flows.language.workflow import Input, Workflow
from rivya_flows.media.decoding import poster
from rivya_flows.questions.question import Question
from rivya_flows.queue.events import AnswerGiven, Stamped
from rivya_flows.receipt.model import Receipt
from rivya_flows.receipt.questions import readable
from rivya_flows.receipt.report import RunReport
from rivya_flows.receipt.summary import DONE
from rivya_flows.store.assets import AssetStore
from rivya_flows.store.leases import LEASE_SECONDS

MAX_TEXT, MAX_ITEMS = 2_000, 200  # characters of one text in a result, and members of one list
MAX_DEPTH = 12  # levels of a value of a run that are shown
MAX_PICTURES, MAX_PICTURE_BYTES, PICTURE_SIDE = 8, 200_000, 512

R = TypeVar("R", bound=BaseModel, covariant=True)


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _sanitize(cls, given: Any) -> Any:
        """The fields by name, or those of a value that has them too, within bounds."""
        if not isinstance(given, Mapping | cls):
            given = {name: getattr(given, name) for name in cls.model_fields}
        return sanitize(given)


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
    type: str = Field(description="Of its values; a `?` is after fields that may be left out.")
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
    asks: Literal["pick", "review", "budget"] = Field(
        description="pick: `answer` with keys of choices; review: with approve or changes; budget: with no."
    )
    pick: int = Field(description="How many to choose.")
    choices: list[AgentChoice] = Field(description="The candidates, or what is reviewed.")
    reviewers: list[str] = Field(description="Of a review: who alone may answer; empty: anyone.")
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


def sanitize(value: Any, depth: int = 0) -> Any:
    """A JSON value of a run without characters that act, lone surrogates and what is too long."""
    if isinstance(value, str):
        cut = value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}…"
        return printable(cut)
    if depth >= MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        return "…"
    if isinstance(value, Mapping):
        pairs = list(value.items())[:MAX_ITEMS]
        return {printable(str(name)[:MAX_TEXT]): sanitize(one, depth + 1) for name, one in pairs}
    if isinstance(value, list | tuple):
        return [sanitize(one, depth + 1) for one in value[:MAX_ITEMS]]
    return value


def spec_of(path: str, workflow: Workflow | None) -> ListedSpec:
    """A spec of the list, with its inputs; None if it is wrong."""
    if workflow is None:
        return ListedSpec(path=path, name=None, title="", description="", inputs=[])
    return ListedSpec(
        path=path,
        name=workflow.name,
        title=workflow.title or "",
        description=workflow.description or "",
        inputs=[
            SpecInput(
                name=name,
                type=_type_of(one),
                title=one.title or "",
                description=one.description or "",
                required=one.required and one.default is None,
                default=one.default,
                values=one.values,
            )
            for name, one in workflow.inputs.items()
        ],
    )


def _type_of(declared: Input) -> str:
    fields = [
        f"{name}: {_type_of(one)}{'' if one.required and one.default is None else '?'}"
        for name, one in declared.fields.items()
    ]
    inside = f" {{{', '.join(fields)}}}" if fields else ""
    return f"list of {declared.of}{inside}" if declared.of else f"{declared.type}{inside}"


def state_of(listed: str, entries: Sequence[Stamped], *, at_work: bool) -> Any:
    """The state of a run, also between an answer, or the start, and what its process writes first."""
    newest = entries[-1]
    if isinstance(newest.event, AnswerGiven):  # of an ended execution, whose status is listed
        listed = "running" if time.time() - newest.at < LEASE_SECONDS else "killed"
    return "running" if at_work and listed in ("waiting", "killed") else listed


def advice_for(run_id: str, state: str, last_lines: str) -> str | None:
    """What a person can do about a run that stopped, with what its process printed last."""
    if state in ("completed", "running", "suspended", "waiting"):
        return None
    advice = f"a person continues it with `rivya-flows resume {run_id}`; nothing is bought twice"
    last = f"; its process last said: {last_lines}" if state == "killed" and last_lines else ""
    return advice + last


def spent_of(receipt: Receipt) -> Spent:
    credits = receipt.credits
    return Spent(spent=credits.spent, saved=credits.saved, at_most=credits.budget)


def steps_of(receipt: Receipt) -> list[StepCounts]:
    return [
        StepCounts(
            id=step.id,
            status=step.status,
            items=len(step.items),
            completed=sum(item.status in DONE for item in step.items),
            failed=sum(item.status == "failed" for item in step.items),
        )
        for step in receipt.steps
    ]


def output_text(value: Any) -> str:
    """An output on one line: a medium by the path of its file."""
    if isinstance(value, list):
        return ", ".join(map(output_text, value))
    if isinstance(value, Mapping) and "mime_type" in value:
        return str(value.get("path") or value.get("url"))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def model_of(model: Model) -> AgentModel:
    rule = model.references
    return AgentModel(
        id=model.id,
        name=model.display_name,
        kind=model.category,
        status=model.api_status,
        credits=price(model, {}),
        references=(rule.rule or ", ".join(rule.kinds)) if rule else "",
        params=[_param(one) for one in model.params],
    )


def _param(param: Param) -> str:
    """``aspect_ratio: 1:1, 9:16; default 1:1``."""
    values = ", ".join(param.options) or param.type
    values += "" if param.min is None else f" from {param.min:g}"
    values += "" if param.max is None else f" to {param.max:g}"
    facts = [values]
    if param.required:
        facts.append("required")
    elif param.default is not None:
        facts.append(f"default {param.default}")
    if param.bears_price:
        facts.append("changes the price")
    return f"{param.key}: {'; '.join(facts)}"


def question_of(
    question: Question, report: RunReport, assets: AssetStore, pictures: list[AgentPicture]
) -> AgentQuestion:
    """A question; adds small pictures of its candidates to those of the result."""
    choices = list[AgentChoice]()
    # A spec may write any map as a candidate: media that this run has not made or read stay hidden.
    known, paths = report.receipt.media, report.media_paths
    candidates = {one.key: one for one in question.candidates}
    listed = tuple(candidates) if question.kind == "review" else question.choices
    for key in listed[:MAX_ITEMS]:
        one = candidates.get(key)
        asset = known.get(one.sha256 or "") if one else None
        jpeg = None
        if asset and asset.kind != "audio" and len(pictures) < MAX_PICTURES:
            jpeg = _picture(assets, asset.sha256)
        if jpeg is not None:
            pictures.append(AgentPicture(f"{question.label} = {key}", jpeg))
        choices.append(
            AgentChoice(
                key=key,
                kind=asset.kind if asset else "text",
                file=paths.get(asset.sha256) if asset else None,
                text=None if one is None or one.text is None else readable(one.text),
                score=one.score if one else None,
                reason=one.reason if one else None,
                picture=None if jpeg is None else len(pictures),
            )
        )
    return AgentQuestion(
        step=question.label,
        text=question.title,
        asks=question.kind,
        reviewers=[*question.reviewers],
        pick=question.count,
        choices=choices,
        none_left=question.rounds_left,
        note_room=question.note_room,
        deadline=question.deadline and question.deadline.isoformat(),
    )


def _picture(assets: AssetStore, sha256: str) -> bytes | None:
    """A small JPEG of a medium; None if it is gone, broken, or large however small it is drawn."""
    with suppress(RivyaError):
        path = assets.local_path(sha256)
        for side in (PICTURE_SIDE, PICTURE_SIDE // 2):
            jpeg = poster(path, side)
            if jpeg is None or len(jpeg) <= MAX_PICTURE_BYTES:
                return jpeg
    return None


def question_lines(question: AgentQuestion) -> Iterator[str]:
    many = "" if question.pick == 1 else f" (pick {question.pick})"
    yield f"{question.step} asks: {question.text}{many}"
    for one in question.choices:
        scored = "" if one.score is None else f", {one.score:g} of 10: {one.reason}"
        seen = "" if one.picture is None else f", picture {one.picture}"
        yield f"  {one.key}: {one.file or one.text or ''}{seen}{scored}"
    if question.asks == "review":
        yield (
            "  approve, or changes with a note"
            + f" (for {', '.join(question.reviewers)})" * bool(question.reviewers)
        )
    elif question.none_left:
        yield f"  or none of these, at most {question.none_left} times"
    if question.deadline:
        yield f"  open until {question.deadline}"
