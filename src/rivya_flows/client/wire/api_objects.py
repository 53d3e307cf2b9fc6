"""What the service answers, as frozen models that ignore what they do not know.

Required is only what nothing can go on without; the contract promises that fields may be added
and shows samples that leave some out. A number of credits that was not told is None, never 0.
What was paid for is not lost for a field beside it that is of another shape: it has its default.
"""

from __future__ import annotations

import functools
import itertools
import json
from typing import Any, ClassVar, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from rivya_flows.assets import MediaKind as MediaKind
from rivya_flows.client.wire.fields import (
    MAX_URL_LENGTH,
    MAX_WORD_LENGTH,
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

MAX_EXTRA_FIELDS = 64
"""Unknown fields of one object that are kept."""

MAX_EXTRA_LENGTH = 16_384
"""Characters of one unknown field, as JSON."""


class WireModel(BaseModel):
    """Reads the fields that it knows, and keeps the others in `model_extra`.

    The service may add fields at any time. They are neither dumped nor shown by `repr`.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)
    keeps_extra: ClassVar[bool] = True

    _extra: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def model_extra(self) -> dict[str, Any]:
        """Unknown fields of the answer, unchanged; those beyond the bounds are left out.

        At most `MAX_EXTRA_FIELDS`, each with a name of at most `MAX_WORD_LENGTH` and at most
        `MAX_EXTRA_LENGTH` characters of JSON.
        """
        return self._extra

    @model_validator(mode="wrap")
    @classmethod
    def _keep_extra(cls, answer: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        model = read(answer)
        if cls.keeps_extra and isinstance(answer, dict):
            unknown = (item for item in answer.items() if item[0] not in _known(cls))
            model._extra = dict(itertools.islice(filter(_is_bounded, unknown), MAX_EXTRA_FIELDS))
        return model

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


@functools.cache
def _known(model: type[WireModel]) -> frozenset[str]:
    """Names of the fields of a model, with their aliases."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        if isinstance(field.validation_alias, AliasChoices):
            names |= set(map(str, field.validation_alias.choices))
    return frozenset(names)


def _is_bounded(item: tuple[Any, Any]) -> bool:
    name, value = item
    if not isinstance(name, str) or len(name) > MAX_WORD_LENGTH:
        return False
    try:
        return len(json.dumps(value)) <= MAX_EXTRA_LENGTH
    except (TypeError, ValueError, RecursionError):
        return False


class TolerantModel(WireModel):
    """A field that is absent or of another shape than expected has its default, if it has one."""

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
    return url[: MAX_URL_LENGTH + 1] if isinstance(url, str) and url else None


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
        return status[:MAX_WORD_LENGTH].strip().lower()

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

    keeps_extra = False

    payload: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _as_it_came(cls, answer: Any) -> Any:
        return {"payload": answer} if isinstance(answer, dict) else answer
