"""Keys of artifacts: what Prefect takes, and the same for the same thing in every run."""

from __future__ import annotations

import hashlib
import re

_FOREIGN = re.compile(r"[^a-z0-9]+")
_LONGEST = 40


def artifact_key(*names: str) -> str:
    """A key from names in any script: small letters, digits and dashes alone.

    A name that cannot be kept as it is gets a piece of its hash, so that two names never share a
    key by looking alike. Source: Prefect refuses every other letter.
    """
    return "-".join(_part(name) for name in names if name)


def _part(name: str) -> str:
    plain = _FOREIGN.sub("-", name.lower()).strip("-")
    if plain == name.replace("_", "-") and len(plain) <= _LONGEST:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:_LONGEST].strip('-')}-{mark}".lstrip("-")
