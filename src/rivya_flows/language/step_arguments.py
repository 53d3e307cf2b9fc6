"""What each kind of step takes in `with`, and the field types of all models of a spec."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from rivya_flows.language.syntax.durations import seconds

Value = Any
"""A JSON value, any part of which may be an expression."""

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
# Strict, or "no" would pass for false and "5" for five, and quotes would mean nothing.
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Seconds = Annotated[float, Strict(), BeforeValidator(seconds)]
InputType = Literal[
    "string", "text", "integer", "number", "boolean", "enum", "list", "date", "file", "secret"
]
MediaKind = Literal["image", "video", "audio"]
Caching = Literal["off", "run", "spec"]


class SpecModel(BaseModel):
    """Rejects unknown keys, so a typo in a file is an error and not a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class UploadWith(SpecModel):
    """What `upload` takes.

    Attributes:
        file: A path beside the spec, a URL, or a file input.
        kind: The kind of media that the file must be.
        model: The model that the file is meant for; its limits are checked.
    """

    file: Value
    kind: MediaKind | None = None
    model: str | None = None


class ChatWith(SpecModel):
    """What `chat` takes.

    Attributes:
        model: Id of a chat model.
        message: The message to the model.
        session: `session_id` of an earlier chat step, to continue it.
        attachments: Images for the model.
        reasoning_effort: How much the model thinks, if it supports that.
        web_search: Whether the model may search the web, if it supports that.
        expect: The fields that the answer must have: names with `string`, `integer`, `number`
            or `boolean`, `[string]`, or a nested map.
    """

    model: Value
    message: Value
    session: Value = None
    attachments: Value = None
    reasoning_effort: Value = None
    web_search: Value = None
    expect: dict[str, Any] | None = None


class GenerateWith(SpecModel):
    """What `generate` takes.

    Attributes:
        model: Id of a model for images, videos or audio.
        prompt: What to generate; for a voice, what to say.
        params: The model's own parameters.
        references: Reference media: assets of steps, file inputs, or files beside the spec.
            They are uploaded.
        brand: Whether the words of the brand are added to the prompt.
    """

    model: Value
    prompt: Value = None
    params: Value = Field(default_factory=dict)
    references: Value = None
    brand: Flag = True


class PickWith(SpecModel):
    """What `pick` takes.

    Attributes:
        from_: The items to choose from: `${{ steps.NAME.items }}`.
        mode: `first` takes the first finished item, `human` asks; an expression may give either.
        question: The question to the person.
        timeout: How long the question stays open, in seconds or such as `48h`.
        on_timeout: What happens when nobody answers.
    """

    from_: Value = Field(alias="from")
    mode: Value = "first"
    question: Value = None
    timeout: Seconds | None = None
    on_timeout: Literal["first", "fail"] = "fail"


class ComposeWith(SpecModel):
    """What `compose` takes.

    Attributes:
        video: The video; or give `images`.
        images: Images shown one after the other; or give `video`.
        audio: One audio or a list: the first leads, the others play under it.
        loudness: Loudness of the result, in LUFS.
        fit: What the video does when the audio is longer.
    """

    video: Value = None
    images: Value = None
    audio: Value = None
    loudness: Annotated[Number, Field(ge=-40, le=-5)] = -16.0
    fit: Literal["hold", "loop", "cut"] = "hold"


class NotifyWith(SpecModel):
    """What `notify` takes.

    Attributes:
        url: The URL of the callback, or the name of a secret that holds it.
        body: The body of the callback: any value.
        secret: Name of the secret that signs it: `env:NAME` or `block:NAME`.
    """

    url: Value
    body: Value = None
    secret: Value = None


class IncludeWith(SpecModel):
    """What `include` takes.

    Attributes:
        spec: Path of the other spec, from the folder of this one.
        inputs: Values of the other spec's inputs.
    """

    spec: str
    inputs: dict[Name, Value] = Field(default_factory=dict)


class FunctionWith(SpecModel):
    """Arguments of a Python function that is a step; `step_functions` makes one model for each."""


StepWith = (
    UploadWith
    | ChatWith
    | GenerateWith
    | PickWith
    | ComposeWith
    | NotifyWith
    | IncludeWith
    | FunctionWith
)

WITH_MODELS: dict[str, type[SpecModel]] = {
    "upload": UploadWith,
    "chat": ChatWith,
    "generate": GenerateWith,
    "pick": PickWith,
    "compose": ComposeWith,
    "notify": NotifyWith,
    "include": IncludeWith,
}
"""The arguments of each built-in kind of step."""
