"""The models of a spec: what `load` returns and everything later reads.

Values that may contain ``${{ }}`` keep their written form here (plain JSON values with the
expression inside a string); `language.expressions` evaluates them when their names are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, SerializeAsAny, model_validator
from pydantic.json_schema import SkipJsonSchema

from rivya_flows.language.brand import Brand
from rivya_flows.language.field_types import (
    COMPUTABLE,
    Caching,
    Count,
    Flag,
    InputType,
    MediaKind,
    Name,
    Number,
    Quantity,
    Seconds,
    SpecModel,
    Takes,
    Value,
)
from rivya_flows.language.quality import MEASURED, Quality

Inputs = Mapping[str, JsonValue]
"""The values of inputs by name, as JSON."""


def _declaration(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


class Input(SpecModel):
    """One typed input of a workflow: a field of the run form. `string` stands for `{type: string}`.

    Attributes:
        type: The type of its values.
        title: Label of the field.
        description: Help text of the field.
        of: The type of the items of a list.
        fields: Of a map, and of a list of maps: the fields of each map by name, declared as inputs are.
        values: The choices of an enum.
        default: The value when none is given. A file path is relative to the folder of the spec; so is that of
            a CSV, JSON or YAML file with a map or a list of maps.
        required: Whether there must be a value; `false`: it may be left out, and is null then.
        min: Smallest number, length in characters or number of items.
        max: Largest number, length or number of items.
        pattern: Regular expression that the whole text must match, such as `[A-Z]{2}-[0-9]+`;
            without look-around and backreferences.
        kind: Of a file: the kind of media.
    """

    type: InputType
    title: str | None = None
    description: str | None = None
    of: InputType | None = None
    fields: dict[Name, InputForm] = Field(default_factory=dict)
    values: tuple[str | int | float | bool, ...] = ()
    default: Value = None
    required: Flag = True
    min: Number | None = None
    max: Number | None = None
    pattern: str | None = None
    kind: MediaKind | None = None

    @property
    def member(self) -> Input:
        """What each item of a list is, as an input of its own; `Input(type="list")` without `of` takes any."""
        return Input(type=self.of or "list", kind=self.kind, values=self.values, fields=self.fields)

    @property
    def is_table(self) -> bool:
        """Whether it is a map or a list of maps, which a file may hold."""
        return "map" in (self.type, self.of)

    @property
    def has_files(self) -> bool:
        """Whether files are among its values, at any depth."""
        inside = self.fields.values()
        return "file" in (self.type, self.of) or any(one.has_files for one in inside)


InputForm = Annotated[
    Input, BeforeValidator(_declaration, json_schema_input_type=InputType | Input)
]
Input.model_rebuild()  # with the form of its fields
Change = Callable[[Input, Any], Any]


def change_files(declared: Input, value: Any, change: Change) -> Any:
    """The value with each file in it changed, by its declaration; what does not fit stays as it is."""
    if declared.type == "file":
        return value if value is None else change(declared, value)
    if declared.has_files and declared.type == "list" and isinstance(value, list | tuple):
        return [change_files(declared.member, one, change) for one in value]
    if declared.has_files and declared.type == "map" and isinstance(value, Mapping):
        fields = declared.fields
        return {
            name: change_files(fields[name], one, change) if name in fields else one
            for name, one in value.items()
        }
    return value


WARN_AT = 0.8
"""Default of `warn_at`."""


_Credits = Annotated[Annotated[Count, Field(ge=0)], COMPUTABLE]


class CreditLimit(SpecModel):
    """The most credits of one run of a deployment.

    Attributes:
        credits: The cap, in credits: a number, or an expression of inputs.
    """

    credits: _Credits


OnUnfit = Literal["fail", "pause", "go_on"]


class Budget(CreditLimit):
    """How many credits a run may spend, all attempts counted.

    Attributes:
        credits: The cap, in credits: a number, or an expression of inputs.
        warn_at: Share of the cap at which a warning is shown, 0 to 1; with the default only if the
            plan may cost more than the cap.
        on_unfit: What happens once all that is left, or a purchase, does not fit: `fail` buys
            nothing more, `pause` asks, `go_on` buys what still fits.
    """

    warn_at: Annotated[Annotated[Number, Field(ge=0, le=1)], COMPUTABLE] = WARN_AT
    on_unfit: OnUnfit = "fail"


class StepBudget(SpecModel):
    """How many credits a step may spend, all attempts, fallbacks and rounds counted.

    Attributes:
        credits: The cap of all its items together: a number, or an expression of inputs.
        per_item: The cap of each of its items, over all its rounds.
    """

    credits: _Credits | None = None
    per_item: _Credits | None = None


class Concurrency(SpecModel):
    """How many runs of all specs with the same group execute at once.

    Attributes:
        group: Name of the group; specs with the same group wait for each other.
        limit: Runs of the group at once, on all workers.
    """

    group: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
    limit: Annotated[Count, Field(ge=1)] = 1


class Retry(SpecModel):
    """How often a request for the same paid job is repeated; this is free.

    Attributes:
        attempts: Number of requests in all, 1 to 20.
        patience: How long to keep trying in all: seconds, or a text such as `5m`.
    """

    attempts: Annotated[Count, Field(ge=1, le=20)] = 5
    patience: Seconds | None = None


MAX_FALLBACKS = 5
"""Alternatives of one step."""


class Fallback(SpecModel):
    """What `generate` asks for instead, after the service could not make or refused the job.

    Attributes:
        model: Id of another model of the same kind of media.
        prompt: Another prompt.
        aspect, seconds, seed, resolution: Another value; `default`: that of the model.
        params: The parameters, all of them.
        references: The reference media, all of them.
        brand: Whether the words of the brand are added to the prompt.
    """

    model: Value = None
    prompt: Value = None
    aspect: Value = None
    seconds: Value = None
    seed: Value = None
    resolution: Value = None
    params: Value = None
    references: Value = None
    brand: Flag | None = None


MAX_ROUNDS = 10
"""Rounds of one step with `repeat`."""


class Repeat(SpecModel):
    """A step that runs again until an expression is true.

    Attributes:
        until: An expression that is true when the step is done; `steps.NAME` of its own name is the round
            that has just ended.
        at_most: How often it runs, 2 to 10. If the last round is not good enough either, it is taken.
    """

    until: Value
    at_most: Annotated[Count, Field(ge=2, le=MAX_ROUNDS)]


class Step(SpecModel):
    """One step, with the `defaults` of its kind already merged in.

    Attributes:
        id: Its key in the file.
        uses: Kind of the step, or the name of a function of your own.
        with_: Its arguments.
        title: Display name of the step.
        matrix: `{axis: list}`: one item for each combination. An axis may read those before it.
            `exclude` takes combinations out, `include` adds values to them, or further items.
        foreach: A list, or an expression that gives one.
        as_: Name of the loop variable of `foreach`, and of its value on the items.
        zip_: `{axis: list}`, all of equal length: one item for each row.
        key: An expression that names each item; without it the values name it.
        limit: Takes so many items, the first ones; a number, or an expression of inputs.
        max_items: Limit of a fan-out whose list is known only during the run.
        if_: Condition: the step is skipped if it is false.
        needs: Steps to wait for, without using their results. The step is skipped where one of them failed,
            or was skipped because a step before it failed; not where their own `if` skipped them.
        allow_failures: How many items may fail without failing the step.
        retry: How the requests of this step are repeated.
        regenerate: How many more jobs may be bought after failed ones.
        fallback: What to buy once those have failed, or the request is refused: what is left out
            stays as in `with`. Each is bought once, in order, until one succeeds.
        quality: Which media are refused although they were paid, and what is bought instead; without it
            all are measured, and none is refused.
        timeout: How long to wait for one job, a function or a composition: seconds, or a text such
            as `15m`.
        max_parallel: Jobs of this step in flight at once; unlimited if left out.
        cache: The cache mode of this step; the default is that of the spec.
        budget: The most credits of this step, or of each of its items.
        repeat: When to run it again: each round is paid. In `with`, `previous` is what the round before
            gave, null in the first.
    """

    id: SkipJsonSchema[Name]
    uses: str
    with_: SerializeAsAny[SpecModel] = Field(alias="with")
    title: str | None = None
    matrix: dict[str, Any] | None = None
    foreach: Annotated[Value, Takes(("list",))] = None
    as_: Name = Field(default="item", alias="as")
    zip_: dict[str, Any] | None = Field(default=None, alias="zip")
    key: Value = None
    limit: Annotated[Annotated[Count, Field(ge=1, le=10_000)] | None, COMPUTABLE] = None
    max_items: Annotated[Count, Field(ge=1, le=10_000)] = 100
    if_: Annotated[Value, Takes(("boolean",))] = Field(default=None, alias="if")
    needs: tuple[Name, ...] = ()
    allow_failures: Annotated[Count, Field(ge=0)] = 0
    retry: Retry = Retry()
    regenerate: Annotated[Count, Field(ge=0, le=10)] = 0
    fallback: Annotated[tuple[Fallback, ...], Field(max_length=MAX_FALLBACKS)] = ()
    quality: Quality = MEASURED
    timeout: Seconds | None = None
    max_parallel: Annotated[Count, Field(ge=1)] | None = None
    cache: Caching | None = None
    budget: StepBudget | None = None
    repeat: Repeat | None = None

    @property
    def fan_out(self) -> tuple[str, Any]:
        """The loop of its fan-out, and its axes or list as written; None instead if it has one item."""
        loops = {"matrix": self.matrix, "zip": self.zip_, "foreach": self.foreach}
        return next((one for one in loops.items() if one[1] is not None), ("foreach", None))

    @property
    def fans_out(self) -> bool:
        """Whether its outputs are an ordered list of items."""
        return self.matrix is not None or self.foreach is not None or self.zip_ is not None


class Defaults(SpecModel):
    """What `defaults` may hold for one kind of step; merged into its steps by `language.load`.

    Attributes:
        with_: Arguments; `params` in it is merged key by key.
        allow_failures: How many items may fail without failing the step.
        retry: Patience of the requests.
        regenerate: How many more jobs may be bought after failed ones.
        quality: Which media are refused.
        timeout: How long to wait for one job.
        max_parallel: Jobs of one step in flight at once.
        max_items: Limit of a fan-out whose list is known only during the run.
        cache: Where finished work may come from.
    """

    with_: dict[str, Any] | None = Field(default=None, alias="with")
    allow_failures: Annotated[Count, Field(ge=0)] | None = None
    retry: Retry | None = None
    regenerate: Annotated[Count, Field(ge=0, le=10)] | None = None
    quality: Quality | None = None
    timeout: Seconds | None = None
    max_parallel: Annotated[Count, Field(ge=1)] | None = None
    max_items: Annotated[Count, Field(ge=1, le=10_000)] | None = None
    cache: Caching | None = None


class Schedule(SpecModel):
    """When a deployment runs, in Prefect's words plus `catchup`.

    Attributes:
        cron: Minute, hour, day, month, weekday: `0 9 * * 1` is Mondays at nine; or a name:
            `@daily`.
        interval: Time between two runs: seconds, or `90s`, `15m`, `24h`.
        rrule: Recurrence rule of a calendar, RFC 5545, also of the last or second Friday of a month.
        timezone: A time zone such as `Asia/Kolkata`.
        active: Whether it starts runs.
        catchup: Which runs to start late, if they were missed because no worker was there: none,
            the latest, or all.
    """

    cron: str | None = None
    interval: Seconds | None = None
    rrule: str | None = None
    timezone: str | None = None
    active: Flag = True
    catchup: Literal["skip", "latest", "all"] = "latest"


class Trigger(SpecModel):
    """An event that makes a deployment run.

    Attributes:
        event: Name of the event, such as `campaign.brief.created`; `campaign.*` is every event
            whose name starts with `campaign.`.
        match: Labels that the resource of the event must have; a `*` at the end matches any ending.
        inputs: Values of inputs; `${{ event.payload.NAME }}` takes one from the event.
        active: Whether events start runs.
    """

    event: str
    match: dict[str, str | tuple[str, ...]] = Field(default_factory=dict)
    inputs: dict[str, Any] = Field(default_factory=dict)
    active: Flag = True


class Resources(SpecModel):
    """The job variables that a spec may set: how much its runs need, never what code they run.

    Attributes:
        cpu: Processors; in ECS 1024 are one.
        cpu_limit: The most processors, in Kubernetes.
        cpu_request: The least processors, in Kubernetes.
        mem_limit: The most memory, in Docker.
        memory: Memory; in ECS in MiB.
        memory_limit: The most memory, in Kubernetes.
        memory_request: The least memory, in Kubernetes.
        scratch: Space on the disk of the node, in our template for Kubernetes.
    """

    cpu: Quantity | None = None
    cpu_limit: Quantity | None = None
    cpu_request: Quantity | None = None
    mem_limit: Quantity | None = None
    memory: Quantity | None = None
    memory_limit: Quantity | None = None
    memory_request: Quantity | None = None
    scratch: Quantity | None = None


class WorkPool(SpecModel):
    """The work pool of a deployment. Only its name: write `work_pool: NAME`.

    Attributes:
        name: Prefect work pool whose workers run it.
        queue: Work queue of the pool; without it, that of the deployment stays as it is.
        job_variables: Resources, as the pool's base job template names them. Other variables come
            from the person who deploys, and stay.
    """

    name: str
    queue: str | None = None
    job_variables: Resources = Resources()

    @property
    def resources(self) -> dict[str, int | float | str]:
        """The job variables that are set, by name."""
        return self.job_variables.model_dump(exclude_none=True)


def _named_pool(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Deploy(SpecModel):
    """One Prefect deployment of the spec.

    Attributes:
        name: Name of the deployment.
        description: What the deployment is for.
        schedules: When it runs by itself.
        triggers: Events that make it run.
        inputs: Values of inputs, instead of their defaults.
        tags: Prefect tags.
        work_pool: Prefect work pool whose workers run it; or a map with more of it.
        concurrency_limit: Runs of the deployment at once.
        when_busy: What happens to a run over the limit: it waits, or is cancelled.
        budget: The most credits of one of its runs, instead of that of the spec.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=100)]
    description: str | None = None
    schedules: tuple[Schedule, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    inputs: dict[str, Any] = Field(default_factory=dict)
    tags: tuple[str, ...] = ()
    work_pool: (
        Annotated[WorkPool, BeforeValidator(_named_pool, json_schema_input_type=str | WorkPool)]
        | None
    ) = None
    concurrency_limit: Annotated[Count, Field(ge=1)] | None = None
    when_busy: Literal["wait", "cancel"] = "wait"
    budget: CreditLimit | None = None


MAX_LABELS = 8
"""Labels of one run."""

MAX_LABEL_VALUE = 64
"""Characters of the value of a label."""


def is_label_value(value: str) -> bool:
    """Whether a text can be the value of a label: one line, printable and not blank."""
    return bool(value.strip()) and len(value) <= MAX_LABEL_VALUE and value.isprintable()


LabelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=32)]


