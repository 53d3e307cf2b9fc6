"""URLs of results: unguessable, absolute, and short-lived if the profile says so."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

RESULTS = "/media/results/"


@dataclass(frozen=True)
class Links:
    """Signs and checks result URLs.

    Attributes:
        base_url: Where clients reach this server; without a trailing slash.
        secret: Key of the signatures.
        life_seconds: How long a URL works; None means always.
        clock: Unix seconds now.
    """

    base_url: str
    secret: str = field(repr=False)
    life_seconds: float | None
    clock: Callable[[], float]

    def result(self, name: str) -> str:
        """The URL of a result by its stored name."""
        url = f"{self.base_url}{RESULTS}{name}"
        if self.life_seconds is None:
            return url
        expires = str(int(self.clock() + self.life_seconds))
        return f"{url}?expires={expires}&signature={self._signature(name, expires)}"

    def is_good(self, name: str, query: Mapping[str, str]) -> bool:
        """Whether the query of a result's URL is signed by this server and has not expired."""
        if self.life_seconds is None:
            return True
        expires = query.get("expires", "")
        given = query.get("signature", "").encode()
        if not hmac.compare_digest(given, self._signature(name, expires).encode()):
            return False
        return int(expires) > self.clock()

    def _signature(self, name: str, expires: str) -> str:
        signed = f"{name}\n{expires}".encode()
        return hmac.new(self.secret.encode(), signed, hashlib.sha256).hexdigest()
