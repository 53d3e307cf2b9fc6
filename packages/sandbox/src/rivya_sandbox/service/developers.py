"""The page for developers: key prefixes, models and a request debugger, in one file that loads nothing else."""

from __future__ import annotations

import json
import secrets
from importlib import resources
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from rivya_sandbox.service import accounts
from rivya_sandbox.service.identifiers import iso
from rivya_sandbox.service.service import Service


class DeveloperPage:
    """The handler."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._page = resources.files(__package__).joinpath("developers.html").read_text("utf-8")

    async def show(self, request: Request) -> Response:
        """The page; it contains no secret, so it needs no key."""
        nonce = secrets.token_urlsafe(16)
        base_url = self._service.links.base_url
        # `<` could end the script element.
        given = json.dumps({"base_url": base_url, "keys": self._keys()}).replace("<", "\\u003c")
        page = self._page.replace("%nonce%", nonce).replace("%given%", given)
        return HTMLResponse(page, headers=_headers(nonce, base_url))

    def _keys(self) -> list[dict[str, Any]]:
        database, now = self._service.database, self._service.now()
        names = {row["id"]: row["name"] for row in database.rows("SELECT id, name FROM accounts")}
        return [
            {
                "prefix": key.prefix,
                "account": names[key.account_id],
                "state": _state(key, now),
                "created_at": iso(key.created_at),
                "scopes": "all"
                if set(key.scopes) == set(accounts.SCOPES)
                else " ".join(key.scopes),
            }
            for key in reversed(accounts.keys(database))
        ]


def _state(key: accounts.Key, now: float) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "active"
    return "expired" if key.expires_at <= now else f"active until {iso(key.expires_at)}"


def _headers(nonce: str, base_url: str) -> dict[str, str]:
    policy = (
        "default-src 'none'",
        f"script-src 'nonce-{nonce}'",
        f"style-src 'nonce-{nonce}'",
        "connect-src 'self'",
        f"img-src 'self' data: {base_url}",
        f"media-src 'self' {base_url}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
