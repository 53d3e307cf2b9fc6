"""Public ids, unguessable names, and timestamps."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def new_id(prefix: str) -> str:
    """A new public id, such as ``task_1f0c…``."""
    return f"{prefix}_{secrets.token_hex(12)}"


def secret_name() -> str:
    """An unguessable URL-safe name (256 bits)."""
    return secrets.token_urlsafe(32)


def iso(moment: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds and ``Z``."""
    prefix = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return prefix.replace("+00:00", "Z")


def iso_or_none(moment: float | None) -> str | None:
    """As `iso`; None stays None."""
    return None if moment is None else iso(moment)
