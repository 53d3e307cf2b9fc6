"""What the service answers, as frozen models that ignore what they do not know.

Required is only what nothing can go on without; the contract promises that fields may be added
and shows samples that leave some out. A number of credits that was not told is None, never 0.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

MediaKind = Literal["image", "video", "audio"]


def _round_up(value: Any) -> Any:
    """A cost is never shown smaller than it was."""
    return math.ceil(value) if isinstance(value, float) and math.isfinite(value) else value


def _round_down(value: Any) -> Any:
    """A balance is never shown larger than it is."""
    return math.floor(value) if isinstance(value, float) and math.isfinite(value) else value


Cost = Annotated[int, BeforeValidator(_round_up)]
Balance = Annotated[int, BeforeValidator(_round_down)]


class WireModel(BaseModel):
    """Ignores unknown fields: the service may add some at any time."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class ModelEntry(WireModel):
    """The few fields of a model that a list is read for; `ModelList.payload` has all of them.

    Attributes:
        id: The value for ``model`` in a request; an opaque string.
        category: ``image``, ``video``, ``audio`` or ``chat``.
        api_status: ``available``, ``coming_soon`` or ``studio_only``.
        base_credits: Price of the default request, in credits.
        billing_type: ``FIXED``, ``METERED``, ``TOKEN_BASED``, or a newer word.

    Source: contract, section 3.1.
    """

    id: str
    display_name: str | None = None
    category: str | None = None
    api_status: str | None = None
    api_input_status: str | None = None
    base_credits: float | None = None
    billing_type: str | None = None


class ModelList(WireModel):
    """Every model of the service, those not yet callable included.

    Attributes:
        data: The entries that could be read, in the service's order.
        payload: The whole answer as it came, for freezing and for `catalogue.snapshot.from_wire`.

    Source: ``GET /api/v1/models``.
    """

    data: tuple[ModelEntry, ...]
    payload: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _keep_the_answer(cls, answer: Any) -> Any:
        if isinstance(answer, list):
            answer = {"object": "list", "data": answer}
        if not isinstance(answer, dict) or not isinstance(answer.get("data"), list):
            return answer
        entries = (_entry(raw) for raw in answer["data"])
        return {"data": [entry for entry in entries if entry is not None], "payload": answer}


def _entry(raw: Any) -> ModelEntry | None:
    try:
        return ModelEntry.model_validate(raw)
    except ValidationError:  # one strange model must not hide all the others
        return None


class Credits(WireModel):
    """The wallet behind the key, shared with Studio.

    Source: ``GET /api/v1/credits``.
    """

    current_credits: Balance


class File(WireModel):
    """A reference file that was uploaded.

    Attributes:
        id: What chat attachments call ``file_id``.
        url: Goes into ``params.referenceMediaItems[].url``.
        duration_token: Goes into ``durationToken`` of the same item, where the length of a
            film or a sound has to be proved; else None.
        size_bytes: None when not told, as all that follow.

    Source: ``POST /api/v1/files``, ``GET /api/v1/files/{fileId}``; contract, section 5.
    """

    id: str = Field(validation_alias=AliasChoices("id", "file_id"))
    url: str
    kind: str | None = None
    name: str | None = None
    mime_type: str | None = Field(
        default=None, validation_alias=AliasChoices("mime_type", "mimeType", "content_type")
    )
    size_bytes: int | None = None
    duration_seconds: float | None = Field(
        default=None, validation_alias=AliasChoices("duration_seconds", "durationSeconds")
    )
    duration_token: str | None = Field(
        default=None, validation_alias=AliasChoices("duration_token", "durationToken")
    )
    created_at: str | None = None


class Result(WireModel):
    """Where the media of a finished job are. Addresses may die soon: download at once.

    Attributes:
        primary_url: The first of `urls`; None when there is none.
        urls: All of them, in the service's order.
    """

    primary_url: str | None = None
    urls: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_one_from_the_other(cls, answer: Any) -> Any:
        if not isinstance(answer, dict):
            return answer
        urls = [url for url in answer.get("urls") or () if url]
        primary = answer.get("primary_url") or (urls[0] if urls else None)
        return {"primary_url": primary, "urls": urls or ([primary] if primary else [])}


class JobError(WireModel):
    """Why a job failed; smaller than the error envelope of a refused request."""

    code: str = "generation_failed"
    message: str = ""


class Generation(WireModel):
    """One paid job, as the create route and the status route both tell it.

    Attributes:
        id: The public task id; an opaque string.
        status: ``queued``, ``processing``, ``succeeded`` or ``failed``, in lower case; a newer
            word is passed on as it is.
        reserved_credits: Set aside or taken at the start; None when not told.
        final_credits: The settled cost; may stay 0 until the end; None when not told.
        created_at: ISO 8601, UTC.
        result: Set when `status` is ``succeeded``.
        error: May be set when `status` is ``failed``.

    Source: contract, section 4.3.
    """

    id: str = Field(min_length=1)
    status: str
    model: str | None = None
    reserved_credits: Cost | None = None
    final_credits: Cost | None = None
    created_at: str | None = None
    updated_at: str | None = None
    result: Result | None = None
    error: JobError | None = None

    @field_validator("status")
    @classmethod
    def _lower(cls, status: str) -> str:
        return status.strip().lower()

    @field_validator("error", mode="before")
    @classmethod
    def _error_in_words(cls, error: Any) -> Any:
        return {"message": error} if isinstance(error, str) else error

    @property
    def ended(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in ("succeeded", "failed")


class ChatMessage(WireModel):
    """The assistant's answer."""

    content: str
    id: str | None = None
    role: str = "assistant"


class ChatUsage(WireModel):
    """Tokens of one turn; None when not told."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class ChatCredits(WireModel):
    """Credits of one turn: reserved first, then settled by tokens; None when not told."""

    reserved: Cost | None = None
    final: Cost | None = None


class ChatCompletion(WireModel):
    """One turn of a chat whose history lives with the service.

    Attributes:
        session_id: Pass it with the next message to go on; None when not told.

    Source: contract, section 6.3.
    """

    id: str = Field(min_length=1)
    message: ChatMessage
    session_id: str | None = None
    model: str | None = None
    created_at: str | None = None
    usage: ChatUsage | None = None
    credits: ChatCredits | None = None
