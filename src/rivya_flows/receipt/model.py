"""The receipt of a run as frozen models: their JSON is `receipt.json`, their schema `receipt.schema.json`.

The docstring of a field is its description there and in docs/reference/receipt.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import cached_property
from operator import is_
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)

from rivya_cut.subtitles import Cue
from rivya_flows.assets import Asset, as_asset, rendered_as
from rivya_flows.plans.names import label
from rivya_flows.questions.question import AtDeadline, Candidate
from rivya_flows.queue.events import AnsweredBy, OtherRun, PoolTotal, Why
from rivya_flows.steps.candidates import OnTimeout


def iso(at: datetime) -> str:
    """A time in UTC as ISO 8601, to the millisecond, with ``Z``."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_MOMENT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
Moment = Annotated[
    datetime,
    PlainSerializer(iso, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": _MOMENT}),
]
# In the schema alone: a receipt says what happened, also where that should not be.
Count = Annotated[int, Field(json_schema_extra={"minimum": 0})]
Number = int | float
"""As it was written: an integer stays one."""

Outcome = Literal["completed", "cached", "skipped", "failed", "cancelled", "suspended", "running"]


_FIELD_SETS: dict[frozenset[str], set[str]] = {}


class Part(BaseModel):
    """A part of a receipt."""

    model_config = ConfigDict(
        frozen=True,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
        populate_by_name=True,
        # Fields of later versions are ignored.
        extra="ignore",
    )

    def model_post_init(self, context: Any, /) -> None:
        # A set for each part would be a third of the memory of a large receipt.
        given = self.model_fields_set
        shared = _FIELD_SETS.setdefault(frozenset(given), given)
        object.__setattr__(self, "__pydantic_fields_set__", shared)


class SparsePart(Part):
    """A part whose optional fields are left out where they mean nothing."""

    @model_serializer(mode="wrap")
    def _without_unset(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        unset = type(self).model_fields.keys() - self.model_fields_set
        return {name: value for name, value in dump(self).items() if name not in unset}


class Execution(Part):
    """When an execution drove the run."""

    began_at: Moment
    """When it took the run."""
    ended_at: Moment | None
    """When it ended the run; of one that died, its last entry in the journal; null while it runs."""


class Wait(Part):
    """A question that a person was asked."""

    asked_at: Moment
    """When a person was asked."""
    answered_at: Moment | None
    """When the answer came or the deadline passed; null while the question is open."""


class ForkedRun(Part):
    """The run that a fork repeats in part."""

    run_id: str
    """The forked run."""
    step: str | None
    """From which on all was made again; null where only changes were."""


class Credits(Part):
    """The money of a run."""

    before: int | None
    """The wallet ahead of the first purchase; null where the service did not say."""
    after: int | None
    """The wallet behind the last settlement; null where the service did not say."""
    spent: Count
    """Sum of `held` over the ledger."""
    lost: Count
    """What media cost that were refused for their faults; `spent` has it too."""
    saved: Count
    """What the cache, or the forked run, brought for nothing."""
    budget: Count | None
    """The cap; null for none."""
    needed: Count | None
    """The least that the command which continues the run buys; null of a run that works or completed."""
    enough: Count | None
    """The least budget with which that command is refused nothing that it certainly buys; null of a run that works or completed."""
    left: Count | None
    """The most of it, and no more than the budget has left while the run waits for an answer; null without a bound, and of a run that works or completed."""
    unexplained: int | None
    """before - after - spent - others: what else used the wallet; null where a balance is not known."""
    others: int
    """What other runs of the store spent in the same time."""
    other_runs: tuple[OtherRun, ...]
    """Those that spent most."""


class File(SparsePart):
    """A downloaded result that nothing uses: one that cannot be decoded, or was refused for its faults."""

    task_id: str
    """The job."""
    index: Count
    """Its place among the results of the job."""
    sha256: str
    """SHA-256 of its bytes, in hex."""
    size_bytes: Count
    """How large it is."""
    url: str | None
    """Where it came from; such addresses may expire."""
    mime_type: str | None = None
    """Of a medium that was refused; null of one that cannot be decoded."""
    path: str | None = None
    """A copy on the machine that wrote the receipt; not there where the bytes are gone."""


class Upload(Part):
    """A medium that only the service holds."""

    url: str
    """Where the service has it; such addresses may expire."""
    kind: str | None
    """As of an asset; null where that is not known."""
    mime_type: str | None
    """Such as `image/png`."""
    duration_seconds: float | None
    """Seconds; null for a picture."""
    file_id: str
    """Of the upload."""


class Rendition(SparsePart):
    """One format of a film or a layout."""

    asset: Asset
    """The film or picture."""
    clean: Asset | None = None
    """The same film without captions; null where none was asked for."""


class Caption(Part):
    """One caption."""

    start: float
    """Seconds of the film."""
    end: float
    """Seconds of the film."""
    text: str
    """What is shown."""


class Captions(Part):
    """The captions of a film."""

    cues: tuple[Caption, ...]
    """In the order of the film."""
    estimated: bool
    """They are timed by the pauses of the narration."""
    language: str | None
    """BCP 47."""

    @property
    def timed(self) -> list[Cue]:
        """The same for files of subtitles."""
        return [Cue(one.start, one.end, one.text) for one in self.cues]


class Loudness(Part):
    """What was measured on a finished sound."""

    lufs: float
    """Integrated, in LUFS."""
    true_peak: float
    """In dBTP."""


class Judge(Part):
    """The model that gives scores."""

    model: str | None
    """Null where it is not known yet."""
    least: Number
    """Lowest score that is good enough, 0 to 10."""
    criteria: tuple[str, ...]
    """What it looks at."""
    frames: int | None = None
    """By how many frames it sees each film; null if it sees none."""


class EarlierCandidate(Part):
    """A candidate of a round before."""

    round: Count
    """Counted from 0, the first purchase."""
    key: str
    """The item."""
    sha256: str | None
    """Of its medium, in hex; null for a text."""
    text: str | None
    """Of a candidate without a medium: its text, or its JSON."""


class ReviewNote(Part):
    """A remark of a reviewer, which may be about a second and a point of a medium."""

    text: str
    """In their words."""
    medium: str | None
    """The key of the medium; null: it does not say."""
    second: float | None
    """Of that medium; null: of the whole."""
    x: int | None
    """Percent from the left; null: the whole frame."""
    y: int | None
    """Percent from the top; null: the whole frame."""


class ReviewAnswer(Part):
    """An answer of a reviewer."""

    round: Count
    """In which round, counted from 0."""
    answer: Literal["approve", "changes"]
    """Whether they approve it."""
    notes: tuple[ReviewNote, ...]
    """What they say."""
    by: AnsweredBy
    """Who answered."""


class Approval(Part):
    """Of a review: who is asked, and what they answered."""

    reviewers: tuple[str, ...]
    """Their names; empty: anyone."""
    need: Count
    """How many must approve."""
    answers: tuple[ReviewAnswer, ...]
    """The last one of each reviewer in each round, in their order."""

    def of_round(self, number: int) -> tuple[ReviewAnswer, ...]:
        """The answers of a round, counted from 0."""
        return tuple(one for one in self.answers if one.round == number)


class Choice(Part):
    """What was chosen or approved, from what, by whom and why."""

    mode: str
    """As a pick says: `human`, `first`, `best` or `judge`; `review` of a review."""
    review: Approval | None = None
    """Of a review; null of a pick."""
    question: str | None
    """As the step says; null for the usual one."""
    count: int
    """How many are picked."""
    round: Count
    """How often the candidates have been bought again."""
    rounds_left: Count
    """How often the person who is asked may still have them bought again."""
    note_room: Count
    """Characters that the note for that may have."""
    notes: tuple[str, ...]
    """What people asked to be different, one for each round; empty where they said nothing."""
    picked: tuple[str, ...]
    """Keys, in the order of choice; empty as long as nothing is picked."""
    by: AnsweredBy | None
    """Who picked; null without a person or a deadline."""
    waiting: bool
    """A person may answer, even after a deadline that failed the step."""
    deadline: Moment | None
    """When the question closes; null: never."""
    on_timeout: OnTimeout
    """What the spec says that happens then."""
    then: AtDeadline | None
    """What happens then as things stand: without a proposal of the judge the candidates are bought again, or the step fails. Null once it has, and unless the pick waits."""
    judge: Judge | None
    """Null without a judge."""
    judge_error: str | None
    """Why the judge gave no usable scores."""
    candidates: tuple[Candidate, ...]
    """In the order of their numbers."""
    earlier: tuple[EarlierCandidate, ...]
    """Candidates of the rounds before."""

    @property
    def keys(self) -> list[str]:
        """The keys of its candidates, in their order."""
        return [one.key for one in self.candidates]


class Item(SparsePart):
    """One item of a step."""

    key: str
    """Which item of a fan-out; empty for a step without one."""
    status: Outcome
    """How it stands."""
    reason: str | None
    """Why it was skipped or failed; or that the last round of a `repeat` was taken though `until` was not true."""
    code: str | None
    """A stable name of that reason."""
    pool: str | None = None
    """The pool of the store that did not cover its purchase."""
    credits: Count
    """What all its purchases cost, or hold while they are not settled."""
    saved: Count
    """Credits that the cache, or the forked run, saved."""
    taken_from: str | None
    """The forked run that its outputs were taken from."""
    why: Why | None = None
    """Why it was bought although an earlier run of the same spec has one; left out where it is not known."""
    model: str | None
    """Null for a step without one."""
    prompt: str | None
    """The prompt of a generation, or the message of a chat."""
    params: dict[str, Any] | None
    """The parameters as they were sent, without media."""
    task_ids: tuple[str, ...]
    """Jobs or chat completions at the service, in the order of purchase."""
    assets: tuple[Asset | Upload, ...]
    """The media that it made or chose."""
    files: tuple[File, ...]
    """Results of its jobs that nothing uses: those that cannot be decoded, or were refused for their faults."""
    parents: tuple[str, ...]
    """Media that it was made from: SHA-256 of each, in hex."""
    text: str | None
    """The answer of a chat."""
    json_value: Any = Field(alias="json")
    """The same, read in the asked shape; null without one."""
    alternative: Count = 0
    """Of a `generate`: the `fallback` that served, or was tried last, counted from 1; 0 is the request as written. `model`, `prompt` and `params` are those of it."""
    faults: tuple[str, ...] | None = None
    """Of a `generate`: the faults of its media that `quality` does not refuse; of an `inspect`: those of its medium."""
    by: dict[str, Rendition] | None = None
    """Of a `compose` or `layout`: its medium by format, such as `9:16`; without formats by size, such as `720x1280`."""
    captions: Captions | None = None
    """Of a `compose`: its captions."""
    poster: Asset | None = None
    """Of a `compose`: a still of the film."""
    posters: tuple[Asset, ...] | None = None
    """Of a `compose`: all stills of the film, the `poster` first."""
    timeline: str | None = None
    """Of a `compose`: the timeline as OpenTimelineIO."""
    gif: Asset | None = None
    """Of a `compose` or `layout`: a short loop."""
    loudness: Loudness | None = None
    """Of a `compose` or `layout`: measured on the finished sound (EBU R 128); null for a silent one."""
    lost: tuple[str, ...] | None = None
    """Of a `compose` or `layout`: what is not as it was asked for, such as characters that no font has or an overlay without room, and metadata of its sources that no result carries."""
    began_at: Moment | None
    """When its first purchase was sent, or its question asked; of free work, when all that it needs had ended. Null if it did nothing."""
    ended_at: Moment | None
    """When it ended; null before, and if it did nothing."""
    waits: tuple[Wait, ...]
    """How long it waited for a person, once for each round of questions."""
    choice: Choice | None = None
    """Of a `pick` or a `review`: what was decided, about what, by whom and why; null before its candidates are known."""

    @property
    def media(self) -> tuple[Asset, ...]:
        """Its assets without those that only the service holds."""
        return tuple(one for one in self.assets if isinstance(one, Asset))

    @property
    def formats(self) -> dict[str, tuple[str, ...]]:
        """What each medium of a composition or a layout is, by hash, as of `rendered_as`."""
        if self.by is None:
            return {}
        return rendered_as(self.model_dump(mode="json", include={"by", "poster", "posters", "gif"}))


class Step(Part):
    """A step of the plan."""

    id: str
    """Its name in the spec; `PICK.STEP.2` for the second round of a pick or a review, `STEP.2` for that of a `repeat`."""
    uses: str
    """Its kind."""
    title: str | None
    """Of the spec; null without one."""
    part_of: str | None = None
    """The `include` or `repeat` of the spec that it belongs to; null for a step of the spec itself."""
    axes: tuple[str, ...] = ()
    """The lists of a `matrix` or `zip` that give the parts of the keys of its items; empty if one part is all."""
    needs: tuple[str, ...]
    """Ids of the steps before it in the graph, in the order of the plan."""
    status: Outcome
    """Of all its items together."""
    credits: Count
    """Sum over its items."""
    saved: Count
    """Sum over its items."""
    balance_before: int | None
    """The wallet ahead of its first action; null where the service did not say."""
    balance_after: int | None
    """The wallet behind its last settlement."""
    items: tuple[Item, ...]
    """One for a step without fan-out."""


class Purchase(Part):
    """A row of the ledger."""

    at: Moment
    """When the purchase was written down, ahead of being sent; UTC."""
    step: str
    """Which step bought it."""
    key: str
    """Which item; empty for a step without fan-out."""
    n: int
    """Which purchase of its item; more than 1 after a failed job, a refusal or a repeated question."""
    alternative: Count
    """Which `fallback` of its step it is, counted from 1; 0 is the request as written."""
    route: str
    """How it was bought: `generation`, `chat`, that of a kind of others; `function`: by a step function, as it says itself."""
    model: str | None
    """The model in the request; null for a function that names none."""
    idempotency_key: str
    """The key that the request went out under, every time."""
    client_request_id: str | None
    """The name that the service shows beside the job."""
    task_id: str | None
    """The job or completion; null while no answer is known."""
    status: Literal[
        "intended", "accepted", "succeeded", "lost", "failed", "answered", "refused", "uncertain"
    ]
    """See below."""
    reserved: Count
    """Credits set aside for it."""
    final: Count | None
    """What it cost; null while it is not settled."""
    reason: str | None
    """What the service said about a failure or a refusal, for which faults the media were refused, or why the outcome is not known."""
    held: Count
    """What it takes up of the budget: `final`, else `reserved`."""


class Difference(Part):
    """A difference between ledger, service and balance."""

    kind: Literal[
        "unknown_job",
        "other_model",
        "other_status",
        "other_cost",
        "not_settled",
        "uncertain",
        "unexpected_job",
        "wallet",
    ]
    """What differs, see below."""
    task_id: str | None
    """The job; null without one."""
    step: str | None
    """Of the purchase; null without one."""
    key: str | None
    """Item of the purchase; null without one."""
    n: int | None
    """Number of the purchase of this item; null without one."""
    ledger: str | int | None
    """What the ledger has; null for nothing."""
    service: str | int | None
    """What the service says; null for nothing."""
    words: str
    """The same for people."""


class Agreement(Part):
    """Whether ledger, service and balance agree."""

    agrees: bool
    """There are no differences."""
    compared: Count
    """Jobs that the service was asked about."""
    unexplained: int | None
    """As in `credits`."""
    differences: tuple[Difference, ...]
    """Each one between ledger, jobs and wallet."""


class Maker(Part):
    """The item that made a medium."""

    run_id: str
    """An earlier run for a result of the cache."""
    step: str
    """Of that run."""
    key: str
    """The item; empty for a step without fan-out."""
    uses: str
    """The kind of the step."""
    model: str | None
    """Null for a step without one."""
    prompt: str | None
    """Null without one."""
    params: dict[str, Any] | None
    """The parameters as they were sent, without media."""
    task_id: str | None
    """The job; null for a free step."""
    credits: Count
    """What this one job cost; 0 from the cache."""
    cached: bool
    """An equal request of an earlier run brought it."""
    parents: tuple[str, ...]
    """SHA-256 of the media that it was made from."""
    service: str
    """Base URL of the service, or the id of a sandbox."""
    sandbox: bool
    """It is a rendering of the local sandbox."""


class Card(Asset):
    """Where a medium came from."""

    given_as: str | None
    """Where the run was given it: `inputs.NAME`, or the path in the spec; null for what it made."""
    made_by: Maker | None
    """The item that made it; null for a medium that was given."""


class SpecText(Part):
    """The spec as a run froze it."""

    file: str
    """Its path, as it was given."""
    sha256: str
    """Of its text, in hex."""
    text: str
    """All of it."""


class Receipt(Part):
    """All that a run did, bought and made.

    Fields may be added within a version; none is taken away or changes its meaning.
    """

    version: Literal[1] = 1
    """Of this form of the document."""
    run_id: str
    """The run, across resumes."""
    name: str
    """Of the spec."""
    title: str | None
    """Of the spec; null without one."""
    subject: str
    """What it is about, in a line: the first one-line text or choice of its inputs, else the first text; empty without one."""
    status: Literal["completed", "failed", "cancelled", "suspended", "running"]
    """How it ended; `running` while no execution has ended it. A killed run stays `running` until it is resumed."""
    service: str
    """Base URL of the service, or the id of a sandbox."""
    sandbox: bool
    """The service was the local sandbox: no real credits, no real media."""
    wallet: str | None
    """Name of the credentials that the run bought with; null: the key of the process."""
    started_at: Moment
    """First entry of the journal, UTC."""
    ended_at: Moment | None
    """Last entry of the journal, UTC; null while it runs."""
    executions: Count
    """How often the run was taken up to an end of any kind."""
    execution_times: tuple[Execution, ...]
    """The executions of the run, the first one first."""
    waits: tuple[Wait, ...]
    """How long questions about the budget waited."""
    labels: dict[str, str]
    """What the run is counted under, by name."""
    fork: ForkedRun | None
    """The run that finished work was taken from, and the step from which on all was made again, or the item `step[key]`; null for a run that is no fork."""
    credits: Credits
    """The money of the run."""
    pools: tuple[PoolTotal, ...]
    """The pools of the store that match the labels, as its last execution left them."""
    inputs: dict[str, Any]
    """Every input by name. A file is an [asset](#an-asset); a secret is the name of a secret, never its value."""
    outputs: dict[str, Any]
    """The outputs of the spec by name; null where what they name was skipped, failed or is not there yet. The asset of a film in which somebody speaks also has `speech`: the `cues` of what is said, each with `start` and `end` in seconds and its `text`, and whether the picture is `captioned` with them."""
    output_files: dict[str, str]
    """The names of the files in the folder of the run that outputs are written to, by their names."""
    failed_outputs: dict[str, str]
    """Why an output could not be evaluated, by its name, with its line in the spec; such a run has failed. Empty otherwise."""
    steps: tuple[Step, ...]
    """In the order of the plan."""
    ledger: tuple[Purchase, ...]
    """One row for each purchase, in the order of intent."""
    agreement: Agreement | None
    """The ledger against the service; null where it was not asked."""
    assets: tuple[Card, ...]
    """A provenance card for each medium that was given or made."""
    spec: SpecText
    """The spec as the run froze it."""
    plan_hash: str
    """SHA-256 of the plan that was shown before the first credit."""
    catalogue_date: str
    """When models and prices were read."""

    @property
    def text_files(self) -> dict[str, str]:
        """Of `output_files`, those of outputs that are no media."""
        files = self.output_files.items()
        return {name: one for name, one in files if as_asset(self.outputs[name]) is None}

    def each(self) -> Iterator[tuple[Step, Item]]:
        """All items, each after its step."""
        return ((step, item) for step in self.steps for item in step.items)

    def choices(self) -> Iterator[tuple[str, Choice]]:
        """Each pick whose candidates are known: its name, and its choice."""
        for step, item in self.each():
            if item.choice:
                yield label(step.id, item.key), item.choice

    @cached_property
    def media(self) -> dict[str, Asset]:
        """The media of the run by SHA-256, see `media_on`."""
        return media_on(self.assets)


def media_on(cards: Iterable[Card]) -> dict[str, Asset]:
    """The media on cards, each by its first card, without what the card says beside."""
    found: dict[str, Asset] = {}
    for card in cards:
        if card.sha256 not in found:
            found[card.sha256] = Asset(**{name: getattr(card, name) for name in Asset.model_fields})
    return found


def with_paths(value: Any, paths: Mapping[str, Path | None]) -> Any:
    """The same receipt, or part of one, with the paths of media by hash; what stays equal is shared."""
    if isinstance(value, list | tuple):
        members = [with_paths(one, paths) for one in value]
        return value if all(map(is_, members, value)) else type(value)(members)
    if not isinstance(value, dict | BaseModel):
        return value
    before: dict[str, Any]
    if isinstance(value, BaseModel):  # not `dict(value)`: it has cached values too
        before = {name: getattr(value, name) for name in type(value).model_fields}
    else:
        before = value
    after = {name: with_paths(one, paths) for name, one in before.items()}
    digest, is_file = before.get("sha256"), isinstance(value, File)
    if isinstance(digest, str) and digest in paths and (is_file or "mime_type" in before):
        path = paths[digest]
        if path or not is_file:  # what is written of a failed item keeps the place that it has
            after["path"] = path if isinstance(value, Asset) or path is None else str(path)
    changed = {name for name, one in after.items() if name not in before or one is not before[name]}
    if not changed:
        return value
    if isinstance(value, BaseModel):
        given = value.model_fields_set
        return value.model_construct(given if changed <= given else given | changed, **after)
    return after
