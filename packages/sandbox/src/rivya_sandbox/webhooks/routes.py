"""The webhook routes: endpoints, their secrets and deliveries, and the events."""

from __future__ import annotations

import sqlite3

from starlette.requests import Request
from starlette.responses import Response

from rivya_sandbox.service import bodies
from rivya_sandbox.service.errors import Refusal, invalid
from rivya_sandbox.service.service import Service
from rivya_sandbox.webhooks import endpoints, events

_SCOPE = "webhooks:manage"


class WebhookRoutes:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._database = service.database
        self._secret = service.links.secret
        self._allow_local = service.options.allow_local_webhooks

    async def create(self, request: Request) -> Response:
        """Create an endpoint; the answer has its secret."""
        key = self._service.admit(request, _SCOPE)
        body = await bodies.read_json(request)
        asked = endpoints.check(body, allow_local=self._allow_local, new=True)
        with self._database.transaction() as transaction:
            row, secret = endpoints.create(
                transaction,
                asked,
                account_id=key.account_id,
                server_secret=self._secret,
                now=self._service.now(),
            )
        return self._answer(row, secret, self._service.options.profile.endpoint_status)

    async def list_endpoints(self, request: Request) -> Response:
        """List the account's endpoints."""
        key = self._service.admit(request, _SCOPE)
        found = endpoints.endpoints(self._database, key.account_id)
        return self._service.answer({"object": "list", "data": found})

    async def read(self, request: Request) -> Response:
        """Read an endpoint."""
        return self._service.answer(endpoints.public(self._endpoint(request)))

    async def change(self, request: Request) -> Response:
        """Change the name, URL, event types or status."""
        row = self._endpoint(request)
        body = await bodies.read_json(request)
        asked = endpoints.check(body, allow_local=self._allow_local, new=False)
        with self._database.transaction() as transaction:
            row = endpoints.change(transaction, row["id"], asked, now=self._service.now())
        return self._service.answer(endpoints.public(row))

    async def remove(self, request: Request) -> Response:
        """Revoke an endpoint."""
        row = self._endpoint(request)
        with self._database.transaction() as transaction:
            row = endpoints.remove(transaction, row["id"], now=self._service.now())
        return self._service.answer(endpoints.public(row))

    async def rotate(self, request: Request) -> Response:
        """Rotate the secret."""
        row = self._endpoint(request)
        with self._database.transaction() as transaction:
            row, secret = endpoints.rotate(
                transaction, row["id"], server_secret=self._secret, now=self._service.now()
            )
        return self._answer(row, secret, 200)

    async def test(self, request: Request) -> Response:
        """Send a test event; the answer is its delivery."""
        row = self._endpoint(request)
        wanted = endpoints.event_type(await bodies.read_json(request, needed=False))
        if row["status"] != "active":
            raise invalid("The endpoint is disabled; set its status to 'active' first.")
        with self._database.transaction() as transaction:
            delivery_id = events.emit_test(
                transaction,
                wanted,
                row,
                profile=self._service.options.profile,
                now=self._service.now(),
            )
        self._service.sender.take([delivery_id])
        delivery = events.delivery(self._database, delivery_id) or {}
        return self._service.answer(delivery, 202)

    async def list_deliveries(self, request: Request) -> Response:
        """List the latest deliveries of an endpoint."""
        row = self._endpoint(request)
        found = events.deliveries(self._database, row["id"])
        return self._service.answer({"object": "list", "data": found})

    async def list_events(self, request: Request) -> Response:
        """List the account's latest events."""
        key = self._service.admit(request, _SCOPE)
        found = events.events(self._database, key.account_id)
        return self._service.answer({"object": "list", "data": found})

    def _endpoint(self, request: Request) -> sqlite3.Row:
        key = self._service.admit(request, _SCOPE)
        endpoint_id = request.path_params["endpointId"]
        row = endpoints.endpoint(self._database, key.account_id, endpoint_id)
        if row is None:
            raise Refusal("not_found", "No such webhook endpoint.")
        return row

    def _answer(self, row: sqlite3.Row, secret: str, status: int) -> Response:
        return self._service.answer({**endpoints.public(row), "signing_secret": secret}, status)
