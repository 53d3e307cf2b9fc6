"""What each kind of step takes in `with`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from rivya_flows.language.cut_terms import Extra, Fit, Format, Reframe
from rivya_flows.language.field_types import (
    COMPUTABLE,
    Count,
    Flag,
    MediaKind,
    Name,
    Number,
    Seconds,
    SpecModel,
    Value,
)
from rivya_flows.language.final_cut import (
    MAX_CLIPS,
    MAX_FORMATS,
    MAX_OVERLAYS,
    CaptionsWith,
    ClipWith,
    EndCardWith,
    MusicWith,
    OverlayWith,
    TransitionWith,
)


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
            or `boolean`, `[string]`, `[{name: string}]`, or a nested map.
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


MAX_CRITERION = 300
"""Characters of one criterion of a judge."""

JUDGE_FRAME = 6_000
"""Characters that the message to a judge needs beside its criteria and the question."""

_Criterion = Annotated[Annotated[str, Field(min_length=1, max_length=MAX_CRITERION)], COMPUTABLE]


class JudgeWith(SpecModel):
    """A chat model that scores the candidates of a `pick`.

    Attributes:
        model: Id of a chat model.
        criteria: What a good candidate is, one sentence each: 1 to 12, each at most 300 characters.
        least: Lowest score that is good enough, 0 to 10.
    """

    model: Value
    criteria: Annotated[tuple[_Criterion, ...], Field(min_length=1, max_length=12)]
    least: Annotated[Number, Field(ge=0, le=10)] = 0.0


class NoneWith(SpecModel):
    """What happens when a person picks none of the candidates.

    Attributes:
        rounds: How often the step that `from` names is bought again, with the person's note.
    """

    rounds: Annotated[Count, Field(ge=1, le=5)] = 1


class PickWith(SpecModel):
    """What `pick` takes.

    Attributes:
        from_: The items to choose from: `${{ steps.NAME.items }}`.
        mode: `first` takes the first finished item, `human` asks, `best` compares `by`, `judge` asks
            a chat model; an expression may give one of them.
        by: Of `best`: a number for each candidate, which is `item` in the expression.
        order: Of `best`: whether the greatest number wins, or the least.
        judge: The chat model that scores the candidates; with `human`, its scores are a proposal.
        count: How many to pick.
        none: Lets a person pick none of them: they are bought again, with a note.
        on_none: What happens when no candidate reaches `least` of the judge.
        question: The question to the person or the judge.
        timeout: How long the question stays open, in seconds or such as `48h`.
        on_timeout: What happens when nobody answers.
        sign: Whether the person who answers in a form must give a name.
    """

    from_: Value = Field(alias="from")
    mode: Value = "first"
    by: Value = None
    order: Literal["max", "min"] = "max"
    judge: JudgeWith | None = None
    count: Annotated[Count, Field(ge=1, le=20)] = 1
    none: NoneWith | None = None
    on_none: Literal["fail", "regenerate"] = "fail"
    question: Value = None
    timeout: Seconds | None = None
    on_timeout: Literal["first", "judge", "fail"] = "fail"
    sign: Flag = False

    @property
    def rounds(self) -> int:
        """How often the candidates may be bought again."""
        if self.none is not None:
            return self.none.rounds
        return int(self.on_none == "regenerate")


_Overlays = Annotated[
    tuple[Annotated[OverlayWith, COMPUTABLE], ...] | None,
    Field(max_length=MAX_OVERLAYS),
    COMPUTABLE,
]
_Formats = Annotated[
    tuple[Annotated[Format, COMPUTABLE], ...] | None, Field(max_length=MAX_FORMATS), COMPUTABLE
]
_Reframe = Annotated[Reframe, COMPUTABLE]


class ComposeWith(SpecModel):
    """What `compose` takes.

    Attributes:
        clips: Videos and images in order, or maps with `media`; or give `video` or `images`.
        video: The video; or give `images` or `clips`.
        images: Images shown one after the other; or give `video` or `clips`.
        narration: The speech: it sets the level, and the film is at least as long.
        music: Music under the whole film.
        audio: One audio or a list: the first leads, the others play under it. With `narration`
            all of them play under that.
        transition: How one clip follows the other.
        captions: What is said, as text in the picture.
        overlays: Images and texts over the film, the first at the bottom.
        end_card: A card after the last clip.
        formats: One film for each; left out, one film in the size of the first clip.
        reframe: How media fill a frame of another shape: `crop` cuts edges off, `pad` adds bars,
            `blur` fills with a blurred copy of their edges.
        extras: What else to make: a `poster`, a short `gif`, the captions as an `srt` file, and
            each film `clean`, without captions.
        loudness: Loudness of the result, in LUFS.
        fit: What the video does when the audio is longer; without `clips`.
    """

    clips: Annotated[
        tuple[Annotated[ClipWith, COMPUTABLE], ...] | None, Field(max_length=MAX_CLIPS), COMPUTABLE
    ] = None
    video: Value = None
    images: Value = None
    narration: Value = None
    music: Annotated[MusicWith | None, COMPUTABLE] = None
    audio: Value = None
    transition: Annotated[TransitionWith | None, COMPUTABLE] = None
    captions: Annotated[CaptionsWith | None, COMPUTABLE] = None
    overlays: _Overlays = None
    end_card: Annotated[EndCardWith | None, COMPUTABLE] = None
    formats: _Formats = None
    reframe: _Reframe = "crop"
    extras: Annotated[tuple[Annotated[Extra, COMPUTABLE], ...] | None, COMPUTABLE] = None
    loudness: Annotated[Number, Field(ge=-40, le=-5)] = -16.0
    fit: Fit = "hold"


class LayoutWith(SpecModel):
    """What `layout` takes.

    Attributes:
        image: The image.
        overlays: Images and texts over it, the first at the bottom; `start` and `seconds` have no
            effect.
        formats: One picture for each; left out, one picture in the size of the image.
        reframe: How the image fills a frame of another shape: `crop` cuts edges off, `pad` adds
            bars, `blur` fills with a blurred copy of its edges.
    """

    image: Value
    overlays: _Overlays = None
    formats: _Formats = None
    reframe: _Reframe = "crop"


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
    | LayoutWith
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
    "layout": LayoutWith,
    "notify": NotifyWith,
    "include": IncludeWith,
}
"""The arguments of each built-in kind of step."""
