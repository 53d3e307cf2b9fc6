"""An artifact on a run's page, and the keys of artifacts."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_LONGEST = 40


@dataclass(frozen=True)
class Artifact:
    """One artifact.

    Attributes:
        data: Markdown, a URL, or a number from 0 to 100.
    """

    type: str
    data: Any
    description: str


def artifact_key(*names: str) -> str:
    """A key from names in any script: lower-case letters, digits and dashes, as Prefect requires.

    The same names give the same key in every run. A name that changes on the way gets a piece of
    its hash, so that two names never share a key.
    """
    return "-".join(_part(name) for name in names if name)


def _part(name: str) -> str:
    plain = _NOT_ALLOWED.sub("-", name.lower()).strip("-")
    if plain == name.replace("_", "-") and len(plain) <= _LONGEST:
        return plain
    mark = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain[:_LONGEST].strip('-')}-{mark}".lstrip("-")
