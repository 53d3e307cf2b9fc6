"""Answers that tell nothing about what is here."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response


def not_found() -> Response:
    """The same for what never was, what is gone, and what nobody may see."""
    return PlainTextResponse("Not Found", status_code=404, headers={"Cache-Control": "no-store"})
