"""The routes of the API except those of jobs: models, files, credits, chats and webhooks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Unpack

from rivya_client.calls import Async, M, Resource, api_call
from rivya_client.catalogue.catalogue import Catalogue
from rivya_client.catalogue.snapshot import from_wire
from rivya_client.chat_stream import ChatStream, stream_call
from rivya_client.errors import RefusedAfterSilenceError, UsageError
from rivya_client.mime_types import MediaKind
from rivya_client.options import NOT_GIVEN, IdempotencyKey, RequestOptions, path_of, purchase_body
from rivya_client.request_types import ChatRequest
from rivya_client.responses import Nothing, StreamingResponse
from rivya_client.types import (
    EVENT_TYPES,
    ChatCompletion,
    ChatSession,
    Credits,
    File,
    Listing,
    ModelEntry,
    ModelList,
    SigningSecret,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
    WebhookTest,
)
from rivya_client.uploads import Accepted, Readable, form_of

MAX_REQUEST_ID_LENGTH = 128  # characters; contract, section 5


class Models(Resource[M]):
    """Lists models. Public: works without a key."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> ModelList:
        """Every model, those not yet callable included.

        Source: ``GET /api/v1/models``.
        """
        path = "/api/v1/models"
        return await self._transport.send("GET", path, ModelList, public=True, **options)

    @api_call
    async def catalogue(self: Models[Async], **options: Unpack[RequestOptions]) -> Catalogue:
        """The same list with the parameters of each model, to know what a request takes and costs."""
        listed = await self.list(**options)
        return from_wire(listed.payload, date=date.today().isoformat(), source="live")

    @api_call
    async def retrieve(
        self: Models[Async], model_id: str, **options: Unpack[RequestOptions]
    ) -> ModelEntry:
        """One model of the list, since the service has no route for one.

        Raises:
            UsageError: The service has no such model.
        """
        found = {entry.id: entry for entry in await self.list(**options)}
        if model_id in found:
            return found[model_id]
        near = get_close_matches(model_id, found, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see the list"
        raise UsageError(f"model {model_id!r}: the service has no such model", hint)


class Wallet(Resource[M]):
    """Reads the balance."""

    @api_call
    async def retrieve(self, **options: Unpack[RequestOptions]) -> Credits:
        """The current balance. Studio and other runs spend from it too.

        Source: ``GET /api/v1/credits``.
        """
        return await self._transport.send("GET", "/api/v1/credits", Credits, **options)


class Files(Resource[M]):
    """Uploads reference files, for free."""

    @api_call
    async def upload(
        self,
        content: bytes | Path | Readable,
        *,
        kind: MediaKind,
        name: str | None = None,
        mime_type: str | None = None,
        model: str | None = None,
        accepted: Accepted | None = None,
        client_request_id: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> File:
        """The uploaded file; size and signature are checked before it is sent.

        Args:
            content: The bytes, their path, or an open binary file or stream, synchronous or
                asynchronous. A stream is read from its current position, copied to a temporary
                file so that it can be sent again, and left open.
            kind: What it is.
            name: File name to send; None is that of the path or file, else the kind.
            mime_type: Media type to send; None is that of the signature.
            model: The model that it is for; the service then checks the limits of that model.
            accepted: The limits that the client checks; None is the service's default, or with a
                `model` the largest of any model.
            client_request_id: Trace id of the caller, at most 128 characters.

        Raises:
            MediaError: The file cannot be read, is empty, too large or of another type.
            UsageError: `client_request_id` is too long, `kind` is not a media kind, or `content`
                does not give bytes.
            APIStatusError: The service refused the file.
            APIConnectionError: No readable answer arrived.

        Source: ``POST /api/v1/files``.
        """
        if client_request_id is not None and len(client_request_id) > MAX_REQUEST_ID_LENGTH:
            raise UsageError(
                f"client_request_id: {len(client_request_id)} characters,"
                f" at most {MAX_REQUEST_ID_LENGTH}"
            )
        fields = {"kind": kind, "model": model, "client_request_id": client_request_id}
        sent = {key: value for key, value in fields.items() if value is not None}
        async with form_of(content, kind, name, mime_type, accepted, sent) as form:
            return await self._transport.send("POST", "/api/v1/files", File, form, **options)

    @api_call
    async def retrieve(self, file_id: str, **options: Unpack[RequestOptions]) -> File:
        """An uploaded file of this account.

        Source: ``GET /api/v1/files/{fileId}``.
        """
        return await self._transport.send("GET", path_of("files", file_id), File, **options)


class Sessions(Resource[M]):
    """Reads the chats that the API started; those of Studio are not among them."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[ChatSession]:
        """The sessions in the service's order, by convention newest first.

        Source: ``GET /api/v1/chat/sessions``.
        """
        path = "/api/v1/chat/sessions"
        return await self._transport.send("GET", path, Listing[ChatSession], **options)

    @api_call
    async def retrieve(self, session_id: str, **options: Unpack[RequestOptions]) -> ChatSession:
        """One session, with its messages if the service returns them.

        Source: ``GET /api/v1/chat/sessions/{sessionId}``.
        """
        path = path_of("chat/sessions", session_id)
        return await self._transport.send("GET", path, ChatSession, **options)


class Chat(Resource[M]):
    """Buys answers."""

    @property
    def sessions(self) -> Sessions[M]:
        """Reads the chats that the API started."""
        return Sessions(self._context)

    @api_call
    async def complete(
        self,
        body: bytes | ChatRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        **options: Unpack[RequestOptions],
    ) -> ChatCompletion:
        """The assistant's answer to one message.

        Args:
            body: The request. Bytes are sent unchanged.
            idempotency_key: The same for every repetition of one purchase, see `IdempotencyKey`.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got
                no answer and may have bought.

        Source: ``POST /api/v1/chat/completions``.
        """
        return await self._transport.send(
            "POST",
            "/api/v1/chat/completions",
            ChatCompletion,
            purchase_body(body),
            idempotency_key=idempotency_key,
            chats=True,
            **options,
        )

    @stream_call
    async def stream(
        self,
        body: bytes | ChatRequest,
        *,
        idempotency_key: IdempotencyKey = NOT_GIVEN,
        **options: Unpack[RequestOptions],
    ) -> AsyncIterator[ChatStream[Async]]:
        """The assistant's answer to one message in pieces; use it with ``async with``.

        The context is entered when the first piece of text is there. Until then the request is
        repeated like that of `complete`; after that never, since a repetition may differ.

        Raises:
            RefusedAfterSilenceError: The service refused, but an earlier attempt of this call got
                no answer and may have bought.
            StreamFailedError: The service ended the stream with an error.
            APIConnectionError: No answer began; with a key the same call is safe again.

        Source: ``POST /api/v1/chat/completions/stream``; the events are a convention, not
        documented by Rivya.
        """

        async def begin(response: StreamingResponse) -> ChatStream[Async]:
            return await ChatStream[Async](response).begin()

        path = "/api/v1/chat/completions/stream"
        streaming = self._transport.stream(
            path, purchase_body(body), begin, idempotency_key=idempotency_key, **options
        )
        async with streaming as stream, aclosing(stream):
            yield stream


class Webhooks(Resource[M]):
    """Manages webhook endpoints."""

    @api_call
    async def create(
        self,
        url: str,
        *,
        name: str | None = None,
        event_types: Sequence[str] = EVENT_TYPES,
        **options: Unpack[RequestOptions],
    ) -> WebhookEndpoint:
        """A new endpoint with its `signing_secret`. Store it: the service shows it only once.

        The request is never repeated. If no answer arrived, look in `list` for the endpoint, and
        delete it or rotate its secret.

        Args:
            url: Public, https, without credentials and fragment.
            name: For people; None sends none. Whether the service requires one is not documented.
            event_types: The events to send, see `EventType`.

        Raises:
            UsageError: `event_types` is a string or empty.
            BadRequestError: Such as ``webhook_url_rejected``.
            APIConnectionError: No readable answer arrived; the endpoint may exist.

        Source: ``POST /api/v1/webhooks``.
        """
        body = {"name": name, "url": url, "event_types": _check_event_types(event_types)}
        sent = {key: value for key, value in body.items() if value is not None}
        path = "/api/v1/webhooks"
        return await self._transport.send("POST", path, WebhookEndpoint, sent, **options)

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[WebhookEndpoint]:
        """The endpoints of the account, without their secrets.

        Source: ``GET /api/v1/webhooks``.
        """
        path = "/api/v1/webhooks"
        return await self._transport.send("GET", path, Listing[WebhookEndpoint], **options)

    @api_call
    async def retrieve(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> WebhookEndpoint:
        """One endpoint, without its secret.

        Source: ``GET /api/v1/webhooks/{endpointId}``.
        """
        path = path_of("webhooks", endpoint_id)
        return await self._transport.send("GET", path, WebhookEndpoint, **options)

    @api_call
    async def update(
        self,
        endpoint_id: str,
        *,
        name: str | None = None,
        url: str | None = None,
        event_types: Sequence[str] | None = None,
        status: str | None = None,
        **options: Unpack[RequestOptions],
    ) -> WebhookEndpoint:
        """The endpoint after the change; None changes nothing.

        Args:
            endpoint_id: From `create` or `list`.
            name: For people.
            url: As for `create`.
            event_types: As for `create`.
            status: By convention ``active`` enables a disabled endpoint.

        Raises:
            UsageError: There is nothing to change, or `event_types` is a string or empty.
            RefusedAfterSilenceError: Refused, but an earlier attempt of this call got no answer.

        Source: ``PATCH /api/v1/webhooks/{endpointId}``.
        """
        types = None if event_types is None else _check_event_types(event_types)
        body = {"name": name, "url": url, "event_types": types, "status": status}
        changes = {key: value for key, value in body.items() if value is not None}
        if not changes:
            raise UsageError(f"webhook {endpoint_id!r}: there is nothing to change")
        path = path_of("webhooks", endpoint_id)
        return await self._transport.send("PATCH", path, WebhookEndpoint, changes, **options)

    @api_call
    async def delete(self, endpoint_id: str, **options: Unpack[RequestOptions]) -> None:
        """Removes an endpoint.

        Source: ``DELETE /api/v1/webhooks/{endpointId}``.
        """
        path = path_of("webhooks", endpoint_id)
        try:
            await self._transport.send("DELETE", path, Nothing, **options)
        except RefusedAfterSilenceError as exc:
            # The attempt without an answer has removed it.
            if exc.status != 404:
                raise

    @api_call
    async def rotate_secret(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> SigningSecret:
        """A new secret, shown only once. Whether the old one stays valid is not documented.

        Let the receiver accept both until deliveries verify with the new one. The request is never
        repeated; if no answer arrived, call it again.

        Raises:
            APIConnectionError: No readable answer arrived; the secret may have changed.

        Source: ``POST /api/v1/webhooks/{endpointId}/rotate-secret``.
        """
        path = path_of("webhooks", endpoint_id) + "/rotate-secret"
        return await self._transport.send("POST", path, SigningSecret, **options)

    @api_call
    async def test(self, endpoint_id: str, **options: Unpack[RequestOptions]) -> WebhookTest:
        """Makes the service send a test event; `deliveries` has the result.

        Raises:
            APIConnectionError: No readable answer arrived; the event may have been sent.

        Source: ``POST /api/v1/webhooks/{endpointId}/test``.
        """
        path = path_of("webhooks", endpoint_id) + "/test"
        return await self._transport.send("POST", path, WebhookTest, **options)

    @api_call
    async def deliveries(
        self, endpoint_id: str, **options: Unpack[RequestOptions]
    ) -> Listing[WebhookDelivery]:
        """The deliveries of an endpoint, in the service's order.

        Source: ``GET /api/v1/webhooks/{endpointId}/deliveries``.
        """
        path = path_of("webhooks", endpoint_id) + "/deliveries"
        return await self._transport.send("GET", path, Listing[WebhookDelivery], **options)


class WebhookEvents(Resource[M]):
    """Reads the events of the account, sent or not."""

    @api_call
    async def list(self, **options: Unpack[RequestOptions]) -> Listing[WebhookEvent]:
        """The events in the service's order, by convention newest first.

        Source: ``GET /api/v1/webhook-events``.
        """
        path = "/api/v1/webhook-events"
        return await self._transport.send("GET", path, Listing[WebhookEvent], **options)


def _check_event_types(event_types: Sequence[str]) -> tuple[str, ...]:
    if isinstance(event_types, str) or not event_types:
        raise UsageError(
            f"event_types: {event_types!r} is not a list of event types",
            f"write it like [{EVENT_TYPES[0]!r}]",
        )
    return tuple(event_types)
