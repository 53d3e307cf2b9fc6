"""What all routes share: authentication, replays of paid requests, and answers.

Source: contract, section 1, "order of checks": key, scope, rate limit, body, Idempotency-Key, credits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rivya_sandbox.service import accounts, idempotency
from rivya_sandbox.service.catalogue import ServedCatalogue
from rivya_sandbox.service.database import Database
from rivya_sandbox.service.errors import Refusal
from rivya_sandbox.service.limits import RateLimit
from rivya_sandbox.service.links import Links
from rivya_sandbox.service.options import Options
from rivya_sandbox.service.turns import Turns
from rivya_sandbox.service.worker import Worker
from rivya_sandbox.webhooks.sender import WebhookSender

_T = TypeVar("_T")


@dataclass(frozen=True)
class Service:
    """The dependencies of the routes."""

    database: Database
    catalogue: ServedCatalogue
    options: Options
    worker: Worker
    turns: Turns
    sender: WebhookSender
    limit: RateLimit
    links: Links

    def now(self) -> float:
        """Unix seconds."""
        return self.options.clock()

    def admit(self, request: Request, scope: str) -> accounts.Key:
        """Authenticate a request and count it; returns its key.

        Raises:
            Refusal: A missing or wrong key, a missing scope, or too many requests.
        """
        now = self.now()
        header = request.headers.get("Authorization")
        key = accounts.verify(self.database, header, scope, now=now)
        self.limit.count(key.id, now=now)
        return key

    def find(
        self, transaction: sqlite3.Connection, claim: idempotency.Claim | None, now: float
    ) -> idempotency.Stored | None:
        """The first answer to a claim, within the key lifetime of the profile."""
        life = self.options.profile.key_life_seconds
        return idempotency.find(transaction, claim, now=now, life_seconds=life)

    def charge(
        self, request: Request, claim: idempotency.Claim | None, action: Callable[[], _T]
    ) -> _T:
        """The result of `action`; stores its refusal if the profile does so."""
        profile = self.options.profile
        try:
            return action()
        except Refusal as refusal:
            if refusal.code == "insufficient_credits":
                refusal.status = profile.no_credits_status
            if profile.stores_refusals and refusal.code != "idempotency_conflict":
                envelope = refusal.envelope(request.state.request_id)
                with self.database.transaction() as transaction:
                    idempotency.remember_refusal(
                        transaction,
                        claim,
                        refusal.status,
                        envelope,
                        now=self.now(),
                        life_seconds=profile.key_life_seconds,
                    )
            raise

    def answer(self, body: Mapping[str, Any], status: int = 200) -> Response:
        """A success, with the extra fields of the profile."""
        return JSONResponse({**body, **self.options.profile.extra_fields}, status)


def claim(request: Request, key: accounts.Key, route: str, body: Any) -> idempotency.Claim | None:
    """The claim of a request, or None if it has no Idempotency-Key.

    Raises:
        Refusal: The key is not printable ASCII of at most 255 characters.
    """
    return idempotency.claim(key.account_id, route, request.headers.get("Idempotency-Key"), body)


def first(answer: idempotency.Stored) -> Response:
    """A first answer, or its replay with the header that says so."""
    return Response(
        answer.body, answer.status, replay_headers(answer), media_type="application/json"
    )


def replay_headers(answer: idempotency.Stored) -> dict[str, str]:
    """The headers that mark a replay."""
    return {"Idempotent-Replayed": "true"} if answer.replayed else {}
