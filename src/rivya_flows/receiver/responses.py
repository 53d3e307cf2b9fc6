"""Answers that reveal nothing."""

from __future__ import annotations

from starlette.responses import PlainTextResponse, Response


def not_found() -> Response:
    """The same for what never existed, what is gone, and what is secret."""
    return PlainTextResponse("Not Found", status_code=404, headers={"Cache-Control": "no-store"})
