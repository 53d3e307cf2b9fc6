"""What the service answers, as frozen models that ignore what they do not know.

Required is only what nothing can go on without; the contract promises that fields may be added
and shows samples that leave some out. A number of credits that was not told is None, never 0.
What was paid for is not lost for a field beside it that is of another shape: it has its default.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from rivya_flows.client.wire.fields import (
    LONGEST_ADDRESS,
    LONGEST_WORD,
    Address,
    Balance,
    Cost,
    Count,
    Id,
    Price,
    Seconds,
    Sentence,
    Word,
)
from rivya_flows.client.wire.surrogates import readable_json

MediaKind = Literal["image", "video", "audio"]


class WireModel(BaseModel):
    """Ignores unknown fields: the service may add some at any time."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """The model in a JSON text.

        Half a character in it becomes U+FFFD, and a whole number of more digits than any has
        becomes infinite, which no field takes.

        Raises:
            ValidationError: It is no JSON, or another shape.
        """
        try:
            return cls.model_validate_json(body)
        except ValidationError:
            # What was paid for is not lost for one character of it, or one number beside it.
            readable = readable_json(body)
            if readable == body:
                raise
            return cls.model_validate_json(readable)


class TolerantModel(WireModel):
    """A field that is missing or of another shape than expected has its default, if it has one."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _default_for_another_shape(
        cls, value: Any, read: ValidatorFunctionWrapHandler, about: ValidationInfo
    ) -> Any:
        try:
            return read(value)
        except ValidationError:
            field = cls.model_fields[str(about.field_name)]
            if field.is_required():
                raise
            return field.default


class ModelEntry(TolerantModel):
    """One model; `ModelList.payload` has what is not read here.

    Attributes:
        id: The value for ``model`` in a request; an opaque string.
        category: ``image``, ``video``, ``audio`` or ``chat``.
        runtime: ``async_task`` for models of generations.
        api_status: ``available``, ``coming_soon`` or ``studio_only``.
        api_input_status: ``available_text``, ``available_url_input``, ``partial_requires_files`` or
            ``requires_files_api``.
        base_credits: Price of the default request, in credits; None where none that can be is told.
        billing_type: ``FIXED``, ``METERED``, ``TOKEN_BASED``, or a newer word.
        supported_modes: Such as ``text-to-image`` or ``chat-completion``.
        max_prompt_length: In characters; None where no limit is documented.
        supported_api_inputs: Such as ``text`` and ``file``.
        requires_files_api: It depends on uploaded media; None when not told.
        requires_upload_for_modes: Modes that need an upload first.
        url_input_supported: References may be public URLs; None when not told.
        file_kinds: Of ``image``, ``video`` and ``audio``, that it takes as references.
        params: Descriptors of its parameters, as they came.
        reference_media: Its rule for references, as it came; None where there is none.
        chat_capabilities: What a chat model can do, as it came; None for all others.
        notices: For people, as they came.

    Source: contract, section 3.1.
    """

    id: Id
    display_name: Word | None = None
    category: Word | None = None
    runtime: Word | None = None
    api_status: Word | None = None
    api_input_status: Word | None = None
    base_credits: Price | None = None
    billing_type: Word | None = None
    supported_modes: tuple[str, ...] = ()
    max_prompt_length: Count | None = None
    supported_api_inputs: tuple[str, ...] = ()
    requires_files_api: bool | None = None
    requires_upload_for_modes: tuple[str, ...] = ()
    url_input_supported: bool | None = None
    file_kinds: tuple[str, ...] = ()
    params: tuple[dict[str, Any], ...] = ()
    reference_media: dict[str, Any] | None = None
    chat_capabilities: dict[str, Any] | None = None
    notices: tuple[Any, ...] = ()


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


class File(TolerantModel):
    """A reference file that was uploaded.

    Attributes:
        id: What chat attachments call ``file_id``.
        url: Goes into ``params.referenceMediaItems[].url``.
        duration_token: Goes into ``durationToken`` of the same item, where the length of a
            film or a sound has to be proved; else None.
        size_bytes: None when not told, as all that follow.

    Source: ``POST /api/v1/files``, ``GET /api/v1/files/{fileId}``; contract, section 5.
    """

    id: Id = Field(validation_alias=AliasChoices("id", "file_id"))
    url: Address
    kind: Word | None = None
    name: Word | None = None
    mime_type: Word | None = Field(
        default=None, validation_alias=AliasChoices("mime_type", "mimeType", "content_type")
    )
    size_bytes: Count | None = None
    duration_seconds: Seconds | None = Field(
        default=None, validation_alias=AliasChoices("duration_seconds", "durationSeconds")
    )
    duration_token: Address | None = Field(
        default=None, validation_alias=AliasChoices("duration_token", "durationToken")
    )
    created_at: Word | None = None


class JobResult(WireModel):
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
        told = answer.get("urls")
        listed = map(_address, told if isinstance(told, list) else [told])
        urls = [url for url in listed if url]
        primary = _address(answer.get("primary_url")) or (urls[0] if urls else None)
        return {"primary_url": primary, "urls": urls or ([primary] if primary else [])}


def _address(told: Any) -> str | None:
    """An address that stands alone or in an object of its own."""
    url = told.get("url") if isinstance(told, dict) else told
    # One that is too long stays so: to leave it out would hide that there was a result.
    return url[: LONGEST_ADDRESS + 1] if isinstance(url, str) and url else None


UNKNOWN = "unknown"
"""Status of a job whose answer has none: the job is bought, and polled again."""


class JobError(TolerantModel):
    """Why a job failed; smaller than the error envelope of a refused request."""

    code: Word = "generation_failed"
    message: Sentence = ""


class Generation(TolerantModel):
    """One paid job, as the create route and the status route both tell it.

    Attributes:
        id: The public task id; an opaque string.
        status: ``queued``, ``processing``, ``succeeded`` or ``failed``, in lower case; a newer
            word is passed on as it is. ``unknown`` when it is not told.
        reserved_credits: Set aside or taken at the start; None when not told.
        final_credits: The settled cost; may stay 0 until the end; None when not told.
        created_at: ISO 8601, UTC.
        result: Set when `status` is ``succeeded``.
        error: May be set when `status` is ``failed``.

    Source: contract, section 4.3.
    """

    id: Id
    status: str = UNKNOWN
    model: Word | None = None
    reserved_credits: Cost | None = None
    final_credits: Cost | None = None
    created_at: Word | None = None
    updated_at: Word | None = None
    result: JobResult | None = None
    error: JobError | None = None

    @field_validator("status")
    @classmethod
    def _lower(cls, status: str) -> str:
        return status[:LONGEST_WORD].strip().lower()

    @field_validator("error", mode="before")
    @classmethod
    def _error_in_words(cls, error: Any) -> Any:
        return {"message": error} if isinstance(error, str) else error

    @property
    def ended(self) -> bool:
        """Whether the status will not change any more."""
        return self.status in ("succeeded", "failed")


class Document(WireModel):
    """A JSON object of any shape."""

    payload: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _as_it_came(cls, answer: Any) -> Any:
        return {"payload": answer} if isinstance(answer, dict) else answer
