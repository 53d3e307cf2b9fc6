"""Answers of the service, as frozen models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from rivya_client.wire import (
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
    TolerantModel,
    WireModel,
    Word,
)


class ModelEntry(TolerantModel):
    """One model; `ModelList.payload` has every field.

    Attributes:
        id: The value for ``model`` in a request; an opaque string.
        display_name: For people; None if unknown.
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
        kind: ``image``, ``video`` or ``audio``; None if unknown, like all that follow.
        name: Of the file, as it was sent.
        mime_type: By its content.
        size_bytes: Its size.
        duration_seconds: Of a video or audio.
        duration_token: Goes into ``durationToken`` of the same item, for the verified length of a
            video or audio.
        created_at: ISO 8601, UTC.

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
        model: The id of its model; None if unknown.
        reserved_credits: Reserved or taken at the start; None if unknown.
        final_credits: The settled cost; may stay 0 until the end; None if unknown.
        created_at: ISO 8601, UTC.
        updated_at: When it changed last, likewise.
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
    def urls(self) -> tuple[str, ...]:
        """The addresses of its results, for `download`; none unless it succeeded."""
        return self.result.urls if self.result else ()

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
    def _keep_unchanged(cls, answer: Any) -> Any:
        return {"payload": answer} if isinstance(answer, dict) else answer


Entry = TypeVar("Entry", bound=WireModel)


class Listing(WireModel, Generic[Entry]):
    """The entries of one answer, in the service's order. Iterate over it, or index it.

    Attributes:
        data: The entries that could be read; an unreadable one does not hide the others.
        has_more: Whether the service says that there are more; None if it does not say.
            Pages are not documented.
    """

    data: tuple[Entry, ...]
    has_more: bool | None = None

    def __iter__(self) -> Iterator[Entry]:  # type: ignore[override]  # of a model: pairs of fields
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Entry:
        return self.data[index]

    @model_validator(mode="before")
    @classmethod
    def _readable_entries(cls, answer: Any) -> Any:
        listed = {"object": "list", "data": answer} if isinstance(answer, list) else answer
        if not isinstance(listed, dict) or not isinstance(listed.get("data"), list):
            return answer
        shape = cls.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]  # tuple[Entry, ...]
        entries = [shape.readable(raw) for raw in listed["data"]]
        more = listed.get("has_more")
        return {
            "data": [entry for entry in entries if entry is not None],
            "has_more": more if isinstance(more, bool) else None,
            "payload": listed,
        }


class ModelList(Listing[ModelEntry]):
    """Every model of the service, those not yet callable included.

    Attributes:
        payload: The whole answer unchanged, for freezing and for `catalogue.snapshot.from_wire`.

    Source: ``GET /api/v1/models``.
    """

    payload: dict[str, Any]


def _text(content: Any) -> str:
    """The text of a message, which may be a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    return "".join(text for text in texts if isinstance(text, str))


Text = Annotated[str, BeforeValidator(_text)]


class ChatMessage(TolerantModel):
    """The assistant's answer.

    Attributes:
        content: Its text; empty if there is no readable one.
    """

    content: Text
    id: Id | None = None
    role: Word = "assistant"


class ChatUsage(TolerantModel):
    """Tokens of one turn, with the history that the model read; None if unknown."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None


class ChatCredits(TolerantModel):
    """Credits of one turn: reserved first, then settled by tokens; None if unknown."""

    reserved: Cost | None = None
    final: Cost | None = None


class ChatAnswer(TolerantModel):
    """One turn of a chat whose history lives with the service.

    Attributes:
        id: Of the turn; an opaque string. None if a stream did not have it.
        message: The assistant's answer, whole.
        session_id: Pass it with the next message to continue the chat; None if unknown.
        model: The chat model that answered. A session keeps its model.
        created_at: ISO 8601, UTC.
        usage: In tokens.
        credits: In credits of the wallet.

    Source: contract, section 6.3.
    """

    id: Id | None = None
    message: ChatMessage
    session_id: Id | None = None
    model: Word | None = None
    created_at: Word | None = None
    usage: ChatUsage | None = None
    credits: ChatCredits | None = None


class ChatCompletion(ChatAnswer):
    """An answer in one piece; it always has an `id`.

    Source: ``POST /api/v1/chat/completions``.
    """

    id: Id


class SessionMessage(TolerantModel):
    """One message of a session.

    Attributes:
        role: ``user`` or ``assistant``, or a newer word.
        content: Its text; empty if there is no readable one.
        created_at: ISO 8601, UTC.
    """

    id: Id | None = None
    role: Word | None = None
    content: Text = ""
    created_at: Word | None = None


class ChatSession(TolerantModel):
    """A chat of this account that the API started; those of Studio are not among them.

    Attributes:
        id: Goes into ``session_id`` of the next message; an opaque string.
        model: The only model that can continue it.
        created_at: ISO 8601, UTC, as `updated_at`.
        message_count: Messages of both sides; None if unknown.
        messages: In the service's order, by convention oldest first; None in a list, or if absent.

    Source: contract, section 6.5. All but `id` is a convention, not documented by Rivya.
    """

    id: Id
    model: Word | None = None
    title: Word | None = None
    created_at: Word | None = None
    updated_at: Word | None = None
    message_count: Count | None = None
    messages: tuple[SessionMessage, ...] | None = None


