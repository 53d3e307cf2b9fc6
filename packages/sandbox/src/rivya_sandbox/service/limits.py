"""The request limit of each key for each minute.

Source: contract, section 2.3, its suggested convention.
"""

from __future__ import annotations

import math

from rivya_sandbox.service.errors import Refusal

_WINDOW = 60  # seconds


class RateLimit:
    """Counts requests in fixed windows of one minute; a restart resets them."""

    def __init__(self, per_minute: int) -> None:
        """0 means no limit."""
        self._per_minute = per_minute
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, key_id: str, *, now: float) -> None:
        """Count one request.

        Raises:
            Refusal: It exceeds the limit (``rate_limited``, with ``Retry-After``).
        """
        if not self._per_minute:
            return
        window = int(now // _WINDOW)
        if window != self._window:
            self._window, self._counts = window, {}
        self._counts[key_id] = self._counts.get(key_id, 0) + 1
        if self._counts[key_id] > self._per_minute:
            wait = max(1, math.ceil((window + 1) * _WINDOW - now))
            raise Refusal(
                "rate_limited",
                f"More than {self._per_minute} requests in a minute.",
                headers={"Retry-After": str(wait)},
            )
