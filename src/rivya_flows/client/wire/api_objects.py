"""Models, jobs, files and the balance, as the service answers them."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field, field_validator, model_validator

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
from rivya_flows.client.wire.wire_model import TolerantModel, WireModel


class ModelEntry(TolerantModel):
    """One model; `ModelList.payload` has every field.

    Attributes:
        id: The value for ``model`` in a request; an opaque string.
        category: ``image``, ``video``, ``audio`` or ``chat``.
        runtime: ``async_task`` for models of generations.
        api_status: ``available``, ``coming_soon`` or ``studio_only``.
        api_input_status: ``available_text``, ``available_url_input``, ``partial_requires_files`` or
            ``requires_files_api``.
        base_credits: Price of the default request, in credits; None if unknown or not possible.
        billing_type: ``FIXED``, ``METERED``, ``TOKEN_BASED``, or a newer word.
        supported_modes: Such as ``text-to-image`` or ``chat-completion``.
        max_prompt_length: In characters; None if no limit is documented.
        supported_api_inputs: Such as ``text`` and ``file``.
        requires_files_api: It needs uploaded media; None if unknown.
        requires_upload_for_modes: Modes that need an upload.
        url_input_supported: References may be public URLs; None if unknown.
        file_kinds: Of ``image``, ``video`` and ``audio``, the accepted references.
        params: Descriptors of its parameters, unchanged.
        reference_media: Its rule for references, unchanged; None if there is none.
        chat_capabilities: Of a chat model, unchanged; None for all others.
        notices: For people, unchanged.

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
    """An uploaded reference file.

    Attributes:
        id: What chat attachments call ``file_id``.
        url: Goes into ``params.referenceMediaItems[].url``.
        duration_token: Goes into ``durationToken`` of the same item, for the verified length of a
            video or audio; else None.
        size_bytes: None if unknown, like all that follow.

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
    """Addresses of the media of a finished job. They may expire: download at once.

    Attributes:
        primary_url: The first of `urls`; None if there is none.
        urls: All of them, in the service's order.
    """

    primary_url: str | None = None
    urls: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _fill_one_from_the_other(cls, answer: Any) -> Any:
        if not isinstance(answer, dict):
            return answer
        given = answer.get("urls")
        listed = map(_address, given if isinstance(given, list) else [given])
        urls = [url for url in listed if url]
        primary = _address(answer.get("primary_url")) or (urls[0] if urls else None)
        return {"primary_url": primary, "urls": urls or ([primary] if primary else [])}


def _address(value: Any) -> str | None:
    """An address, which may be in an object of its own."""
    url = value.get("url") if isinstance(value, dict) else value
    # One that is too long stays too long: without it, the result would seem absent.
    return url[: MAX_URL_LENGTH + 1] if isinstance(url, str) and url else None


UNKNOWN = "unknown"
"""Status of a job whose answer has none: the job was bought, so polling continues."""


class JobError(TolerantModel):
    """Why a job failed; smaller than the error envelope of a request."""

    code: Word = "generation_failed"
    message: Sentence = ""


class Generation(TolerantModel):
    """One paid job, the answer of the create route and of the status route.

    Attributes:
        id: The public task id; an opaque string.
        status: ``queued``, ``processing``, ``succeeded`` or ``failed``, in lower case, or a newer
            word; ``unknown`` if absent.
        reserved_credits: Reserved or taken at the start; None if unknown.
        final_credits: The settled cost; may stay 0 until the end; None if unknown.
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
        """Whether the status is final."""
        return self.status in ("succeeded", "failed")


class Document(WireModel):
    """A JSON object of any shape."""

    keeps_extra = False

    payload: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _unchanged(cls, answer: Any) -> Any:
        return {"payload": answer} if isinstance(answer, dict) else answer
