"""One text for equal values: what hashes, idempotency keys and bodies are made of."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of a JSON value's canonical text, in hex."""
    # JSON may hold half of a surrogate pair ("\ud83d"), which strict UTF-8 refuses.
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def whole(text: str) -> str:
    """Replace lone surrogates: JSON may hold them, as in a text cut inside an emoji; UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
