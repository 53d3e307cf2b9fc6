"""Check, before a run starts, what its callbacks need on the machine that executes it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from rivya_flows.client.addresses import is_private, shown
from rivya_flows.errors import UsageError
from rivya_flows.language.syntax.secret_names import RESERVED_HINT, refusal
from rivya_flows.planning.preflight.preflight import certain_callbacks
from rivya_flows.planning.queue.state import State
from rivya_flows.settings import Settings, read_secret

_VARIABLE = "env:"


def refuse_unsendable(state: State, settings: Settings) -> None:
    """Refuses a run whose callback is certain to fail, as far as that is known offline.

    Whether a Prefect block exists, and to which address a host name leads, is known at run time.

    Args:
        state: Of the rehearsed run.
        settings: Of the machine that executes it.

    Raises:
        UsageError: The variable of a secret is not set or may not be named, or an address is
            private.
    """
    for step, url, secret in certain_callbacks(state):
        for named in (url, secret):
            if reason := refusal(named):
                raise UsageError(f"{step}: {reason}", RESERVED_HINT)
            _refuse_unset(step, named)
        if not settings.rivya_flows_allow_private_notify and _is_of_this_network(url):
            message = f"{step}: {shown(url)} is an address of this machine or of a private network"
            hint = "give a public one; RIVYA_FLOWS_ALLOW_PRIVATE_NOTIFY=true allows it for a trial"
            raise UsageError(message, hint)


def _refuse_unset(step: str, named: Any) -> None:
    if not isinstance(named, str) or not named.startswith(_VARIABLE):
        return
    if read_secret(named.removeprefix(_VARIABLE)) is None:
        hint = "set the variable where the run is executed, or write it in .env there"
        raise UsageError(f"{step}: the secret {named!r} is not set", hint)


def _is_of_this_network(url: Any) -> bool:
    """Whether an address is this machine or of a private network; looks no name up."""
    try:
        host = urlsplit(url).hostname if isinstance(url, str) else None
        if host is None:
            return False
        return host == "localhost" or host.endswith(".localhost") or is_private(host)
    except ValueError:  # a name, or not an address
        return False
