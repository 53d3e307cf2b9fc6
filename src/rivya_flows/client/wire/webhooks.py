"""Answers and deliveries of webhooks, as frozen models.

A signing secret is a `SecretStr`: only ``get_secret_value()`` shows it.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import AliasChoices, Field, SecretStr, ValidationError, model_validator

from rivya_flows.client.wire.api_objects import Generation
from rivya_flows.client.wire.fields import MAX_WORD_LENGTH, Count, Id, Sentence, Word
from rivya_flows.client.wire.wire_model import TolerantModel

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
    if isinstance(value, Generation):
        return value
    if not isinstance(value, dict) or not {"id", "status", "model"} <= value.keys():
        return None
    try:
        return Generation.model_validate(value)
    except ValidationError:
        return None
