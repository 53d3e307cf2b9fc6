"""What all routes stand on: who asks, what was asked before with the same key, how it is answered.

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
from rivya_sandbox.webhooks.sender import Courier

_T = TypeVar("_T")


@dataclass(frozen=True)
class Service:
    """All that the routes work on."""

    database: Database
    catalogue: ServedCatalogue
    options: Options
    worker: Worker
    turns: Turns
    courier: Courier
    limit: RateLimit
    links: Links

    def now(self) -> float:
        """Unix seconds."""
        return self.options.clock()

    def admit(self, request: Request, scope: str) -> accounts.Key:
        """The key of a request that may go on, which now counts.

        Raises:
            Refusal: No key, a bad one, without the scope, or too often.
        """
        now = self.now()
        header = request.headers.get("Authorization")
        key = accounts.verify(self.database, header, scope, now=now)
        self.limit.count(key.id, now=now)
        return key

    def find(
        self, transaction: sqlite3.Connection, claim: idempotency.Claim | None, now: float
    ) -> idempotency.Stored | None:
        """The first answer to a claim, as long as the profile remembers it."""
        life = self.options.profile.key_life_seconds
        return idempotency.find(transaction, claim, now=now, life_seconds=life)

    def paid(
        self, request: Request, claim: idempotency.Claim | None, action: Callable[[], _T]
    ) -> _T:
        """What `action` gives; its refusal as the profile has it."""
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
        """A success, with what the profile adds."""
        return JSONResponse({**body, **self.options.profile.extra_fields}, status)


def claim(request: Request, key: accounts.Key, route: str, body: Any) -> idempotency.Claim | None:
    """The claim of a request, or None when it has no Idempotency-Key.

    Raises:
        Refusal: The key is not printable ASCII of at most 255 characters.
    """
    return idempotency.claim(key.account_id, route, request.headers.get("Idempotency-Key"), body)


def first(answer: idempotency.Stored) -> Response:
    """A first answer, or the same again with the mark of a replay."""
    return Response(answer.body, answer.status, marks(answer), media_type="application/json")


def marks(answer: idempotency.Stored) -> dict[str, str]:
    """The headers that tell a replay."""
    return {"Idempotent-Replayed": "true"} if answer.replayed else {}
