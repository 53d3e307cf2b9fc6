"""Says that the service answers no polls, and when it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable

from rivya_flows.errors import APIError, RateLimitError

SILENT_SECONDS = 5.0
"""From the first poll without news to the line about it: what is shorter is no outage."""


class ServiceOutage:
    """The polls of all jobs of a run together."""

    def __init__(
        self,
        address: str,
        tell: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._tell, self._clock = address, tell, clock
        self._since: float | None = None
        self._is_reported = False

    def polled(self, error: APIError | None) -> None:
        """Notes a poll.

        Args:
            error: Why it brought no news; None: the service answered.
        """
        now = self._clock()
        if error is None or isinstance(error, RateLimitError):
            if self._is_reported:
                self._tell(f"{self._address} answers again")
            self._since, self._is_reported = None, False
            return
        self._since = now if self._since is None else self._since
        if not self._is_reported and now - self._since >= SILENT_SECONDS:
            self._is_reported = True
            self._tell(
                f"no news of jobs that were bought: {error}; they go on there, and this run asks again"
            )