EventType = Literal["generation.succeeded", "generation.failed"]

EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
"""Every event type. Source: contract, section 8.4."""


class WebhookEndpoint(TolerantModel):
    """An endpoint that the service sends events to.

    Attributes:
        id: ``whend_…``; an opaque string.
        event_types: The events that it gets.
        status: ``active``, or why not, such as ``disabled``; a newer word is unchanged.
        secret_preview: The first characters of the secret, three dots and the last six.
        signing_secret: ``whsec_…``; in the answer of `create` only, else None.
        last_success_at: ISO 8601, UTC, as every ``…_at``; None if it never happened.
        failure_count: By convention failed deliveries in a row; None if unknown.

    Source: contract, section 8.1.
    """

    keeps_extra = False  # one could be a secret

    id: Id
    name: Word | None = None
    url: Word | None = None
    event_types: tuple[str, ...] = ()
    status: Word | None = None
    secret_preview: Word | None = None
    signing_secret: SecretStr | None = Field(default=None, max_length=MAX_WORD_LENGTH)
    last_success_at: Word | None = None
    last_failure_at: Word | None = None
    failure_count: Count | None = None
    created_at: Word | None = None
    updated_at: Word | None = None
    disabled_at: Word | None = None
    revoked_at: Word | None = None


class SigningSecret(TolerantModel):
    """A new secret of an endpoint. The service shows it only once.

    Source: ``POST /api/v1/webhooks/{endpointId}/rotate-secret``; the shape of the answer is not
    documented, so the secret may be in it or one object deeper.
    """

    keeps_extra = False  # one could be a secret

    signing_secret: SecretStr = Field(
        min_length=1,
        max_length=MAX_WORD_LENGTH,
        validation_alias=AliasChoices("signing_secret", "secret"),
    )
    secret_preview: Word | None = None

    @model_validator(mode="before")
    @classmethod
    def _look_one_deeper(cls, answer: Any) -> Any:
        if not isinstance(answer, dict):
            return answer
        deeper = [part for part in answer.values() if isinstance(part, dict)]
        return next((part for part in (answer, *deeper) if "signing_secret" in part), answer)


class WebhookTest(TolerantModel):
    """The answer to a test event; None for a field that is absent.

    Source: ``POST /api/v1/webhooks/{endpointId}/test``; the shape of the answer is not documented.
    """

    id: Id | None = None
    event_id: Id | None = None
    delivery_id: Id | None = None
    status: Word | None = None

    @model_validator(mode="before")
    @classmethod
    def _whatever_it_is(cls, answer: Any) -> Any:
        # The event is on its way, also when the answer is just ``true``.
        return answer if isinstance(answer, dict) else {}


class WebhookDelivery(TolerantModel):
    """One attempt, or one series of attempts, to deliver an event to an endpoint.

    Attributes:
        status: By convention ``pending``, ``succeeded`` or ``failed``.
        attempt: Number of the attempt; None if unknown, like all that follow.
        response_status: HTTP status of the receiver.
        error: Why it failed, in the service's words; None also if they are not a string.
        created_at: ISO 8601, UTC, as every ``…_at``.

    Source: contract, section 8.5; all of it is a convention, not documented by Rivya.
    """

    id: Id
    endpoint_id: Id | None = None
    event_id: Id | None = None
    event_type: Word | None = None
    status: Word | None = None
    attempt: Count | None = None
    response_status: Count | None = None
    error: Sentence | None = None
    created_at: Word | None = None
    next_attempt_at: Word | None = None
    delivered_at: Word | None = None


class WebhookEvent(TolerantModel):
    """Something that happened to a job.

    Attributes:
        id: ``evt_…``; the same event may arrive twice and in any order, so remember the ids.
        type: See `EventType`, or a newer word.
        api_version: Date of the format of the payload.
        created_at: ISO 8601, UTC.
        generation: The job, as from the status route; None for an event without one,
            such as a test event.

    Source: contract, section 8.4. The field of the job is not documented: the client looks at ``data``, ``data.object``, ``data.generation`` and ``generation``.
    """

    id: Id
    type: Id
    api_version: Word | None = None
    created_at: Word | None = None
    generation: Generation | None = None

    @model_validator(mode="before")
    @classmethod
    def _find_the_job(cls, event: Any) -> Any:
        if not isinstance(event, dict):
            return event
        data = event.get("data")
        inner = data if isinstance(data, dict) else {}
        places = (data, inner.get("object"), inner.get("generation"), event.get("generation"))
        return {**event, "generation": next((job for job in map(_job, places) if job), None)}


def _job(value: Any) -> Generation | None:
    """The job, if the value is one."""
    if isinstance(value, dict) and not {"id", "status", "model"} <= value.keys():
        return None
    return Generation.readable(value)