class Workflow(SpecModel):
    """A whole spec. Steps keep the order of the file; what they refer to defines that of a run.

    Attributes:
        version: Of the language: 1.
        name: Of the spec, its flow and its runs: lower case, at most 64 characters.
        title: For people; None shows the name.
        description: For people, or None.
        inputs: What a run starts with, by name.
        models: Names for models, such as `still: z-image`: `model: still` is that one. An expression may use
            inputs.
        labels: What its runs are counted under, such as `client: acme`; a value may use inputs.
        brand: How what it makes looks, or the path of a file beside the spec that says it; None for
            none.
        budget: The most credits of one run; None caps nothing.
        concurrency: Which runs take turns; None lets all of them run at once.
        cache: Where finished work may come from: `off`, `run` or `spec`.
        steps: The steps by id, in the order of the file.
        outputs: What a run gives back, by name; values may be expressions.
        deploy: Its Prefect deployments.
        on_failure: Steps that run once when the run would end as failed.
        finally_: Steps that run at the end of every run.
        includes: The included specs, by the path as written in the step; not a key of the file.
        texts: Texts of its brand file and subtitles, by path from the folder of the outermost
            spec; not a key of the file.
        branding: Its brand, or that of the spec that includes it, with the paths of images from
            the folder of the outermost spec; not a key of the file.
    """

    version: Literal[1]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
    title: str | None = None
    description: str | None = None
    inputs: dict[Name, InputForm] = Field(default_factory=dict)
    models: dict[Name, str] = Field(default_factory=dict)
    brand: Brand | str | None = None
    budget: Budget | None = None
    labels: Annotated[dict[LabelName, str], Field(max_length=MAX_LABELS)] = Field(
        default_factory=dict
    )
    concurrency: Concurrency | None = None
    cache: Caching = "run"
    steps: dict[Name, Step]
    on_failure: dict[Name, Step] = Field(default_factory=dict)
    finally_: dict[Name, Step] = Field(default_factory=dict, alias="finally")
    outputs: dict[Name, Value] = Field(default_factory=dict)
    deploy: tuple[Deploy, ...] = ()
    includes: SkipJsonSchema[dict[str, Included]] = Field(default_factory=dict)
    texts: SkipJsonSchema[dict[str, str]] = Field(default_factory=dict)
    branding: SkipJsonSchema[Brand | None] = None

    @model_validator(mode="after")
    def _named_as_their_keys(self) -> Self:
        for key, step in self.all_steps.items():
            # A step that does not fit its model has no fields, and was reported.
            if "id" in step.model_fields_set and key != step.id:
                raise ValueError(f"the step {step.id!r} is under the key {key!r}")
        return self

    def part(self, part: Part) -> dict[str, Step]:
        """The steps of one of the three maps."""
        return {"steps": self.steps, "on_failure": self.on_failure, "finally": self.finally_}[part]

    @property
    def all_steps(self) -> dict[str, Step]:
        """All steps by id, those of `steps` first."""
        return {**self.steps, **self.on_failure, **self.finally_}


class Included(SpecModel):
    """A spec that another one includes.

    Attributes:
        path: From the folder of the outermost spec, with slashes.
        text: The whole text, to be frozen with a run.
        workflow: What the text describes.
    """

    path: str
    text: str
    workflow: Workflow


Workflow.model_rebuild()


Part = Literal["steps", "on_failure", "finally"]

PARTS: tuple[Part, ...] = ("steps", "on_failure", "finally")
"""In the order of a run: each sees itself and those before it."""

_WHEN: Mapping[Part, str] = {
    "steps": "first",
    "on_failure": "after `steps`, if one of them failed",
    "finally": "at the very end",
}


def seen_from(part: Part) -> tuple[Part, ...]:
    """The parts whose steps a step of this part may refer to."""
    return PARTS[: PARTS.index(part) + 1]


def later(part: Part) -> str:
    """The hint for a reference to a step of a later part."""
    return f"steps of `{part}` run {_WHEN[part]}; move this step there"
